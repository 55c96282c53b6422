"""The WASI calls: what they give, and that no pointer leads outside the memory."""

import struct
from hashlib import sha256

from backfence.agent.container.wasi import HOSTS
from modules import I32, I64, admit, call, command, function, get, i32, load, module, run, start, tick

WASI = b"wasi_snapshot_preview1"
# The clock of deterministic mode.
NOW = 1000000000 * 1000000000


def imported(name, params, results=(I32,)):
    kinds = [I64 if c == "I" else I32 for c in params]
    kind, _ = function(kinds, results, b"")
    forward = b"".join([get(i) for i in range(len(params))]) + b"\x10\0"
    return module(
        [function(kinds, results, forward), function((I32,), (I32,), get(0) + load(0x28)),
         function((I32, I32), (), get(0) + get(1) + load(0x36))],
        memory=(1, 1), imports=[(WASI, bytes(name, "utf-8"), kind)], exports={"go": 1, "peek": 2, "poke": 3},
    )  # fmt: skip


# In the attacks the vectors (or subscriptions) stand at V; results go to R.
V, R = 1024, 2048
END_OF_MEMORY = 65536
TRAP = "trap"
BADF, INVAL, NOTDIR, NOTSOCK, NOTSUP, SPIPE = 8, 28, 54, 57, 58, 70


def words(*values):
    """32-bit little-endian words."""
    return struct.pack("<" + "I" * len(values), *[value & 0xFFFFFFFF for value in values])


def sleep(timeout_ns, user=7, clock=1, flags=0, kind=0):
    """A subscription of poll_oneoff to a clock."""
    return struct.pack("<QQIIQQQ", user, kind, clock, 0, timeout_ns, 0, flags)


def ready(fd, user=9, kind=1):
    """A subscription to stdin (kind 1) or stdout (kind 2)."""
    return struct.pack("<QQIIQQQ", user, kind, fd, 0, 0, 0, 0)


def event(user, errno=0, kind=0, size=0, flags=0):
    """What poll_oneoff writes."""
    return struct.pack("<QHHIQQ", user, errno, kind, 0, size, flags)


