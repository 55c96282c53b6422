"""Inputs that stay in their files until they are sent: a workload's may have 64 MB and more.

A task's input is bytes, or a Piece of a file.  Blobs holds either by hash, and
gives bytes, one blob at a time.
"""

import collections.abc
import dataclasses
import hashlib
import os

from ...agent import limits
from .errors import OperatorError


@dataclasses.dataclass(frozen=True)
class Piece:
    """`size` bytes of a file, from `start` on."""

    path: str
    start: int
    size: int

    def __len__(self):
        return self.size

    def read(self):
        """Returns the bytes; OperatorError if the file does not have them (any more)."""
        try:
            with open(self.path, "rb", buffering=0) as file:
                data = os.pread(file.fileno(), self.size, self.start)
        except OSError as error:
            raise OperatorError(f"an input {self.path} cannot be read: {error.strerror}") from None
        if len(data) != self.size:
            raise OperatorError(f"the input {self.path} became shorter while it was read", "Leave it as it is, and try again.")
        return data


def whole(path):
    """Returns the Piece that is a whole file; OperatorError if no task could take it."""
    try:
        size = os.path.getsize(path)
        with open(path, "rb"):
            pass
    except OSError as error:
        raise OperatorError(f"an input {path} cannot be read: {error.strerror}") from None
    if size > limits.BLOB_BYTES:
        raise OperatorError(
            f"the input {path} has {size:,} bytes and a task takes {limits.BLOB_BYTES:,}",
            "Let it be split by words or lines.",
        )
    return Piece(path, 0, size)


def read(data):
    """Returns the bytes of an input: of bytes themselves, or of a Piece."""
    return data.read() if isinstance(data, Piece) else bytes(data)


class Blobs(collections.abc.Mapping):
    """{sha256: bytes}; what is a Piece is read, and checked, each time it is asked for."""

    def __init__(self):
        self._kept = {}

    def add(self, data):
        """Takes bytes or a Piece, unless its like is here; returns the hash."""
        digest = hashlib.sha256(read(data)).digest()
        self._kept.setdefault(digest, data if isinstance(data, Piece) else bytes(data))
        return digest

    def __getitem__(self, digest):
        kept = self._kept[digest]
        data = read(kept)
        if isinstance(kept, Piece) and hashlib.sha256(data).digest() != digest:
            raise OperatorError(f"the input {kept.path} changed while it was sent", "Leave it as it is, and try again.")
        return data

    def __iter__(self):
        return iter(self._kept)

    def __len__(self):
        return len(self._kept)
