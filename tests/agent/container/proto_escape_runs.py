"""Escape attempts by calls, depth, time and the host's functions; each on every engine."""

import sys

# First modules.py: a 32-bit stack holds few imports inside each other.
from modules import END, I32, I64, command, function, get, i32, i64, load, module, u
from escapes import OUT, PAGE, Box, ended, engines

from backfence.agent.container.limits import CALL_DEPTH, TICK_FUEL, Refused

# Each kind of integers and of memory views once; the same tables on more of a kind show nothing new.
INTERPRETERS = ("cpython", "micropython", "armhf", "mips")

WASI = b"wasi_snapshot_preview1"
DEEP = ("trap", "call depth exceeded")
FOUR = function((I32,) * 4, (I32,), b"")[0]


def kind(params, results=(I32,)):
    return function(params, results, b"")[0]


def test_indirect_calls_of_the_wrong_type_or_place():
    functions = [
        function((I32,), (I32,), get(0) + b"\x11\1\0"),
        function((), (I32,), i32(42)),
        function((), (I64,), i64(1)),
        function((I32,), (I32,), get(0)),
        function((), (), b""),
        function((), (I32,), i32(43)),  # its type is another entry, but equal
    ]
    data = module(functions, table=8, elements=[(0, [1, 2, 3, 4, 5, 1])])
    mismatch, missing, beyond = [("trap", text) for text in (
        "indirect call type mismatch", "uninitialized element", "undefined element")]  # fmt: skip
    rows = ((0, ("ok", (42,))), (4, ("ok", (43,))), (5, ("ok", (42,))), (1, mismatch), (2, mismatch), (3, mismatch),
            (6, missing), (7, missing), (8, beyond), (-1, beyond), (-8, beyond), (0x7FFFFFFF, beyond),
            (-0x80000000, beyond), (PAGE, beyond))  # fmt: skip
    for engine in engines():
        box = Box(engine)
        job = box.start(data)
        for index, want in rows:
            assert ended(job, "f0", index) == want, (engine, index)
        job.release()
        job = box.start(module(functions, table=0))
        for index in (0, -1, 1):
            assert ended(job, "f0", index) == beyond, (engine, index)
        job.release()
        box.whole(0)


def test_elements_that_do_not_fit_the_table():
    for engine in engines():
        box = Box(engine)
        for at, count, fits in ((0, 4, True), (1, 4, False), (4, 0, True), (5, 0, False), (-1, 0, False), (-1, 1, False)):
            job = box.start(module([function((), (), b"")], table=4, elements=[(at, [0] * count)]))
            want = ("ok", ()) if fits else ("trap", "out of bounds table access")
            assert ended(job, "f0") == want, (engine, at, count)
            job.release()
        box.whole(0)


def down(how):
    """f0(n): n ? call itself(n - 1) + 1 : 0, by `how`, from within other constructs."""
    again = get(0) + i32(-1) + b"\x6a" + how + i32(1) + b"\x6a"
    return get(0) + b"\x04\x7f\x02\x7f\x03\x7f" + again + END + END + b"\x05" + i32(0) + END


def nested(before, depth):
    """The sum n + (n + (... call)), its values waiting on the stack."""
    return get(0) + b"\x04\x7f" + before * depth + get(0) + i32(-1) + b"\x6a\x10\0" + b"\x6a" * depth + b"\x05" + i32(0) + END