# (what is tried, call, arguments, memory before as (address, bytes), the errno or TRAP,
# memory after: as it was but for these).  stdin is "hello", the arguments "a" and "bc".
ATTACKS = (
    ("one vector", "fd_read", (0, V, 1, R), ((V, words(64, 3)),), 0, ((64, b"hel"), (R, words(3)))),
    ("more room than input", "fd_read", (0, V, 1, R), ((V, words(64, 9)),), 0, ((64, b"hello"), (R, words(5)))),
    ("an empty vector between two", "fd_read", (0, V, 3, R), ((V, words(64, 1, 1, 0, 70, 2)),), 0,
     ((64, b"h"), (70, b"el"), (R, words(3)))),
    ("vectors that overlap: the later wins", "fd_read", (0, V, 2, R), ((V, words(64, 3, 65, 2)),), 0,
     ((64, b"hlo"), (R, words(5)))),
    ("a vector over the vectors themselves", "fd_read", (0, V, 2, R), ((V, words(V + 8, 4, 64, 1)),), 0,
     ((V + 8, b"hell"), (64, b"o"), (R, words(5)))),
    ("the size written into the data just read", "fd_read", (0, V, 1, 64), ((V, words(64, 5)),), 0,
     ((64, words(5) + b"o"),)),
    ("no vector at all", "fd_read", (0, V, 0, R), (), 0, ((R, words(0)),)),
    ("a vector of nothing at the memory's end", "fd_read", (0, V, 1, R), ((V, words(END_OF_MEMORY, 0)),), 0,
     ((R, words(0)),)),
    ("a vector at the memory's last bytes", "fd_read", (0, V, 1, R), ((V, words(END_OF_MEMORY - 2, 2)),), 0,
     ((END_OF_MEMORY - 2, b"he"), (R, words(2)))),
    ("pointers that are not aligned", "fd_read", (0, V + 1, 1, R + 1), ((V + 1, words(65, 3)),), 0,
     ((65, b"hel"), (R + 1, words(3)))),
    ("16 vectors are served of 17", "fd_read", (0, V, 17, R), ((V, words(0, 0) * 15 + words(64, 2, 66, 2)),), 0,
     ((64, b"he"), (R, words(2)))),
    ("1025 vectors", "fd_read", (0, V, 1025, R), (), INVAL, ()),
    ("vectors whose sizes add up beyond 32 bits", "fd_read", (0, V, 2, R),
     ((V, words(0, 0x80000000, 0, 0x80000000)),), TRAP, ()),
    ("a vector one byte too long", "fd_read", (0, V, 1, R), ((V, words(END_OF_MEMORY - 2, 3)),), TRAP, ()),
    ("a vector that wraps around 2^32", "fd_read", (0, V, 1, R), ((V, words(-4, 8)),), TRAP, ()),
    ("a second vector beyond the memory: the first is not written", "fd_read", (0, V, 2, R),
     ((V, words(64, 3, END_OF_MEMORY, 1)),), TRAP, ()),
    ("an array of vectors that leaves the memory", "fd_read", (0, END_OF_MEMORY - 8, 2, R),
     ((END_OF_MEMORY - 8, words(64, 1)),), TRAP, ()),
    ("a size pointer beyond the memory: nothing is read", "fd_read", (0, V, 1, END_OF_MEMORY - 3),
     ((V, words(64, 3)),), TRAP, ()),
    ("a size pointer of 2^32-1", "fd_read", (0, V, 1, -1), ((V, words(64, 3)),), TRAP, ()),
    ("reading stdout", "fd_read", (1, V, 1, R), ((V, words(64, 3)),), BADF, ()),
    ("reading a number that stands for nothing", "fd_read", (3, -1, -1, -1), (), BADF, ()),
    ("reading 2^32-1", "fd_read", (-1, V, 1, R), ((V, words(64, 3)),), BADF, ()),
    ("writing stdin", "fd_write", (0, V, 1, R), ((V, words(64, 3)),), BADF, ()),
    ("writing what wraps around 2^32", "fd_write", (1, V, 1, R), ((V, words(-4, 8)),), TRAP, ()),
    ("writing all the memory twice", "fd_write", (1, V, 2, R), ((V, words(0, END_OF_MEMORY) * 2),), TRAP, ()),
    ("writing with a size pointer beyond the memory", "fd_write", (1, V, 1, -4 & 0xFFFFFFFF),
     ((V, words(64, 3)),), TRAP, ()),
    ("writing nothing", "fd_write", (1, V, 1, R), ((V, words(64, 0)),), 0, ((R, words(0)),)),
    ("stderr takes all and keeps the beginning", "fd_write", (2, V, 1, R), ((V, words(0, 60000)),), 0,
     ((R, words(60000)),)),
    ("arguments side by side", "args_get", (64, 76), (), 0, ((64, words(76, 80, 82) + b"job\0a\0bc\0"),)),
    ("argument pointers that leave the memory", "args_get", (END_OF_MEMORY - 11, 64), (), TRAP, ()),
    ("argument texts that leave the memory: no pointer is written", "args_get", (64, END_OF_MEMORY - 8), (), TRAP, ()),
    ("argument counts", "args_sizes_get", (64, 68), (), 0, ((64, words(3, 9)),)),
    ("a second count that leaves the memory", "args_sizes_get", (64, END_OF_MEMORY - 3), (), TRAP, ()),
    ("an environment, which is empty", "environ_get", (64, 68), (), 0, ()),
    ("an environment beyond the memory", "environ_get", (64, END_OF_MEMORY + 1), (), TRAP, ()),
    ("the environment's size", "environ_sizes_get", (65, 69), (), 0, ((65, words(0, 0)),)),
    ("the time, at an odd address", "clock_time_get", (0, 1, 65), (), 0, ((65, struct.pack("<Q", NOW)),)),
    ("processor time, which stands still", "clock_time_get", (2, 1, 64), (), 0, ((64, bytes(8)),)),
    ("a clock there is not", "clock_time_get", (4, 1, -1), (), INVAL, ()),
    ("a clock of 2^32-1", "clock_res_get", (-1, 64), (), INVAL, ()),
    ("the time beyond the memory", "clock_time_get", (0, 1, END_OF_MEMORY - 7), (), TRAP, ()),
    ("a resolution beyond the memory", "clock_res_get", (1, END_OF_MEMORY - 7), (), TRAP, ()),
    ("no random bytes", "random_get", (END_OF_MEMORY, 0), (), 0, ()),
    ("one random byte too many", "random_get", (END_OF_MEMORY - 8, 9), (), TRAP, ()),
    ("2^32-1 random bytes", "random_get", (1, -1), (), TRAP, ()),
    ("what stdin is", "fd_fdstat_get", (0, 64), (), 0, ((64, bytes(8) + words(2, 0, 0, 0)),)),
    ("what stdout is", "fd_fdstat_get", (1, 64), (), 0, ((64, bytes(8) + words(64, 0, 0, 0)),)),
    ("what stdin is, beyond the memory", "fd_fdstat_get", (0, END_OF_MEMORY - 23), (), TRAP, ()),
    ("what 3 is", "fd_fdstat_get", (3, -1), (), BADF, ()),
    ("the file of stdout", "fd_filestat_get", (1, 64), (), 0, ((64, bytes(24) + b"\1" + bytes(39)),)),
    ("the file of stdout, beyond the memory", "fd_filestat_get", (1, END_OF_MEMORY - 63), (), TRAP, ()),
    ("flags of stdout", "fd_fdstat_set_flags", (1, 4), (), 0, ()),
    ("flags that do not exist", "fd_fdstat_set_flags", (1, 32), (), INVAL, ()),
    ("flags of nothing", "fd_fdstat_set_flags", (7, 0), (), BADF, ()),
    ("a new number for stdout that is none", "fd_renumber", (1, 3), (), BADF, ()),
    ("a new number for nothing", "fd_renumber", (9, 1), (), BADF, ()),
    ("closing nothing", "fd_close", (3,), (), BADF, ()),
    ("a folder given beforehand", "fd_prestat_get", (3, -1), (), BADF, ()),
    ("seeking in stdin", "fd_seek", (0, 0, 0, -1), (), SPIPE, ()),
    ("seeking in nothing", "fd_seek", (4, 0, 0, R), (), BADF, ()),
    ("reading stdin from a place", "fd_pread", (0, V, 1, 0, R), ((V, words(64, 3)),), SPIPE, ()),
    ("opening a file in stdin", "path_open", (0, 0, -1, -1, 0, 0, 0, 0, -1), (), NOTDIR, ()),
    ("opening a file in a folder there is not", "path_open", (3, 0, 64, 4, 0, 0, 0, 0, R), (), BADF, ()),
    ("a link whose folder is the third argument", "path_symlink", (0, 1, 3, 0, 1), (), BADF, ()),
    ("receiving from stdin", "sock_recv", (0, V, 1, 0, R, R), (), NOTSOCK, ()),
    ("a sleep", "poll_oneoff", (V, R, 1, 64), ((V, sleep(5)),), 0, ((R, event(7)), (64, words(1)))),
    ("of two sleeps the shorter", "poll_oneoff", (V, R, 2, 64), ((V, sleep(5) + sleep(4, user=8)),), 0,
     ((R, event(8)), (64, words(1)))),
    ("stdin, and a sleep that is not waited for", "poll_oneoff", (V, R, 2, 64), ((V, sleep(5) + ready(0)),), 0,
     ((R, event(9, 0, 1, 5)), (64, words(1)))),
    ("room on stdout", "poll_oneoff", (V, R, 1, 64), ((V, ready(1, kind=2)),), 0,
     ((R, event(9, 0, 2, 1000)), (64, words(1)))),
    ("waiting to read stdout", "poll_oneoff", (V, R, 1, 64), ((V, ready(1)),), 0,
     ((R, event(9, BADF, 1)), (64, words(1)))),
    ("sleeping by a clock there is not", "poll_oneoff", (V, R, 1, 64), ((V, sleep(5, clock=2)),), 0,
     ((R, event(7, INVAL)), (64, words(1)))),
    ("subscribing to what there is not", "poll_oneoff", (V, R, 1, 64), ((V, sleep(5, kind=3)),), INVAL, ()),
    ("no subscription", "poll_oneoff", (V, R, 0, 64), (), INVAL, ()),
    ("17 subscriptions", "poll_oneoff", (V, R, 17, 64), ((V, sleep(5) * 17),), INVAL, ()),
    ("subscriptions that leave the memory", "poll_oneoff", (END_OF_MEMORY - 47, R, 1, 64), (), TRAP, ()),
    ("a second event that leaves the memory: the first is not written", "poll_oneoff",
     (V, END_OF_MEMORY - 63, 2, 64), ((V, ready(0) * 2),), TRAP, ()),
    ("a number of events that leaves the memory", "poll_oneoff", (V, R, 1, END_OF_MEMORY - 3),
     ((V, sleep(5)),), TRAP, ()),
)  # fmt: skip


