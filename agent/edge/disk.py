"""The box's files: flat names, whole replacement, and a flush that is an fsync.

On MicroPython's unix port file.flush() is fsync(2), and so is the flush of an
opened directory; CPython has os.fsync.  A file written by write() is, after a
power cut at any moment, the old one or the new one, whole.
"""

import errno
import os

from ..compat import const
from ..errors import LocalError

_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"
# "blob-" and 64 hex digits, with room for one more word.
_NAME_LENGTH = const(80)
_TEMPORARY = ".tmp"
# Linux's, which MicroPython's errno does not name.
_ENOSPC = const(28)
_EROFS = const(30)
_REASONS = {
    _ENOSPC: "the disk is full", _EROFS: "the disk is read-only", errno.EACCES: "permission denied",
    errno.ENOENT: "no such directory",
}
_DIRECTORY_BIT = const(0x4000)


def reason(problem):
    """An OSError of a disk in words."""
    return _REASONS.get(problem.errno, "error %s" % problem.errno)


def has_no_room(problem):
    """True if the disk takes nothing now, full or read-only; what is there can be read."""
    return problem.errno in (_ENOSPC, _EROFS)


def is_directory(path):
    """True if path names a directory."""
    try:
        return bool(os.stat(path)[0] & _DIRECTORY_BIT)
    except OSError:
        return False


def make_directory(path):
    """Make a directory (its parent exists) unless it is there, durably.  OSError."""
    if not is_directory(path):
        os.mkdir(path)
        # What is flushed inside it is lost with its name.
        sync_directory(path + "/..")


def read_file(path, most):
    """At most `most` bytes of a file.  OSError if it cannot be read."""
    file = open(path, "rb")
    try:
        return file.read(most)
    finally:
        file.close()


def replace_file(directory, name, data, durable=True):
    """Replace directory/name by data (bytes), whole or not at all.

    durable: on the medium when this returns; without it only the order holds,
    for files nobody needs after a power cut.  Raises OSError: the old file is
    then as it was, or, if only the directory's flush failed, the new one is there.
    """
    path = directory + "/" + name
    temporary = path + _TEMPORARY
    try:
        file = _open(directory, temporary, "wb")
        try:
            if file.write(data) != len(data):
                raise OSError(_ENOSPC)
            if durable:
                _sync(file)
        finally:
            file.close()
        os.rename(temporary, path)
    except OSError:
        _remove_quietly(temporary)
        raise
    if durable:
        sync_directory(directory)


def _open(directory, path, mode):
    """Open a file to write, in a directory for which there may have been no room before."""
    try:
        return open(path, mode)
    except OSError as problem:
        if problem.errno != errno.ENOENT or is_directory(directory):
            raise
    make_directory(directory)
    return open(path, mode)


def sync_directory(path):
    """Bring a directory's renames to the medium."""
    if hasattr(os, "fsync"):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return
    file = open(path, "rb")
    try:
        file.flush()
    finally:
        file.close()


def _sync(file):
    file.flush()
    if hasattr(os, "fsync"):
        os.fsync(file.fileno())


def _remove_quietly(path):
    try:
        os.remove(path)
    except OSError:
        pass


def _names(directory):
    return os.listdir(directory) if is_directory(directory) else []


class Disk:
    """Three directories behind flat names: "state-..." and "slot-..." on flash, all else in the store.

    slots_directory: None for a box without slots, whose "slot-..." lie beside the state.
    A directory that is missing is empty, and made when something is written.
    Names are lower-case letters, digits and "-"; another one is a LocalError.
    """

    def __init__(self, state_directory, store_directory, slots_directory=None):
        self._state = state_directory
        self._store = store_directory
        self._slots = slots_directory or state_directory
        # What a power cut left half written is of no use.
        for directory in (self._state, self._store, self._slots):
            for name in _names(directory):
                if name.endswith(_TEMPORARY):
                    _remove_quietly(directory + "/" + name)

    def _directory(self, name):
        if not 0 < len(name) <= _NAME_LENGTH:
            raise LocalError("a disk name has 1 to %d characters" % _NAME_LENGTH)
        for character in name:
            if character not in _NAME_CHARACTERS:
                raise LocalError("not a disk name: " + repr(name))
        return self._place(name)

    def _place(self, name):
        if name.startswith("state-"):
            return self._state
        return self._slots if name.startswith("slot-") else self._store

    def _path(self, name):
        return self._directory(name) + "/" + name

    def read(self, name, offset, count):
        """count bytes from offset, fewer at the end.  OSError if missing."""
        path = self._path(name)
        # MicroPython allocates all that is asked for before it reads.
        count = max(0, min(count, os.stat(path)[6] - offset))
        file = open(path, "rb")
        try:
            if offset:
                file.seek(offset)
            return file.read(count)
        finally:
            file.close()

    def write(self, name, data):
        """Replace the file by data: old or new, and durable.  OSError if refused."""
        replace_file(self._directory(name), name, data)

    def write_at(self, name, offset, data):
        """Overwrite from offset, creating the file; not durable.  OSError."""
        path = self._path(name)
        try:
            file = open(path, "r+b")
        except OSError as problem:
            if problem.errno != errno.ENOENT:
                raise
            file = _open(self._directory(name), path, "w+b")
        try:
            if offset:
                file.seek(offset)
            if file.write(data) != len(data):
                raise OSError(_ENOSPC)
        finally:
            file.close()

    def sync(self, name):
        """Bring all that write_at() wrote, and the file's name, to the medium.  OSError."""
        file = open(self._path(name), "r+b")
        try:
            _sync(file)
        finally:
            file.close()
        sync_directory(self._directory(name))

    def size(self, name):
        """Bytes of a file, -1 if there is none."""
        try:
            return os.stat(self._path(name))[6]
        except OSError:
            return -1

    def rename(self, old, new):
        """Rename, replacing new.  OSError if old is missing."""
        if self._directory(old) != self._directory(new):
            raise LocalError("a rename from " + old + " to " + new + " leaves its directory")
        os.rename(self._path(old), self._path(new))

    def remove(self, name):
        """Remove a file; a missing one is fine."""
        try:
            os.remove(self._path(name))
        except OSError:
            if self.size(name) >= 0:
                raise

    def names(self, prefix):
        """Names that begin with prefix, in no order."""
        return [n for n in _names(self._place(prefix)) if n.startswith(prefix) and not n.endswith(_TEMPORARY)]
