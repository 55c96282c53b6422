"""Escape attempts by addresses, as tables; each on every engine, and with a look at what stayed whole."""

# First modules.py: a 32-bit stack holds few imports inside each other.
from modules import F32, F64, I32, I64, function, get, i32, i64, load, module
from escapes import OUT, PAGE, Box, ended, engines

# Each kind of integers and of memory views once; the same tables on more of a kind show nothing new.
INTERPRETERS = ("cpython", "micropython", "armhf", "mips")

# opcode: (bytes, type)
LOADS = {0x28: (4, I32), 0x29: (8, I64), 0x2A: (4, F32), 0x2B: (8, F64), 0x2C: (1, I32), 0x2D: (1, I32), 0x2E: (2, I32),
         0x2F: (2, I32), 0x30: (1, I64), 0x31: (1, I64), 0x32: (2, I64), 0x33: (2, I64), 0x34: (4, I64), 0x35: (4, I64)}
STORES = {0x36: (4, I32), 0x37: (8, I64), 0x38: (4, F32), 0x39: (8, F64), 0x3A: (1, I32), 0x3B: (2, I32), 0x3C: (1, I64),
          0x3D: (2, I64), 0x3E: (4, I64)}  # fmt: skip
# No byte of which is zero.
ONES = {I32: i32(-1), I64: i64(-1), F32: b"\x43\xff\xff\x7f\xff", F64: b"\x44" + b"\xff" * 6 + b"\xef\xff"}
# A NaN is stored in its canonical form, an ordinary float as it is: none of these is a NaN.
WRITTEN = {F32: b"\xff\xff\x7f\xff", F64: b"\xff" * 6 + b"\xef\xff"}
FAR = (-1, -2, -4, -8, -PAGE, -PAGE + 1, -0x80000000, 0x7FFFFFFF, 0x7FFFFFF8, 2 * PAGE, 0x40000000, -0x40000000)


def accesses(offset):
    """A module with a function for each load and store: f(address)."""
    functions, exports = [], {}
    for op in sorted(LOADS):
        exports["%x" % op] = len(functions)
        functions.append(function((I32,), (), get(0) + load(op, offset) + b"\x1a"))
    for op in sorted(STORES):
        exports["%x" % op] = len(functions)
        functions.append(function((I32,), (), get(0) + ONES[STORES[op][1]] + load(op, offset)))
    return functions, exports


def tried(offset, pages, addresses):
    """Try every access at every address: it works if it ends within the memory, traps otherwise, and writes no more."""
    functions, exports = accesses(offset)
    data = module(functions, memory=(pages, pages), exports=exports)
    for engine in engines():
        box = Box(engine)
        job = box.start(data, fuel=1 << 30, pages=pages)
        size = pages * PAGE
        for op in sorted(exports):
            number = int(op, 16)
            width = (LOADS.get(number) or STORES.get(number))[0]
            for address in addresses:
                at = (address & 0xFFFFFFFF) + offset
                fits = at + width <= size
                answer = ended(job, op, address)
                assert answer == (("ok", ()) if fits else OUT), (engine, op, address, offset, answer)
                if fits and number in STORES:
                    memory = job.memory.bytes
                    want = WRITTEN.get(STORES[number][1], b"\xff" * width)
                    assert bytes(memory[at : at + width]) == want, (engine, op, address)
                    memory[at : at + width] = bytes(width)
        if pages:
            tail = bytes(job.memory.bytes[size - 64 : size]) + bytes(job.memory.bytes[:64])
            assert tail == bytes(128), (engine, offset, "a trapping store has written")
        box.whole(pages)


def test_the_last_bytes_of_the_memory_and_the_first_beyond():
    tried(0, 1, [PAGE + d for d in range(-9, 3)])


def test_negative_and_huge_addresses():
    tried(0, 1, FAR)


def test_offsets_do_not_wrap():
    tried(0xFFFFFFFF, 1, (0, 1, 2, 8, -1, PAGE, 0x7FFFFFFF))
    tried(8, 1, (-1, -8, -9, -16, PAGE - 16, PAGE - 9, PAGE - 8))


def test_offsets_at_the_middle_of_the_numbers():
    tried(0x7FFFFFFF, 1, (0, 1, -0x7FFFFFFF, -0x80000000, -1, 0x7FFFFFFF))


def test_a_memory_of_no_pages():
    # A bound computed as size - 4 is huge here if it is unsigned.
    tried(0, 0, (0, 1, 4, -1, -4, -8, 0x7FFFFFFF, -0x80000000))


def test_addresses_known_when_translated():
    rows = ((PAGE - 4, 0), (PAGE - 3, 0), (PAGE - 8, 4), (PAGE - 8, 5), (-4, 4), (-4, 8), (-1, 1), (0, 0xFFFFFFFF), (PAGE, 0), (0, PAGE))
    functions = []
    for address, offset in rows:
        for op in (0x28, 0x2F, 0x36, 0x3B):
            value = b"\x1a" if op < 0x36 else b""
            functions.append(function((), (), i32(address) + (i32(-1) if op > 0x35 else b"") + load(op, offset) + value))
    data = module(functions, memory=(1, 1))
    for engine in engines():
        box = Box(engine)
        job = box.start(data)
        number = 0
        for address, offset in rows:
            for width in (4, 2, 4, 2):
                fits = (address & 0xFFFFFFFF) + offset + width <= PAGE
                answer = ended(job, "f%d" % number)
                assert answer == (("ok", ()) if fits else OUT), (engine, address, offset, answer)
                number += 1
        box.whole()


