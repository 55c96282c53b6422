"""The journal of what code does to its files: written by power_watch.py, read by power_states.py.

Its operations, the oldest first (paths are relative to the folder, "" is it):

    ("create", directory, name, inode)       ("mkdir", directory, name)
    ("rename", directory, old, new, inode)   ("unlink", directory, name, inode)
    ("write", inode, offset, data)           ("truncate", inode, size)
    ("fsync", inode)                         ("dirsync", directory)
    ("mark", value)                          # the test's own: what was promised by now

Portable: no CPython-only modules.
"""

import errno
import os

NATIVE = "cpython" if hasattr(os, "fsync") else "micropython"


def is_directory(path):
    """True if path names a directory."""
    try:
        return bool(os.stat(path)[0] & 0x4000) and not os.stat(path)[0] & 0x8000
    except OSError:
        return False


def read_whole(path):
    """A file's bytes."""
    file = open(path, "rb")
    try:
        return file.read()
    finally:
        file.close()


class Journal:
    """What was done below a folder since now; what is there already counts as durable.

    fail_at: the number of the changing call, from 1, that is refused with `problem` (an
    errno); a refused write takes half of its bytes first, as a full disk does.
    """

    def __init__(self, folder, fail_at=0, problem=errno.EIO):
        self.folder = folder
        self.ops = []
        self.calls = 0
        self.failed = False
        self._fail_at, self._problem = fail_at, problem
        self._inodes = 0
        self.directories = {}  # path: {name: inode, None for a directory}, as it is now
        self.base = ({}, {})  # the same and {inode: bytes}, as it was at the start
        self._scan("")

    def _scan(self, path):
        names = self.directories[path] = {}
        self.base[0][path] = {}
        full = self._full(path)
        for name in sorted(os.listdir(full)):
            inner = path + "/" + name if path else name
            if is_directory(full + "/" + name):
                names[name] = None
                self._scan(inner)
            else:
                names[name] = self._inode()
                self.base[1][names[name]] = read_whole(full + "/" + name)
            self.base[0][path][name] = names[name]

    def _full(self, path):
        return self.folder + "/" + path if path else self.folder

    def _inode(self):
        self._inodes += 1
        return self._inodes

    def mark(self, value):
        """The test notes what has been promised by now."""
        self.ops.append(("mark", value))

    def split(self, path):
        """(directory, name) of a path below the folder, None of another one."""
        if path == self.folder:
            return "", ""
        if not path.startswith(self.folder + "/"):
            return None
        parts = []
        for part in path[len(self.folder) + 1 :].split("/"):
            if part == "..":
                parts.pop()
            elif part:
                parts.append(part)
        return "/".join(parts[:-1]), "".join(parts[-1:])

    def directory(self, path):
        """A directory below the folder as the operations name it."""
        return "/".join([part for part in self.split(path) if part])

    def inode(self, path):
        """The inode of a file below the folder, None if there is none."""
        directory, name = self.split(path)
        return self.directories.get(directory, {}).get(name)

    def refuses(self):
        """Count a changing call; True if it is the one to fail."""
        self.calls += 1
        self.failed = self.failed or self.calls == self._fail_at
        return self.calls == self._fail_at

    def change(self):
        """Count a changing call; OSError if it is the one to fail."""
        if self.refuses():
            raise OSError(self._problem)

    def refused(self):
        """The error of a call that is refused."""
        return OSError(self._problem)

    # -- what the stand-ins tell of

    def opened(self, path, truncate):
        """A file was opened for writing: made, or cut to nothing; its inode."""
        directory, name = self.split(path)
        names = self.directories[directory]
        if names.get(name) is None:
            names[name] = self._inode()
            self.ops.append(("create", directory, name, names[name]))
        elif truncate:
            self.ops.append(("truncate", names[name], 0))
        return names[name]

    def made_directory(self, path):
        """A directory was made."""
        directory, name = self.split(path)
        self.directories[directory][name] = None
        self.directories[directory + "/" + name if directory else name] = {}
        self.ops.append(("mkdir", directory, name))

    def renamed(self, old, new):
        """A file was renamed within its directory."""
        directory, old = self.split(old)
        other, new = self.split(new)
        names = self.directories[directory]
        assert directory == other and names[old] is not None, "the recorder knows renames of files in one directory"
        inode = names.pop(old)
        names[new] = inode
        self.ops.append(("rename", directory, old, new, inode))

    def removed(self, path):
        """A file was removed."""
        directory, name = self.split(path)
        self.ops.append(("unlink", directory, name, self.directories[directory].pop(name)))

    def look(self, path):
        """Another program made empty files in a directory: note them."""
        directory = self.directory(path)
        for name in os.listdir(path):
            if name not in self.directories[directory]:
                self.opened(path + "/" + name, False)