def test_attacks():
    """What each call writes, byte for byte, and that it writes nothing else."""
    programs = {}
    for prose, name, args, before, verdict, after in ATTACKS:
        if name not in programs:
            params = HOSTS["wasi_snapshot_preview1"][name][0]
            data = imported(name, "".join(["I" if t == I64 else "i" for t in params]))
            programs[name] = admit(data, None, False)
        instance = programs[name].start(b"hello", ["a", "bc"], 1000000, 1000, 1, True, b"s" * 32)
        instance.invoke("peek", (0,), tick)
        memory = instance.memory.bytes
        memory[0:4096] = b"\xee" * 4096
        memory[61440:65536] = b"\xee" * 4096
        for at, data in before:
            memory[at : at + len(data)] = data
        expected = bytearray(memory)
        for at, data in after:
            expected[at : at + len(data)] = data
        kind, _, reason, values = instance.invoke("go", args, tick)
        if verdict == TRAP:
            reasons = ("WASI call with a pointer out of bounds", "output over its cap of 1000 bytes")
            assert kind == "trap" and reason in reasons, (prose, kind, reason, values)
            assert instance.wasi.output == b"" and instance.wasi.at == 0, prose
        else:
            assert (kind, values) == ("ok", (verdict,)), (prose, kind, reason, values)
        assert expected == memory and len(instance.wasi.errors) <= 512, prose


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
    # Inside a call it is no return: there are no values.
    assert start(exiting(0)).invoke("_start", (), tick)[:2] == ("exit", 0)
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