def test_bulk_moves():
    fill = function((I32, I32), (), get(0) + i32(255) + get(1) + b"\xfc\x0b\0")
    copy = function((I32, I32, I32), (), get(0) + get(1) + get(2) + b"\xfc\x0a\0\0")
    data = module([fill, copy], memory=(1, 1))
    rows = (
        (0, PAGE + 1), (PAGE, 1), (PAGE + 1, 0), (-1, 1), (-1, 0), (1, -1), (PAGE - 1, 2), (-PAGE, PAGE), (0x7FFFFFFF, 1),
        (-0x80000000, -0x80000000), (1, 0x7FFFFFFF),
    )  # fmt: skip
    for engine in engines():
        box = Box(engine)
        job = box.start(data)
        for at, size in rows:
            assert ended(job, "f0", at, size) == OUT, (engine, at, size)
            assert ended(job, "f1", at, 0, size) == OUT, (engine, at, size)
            assert ended(job, "f1", 0, at, size) == OUT, (engine, at, size)
        assert bytes(job.memory.bytes[PAGE - 64 :]) == bytes(64)
        assert ended(job, "f0", PAGE, 0) == ended(job, "f1", PAGE, PAGE, 0) == ended(job, "f0", PAGE - 9, 9) == ("ok", ())
        assert bytes(job.memory.bytes[PAGE - 10 :]) == b"\0" + b"\xff" * 9
        box.whole()


def grows():
    """f(): what was read before and behind, while callees and the function itself grow the memory."""
    grow = function((), (I32,), i32(1) + b"\x40\0")
    indirect = i32(0) + b"\x11\0\0"
    at = i32(PAGE) + load(0x28)
    # A store, a call that moves the memory, a load of the old and of the new page.
    store = i32(8) + i32(5) + load(0x36)
    body = store + b"\x10\0\x1a" + i32(8) + load(0x28) + at + b"\x6a" + get(0) + b"\x6a" + b"\x21\0"
    # The same by call_indirect, and in a loop.
    body += i32(PAGE) + i32(100) + load(0x36) + indirect + b"\x1a" + at + get(0) + b"\x6a\x21\0"
    body += i32(2 * PAGE) + load(0x28) + get(0) + b"\x6a\x21\0"
    body += b"\x03\x40" + i32(1) + b"\x40\0" + i32(0) + b"\x4a\x04\x40"
    body += i32(3 * PAGE) + i32(1000) + load(0x36) + i32(3 * PAGE) + load(0x28) + get(0) + b"\x6a\x21\0\x0c\1\x0b\x0b"
    return module([grow, function((), (I32,), body + get(0), [I32])], memory=(1, None), table=1, elements=[(0, [0])])


def test_a_memory_that_grew_under_a_caller():
    for engine in engines():
        box = Box(engine)
        job = box.start(grows(), pages=4)
        # 5 from the old page, 100 from the new one after the second growth, and 1,000 from the fourth page.
        assert ended(job, "f1") == ("ok", (1105,)), engine
        assert job.memory.pages == 4
        assert ended(job, "f0") == ("ok", (-1,))
        job.release()
        box.guard()
        box.whole(1)


def test_growth_beyond_the_cap_opens_nothing():
    grow = function((I32,), (I32,), get(0) + b"\x40\0")
    peek = function((I32,), (I32,), get(0) + load(0x2D))
    for engine in engines():
        box = Box(engine)
        for most in (None, 1, 65536):
            job = box.start(module([grow, peek], memory=(1, most)), pages=1)
            for more in (1, 2, 65535, 65536, -1, -0x80000000, 0x7FFFFFFF):
                assert ended(job, "f0", more) == ("ok", (-1,)), (engine, most, more)
                assert ended(job, "f1", PAGE) == OUT
            box.whole()


def test_a_second_job_reads_zeros():
    # Writes the whole page, its edges too.
    spoil = module([function((), (), i32(0) + i32(-1) + i32(PAGE) + b"\xfc\x0b\0")], memory=(1, None))
    grow = module([function((), (I32,), i32(1) + b"\x40\0" + i32(PAGE) + load(0x28) + b"\x6a" + i32(2 * PAGE - 4) + load(0x28) + b"\x6a")], memory=(1, 2))
    for engine in engines():
        box = Box(engine)
        assert ended(box.start(spoil), "f0") == ("ok", ())
        box.whole()
        # The page that it grows into is clean, though the guard stood there.
        assert ended(box.start(grow, pages=2), "f0") == ("ok", (1,)), engine


def test_data_segments_at_the_edge_and_beyond():
    for engine in engines():
        box = Box(engine)
        rows = ((PAGE - 2, b"ab", True), (PAGE, b"", True), (PAGE - 1, b"ab", False), (PAGE, b"a", False), (-1, b"a", False), (PAGE + 1, b"", False), (-1, b"", False))
        for at, raw, fits in rows:
            job = box.start(module([function((), (), b"")], memory=(1, 1), data=[(at, raw)]))
            assert ended(job, "f0") == (("ok", ()) if fits else OUT), (engine, at, raw)
            box.whole()
        job = box.start(module([function((), (), b"")], memory=(0, 1), data=[(0, b"a")]))
        assert ended(job, "f0") == OUT
        box.whole(0)
