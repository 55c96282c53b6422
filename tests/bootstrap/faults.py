"""Disks that fill up and power that goes, at any one operation of files.py."""

import errno
import os

# What files.py does to a disk, in the order of a replaced file.
OPERATIONS = ("open", "write", "fsync", "rename", "unlink", "mkdir")



class Stopped(BaseException):
    """The process is gone: nothing after this may touch the disk."""


class FaultyOs:
    """Stands in for `os` in files.py; the n-th operation fails, or the power goes."""

    def __init__(self, fail_at, kind):
        self.left = fail_at
        self.kind = kind
        self.dead = False
        self.happened = False

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in OPERATIONS:
            return real

        def operation(*arguments, **keywords):
            if self.dead:
                raise Stopped
            if self._count():
                return self._fail(name, real, arguments, keywords)
            result = real(*arguments, **keywords)
            self.done(name, arguments, result)
            return result

        return operation

    def _count(self):
        self.left -= 1
        return self.left == 0

    def _fail(self, name, real, arguments, keywords):
        self.happened = True
        if self.kind == "power":
            self.dead = True
            raise Stopped
        if name == "write":  # a full disk takes a part first
            real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    def done(self, name, arguments, result):
        """Told of each operation that was done."""


class PowerOs(FaultyOs):
    """Also remembers what the disk alone would hold: what was flushed.

    A file's contents count from its fsync, a directory's names from theirs.
    """

    def __init__(self, fail_at):
        super().__init__(fail_at, "power")
        self.paths = {}
        self.contents = {}  # inode: flushed bytes
        self.names = {}  # directory: {name: inode} as flushed

    def done(self, name, arguments, result):
        if name == "open":
            self.paths[result] = arguments[0]
        if name != "fsync":
            return
        path = self.paths[arguments[0]]
        if os.path.isdir(path):
            self.names[path] = {entry.name: entry.inode() for entry in os.scandir(path)}
        else:
            with open(path, "rb") as file:
                self.contents[os.fstat(file.fileno()).st_ino] = file.read()

    def flush_all(self, directory):
        """Takes the directory as it is for flushed: the state before the run."""
        self.names[directory] = {entry.name: entry.inode() for entry in os.scandir(directory)}
        for entry in os.scandir(directory):
            with open(entry.path, "rb") as file:
                self.contents[entry.inode()] = file.read()

    def cut(self, directory):
        """Makes the directory what a power cut would leave of it."""
        for entry in list(os.scandir(directory)):
            if entry.name != "lock":
                os.remove(entry.path)
        for name, inode in self.names[directory].items():
            if name != "lock":
                with open(os.path.join(directory, name), "wb") as file:
                    file.write(self.contents.get(inode, b""))