def test_recursion_ends_before_the_stack_does():
    one = function((I32,), (I32,), down(b"\x10\0"))
    mutual = [function((I32,), (I32,), down(b"\x10\1")), function((I32,), (I32,), down(b"\x10\0"))]
    indirect = function((I32,), (I32,), down(i32(0) + b"\x11\0\0"))
    waiting = function((I32,), (I32,), nested(i32(0), 60))
    many = function((I32,) * 9 + (I64,), (I32,), get(0) + b"\x04\x7f" + get(0) + i32(-1) + b"\x6a" + b"".join(
        [get(i) for i in range(1, 10)]) + b"\x10\0" + i32(1) + b"\x6a\x05" + i32(0) + END)  # fmt: skip
    rows = (
        ("direct", module([one]), (), CALL_DEPTH), ("mutual", module(mutual), (), CALL_DEPTH),
        ("indirect", module([indirect], table=1, elements=[(0, [0])]), (), CALL_DEPTH),
        ("with values waiting", module([waiting]), (), 0), ("many arguments", module([many]), (0,) * 9, CALL_DEPTH),
    )  # fmt: skip

    def deep_tick(n=12):
        """As deep as the agent's own poll may go."""
        return deep_tick(n - 1) if n else True

    for engine in engines():
        box = Box(engine)
        for name, data, rest, want in rows:
            job = box.start(data, fuel=1 << 30)
            for n, answer in ((CALL_DEPTH, ("ok", (want,))), (CALL_DEPTH + 1, DEEP), (-1, DEEP), (1 << 20, DEEP)):
                assert ended(job, "f0", n, *rest) == answer, (engine, name, n)
            assert ended(job, "f0", 0, *rest) == ("ok", (0,))
            job.release()
        # At the bottom: a loop long enough for ticks, and each tick goes deep itself.
        spin = i32(30000) + b"\x21\1\x03\x40" + get(1) + i32(-1) + b"\x6a\x22\1\x0d\0" + END
        body = get(0) + b"\x04\x7f" + get(0) + i32(-1) + b"\x6a\x10\0\x05" + spin + i32(7) + END
        job = box.start(module([function((I32,), (I32,), body, [I32])]), fuel=1 << 30)
        assert job.invoke("f0", (CALL_DEPTH,), deep_tick)[3] == (7,), engine
        job.release()
        box.whole(0)


def test_start_functions_that_trap_or_do_not_end():
    rows = (
        ("traps", b"\0", ("trap", "unreachable executed")), ("loops", b"\x03\x40\x0c\0\x0b", ("fuel", "out of fuel after 3000")),
        ("calls itself", b"\x10\0", DEEP), ("leaves the memory", i32(-1) + load(0x28) + b"\x1a", OUT),
    )  # fmt: skip
    for engine in engines():
        box = Box(engine)
        for name, body, want in rows:
            data = module([function((), (), body), function((), (I32,), i32(1))], memory=(1, 1), start=0)
            assert ended(box.start(data, fuel=3000), "f1") == want, (engine, name)
            box.whole()
        outcome = box.run(module(
            [function((), (), b"\x03\x40\x0c\0\x0b")], memory=(1, 1), start=0, exports={"_start": 0}), fuel=3000)  # fmt: skip
        assert (outcome.kind, outcome.fuel) == ("fuel", 3000)
        box.whole()


def test_fuel_ends_a_chain_of_callees():
    # Each calls the next twice: 2^12 calls, and an end in the middle of them.
    chain = [function((), (), b"\x10" + u(i) + b"\x10" + u(i)) for i in range(12)]
    data = module([function((), (), b"\x01")] + chain, memory=(1, 1), exports={"_start": 12})
    for engine in engines():
        box = Box(engine)
        for fuel in (1, 2, 100, 4097):
            outcome = box.run(data, fuel=fuel)
            assert (outcome.kind, outcome.fuel) == ("fuel", fuel), (engine, fuel)
            box.whole()
        assert box.run(data, fuel=1 << 20).kind == "ok"


def test_a_cancelled_job_runs_no_further():
    spin = b"\x03\x40" + i32(0) + i32(0) + load(0x28) + i32(1) + b"\x6a" + load(0x36) + b"\x0c\0" + END
    rows = (
        ("a loop", command(spin)),
        ("loops in each other", command(b"\x03\x40" * 10 + spin + b"\x0c\0" + END * 10)),
        ("in a callee, and the caller would go on", command(b"\x10\0" * 5 + spin, functions=[function((), (), spin)])),
        ("in the start function", module([function((), (), spin)], memory=(1, 1), start=0, exports={"_start": 0})),
        ("recursion", command(b"\x10\0" + spin, functions=[function((), (), b"\x03\x40\x10\1\x0c\0" + END), function((), (), b"\x01" + spin)])),
        ("bulk", command(b"\x03\x40" + i32(0) + i32(1) + i32(PAGE) + b"\xfc\x0b\0\x0c\0" + END)),
        ("random bytes", command(b"\x03\x40" + i32(0) + i32(PAGE) + b"\x10\0\x1a\x0c\0" + END, imports=[(WASI, b"random_get", kind((I32, I32)))])),
    )  # fmt: skip
    for engine in engines():
        box = Box(engine)
        for name, data in rows:
            ticks = []

            def stop():
                ticks.append(1)
                return len(ticks) < 2

            outcome = box.run(data, fuel=1 << 40, tick=stop)
            assert (outcome.kind, len(ticks)) == ("cancelled", 2), (engine, name, outcome.kind, outcome.reason)
            assert 0 < outcome.fuel <= 90000, (engine, name)
            box.whole()


