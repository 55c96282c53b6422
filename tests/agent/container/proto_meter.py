"""Fuel, ticks, memory: what a run costs, and what ends it from outside."""

from backfence.agent.container.admission import engines
from modules import I32, I64, admit, command, function, get, i32, load, module, put, run, start

# loop: local 0 -= 1; br_if local 0
COUNT = b"\x03\x40" + get(0) + i32(-1) + b"\x6a\x22\0\x0d\0\x0b"


def counted(n):
    return command(i32(n) + put(0) + COUNT, locals=(I32,))


def test_fuel_is_counted_from_opcodes():
    # The call 1, const and set 2, each round get const add tee br_if 5.
    assert run(counted(1)).fuel == 3 + 5
    assert run(counted(1000)).fuel == 3 + 5000
    # Both arms of an `if` are charged, whichever is taken; block and end are free.
    assert run(command(i32(0) + b"\x04\x40" + i32(1) + b"\x1a\x05" + i32(2) + b"\x1a\x0b\x02\x40\x0b\x01")).fuel == 7
    # A call costs 1 here and the callee's own.
    callee = function((), (), i32(1) + b"\x1a")
    assert run(command(b"\x10\0\x10\0", functions=[callee])).fuel == 1 + 2 + 2 * 3
    # Bulk instructions: 1 for each 64 bytes.
    assert run(command(i32(0) + i32(1) + i32(6400) + b"\xfc\x0b\0")).fuel == 5 + 100


def test_fuel_ends_at_the_same_place():
    for fuel in (1, 7, 8, 5002, 5003, 5004):
        outcome = run(counted(1000), fuel=fuel)
        assert (outcome.kind, outcome.fuel) == (("ok", 5003) if fuel >= 5003 else ("fuel", fuel)), fuel
    forever = command(b"\x03\x40\x0c\0\x0b")
    outcome = run(forever, fuel=123456)
    assert (outcome.kind, outcome.fuel) == ("fuel", 123456)
    assert "123456" in outcome.reason
    assert run(command(b""), fuel=0).kind == "fuel"


def test_fuel_stops_recursion_and_bulk_work():
    twice = function((I32,), (), get(0) + b"\x04\x40" + (get(0) + i32(-1) + b"\x6a\x10\0") * 2 + b"\x0b")
    assert run(command(i32(50) + b"\x10\0", functions=[twice]), fuel=100000).kind == "fuel"
    assert run(command(i32(0) + i32(1) + i32(65536) + b"\xfc\x0b\0"), fuel=1000).kind == "fuel"


def test_fuel_is_exact_however_a_loop_ends():
    # Cancelled: the checkpoint is at the first round that costs more than was granted.
    for engine in engines():
        for ticks in (1, 3):
            left = [ticks]

            def stop():
                left[0] -= 1
                return left[0] > 0

            assert run(counted(1 << 30), fuel=1 << 40, tick=stop, engine=engine).fuel == ticks * 20000 + 3
    # A trap: rounds of 9, the last one whole; the loop alone, in another, beside a call.
    divide = i32(100) + get(0) + b"\x6e\x1a" + get(0) + i32(-1) + b"\x6a" + put(0)
    callee = function((), (), b"")
    for inside, outside, cost, once in ((b"", b"", 9, 3), (b"", b"\x03\x40", 9, 3), (b"\x10\0", b"", 11, 3)):
        loop = outside + b"\x03\x40" + divide + inside + b"\x0c\0\x0b" + (b"\x0b" if outside else b"")
        outcome = run(command(i32(9) + put(0) + loop, locals=(I32,), functions=[callee]))
        assert (outcome.kind, outcome.reason) == ("trap", "integer divide by zero")
        assert outcome.fuel == once + cost * 10 - (1 if inside else 0), (inside, outside)
    # A branch out over two loops, and a return.
    for leave in (b"\x0c\2", b"\x0f"):
        twice = b"\x02\x40\x03\x40\x03\x40" + get(0) + b"\x45\x04\x40" + leave.replace(b"\2", b"\3") + b"\x0b"
        twice += get(0) + i32(-1) + b"\x6a" + put(0) + b"\x0c\0\x0b\x0c\0\x0b\x0b"
        outcome = run(command(i32(5) + put(0) + twice, locals=(I32,)))
        assert (outcome.kind, outcome.fuel) == ("ok", 3 + 1 + 9 * 6), leave


