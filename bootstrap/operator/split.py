"""Cutting an input into the tasks of a workload."""

from ...agent import limits
from .errors import OperatorError

BYTES_MOST = limits.BLOB_BYTES
SPACE = b" \t\n\v\f\r"
WAYS = ("lines", "words", "whole")


def split(data, way="words", size=BYTES_MOST):
    """Returns a list of pieces of at most `size` bytes that make up `data`.

    way "words" cuts before white space, "lines" after a newline, "whole" not
    at all.  Nothing is added or lost: the pieces joined are the input.  A
    word or line longer than `size` is refused, not cut.
    """
    if way not in WAYS:
        raise OperatorError(f"an input cannot be split by {way!r}", f"Choose one of {', '.join(WAYS)}.")
    if not 1 <= size <= BYTES_MOST:
        raise OperatorError(f"a task takes 1 to {BYTES_MOST:,} bytes, not {size:,}")
    if way == "whole":
        if len(data) > size:
            raise OperatorError(
                f"the input has {len(data):,} bytes and a task takes {size:,}",
                "Let it be split by words or lines.",
            )
        return [data]
    cut = _before_space if way == "words" else _after_newline
    pieces, start = [], 0
    while len(data) - start > size:
        end = cut(data, start, start + size)
        if end <= start:
            raise OperatorError(
                f"one of the {way} in the input, at byte {start:,}, is longer than {size:,} bytes",
                "A task's input must hold at least one whole.",
            )
        pieces.append(data[start:end])
        start = end
    if start < len(data) or not pieces:
        pieces.append(data[start:])
    return pieces


def _after_newline(data, start, end):
    return data.rfind(b"\n", start, end) + 1


def _before_space(data, start, end):
    """The last place in (start, end] with white space on one side of the cut."""
    if data[end] in SPACE:
        return end
    return max(data.rfind(bytes((space,)), start, end) for space in SPACE) + 1
