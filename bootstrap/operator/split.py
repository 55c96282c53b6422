"""Cutting an input into the tasks of a workload."""

import os

from ...agent import limits
from .errors import OperatorError
from .inputs import Piece

BYTES_MOST = limits.BLOB_BYTES
SPACE = b" \t\n\v\f\r"
WAYS = ("lines", "words", "line", "whole")


def split(data, way="words", size=BYTES_MOST):
    """Returns a list of pieces of at most `size` bytes that make up `data`.

    way "words" cuts before white space, "lines" after a newline, "line" after
    every newline, "whole" not at all.  Nothing is added or lost: the pieces joined are the input.  A
    word or line longer than `size` is refused, not cut.
    """
    found = cuts(len(data), lambda start, count: data[start:start + count], way, size)
    return [data[start:end] for start, end in found]


def split_file(path, way="words", size=BYTES_MOST):
    """As `split`, of a file: a list of inputs.Piece; only one of them is in memory at a time."""
    try:
        with open(path, "rb", buffering=0) as file:
            number = file.fileno()
            total = os.fstat(number).st_size
            found = cuts(total, lambda start, count: os.pread(number, count, start), way, size)
    except OSError as error:
        raise OperatorError(f"the input {path} cannot be read: {error.strerror}") from None
    return [Piece(path, start, end - start) for start, end in found]


def cuts(total, read, way, size):
    """Returns a list of (start, end) that make up `total` bytes; read(start, count) gives some of them."""
    if way not in WAYS:
        raise OperatorError(f"an input cannot be split by {way!r}", f"Choose one of {', '.join(WAYS)}.")
    if not 1 <= size <= BYTES_MOST:
        raise OperatorError(f"a task takes 1 to {BYTES_MOST:,} bytes, not {size:,}")
    if way == "whole":
        if total > size:
            raise OperatorError(
                f"the input has {total:,} bytes and a task takes {size:,}",
                "Let it be split by words or lines.",
            )
        return [(0, total)]
    cut = {"words": _before_space, "lines": _after_newline, "line": _after_first_newline}[way]
    found, start = [], 0
    while total - start > (0 if way == "line" else size):
        end = start + cut(read(start, size + 1), size)
        if end <= start:
            raise OperatorError(
                f"one of the {way.rstrip('s')}s in the input, at byte {start:,}, is longer than {size:,} bytes",
                "A task's input must hold at least one whole.",
            )
        found.append((start, end))
        start = end
    if start < total or not found:
        found.append((start, total))
    return found


# Each is given what follows a cut, a byte more than `size` where there is as much,
# and returns how many bytes of it are the next piece; 0 if there is no such place.


def _after_newline(window, size):
    return window.rfind(b"\n", 0, size) + 1


def _after_first_newline(window, size):
    return window.find(b"\n", 0, size) + 1 or (len(window) if len(window) <= size else 0)


def _before_space(window, size):
    if window[size] in SPACE:
        return size
    return max(window.rfind(bytes((space,)), 0, size) for space in SPACE) + 1