def test_tick_is_called_and_can_cancel():
    for engine in engines():
        calls = []

        def going():
            calls.append(1)
            return True

        assert run(counted(20000), tick=going, engine=engine).kind == "ok"
        assert len(calls) == 5

        def stop():
            calls.append(1)
            return len(calls) < 8

        outcome = run(counted(1 << 30), fuel=1 << 40, tick=stop, engine=engine)
        assert (outcome.kind, len(calls)) == ("cancelled", 8)
        assert 0 < outcome.fuel <= 4 * 20000


def test_an_error_of_tick_is_not_the_jobs():
    for kind in (IndexError, ZeroDivisionError, RuntimeError, OverflowError, MemoryError, ValueError, KeyboardInterrupt):

        def fails():
            raise kind("ours")

        try:
            run(counted(20000), tick=fails)
        except BaseException as e:
            assert type(e) is kind
        else:
            raise AssertionError(kind)
        # The program can be run again.
        assert run(counted(20000)).kind == "ok"


def test_memory_grows_to_the_cap_and_no_further():
    grow = function((I32,), (I32,), get(0) + b"\x40\0")
    size = function((), (I32,), b"\x3f\0")
    poke = function((I32,), (I32,), get(0) + i32(77) + load(0x36) + get(0) + load(0x28))
    for most, cap in ((None, 3), (3, 9), (9, 3)):
        program = start(module([grow, size, poke], memory=(1, most)), pages=cap)
        tick = lambda: True  # noqa: E731
        assert program.invoke("f2", (65532,), tick)[3] == (77,)
        assert program.invoke("f2", (65536,), tick)[0] == "trap"
        assert program.invoke("f0", (1,), tick)[3] == (1,)
        assert program.invoke("f2", (65536,), tick)[3] == (77,)
        assert program.invoke("f0", (2,), tick)[3] == (-1,)
        assert program.invoke("f0", (-1,), tick)[3] == (-1,)
        assert program.invoke("f0", (65536,), tick)[3] == (-1,)
        assert program.invoke("f0", (1,), tick)[3] == (2,)
        assert program.invoke("f0", (1,), tick)[3] == (-1,)
        assert program.invoke("f0", (0,), tick)[3] == (3,)
        assert program.invoke("f1", (), tick)[3] == (3,)


def test_a_function_sees_memory_that_its_callee_grew():
    grow = function((), (), i32(1) + b"\x40\0\x1a")
    body = b"\x10\0" + i32(65536) + i32(5) + load(0x36) + i32(65536) + load(0x28)
    program = start(module([grow, function((), (I32,), body)], memory=(1, None)))
    assert program.invoke("f1", (), lambda: True)[3] == (5,)


def test_peak_memory_is_reported():
    assert run(command(b"")).pages == 1
    assert run(command(i32(2) + b"\x40\0\x1a", memory=(1, None))).pages == 3
    outcome = run(command(b"", memory=(2, 2)), pages=1)
    assert (outcome.kind, outcome.fuel) == ("memory", 0)
    assert "2 pages" in outcome.reason


def test_only_the_last_instance_runs_and_once():
    program = admit(command(b""))
    old = program.start(b"", [], 10, 10, 1, True, b"")
    new = program.start(b"", [], 10, 10, 1, True, b"")
    assert new.run(lambda: True).kind == "ok"
    for instance in (old, new):
        try:
            instance.run(lambda: True)
        except Exception as e:
            assert type(e).__name__ == "LocalError"
        else:
            raise AssertionError


def test_a_start_function_and_long_sums():
    data = module(
        [function((), (), i32(0) + i32(9) + load(0x36)), function((), (I32,), i32(0) + load(0x28))],
        memory=(1, 1), start=0,
    )  # fmt: skip
    assert start(data).invoke("f1", (), lambda: True)[3] == (9,)
    # A sum of a hundred terms is one expression to the source, and must be cut.
    body = get(0) + (get(0) + b"\x6a") * 100
    assert start(module([function((I32,), (I32,), body)])).invoke("f0", (0x7FFFFFFF,), lambda: True)[3] == (
        (0x7FFFFFFF * 101 + 0x80000000) % 0x100000000 - 0x80000000,
    )
    body = get(0) + (get(0) + b"\x7e") * 9
    assert start(module([function((I64,), (I64,), body)])).invoke("f0", (-3,), lambda: True)[3] == (59049,)