def several(*names):
    """A module that exports forwards to these calls, by their names."""
    imports, functions, exports = [], [], {}
    for name in names:
        params, results = HOSTS["wasi_snapshot_preview1"][name]
        forward = b"".join([get(i) for i in range(len(params))]) + b"\x10" + bytes([len(imports)])
        imports.append((WASI, bytes(name, "utf-8"), function(params, results, b"")[0]))
        functions.append(function(params, results, forward))
        exports[name] = len(names) + len(exports)
    return module(functions, memory=(1, 1), imports=imports, exports=exports)


def test_sleep_is_over_at_once_and_moves_the_clock():
    box = [NOW + 40]
    program = admit(several("poll_oneoff", "clock_time_get"), None, False)
    for deterministic, now in ((True, NOW), (False, NOW + 40)):
        instance = program.start(b"", [], 10000, 10, 1, deterministic, b"", lambda: box[0])

        def read(clock):
            assert instance.invoke("clock_time_get", (clock, 1, 0), tick)[3] == (0,)
            return struct.unpack_from("<Q", instance.memory.bytes, 0)[0]

        def wait(*subscription):
            instance.memory.bytes[64:112] = sleep(*subscription)
            assert instance.invoke("poll_oneoff", (64, 128, 1, 0), tick)[3] == (0,)

        assert (read(0), read(1), read(2), read(3)) == (now, now, 0, 0)
        wait(5000)
        assert (read(0), read(1), read(2)) == (now + 5000, now + 5000, 0)
        # Until a time: one to come, one gone by.
        wait(now + 6000, 7, 1, 1)
        wait(now + 1, 7, 0, 1)
        assert read(1) == now + 6000
        wait((1 << 64) - 1)
        wait((1 << 64) - 1)
        assert read(1) == (1 << 64) - 1
    box[0] += 3
    assert (read(2), read(3)) == (3, 3)