def test_errors_of_the_box_are_not_the_jobs_to_catch():
    spin = command(b"\x03\x40\x0c\0\x0b")
    for engine in engines():
        box = Box(engine)
        for error in (MemoryError, IndexError, KeyboardInterrupt, SystemExit, RuntimeError):

            def fails():
                raise error("ours")

            try:
                box.run(spin, fuel=1 << 40, tick=fails)
            except BaseException as e:
                assert type(e) is error, (engine, error, e)
            else:
                raise AssertionError(error)
            box.whole()


def test_memory_that_the_box_does_not_have():
    if sys.implementation.name != "micropython":
        return  # there is no end to a PC's heap
    body = i32(4096) + b"\x40\0" + i32(0) + b"\x46" + b"\x1a"
    for engine in engines():
        box = Box(engine)
        outcome = box.run(command(body, memory=(1, None)), pages=8192)
        assert (outcome.kind, outcome.pages) == ("memory", 1), (engine, outcome.kind, outcome.reason)
        box.whole()


def vectors(*pairs):
    """Stores of an iovec array at 0."""
    return b"".join([i32(i * 8 + j * 4) + i32(pair[j]) + load(0x36) for i, pair in enumerate(pairs) for j in (0, 1)])


def test_output_floods():
    forever = b"\x03\x40" + i32(1) + i32(0) + i32(16) + i32(1024) + b"\x10\0\x1a\x0c\0" + END
    rows = (
        ("16 times the whole memory", vectors(*[(0, PAGE)] * 16) + forever), ("a byte at a time", vectors((0, 1)) + forever),
        ("nothing, for ever", forever), ("stderr", vectors((0, PAGE)) + forever.replace(b"\x41\1", b"\x41\2")),
    )  # fmt: skip
    for engine in engines():
        box = Box(engine)
        for name, body in rows:
            outcome = box.run(command(body, imports=[(WASI, b"fd_write", FOUR)]), fuel=200000, output=100)
            want = "trap" if name[:2] in ("16", "a ") else "fuel"
            assert outcome.kind == want and len(outcome.output) <= 100, (engine, name, outcome.kind, outcome.reason)
            box.whole()


def test_pointers_given_to_the_host():
    calls = (
        (b"random_get", (I32, I32), ((PAGE - 1, 2), (0, -1), (-1, 1), (0, PAGE + 1), (1, PAGE), (-0x80000000, 0x7FFFFFFF), (-1, -1))),
        (b"fd_write", (I32,) * 4, ((1, PAGE - 7, 1, 0), (1, -8, 1, 0), (1, 0, 1, PAGE - 3), (1, 0, 1, -4), (2, PAGE, 16, 0), (2, -1, 2, 0))),
        (b"fd_read", (I32,) * 4, ((0, PAGE - 7, 1, 0), (0, 0, 1, -1), (0, 0, 1, PAGE - 1), (0, 0x7FFFFFFF, 2, 0))),
        (b"args_get", (I32, I32), ((PAGE - 3, 0), (0, PAGE - 3), (-4, 0), (0, -1))),
        (b"clock_time_get", (I32, I64, I32), ((0, 0, PAGE - 7), (0, -1, -8), (0, 1 << 62, 0x7FFFFFFF))),
        (b"fd_fdstat_get", (I32, I32), ((1, PAGE - 23), (1, -24), (0, PAGE))),
    )  # fmt: skip
    for engine in engines():
        box = Box(engine)
        for name, params, rows in calls:
            forward = b"".join([get(i) for i in range(len(params))]) + b"\x10\0"
            data = module(
                [function(params, (I32,), forward)], memory=(1, 1), imports=[(WASI, name, kind(params))], exports={"go": 1}
            )
            for args in rows:
                job = box.start(data, stdin=b"x" * 100)
                assert ended(job, "go", *args) == ("trap", "WASI call with a pointer out of bounds"), (engine, name, args)
                box.whole()


def test_reads_over_their_own_vectors():
    # The first vector is the array itself: what comes from stdin must not become a pointer.
    poison = b"\xff" * 64
    body = vectors((0, 32), (40, 8)) + i32(0) + i32(0) + i32(2) + i32(4) + b"\x10\0\x1a"
    for engine in engines():
        box = Box(engine)
        outcome = box.run(command(body, imports=[(WASI, b"fd_read", FOUR)]), stdin=poison)
        assert outcome.kind == "ok", (engine, outcome.kind, outcome.reason)
        box.whole()


