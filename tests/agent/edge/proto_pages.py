"""Pages given back: which, by a smaps of ours, and the kernel's count of this process's."""

import os
import sys

from backfence.agent.edge import pages

PATH = "/tmp/backfence-smaps-" + os.urandom(6).hex()
BYTES = 2 << 20


def mapping(head, anonymous):
    return "%s\nSize:   132 kB\nRss:   64 kB\nAnonymous:      %d kB\nVmFlags: rd ex mr mw me\n" % (head, anonymous)


HEAP = mapping("7f00aa000000-7f00aa200000 rw-p 00000000 00:00 0 ", 600)
LIBRARY = "/usr/lib/x86_64-linux-gnu/libm.so.6"
CODE = mapping("7f00ab010000-7f00ab08d000 r-xp 00010000 fe:00 1234                       " + LIBRARY, 0)
SPANS = [(0x7F00AB010000, 0x7D000)]
# The same process on a machine of 32 bits.
HEAP_32 = mapping("b6f00000-b7000000 rw-p 00000000 00:00 0 ", 600)
CODE_32 = mapping("08048000-08090000 r-xp 00000000 fe:00 7  /bin/micropython", 0)
IN_HEAP, IN_HEAP_32 = 0x7F00AA001000, 0xB6F01000
WIDE = sys.maxsize > 1 << 32


def clean(text, here=IN_HEAP if WIDE else IN_HEAP_32):
    file = open(PATH, "wb")
    file.write(text.encode())
    file.close()
    try:
        return pages.clean(PATH, here)
    finally:
        os.remove(PATH)


def test_only_clean_mappings_of_files_are_given_back():
    assert clean(CODE_32 + HEAP_32, IN_HEAP_32) == [(0x8048000, 0x48000)]
    if not WIDE:
        return
    assert clean(HEAP + CODE) == SPANS
    for head, anonymous in (
        ("7f00ab08d000-7f00ab090000 r--p 0008d000 fe:00 1234    " + LIBRARY, 4),  # relocated
        ("7f00ab090000-7f00ab091000 rw-p 00090000 fe:00 1234    " + LIBRARY, 0),  # may be written
        ("7f00ab090000-7f00ab091000 r--s 00090000 fe:00 1234    " + LIBRARY, 0),  # others' as well
        ("7ffd5a1f8000-7ffd5a1fa000 r-xp 00000000 00:00 0       [vdso]", 0),
        ("7f00ac000000-7f00ac100000 r--p 00000000 00:00 0 ", 0),
    ):
        assert clean(HEAP + mapping(head, anonymous) + CODE) == SPANS, head


def test_an_emulators_smaps_tells_nothing():
    untouched = mapping(HEAP.split("\n")[0], 0)
    for what, text, here in (
        ("all counts are 0", untouched + CODE, IN_HEAP),
        ("the heap is not there", CODE, IN_HEAP),
        ("the heap lies elsewhere", HEAP + CODE, IN_HEAP + 0x10000000),
        ("empty", "", IN_HEAP),
    ):
        assert clean(text, here) == [], what
    # A machine of 64 bits around a guest of 32.
    if not WIDE:
        assert clean(CODE_32 + HEAP_32 + CODE, IN_HEAP_32) == []


def test_only_whole_pages_of_what_is_set_aside():
    for start, size, page, within in (
        (0x1000, 0x2000, 4096, (0x1000, 0x2000)),
        (0x1010, 0x2000, 4096, (0x2000, 0x1000)),
        (0x0FF0, 0x2020, 4096, (0x1000, 0x2000)),
        (0x1010, 0x20000, 65536, (0x10000, 0x10000)),
    ):
        assert pages.within(start, size, page) == within
    assert pages.within(0x1010, 0x1000, 4096)[1] <= 0


def own():
    """KB of this process's own memory, with an emulator's, as the kernel has it; 0 if it does not say."""
    try:
        with open("/proc/self/smaps", "rb") as file:
            return sum([int(line.split()[1]) for line in file.read().split(b"\n") if line[:10] == b"Anonymous:"])
    except OSError:
        return 0


def is_zeros(data):
    zeros = bytes(65536)
    return all([data[at : at + 65536] == zeros for at in range(0, len(data), 65536)])


def test_what_is_set_aside_goes_and_is_zeros_again():
    aside = bytearray(BYTES)
    before = own()
    given = pages.give_back(aside)
    after = own()
    if sys.implementation.name != "micropython":
        assert not given
    if given and before:
        # Reading smaps took some anew.
        assert before - after >= BYTES * 2 // 3 >> 10, (before, after)
    # All is still there: the code, the tables of numbers, and zeros.
    assert "%.3f" % (2.0 ** 0.5) == "1.414" and is_zeros(aside)
    aside[BYTES // 2] = 7
    assert aside[BYTES // 2] == 7 and not is_zeros(aside)
