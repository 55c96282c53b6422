"""A recorder: does what the code under test asks of its files, and writes down every call.

It stands in for `os` and `open` in the modules under test, on both interpreters:

    journal = Journal(folder)
    with Watch(journal, disk):
        ...                        # the real code, on real files below `folder`
    states.cases(journal)          # what a power cut may have left: power_states.py

A `Watch` speaks one of two dialects.  "cpython": `open` buffers what is written until
flush, seek or close, and `os.fsync` is the flush that counts.  "micropython": a write is
a system call, `file.flush()` is the flush that counts, also that of an opened directory,
and `os` has no fsync.  CPython runs either, so that both branches of the code are tried.

Portable: no CPython-only modules.
"""

import os

from power_journal import NATIVE, is_directory

# CPython's own buffer; a longer run of writes goes to the system before the flush.
BUFFER_BYTES = 8192
# What would change files behind the recorder's back.
UNKNOWN = (
    "chmod", "fdatasync", "ftruncate", "link", "lseek", "makedirs", "pwrite", "removedirs", "renames",
    "replace", "rmdir", "sendfile", "symlink", "sync", "truncate", "writev",
)


class File:
    """What `open` gave for writing: the real file, and the journal told of it."""

    def __init__(self, journal, path, mode, buffered):
        # A mode that makes the file is a change; "r+b" is none.
        if "w" in mode:
            journal.change()
        self._journal, self._buffered = journal, buffered
        self._file = open(path, mode, 0) if NATIVE == "cpython" else open(path, mode)
        self.inode = journal.opened(path, "w" in mode)
        self._at = 0
        self._held = b""

    def write(self, data):
        """As a file's; CPython holds short writes back."""
        assert len(data), "a write of nothing"
        self._held += bytes(data)
        if not self._buffered or len(self._held) > BUFFER_BYTES:
            return self._out(len(data))
        return len(data)

    def _out(self, count=0):
        data, self._held = self._held, b""
        if not data:
            return count
        refused = self._journal.refuses()
        if refused:
            data = data[: len(data) // 2]
        if data:
            self._file.write(data)
            self._journal.ops.append(("write", self.inode, self._at, data))
            self._at += len(data)
        if refused:
            raise self._journal.refused()
        return count

    def seek(self, offset, whence=0):
        """As a file's."""
        self._out()
        self._at = self._file.seek(offset, whence)
        return self._at

    def read(self, count=-1):
        """As a file's."""
        self._out()
        data = self._file.read(count)
        self._at += len(data)
        return data

    def flush(self):
        """To the system on CPython, to the medium on MicroPython."""
        self._out()
        if not self._buffered:
            self._journal.change()
            self._journal.ops.append(("fsync", self.inode))

    def fileno(self):
        """The real file's."""
        return self._file.fileno()

    def close(self):
        """As a file's."""
        try:
            self._out()
        finally:
            self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.close()


class DirectoryFile:
    """What MicroPython's `open` gives for a directory: something to flush."""

    def __init__(self, journal, path):
        self._journal, self._path = journal, path

    def flush(self):
        """Names to the medium."""
        if self._journal.split(self._path) is not None:
            self._journal.change()
            self._journal.ops.append(("dirsync", self._journal.directory(self._path)))

    def close(self):
        """Nothing is left to do."""


class Names:
    """The calls of `os` that both dialects have."""

    def __init__(self, journal):
        self._journal = journal

    def __getattr__(self, name):
        if name in UNKNOWN:
            raise AssertionError("the recorder does not know os." + name + " yet")
        return getattr(os, name)

    def _changes(self, path):
        if self._journal.split(path) is None:
            return False
        self._journal.change()
        return True

    def rename(self, old, new):
        """os.rename."""
        watched = self._changes(old)
        os.rename(old, new)
        if watched:
            self._journal.renamed(old, new)

    def remove(self, path):
        """os.remove."""
        try:
            os.stat(path)
        except OSError:
            return os.remove(path)  # which raises: no change
        watched = self._changes(path)
        os.remove(path)
        if watched:
            self._journal.removed(path)

    unlink = remove

    def mkdir(self, path, *mode):
        """os.mkdir."""
        watched = self._changes(path)
        os.mkdir(path, *mode)
        if watched:
            self._journal.made_directory(path)

    def system(self, command):
        """os.system, of a command that only makes empty files in the folder itself."""
        self._journal.change()
        status = os.system(command)
        self._journal.look(self._journal.folder)
        return status


class MicroOs(Names):
    """MicroPython's `os`: no descriptors."""

    def __getattr__(self, name):
        if name in ("O_CREAT", "O_RDONLY", "O_WRONLY", "close", "fsync", "open", "path", "write"):
            raise AttributeError(name)
        return Names.__getattr__(self, name)


class FullOs(Names):
    """CPython's `os`: descriptors, and fsync of them."""

    def __init__(self, journal, inodes):
        Names.__init__(self, journal)
        self._inodes = inodes  # descriptor: an inode, or a directory's path
        self._at = {}

    def open(self, path, flags, *mode):
        """os.open."""
        split = self._journal.split(path)
        new = split is not None and flags & os.O_CREAT and not os.path.exists(path)
        if new or split is not None and flags & os.O_TRUNC:
            self._journal.change()
        handle = os.open(path, flags, *mode)
        self._inodes[handle] = None
        if split is not None:
            if is_directory(path):
                self._inodes[handle] = self._journal.directory(path)
            elif flags & (os.O_WRONLY | os.O_RDWR):
                self._inodes[handle] = self._journal.opened(path, bool(flags & os.O_TRUNC))
                self._at[handle] = 0
            else:
                self._inodes[handle] = self._journal.inode(path)
        return handle

    def write(self, handle, data):
        """os.write, of a file that is written from its start."""
        inode = self._inodes[handle]
        data = bytes(data)
        refused = self._journal.refuses()
        if refused:
            data = data[: len(data) // 2]
        count = os.write(handle, data)
        if count:
            self._journal.ops.append(("write", inode, self._at[handle], data[:count]))
            self._at[handle] += count
        if refused:
            raise self._journal.refused()
        return count

    def fsync(self, handle):
        """os.fsync; the real one is left out, for the folder need not survive."""
        assert handle in self._inodes, "a flush of what the recorder has not seen opened"
        known = self._inodes[handle]
        if known is None:  # of another folder
            return
        self._journal.change()
        self._journal.ops.append(("fsync", known) if isinstance(known, int) else ("dirsync", known))

    def close(self, handle):
        """os.close."""
        self._inodes.pop(handle, None)
        self._at.pop(handle, None)
        os.close(handle)


class Watch:
    """`with Watch(journal, module, ...)`: the modules' `os` and `open` are the recorder's."""

    def __init__(self, journal, *modules, dialect=NATIVE):
        self._journal, self._modules = journal, modules
        self._micro = dialect == "micropython"
        self._inodes = {}
        self.os = MicroOs(journal) if self._micro else FullOs(journal, self._inodes)
        self._kept = []

    def __enter__(self):
        for module in self._modules:
            self._kept.append((module, module.os))
            module.os = self.os
            module.open = self.open
        return self

    def __exit__(self, *problem):
        for module, real in self._kept:
            module.os = real
            del module.open
        self._kept = []

    def open(self, path, mode="r", *rest):
        """open()."""
        if self._micro and is_directory(path):
            return DirectoryFile(self._journal, path)
        if self._journal.split(path) is None or not ("w" in mode or "+" in mode or "a" in mode):
            file = open(path, mode, *rest)
            if not self._micro:
                self._inodes[file.fileno()] = None if self._journal.split(path) is None else self._journal.inode(path)
            return file
        assert mode in ("wb", "r+b", "w+b"), "the recorder does not know the mode " + mode
        file = File(self._journal, path, mode, not self._micro)
        if not self._micro:
            self._inodes[file.fileno()] = file.inode
        return file
