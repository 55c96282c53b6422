"""The WASI calls: what they give, and that no pointer leads outside the memory."""

from hashlib import sha256

from modules import I32, I64, admit, call, command, function, get, i32, load, module, run, start, tick

WASI = b"wasi_snapshot_preview1"
# name: parameters, and arguments that are all pointers or sizes of a good call.
CALLS = {
    "args_get": ("ii", (0, 64)),
    "args_sizes_get": ("ii", (0, 4)),
    "environ_sizes_get": ("ii", (0, 4)),
    "clock_res_get": ("ii", (1, 0)),
    "clock_time_get": ("iIi", (1, 0, 0)),
    "fd_read": ("iiii", (0, 0, 1, 32)),
    "fd_write": ("iiii", (1, 0, 1, 32)),
    "fd_fdstat_get": ("ii", (0, 0)),
    "random_get": ("ii", (0, 8)),
}


def imported(name, params, results=(I32,)):
    kinds = [I64 if c == "I" else I32 for c in params]
    kind, _ = function(kinds, results, b"")
    forward = b"".join([get(i) for i in range(len(params))]) + b"\x10\0"
    return module(
        [function(kinds, results, forward), function((I32,), (I32,), get(0) + load(0x28)),
         function((I32, I32), (), get(0) + get(1) + load(0x36))],
        memory=(1, 1), imports=[(WASI, bytes(name, "utf-8"), kind)], exports={"go": 1, "peek": 2, "poke": 3},
    )  # fmt: skip


def test_each_pointer_is_checked():
    for name in sorted(CALLS):
        params, good = CALLS[name]
        data = imported(name, params)
        program = start(data)
        assert program.invoke("go", good, tick)[0] == "ok", name
        for i in range(len(good)):
            if name in ("clock_time_get", "clock_res_get", "fd_read", "fd_write", "fd_fdstat_get") and i == 0:
                continue
            if params[i] == "I" or name in ("fd_read", "fd_write") and i == 2:
                continue
            for bad in (65537, -1, -8, -0x80000000, 0x7FFFFFFF):
                args = good[:i] + (bad,) + good[i + 1 :]
                kind, _, reason, _ = start(data).invoke("go", args, tick)
                assert (kind, reason) == ("trap", "WASI call with a pointer out of bounds"), (name, args)


def test_vectors_are_checked_each():
    for name in ("fd_read", "fd_write"):
        data = imported(name, "iiii")
        fd = 0 if name == "fd_read" else 1
        for pointer, size in ((65536, 1), (65535, 2), (-1, 1), (0, -1), (-1, -1), (1, -1)):
            program = start(data, stdin=b"abc")
            program.invoke("poke", (0, pointer), tick)
            program.invoke("poke", (4, size), tick)
            assert program.invoke("go", (fd, 0, 1, 32), tick)[0] == "trap", (name, pointer, size)
        # More vectors than the cap are an error of the call, not a trap.
        for count in (17, -1, 0x7FFFFFFF):
            assert start(data).invoke("go", (fd, 0, count, 32), tick)[3] == (28,)


def copy_program():
    """Copies stdin to stdout, 8 bytes at a time."""
    four = function((I32, I32, I32, I32), (I32,), b"")[0]
    body = i32(0) + i32(64) + load(0x36) + b"\x03\x40"
    body += i32(4) + i32(8) + load(0x36) + i32(0) + i32(0) + i32(1) + i32(16) + b"\x10\0\x1a"
    body += i32(4) + i32(16) + load(0x28) + load(0x36)
    body += i32(1) + i32(0) + i32(1) + i32(20) + b"\x10\1\x1a"
    body += i32(16) + load(0x28) + b"\x0d\0\x0b"
    return command(body, imports=[(WASI, b"fd_read", four), (WASI, b"fd_write", four)])


def test_stdin_goes_to_stdout():
    for n in (0, 1, 7, 8, 9, 1000):
        text = bytes([i * 7 & 255 for i in range(n)])
        outcome = run(copy_program(), stdin=text)
        assert (outcome.kind, outcome.code, outcome.output) == ("ok", 0, text)


def test_output_over_its_cap_is_a_trap():
    outcome = run(copy_program(), stdin=b"x" * 30, output=24)
    assert (outcome.kind, outcome.reason) == ("trap", "output over its cap of 24 bytes")
    assert outcome.output == b"x" * 24


def exiting(code):
    return command(
        i32(code) + b"\x10\0", imports=[(WASI, b"proc_exit", function((I32,), (), b"")[0])]
    )


