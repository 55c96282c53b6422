"""Pages that only the start needed, given back to the kernel.

Linux maps a program's files 64 KB at a time around each page that is touched, and keeps
what the loader and the start touched for as long as nothing else wants memory.  What is
clean of it can go: a page that is needed again comes back from the file.  So can the
memory set aside for jobs, which is all zeros and is so again when it is next touched.
Needs MicroPython's `ffi`; without it, as in the static executable, all stays as it is.
"""

import sys

from ..compat import const

# Linux's, on every processor that MicroPython runs on.
_MADV_DONTNEED = const(4)
_ANONYMOUS = b"Anonymous:"


def give_back(aside=None):
    """Give back the clean pages of mapped files, and those of `aside` (a buffer of zeros, or None).

    True if there is a way to.
    """
    try:
        import ffi
        from uctypes import addressof

        libc = ffi.open(None)
        advise = libc.func("i", "madvise", "LLi")
        page = libc.func("i", "getpagesize", "")()
    except (ImportError, OSError):
        return False
    here = aside or bytearray(1)
    try:
        spans = clean("/proc/self/smaps", addressof(here))
    except OSError:
        spans = []  # a kernel without it
    if aside:
        spans.append(within(addressof(aside), len(aside), page))
    for start, size in spans:
        if size > 0:
            advise(start, size, _MADV_DONTNEED)
    return True


def within(start, size, page):
    """(start, size) of the whole pages of `page` bytes inside such a span."""
    first = (start + page - 1) // page * page
    return first, (start + size) // page * page - first


def clean(path, here):
    """[(start, size)] of the process's mapped files, as smaps (proc(5)) has them, of which every page is the file's.

    A page that was written to, such as what the loader relocated, is the process's own
    ("Anonymous") and would be lost.  here: an address in the heap.  If the file does not
    have it among the process's own, or has what no word of this machine can address, it
    tells of an emulator: then nothing is clean.
    """
    spans = []
    ours = False
    start = size = 0
    file = open(path, "rb")
    try:
        while True:
            line = file.readline()
            if not line:
                return spans if ours else []
            if b"-" in line[:17]:
                words = line.split()
                start, size = _span(words[0])
                if start > 2 * sys.maxsize:
                    return []
            elif line.startswith(_ANONYMOUS):
                if int(line[len(_ANONYMOUS) :].split()[0]):
                    ours = ours or 0 <= here - start < size
                elif _is_file(words):
                    spans.append((start, size))
    finally:
        file.close()


def _span(word):
    """(start, size) of a mapping, told as b"START-END"."""
    start, _, end = word.partition(b"-")
    start = int(start, 16)
    return start, int(end, 16) - start


def _is_file(words):
    """Is the mapping with this first line a file's, private, that nobody writes?"""
    return len(words) > 5 and words[5][:1] == b"/" and words[1][1:2] == b"-" and words[1][3:] == b"p"
