"""Files that survive a kill, a full disk and a power cut: old or new, never half.

Everything the operator keeps goes through here.  The order is fixed: write a
temporary file, fsync it, rename it over the old one, fsync the directory.
When `write_whole` returns, the new contents are on the disk; when it raises,
the file is the old one or, if only the last fsync failed, may be the new one.
"""

import fcntl
import json
import os
import time

from .errors import OperatorError

SECRET = 0o600
PUBLIC = 0o644


def make_directory(path, mode=0o700):
    """Makes one directory and sees to it that its name is on the disk."""
    os.mkdir(path, mode)
    sync_directory(os.path.dirname(os.path.abspath(path)))


def sync_directory(path):
    """Flushes a directory's entries (creations, renames) to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path, data, mode=PUBLIC):
    """Replaces the file `path` by `data` (bytes); OSError leaves the old one."""
    write_parts(path, (data,), mode)


def write_parts(path, parts, mode=PUBLIC):
    """Replaces the file `path` by the parts (iterable of bytes), one at a time in memory; any error leaves the old one."""
    temporary = path + ".tmp"
    # A leftover of a killed process goes first, so that its mode does not stay.
    remove(temporary)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        for data in parts:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view):]
        os.fsync(handle)
    except BaseException:
        os.close(handle)
        remove(temporary)
        raise
    os.close(handle)
    os.rename(temporary, path)
    sync_directory(os.path.dirname(os.path.abspath(path)))


def write_json(path, value, mode=PUBLIC):
    """Replaces the file `path` by readable JSON."""
    text = json.dumps(value, indent=1, sort_keys=True) + "\n"
    write_whole(path, text.encode(), mode)


def read(path):
    """Returns a file's bytes; OSError if it cannot be read."""
    with open(path, "rb") as file:
        return file.read()


def read_json(path):
    """Returns the JSON value in a file of the fleet directory."""
    try:
        return json.loads(read(path))
    except ValueError as error:
        raise OperatorError(
            f"{path} is damaged: {error}", "Restore that file from a backup; never a signer's state."
        ) from error


def remove(path):
    """Removes a file; a missing one is fine."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


class Lock:
    """Holds a directory against a second process: `with Lock(path): ...`.

    The kernel releases a flock when its process ends, however it ends.
    """

    def __init__(self, path, wait_s=60.0):
        self.path = path
        self.wait_s = wait_s
        self._handle = None

    def __enter__(self):
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, SECRET)
        give_up = time.monotonic() + self.wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    os.close(handle)
                    raise OperatorError(
                        f"another process holds {self.path}",
                        "Wait until the other backfence command has ended.",
                    ) from None
                time.sleep(0.02)
        self._handle = handle
        return self

    def __exit__(self, *_):
        os.close(self._handle)
        self._handle = None