def test_exit_codes():
    assert run(exiting(0)).kind == "ok"
    for code in (1, 3, 255):
        outcome = run(exiting(code))
        assert (outcome.kind, outcome.code) == ("exit", code)


def test_stderr_gives_the_reason():
    four = function((I32, I32, I32, I32), (I32,), b"")[0]
    body = i32(0) + i32(64) + load(0x36) + i32(4) + i32(300) + load(0x36)
    body += i32(2) + i32(0) + i32(1) + i32(32) + b"\x10\0\x1a" + i32(9) + b"\x10\1"
    data = command(
        body, imports=[(WASI, b"fd_write", four), (WASI, b"proc_exit", function((I32,), (), b"")[0])],
        data=[(64, b"it broke\x01\xff\nsecond line" + b"z" * 300)],
    )  # fmt: skip
    outcome = run(data)
    assert (outcome.kind, outcome.code, outcome.reason, outcome.output) == ("exit", 9, "it broke??", b"")


def test_arguments():
    data = imported("args_sizes_get", "ii")
    program = start(data, args=["one", "two words"])
    program.invoke("go", (0, 4), tick)
    assert program.invoke("peek", (0,), tick)[3] == (3,)
    assert program.invoke("peek", (4,), tick)[3] == (4 + 4 + 10,)
    program = start(imported("args_get", "ii"), args=["one", "two words"])
    program.invoke("go", (0, 100), tick)
    assert [program.invoke("peek", (at,), tick)[3][0] for at in (0, 4, 8)] == [100, 104, 108]
    assert program.invoke("peek", (104,), tick)[3] == (int.from_bytes(b"one\0", "little"),)


def test_randomness_is_the_seeds():
    data = imported("random_get", "ii")

    def draw(seed):
        program = admit(data, None, False).start(b"", [], 10000, 10, 1, True, seed)
        program.invoke("go", (0, 100), tick)
        return [program.invoke("peek", (at,), tick)[3][0] for at in range(0, 104, 4)]

    first = draw(b"a" * 32)
    assert first == draw(b"a" * 32) != draw(b"b" * 32)
    assert first[-1] == 0 and len(set(first)) == 26
    head = int.from_bytes(sha256(b"a" * 32 + b"\0\0\0\0").digest()[:4], "little")
    assert first[0] & 0xFFFFFFFF == head


def test_randomness_and_output_cost_fuel():
    program = start(imported("random_get", "ii"))
    before = program.used()
    program.invoke("go", (0, 100), tick)
    first = program.used() - before
    program.invoke("go", (0, 1000), tick)
    second = program.used() - before - first
    # The call's own opcodes, and 32 for each 32 bytes begun: 4 and 32 of them.
    assert second - first == 32 * (32 - 4)
    costs = [run(copy_program(), stdin=bytes(n)).fuel for n in (0, 8, 16)]
    assert costs[2] - costs[1] == costs[1] - costs[0]


def test_the_clock():
    data = imported("clock_time_get", "iIi")
    program = admit(data, None, False)
    fixed = 1000000000 * 1000000000
    cases = ((True, lambda: 5, fixed), (False, None, fixed), (False, lambda: 5 << 32, 5 << 32))
    for deterministic, clock, now in cases:
        instance = program.start(b"", [], 10000, 10, 1, deterministic, b"", clock)
        assert instance.invoke("go", (0, 0, 0), tick)[3] == (0,)
        low, high = [instance.invoke("peek", (at,), tick)[3][0] & 0xFFFFFFFF for at in (0, 4)]
        assert high << 32 | low == now
    assert start(data).invoke("go", (4, 0, 0), tick)[3] == (28,)


def test_closed_and_unknown_files():
    read = imported("fd_close", "i")
    program = start(read)
    assert program.invoke("go", (1,), tick)[3] == (0,)
    for fd in (1, 3, -1):
        assert program.invoke("go", (fd,), tick)[3] == (8,)
    assert start(imported("fd_prestat_get", "ii")).invoke("go", (3, 0), tick)[3] == (8,)
    seek = start(imported("fd_seek", "iIii"))
    assert seek.invoke("go", (1, 0, 0, 0), tick)[3] == (70,)
    assert seek.invoke("go", (7, 0, 0, 0), tick)[3] == (8,)


def test_a_module_without_memory_may_not_pass_pointers():
    kind = function((I32, I32), (I32,), b"")[0]
    data = module(
        [function((), (I32,), i32(0) + i32(8) + b"\x10\0")], imports=[(WASI, b"random_get", kind)]
    )
    assert call(data, "f1") == ("trap", "WASI call with a pointer out of bounds")