def test_closed_and_renumbered_files():
    program = admit(several("fd_close", "fd_renumber", "fd_write", "fd_read"), None, False)
    instance = program.start(b"in", [], 10000, 100, 1, True, b"")

    def go(name, *args):
        return instance.invoke(name, args, tick)[3][0]

    def text(fd):
        return go("fd_write", fd, 0, 1, 60)

    go("fd_close", 9)
    instance.memory.bytes[0:8] = words(64, 2)
    instance.memory.bytes[64:66] = b"ab"
    assert [text(fd) for fd in (0, 1, 2)] == [BADF, 0, 0]
    # stdout becomes stderr, whose own number it takes; nothing is written to the output any more.
    assert go("fd_renumber", 2, 1) == 0
    assert [text(fd) for fd in (0, 1, 2)] == [BADF, 0, BADF]
    assert (bytes(instance.wasi.output), bytes(instance.wasi.errors)) == (b"ab", b"abab")
    assert go("fd_close", 1) == 0 and go("fd_close", 1) == BADF and text(1) == BADF
    assert go("fd_renumber", 0, 1) == BADF and go("fd_renumber", 0, 0) == 0
    assert go("fd_read", 0, 0, 1, 60) == 0 and bytes(instance.memory.bytes[64:66]) == b"in"
    assert go("fd_close", 0) == 0 and go("fd_read", 0, 0, 1, 60) == BADF


def test_poll_says_how_much_is_left():
    program = admit(several("poll_oneoff", "fd_read", "fd_write"), None, False)
    instance = program.start(b"abc", [], 10000, 100, 1, True, b"")

    def left(fd, kind):
        instance.memory.bytes[64:112] = ready(fd, kind=kind)
        assert instance.invoke("poll_oneoff", (64, 128, 1, 0), tick)[3] == (0,)
        return struct.unpack_from("<QHHIQQ", instance.memory.bytes, 128)[1:]

    instance.invoke("fd_read", (3, 0, 0, 0), tick)
    for moved, rest, ended in ((0, 3, 0), (2, 1, 0), (1, 0, 1)):
        instance.memory.bytes[0:8] = words(32, moved)
        assert instance.invoke("fd_read", (0, 0, 1, 16), tick)[3] == (0,)
        assert left(0, 1) == (0, 1, 0, rest, ended)
    for moved, rest in ((60, 40), (40, 0)):
        instance.memory.bytes[0:8] = words(32, moved)
        assert instance.invoke("fd_write", (1, 0, 1, 16), tick)[3] == (0,)
        assert left(1, 2) == (0, 2, 0, rest, 0)


def test_no_memory_left_in_a_call_is_the_jobs_end_alone():
    class Full(bytearray):
        def extend(self, piece):
            raise MemoryError("no room")

    def tired():
        raise MemoryError("the agent's own")

    program = admit(several("fd_write", "random_get"), None, False)
    instance = program.start(b"", [], 30000, 100, 1, True, b"")
    instance.wasi.output = Full()
    outcome = instance.invoke("fd_write", (1, 0, 1, 60), tick)
    assert outcome[:3] == ("memory", 0, "the box has no memory left for it")
    instance = program.start(b"", [], 30000, 100, 1, True, b"")
    try:
        instance.invoke("random_get", (0, 40000), tired)
        raise AssertionError("what tick raised is lost")
    except MemoryError as e:
        assert str(e) == "the agent's own"


def test_a_module_without_memory_may_not_pass_pointers():
    kind = function((I32, I32), (I32,), b"")[0]
    data = module(
        [function((), (I32,), i32(0) + i32(8) + b"\x10\0")], imports=[(WASI, b"random_get", kind)]
    )
    assert call(data, "f1") == ("trap", "WASI call with a pointer out of bounds")
