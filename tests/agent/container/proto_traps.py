"""What a job may not do ends it as a trap with a reason, and harms nothing else."""

from modules import F64, I32, I64, admit, call, command, function, get, i32, i64, load, module, run, start, tick

OUT = ("trap", "out of bounds memory access")
LOADS = (0x28, 0x29, 0x2A, 0x2B, 0x2C, 0x2D, 0x2E, 0x2F, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35)
SIZES = (4, 8, 4, 8, 1, 1, 2, 2, 1, 1, 2, 2, 4, 4)
WITHOUT_OFFSET = [(op, size, 0) for op, size in zip(LOADS, SIZES)]


def ended(program, name, args):
    kind, _, reason, _ = program.invoke(name, args, tick)
    return kind, reason


def loaders(rows, pages):
    """A module started: function i has the load of row i, (instruction, size, offset)."""
    functions = [function((I32,), (), get(0) + load(op, offset) + b"\x1a") for op, _, offset in rows]
    return start(module(functions, memory=(pages, pages)))


def test_no_load_reaches_outside_the_memory():
    program = loaders(WITHOUT_OFFSET, 1)
    for i, (op, size, _) in enumerate(WITHOUT_OFFSET):
        for address in (-1, -size, -65536, -0x80000000, 0x7FFFFFFF, 65536, 65537 - size, 65535 if size > 1 else 65536):
            assert ended(program, "f%d" % i, (address,)) == OUT, (op, address)
        for address in (0, 1, 65536 - size):
            assert program.invoke("f%d" % i, (address,), tick)[0] == "ok", (op, address)


def test_an_offset_does_not_wrap_around():
    rows = [
        (op, size, offset)
        for op, size, _ in WITHOUT_OFFSET
        for offset in (1, 0x7FFFFFFF, 0xFFFFFFFF, 65536 - size + 1)
    ]  # fmt: skip
    program = loaders(rows, 1)
    for i, (op, size, offset) in enumerate(rows):
        for address in (-1, -offset if offset < 0x80000000 else 1, 65536 - size):
            assert ended(program, "f%d" % i, (address,)) == OUT, (op, offset, address)


def test_a_memory_of_no_pages_has_no_bytes():
    program = loaders(WITHOUT_OFFSET, 0)
    for i, (op, size, _) in enumerate(WITHOUT_OFFSET):
        for address in (0, -size, -1, 1, 0x7FFFFFFC):
            assert ended(program, "f%d" % i, (address,)) == OUT, (op, address)


def test_constant_addresses_are_checked_too():
    rows = [
        (op, address, offset)
        for op, size, _ in WITHOUT_OFFSET
        for address, offset in ((-1, 0), (65536, 0), (0, 65536), (65535, 1), (-4, 4), (-4, 8), (65533, 0))
        if address != 65533 or size >= 4
    ]  # fmt: skip
    for half in (rows[::2], rows[1::2]):  # a module may export 64 functions
        functions = [function((), (), i32(address) + load(op, offset) + b"\x1a") for op, address, offset in half]
        program = start(module(functions, memory=(1, 1)))
        for i in range(len(half)):
            assert ended(program, "f%d" % i, ()) == OUT, half[i]


def test_a_store_that_traps_has_written_nothing():
    stores = ((0x36, 4, I32), (0x37, 8, I64), (0x39, 8, F64), (0x3A, 1, I32), (0x3B, 2, I32), (0x3E, 4, I64))
    for op, size, kind in stores:
        value = {I32: i32(-1), I64: i64(-1), F64: b"\x44" + b"\xff\xff\xff\xff\xff\xff\xef\x7f"}[kind]
        data = module(
            [function((I32,), (), get(0) + value + load(op)), function((I32,), (I32,), get(0) + load(0x2D))],
            memory=(1, 1),
        )
        program = start(data)
        for address in (65537 - size, -1, -size, 65536):
            assert ended(program, "f0", (address,)) == OUT
        for address in range(65536 - 8, 65536):
            assert program.invoke("f1", (address,), tick)[3] == (0,)
        for address in (0, 1, 7, 65536 - size):
            assert program.invoke("f0", (address,), tick)[0] == "ok"
            assert program.invoke("f1", (address,), tick)[3] != (0,)


def test_division():
    for first, op_s, constant, kind, least in ((0x6D, 0x6F, i32, I32, -0x80000000), (0x7F, 0x81, i64, I64, -1 << 63)):
        for op in range(first, first + 4):
            binary = module([function((kind, kind), (kind,), get(0) + get(1) + bytes([op]))])
            assert call(binary, "f0", 7, 0) == ("trap", "integer divide by zero")
            by_constant = module([function((kind,), (kind,), get(0) + constant(0) + bytes([op]))])
            assert call(by_constant, "f0", 7) == ("trap", "integer divide by zero")
        divide = module([function((kind, kind), (kind,), get(0) + get(1) + bytes([first]))])
        assert call(divide, "f0", least, -1) == ("trap", "integer overflow")
        remainder = module([function((kind, kind), (kind,), get(0) + get(1) + bytes([op_s]))])
        assert call(remainder, "f0", least, -1) == 0


