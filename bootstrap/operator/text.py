"""What the demonstration counts: a real text of 1 MB or more, whole or cut into tasks.

By default the text is English that comes with every Python: the language
reference (`pydoc_data.topics`) and then docstrings of the standard library in
the order of their files' names.  One Python always gives the same bytes.
"""

import ast
import os
import re
import sysconfig
import warnings

from .errors import OperatorError

DEFAULT_BYTES = 1_200_000
DEFAULT_LEAST_BYTES = 1_000_000  # a Python that was stripped of some parts will do
# One index blob names 1,024 inputs; at 16 KiB each that is 16 MiB.
INPUT_MAX_BYTES = 16 * 1024 * 1024
INPUT_MIN_BYTES = 32 * 1024  # less is done before anybody could pull a plug
TASK_MAX_BYTES = 16 * 1024  # the distinct words of any 16 KiB fit the program's one page
TASK_MIN_BYTES = 1024
TASKS_A_SEAT = 8  # enough that a seat which dies mid-run leaves work behind

# The rule of examples/words.c: a longest run of ASCII letters in which single
# apostrophes may stand between letters, counted in lower case.
_WORD = re.compile(rb"[A-Za-z]+(?:'[A-Za-z]+)*")


class TextError(OperatorError):
    """The input cannot be used; the text is one clear line for a person."""


def load(path=None):
    """The bytes to count: of the file `path`, or the default text.  Raises TextError."""
    if path is None:
        return default_text()
    try:
        if not os.path.isfile(path):
            raise TextError("INPUT=%s is not a file" % path if os.path.exists(path) else "INPUT=%s does not exist" % path)
        size = os.path.getsize(path)
        if size < INPUT_MIN_BYTES:
            raise TextError("INPUT=%s has %d bytes; the demonstration needs at least %d" % (path, size, INPUT_MIN_BYTES))
        if size > INPUT_MAX_BYTES:
            raise TextError("INPUT=%s has %d bytes; the demonstration takes at most %d" % (path, size, INPUT_MAX_BYTES))
        with open(path, "rb") as source:
            return source.read()
    except OSError as error:
        raise TextError("INPUT=%s cannot be read: %s" % (path, error.strerror)) from None


def default_text(wanted=DEFAULT_BYTES):
    """English from this Python's own documentation, `wanted` bytes of UTF-8 and the rest of a paragraph.

    It may be as little as DEFAULT_LEAST_BYTES if this Python has no more.  Raises TextError.
    """
    parts, size = [], 0
    for text in _documentation():
        part = text.strip().encode("utf-8", "replace") + b"\n\n"
        parts.append(part)
        size += len(part)
        if size >= wanted:
            break
    if size < min(wanted, DEFAULT_LEAST_BYTES):
        raise TextError("this Python has only %d bytes of documentation; name a text with INPUT=FILE" % size)
    return b"".join(parts)


def _documentation():
    try:
        from pydoc_data.topics import topics
    except ImportError:  # some distributions leave it out
        topics = {}
    for name in sorted(topics):
        yield topics[name]
    yield from _docstrings(sysconfig.get_path("stdlib"))


def _docstrings(folder):
    # Read, never imported: importing runs code and depends on the machine.
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name.isidentifier() and name not in ("test", "tests", "idlelib"))
        for name in sorted(files):
            if name.endswith(".py"):
                yield from _docstrings_of(os.path.join(parent, name))


def _docstrings_of(path):
    try:
        with open(path, "rb") as source, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text and len(text) > 80:  # one-liners are mostly names, not English
                yield text


def task_bytes(size, seats):
    """How large to cut the tasks of a text of `size` bytes for a slice of `seats`."""
    return max(TASK_MIN_BYTES, min(TASK_MAX_BYTES, size // (seats * TASKS_A_SEAT)))


def count(data):
    """The reference: words of `data` counted by CPython, {bytes: int}."""
    counts = {}
    for word in _WORD.findall(data):
        word = word.lower()
        counts[word] = counts.get(word, 0) + 1
    return counts


def lines(counts):
    """Counts as the program and the operator's "sum" write them: `word count`, sorted by the word's bytes."""
    return b"".join(b"%s %d\n" % (word, counts[word]) for word in sorted(counts))