def test_nothing_is_written_after_the_exit():
    exit_ = kind((I32,), ())
    write = i32(1) + i32(0) + i32(1) + i32(16) + b"\x10\1\x1a"
    body = vectors((64, 3)) + write + i32(5) + b"\x10\0" + write
    callee = function((), (), i32(0) + b"\x10\0")
    imports = [(WASI, b"proc_exit", exit_), (WASI, b"fd_write", FOUR)]
    for engine in engines():
        box = Box(engine)
        outcome = box.run(command(body, imports=imports, data=[(64, b"abc")]))
        assert (outcome.kind, outcome.code, outcome.output) == ("exit", 5, b"abc"), engine
        outcome = box.run(command(vectors((64, 3)) + b"\x10\2" + write, imports=imports, functions=[callee]))
        assert (outcome.kind, outcome.output) == ("ok", b""), engine
        box.whole()


def test_two_instances_of_one_program():
    body = i32(0) + i32(0) + load(0x28) + i32(1) + b"\x6a" + load(0x36) + b"\x23\0" + i32(1) + b"\x6a\x24\0"
    both = i32(0) + load(0x28) + b"\x23\0" + i32(16) + b"\x74\x6a"
    data = module([function((), (), body), function((), (I32,), both)], memory=(1, 1), globals=[(I32, 1, i32(7))])
    for engine in engines():
        box = Box(engine)
        program = box.admit(data)
        for _ in range(3):
            job = program.start(b"", [], 1000, 0, 1, True, b"")
            assert ended(job, "f0") == ended(job, "f0") == ("ok", ())
            # Memory and globals begin anew.
            assert ended(job, "f1") == ("ok", (2 + (9 << 16),)), engine
            job.release()


def test_expressions_and_nests_as_deep_as_allowed():
    sums = get(0) * 190 + b"\x6a" * 189
    selects = get(0) + (get(0) + get(0) + b"\x1b") * 300
    floats = (get(0) + b"\xb7") + (get(0) + b"\xb7\xa2") * 300 + b"\x1a" + get(0)
    rows = [("sums", sums, 190), ("selects", selects, 1), ("products", floats, 1)]
    for name, opener in (("blocks", b"\x02\x7f"), ("loops", b"\x03\x7f"), ("ifs", get(0) + b"\x04\x7f")):
        other = b"\x05" + i32(9) if name == "ifs" else b""
        rows.append((name, opener * 250 + get(0) + (other + END) * 250, 1))
    rows.append(("blocks that are left", b"\x02\x7f" * 250 + get(0) + get(0) + b"\x0d" + u(200) + END * 250, 1))
    for engine in engines():
        box = Box(engine)
        for name, body, want in rows:
            try:
                job = box.start(module([function((I32,), (I32,), body)]))
            except Refused as e:
                # The machine leaves what needs many registers to the other engine.
                assert engine == "machine" and "register file" in str(e), (engine, name, e)
                continue
            assert ended(job, "f0", 1) == ("ok", (want,)), (engine, name)
            job.release()
        box.whole(0)




def test_calls_of_the_host_leave_time_for_ticks():
    # Each costs about the opcodes of its time: between two ticks are at most so many.
    rows = ((0, 1 + TICK_FUEL // 200), (16, 1 + TICK_FUEL // 1000))
    for engine in engines():
        box = Box(engine)
        for count, most in rows:
            body = b"\x03\x40" + i32(1) + i32(0) + i32(count) + i32(1024) + b"\x10\0\x1a\x23\0" + i32(1) + b"\x6a\x24\0\x0c\0" + END
            data = command(body, imports=[(WASI, b"fd_write", FOUR)], globals=[(I32, 1, i32(0))])
            calls = []
            program = box.admit(data, True)
            job = program.start(b"", [], 5 * TICK_FUEL, 0, 1, True, b"")
            write = job.wasi.fd_write

            def counted(*args):
                calls[-1] += 1
                return write(*args)

            def tick():
                calls.append(0)
                return True

            job.wasi.fd_write = counted
            calls.append(0)
            assert job.run(tick).kind == "fuel"
            assert len(calls) == 5 and 0 < max(calls) <= most, (engine, count, calls)