def test_conversions_that_have_no_answer():
    for op in (0xAA, 0xAB, 0xB0, 0xB1):
        result = I32 if op < 0xAC else I64
        data = module([function((F64,), (result,), get(0) + bytes([op]))])
        assert call(data, "f0", float("nan")) == ("trap", "invalid conversion to integer")
        for value in (float("inf"), -float("inf"), 1e30, -1e30):
            assert call(data, "f0", value) == ("trap", "integer overflow")


def test_unreachable_and_what_is_dropped_but_traps():
    assert call(module([function((), (), b"\0")]), "f0") == ("trap", "unreachable executed")
    dropped = i32(1) + get(0) + b"\x6d\x1a"
    assert call(module([function((I32,), (), dropped)]), "f0", 0) == ("trap", "integer divide by zero")
    # The division is below on the stack when the branch is taken: it traps first.
    body = b"\x02\x7f" + i32(1) + get(0) + b"\x6d" + i32(5) + b"\x0c\0" + b"\x0b"
    assert call(module([function((I32,), (I32,), body)]), "f0", 0) == ("trap", "integer divide by zero")


def test_call_depth_is_the_same_on_every_interpreter():
    # f0(n): n ? f0(n-1) + 1 : 0
    body = get(0) + b"\x04\x7f" + get(0) + i32(-1) + b"\x6a\x10\0" + i32(1) + b"\x6a\x05" + i32(0) + b"\x0b"
    data = module([function((I32,), (I32,), body)])
    assert call(data, "f0", 60) == 60
    assert call(data, "f0", 61) == ("trap", "call depth exceeded")
    assert call(data, "f0", -1) == ("trap", "call depth exceeded")


def test_indirect_calls():
    functions = [
        function((I32,), (I32,), get(0) + b"\x11\1\0"),
        function((), (I32,), i32(42)),
        function((), (I64,), i64(1)),
    ]
    data = module(functions, table=4, elements=[(1, [1, 2])])
    assert call(data, "f0", 1) == 42
    assert call(data, "f0", 2) == ("trap", "indirect call type mismatch")
    for missing in (0, 3):
        assert call(data, "f0", missing) == ("trap", "uninitialized element")
    for beyond in (4, -1, -4, 0x7FFFFFFF):
        assert call(data, "f0", beyond) == ("trap", "undefined element")


def test_segments_that_do_not_fit():
    assert run(command(b"", data=[(65535, b"ab")])).reason == OUT[1]
    assert run(command(b"", data=[(-1, b"a")])).reason == OUT[1]
    outcome = run(command(b"", table=1, elements=[(1, [0])]))
    assert (outcome.kind, outcome.reason) == ("trap", "out of bounds table access")


def test_bulk_memory_is_checked_before_it_writes():
    fill = function((I32, I32, I32), (), get(0) + get(1) + get(2) + b"\xfc\x0b\0")
    copy = function((I32, I32, I32), (), get(0) + get(1) + get(2) + b"\xfc\x0a\0\0")
    peek = function((I32,), (I32,), get(0) + load(0x2D))
    program = start(module([fill, copy, peek], memory=(1, 1)))
    for args in ((65530, 1, 7), (-1, 1, 1), (0, 1, -1), (65537, 1, 0)):
        assert ended(program, "f0", args) == OUT, args
        assert ended(program, "f1", (args[0], 0, args[2])) == OUT, args
        assert ended(program, "f1", (0, args[0], args[2])) == OUT, args
    assert program.invoke("f2", (65535,), tick)[3] == (0,)
    assert program.invoke("f0", (65536, 1, 0), tick)[0] == "ok"
    # Overlapping copies both ways, longer than one piece.
    for i in range(0, 5000, 50):
        program.invoke("f0", (10000 + i, i // 50, 50), tick)
    program.invoke("f1", (10007, 10000, 5000), tick)
    assert [program.invoke("f2", (10007 + i,), tick)[3][0] for i in range(0, 5000, 500)] == list(range(0, 100, 10))
    program.invoke("f1", (9000, 10007, 5000), tick)
    assert [program.invoke("f2", (9000 + i,), tick)[3][0] for i in range(0, 5000, 500)] == list(range(0, 100, 10))


def test_a_job_after_a_trap_starts_clean():
    data = command(i32(8) + i32(1) + load(0x36) + i32(8) + load(0x28) + b"\0", globals=[(I32, 1, i32(7))])
    program = admit(data)
    for _ in range(3):
        outcome = program.start(b"", [], 1000, 10, 1, True, b"").run(tick)
        assert (outcome.kind, outcome.reason, outcome.fuel) == ("trap", "unreachable executed", 7)
