"""WASI preview 1 for a job: stdin, stdout, arguments, a clock, random bytes, an exit code.

The calls that the start-up and stdio of wasi-libc and of Rust's library make;
without_files.py has those that a job without files, directories or sockets can
only be told "no" to.  Every pointer is range-checked against the memory, all of
a call's before it writes anything; a bad one is a trap.  Calls and their types:
wasi_snapshot_preview1.witx; what each gives here: docs/wasi.md.
"""

import struct
from hashlib import sha256

from .reader import I32, I64
from .trap import Unwind, trap
from .without_files import ANSWERS, BADF, INVAL, OK

# Vectors served by one fd_read or fd_write: wasi-libc uses 2, Rust's println! 1.
# What more vectors hold is left for the next call, as POSIX lets writev do.
_SERVED = 16
# POSIX's IOV_MAX: more are an error.
_IOVECS = 1024
# Subscriptions of one poll_oneoff; a sleep has one.
_SUBSCRIPTIONS = 16
# What a call and each item of its arrays cost, in fuel: about the time they take beside
# opcodes, so that no job stays away from `tick` by calling much.
CALL_FUEL = 200
ITEM_FUEL = 50
# What a job may say on stderr: enough for the one line that explains its exit.
_STDERR_BYTES = 512

_MASK32 = 0xFFFFFFFF
_MASK64 = 0xFFFFFFFFFFFFFFFF
_NAME = "wasi_snapshot_preview1"
_REALTIME, _MONOTONIC, _PROCESS_CPU, _THREAD_CPU = 0, 1, 2, 3
_POLL_CLOCK, _POLL_READ, _POLL_WRITE = 0, 1, 2
_RIGHT_READ, _RIGHT_WRITE = 2, 64

# name -> parameters: i for i32, I for i64.  All but proc_exit give an errno.
_CALLS = {
    "args_get": "ii",
    "args_sizes_get": "ii",
    "environ_get": "ii",
    "environ_sizes_get": "ii",
    "clock_res_get": "ii",
    "clock_time_get": "iIi",
    "fd_close": "i",
    "fd_fdstat_get": "ii",
    "fd_fdstat_set_flags": "ii",
    "fd_filestat_get": "ii",
    "fd_read": "iiii",
    "fd_renumber": "ii",
    "fd_write": "iiii",
    "poll_oneoff": "iiii",
    "proc_exit": "i",
    "random_get": "ii",
    "sched_yield": "",
}


def _hosts():
    """{module: {call: (parameter types, result types)}}."""
    calls = {}
    kinds = {}
    for name in list(_CALLS) + list(ANSWERS):
        text = _CALLS[name] if name in _CALLS else ANSWERS[name][0]
        if text not in kinds:
            kinds[text] = (tuple([I64 if c == "I" else I32 for c in text]), (I32,))
        calls[name] = kinds[text]
    calls["proc_exit"] = ((I32,), ())
    return {_NAME: calls}


HOSTS = _hosts()


class Wasi:
    """One run's side of the calls.  Methods named after calls take (depth, arguments...)."""

    def __init__(self, memory, stdin, args, output_cap, seed, clock_ns):
        self.memory = memory  # None in a module without one
        self.stdin = stdin
        self.at = 0
        self.args = [b"job\0"] + [bytes(arg, "utf-8") + b"\0" for arg in args]
        self.output = bytearray()
        self.output_cap = output_cap
        self.errors = bytearray()
        self.seed = seed
        self.drawn = 0
        self.clock_ns = clock_ns  # a function, or the fixed time
        self.slept_ns = 0
        self.began_ns = self.box_ns()
        self.files = [0, 1, 2]  # what each number stands for; -1: closed
        self.meter = None  # takes fuel
        self.charging = False
        self.fault = None  # an exception of our own, not the job's

    def bind(self, name):
        """The function for generated code; our own bugs are told from the job's traps."""
        call = self.answer(name) if name in ANSWERS else getattr(self, name)

        def bound(*args):
            try:
                self.charge(CALL_FUEL << 6)
                return call(*args)
            except Unwind:
                raise
            except Exception as e:
                if isinstance(e, MemoryError) and not self.charging:
                    raise Unwind("memory", 0, "the box has no memory left for it")
                self.fault = e
                raise

        return bound

    def answer(self, name):
        """A call of without_files.py."""
        _, where, errno = ANSWERS[name]

        def call(d, *args):
            return BADF if self.file(args[where]) < 0 else errno

        return call

    def charge(self, size):
        """Fuel for bytes moved; what the agent's tick raises meanwhile is no fault of the job."""
        self.charging = True
        self.meter(size >> 6)
        self.charging = False

    # Memory, range-checked.  Integers come signed or unsigned, as the mode has them.

    def view(self, at, size):
        """`at` unsigned, if `size` bytes from there are in the memory; else a trap."""
        at &= _MASK32
        if self.memory is None or at + size > self.memory.size:
            trap("WASI call with a pointer out of bounds")
        return at

    def put32(self, at, value):
        at = self.view(at, 4)
        struct.pack_into("<I", self.memory.bytes, at, value & _MASK32)

    def put64(self, at, value):
        at = self.view(at, 8)
        struct.pack_into("<Q", self.memory.bytes, at, value & _MASK64)

    def put(self, at, data):
        at = self.view(at, len(data))
        self.memory.bytes[at : at + len(data)] = data

    def vectors(self, at, count):
        """[(address, size)] of an iovec array's beginning, all checked; None: too many."""
        count &= _MASK32
        if count > _IOVECS:
            return None
        at = self.view(at, count * 8)
        self.charge(min(count, _SERVED) * ITEM_FUEL << 6)
        pairs = []
        for i in range(min(count, _SERVED)):
            address, size = struct.unpack_from("<II", self.memory.bytes, at + i * 8)
            self.view(address, size)
            pairs.append((address, size))
        return pairs

    def file(self, fd):
        """What the number stands for, -1 if nothing."""
        return self.files[fd] if 0 <= fd <= 2 else -1

    # Arguments and environment.

    def args_get(self, d, at, texts_at):
        """The pointers to the arguments, and the arguments, each ending in a zero byte."""
        at = self.view(at, 4 * len(self.args))
        texts_at = self.view(texts_at, sum([len(a) for a in self.args]))
        for text in self.args:
            self.put32(at, texts_at)
            self.put(texts_at, text)
            at += 4
            texts_at += len(text)
        return OK

    def args_sizes_get(self, d, count_at, size_at):
        return self.sizes(count_at, size_at, len(self.args), sum([len(a) for a in self.args]))

    def environ_get(self, d, at, texts_at):
        """Nothing: there is no environment."""
        self.view(at, 0)
        self.view(texts_at, 0)
        return OK

    def environ_sizes_get(self, d, count_at, size_at):
        return self.sizes(count_at, size_at, 0, 0)

    def sizes(self, count_at, size_at, count, size):
        self.view(size_at, 4)
        self.put32(count_at, count)
        self.put32(size_at, size)
        return OK

    # Clocks, random bytes, the rest of the process.

    def box_ns(self):
        return self.clock_ns() if callable(self.clock_ns) else self.clock_ns

    def time_ns(self, clock):
        """What a clock shows.  The job's sleeps have moved the first two, and nothing else."""
        if clock > _MONOTONIC:
            return max(self.box_ns() - self.began_ns, 0)
        return min(self.box_ns() + self.slept_ns, _MASK64)

    def clock_res_get(self, d, clock, at):
        if not 0 <= clock <= _THREAD_CPU:
            return INVAL
        self.put64(at, 1000000)
        return OK

    def clock_time_get(self, d, clock, precision, at):
        if not 0 <= clock <= _THREAD_CPU:
            return INVAL
        self.put64(at, self.time_ns(clock))
        return OK

    def random_get(self, d, at, size):
        """Bytes of SHA-256(seed, counter): the same for the same seed."""
        size &= _MASK32
        at = self.view(at, size)
        while size:
            # A hash takes long on a small box: 1 fuel a byte, and a turn of `tick` between.
            self.charge(32 << 6)
            block = sha256(self.seed + struct.pack(">I", self.drawn)).digest()[: min(size, 32)]
            self.drawn += 1
            self.memory.bytes[at : at + len(block)] = block
            at += len(block)
            size -= len(block)
        return OK

    def sched_yield(self, d):
        return OK

    def proc_exit(self, d, code):
        raise Unwind("exit", code & _MASK32, "")

    def poll_oneoff(self, d, at, events_at, count, count_at):
        """What is ready: stdin and stdout always are; a sleep is over at once and moves the clock."""
        count &= _MASK32
        if not 0 < count <= _SUBSCRIPTIONS:
            return INVAL
        at = self.view(at, count * 48)
        events_at = self.view(events_at, count * 32)
        self.view(count_at, 4)
        self.charge(count * ITEM_FUEL << 6)
        events, waits = [], []
        for i in range(at, at + count * 48, 48):
            kind = self.memory.bytes[i + 8]
            if kind > _POLL_WRITE:
                return INVAL
            if kind == _POLL_CLOCK:
                self.subscribe_clock(i, events, waits)
            else:
                events.append(self.subscribe_file(i, kind))
        shortest = 0 if events else min([wait for wait, _ in waits])
        self.slept_ns = min(self.slept_ns + shortest, _MASK64)
        events += [event for wait, event in waits if wait <= shortest]
        for event in events:
            self.put(events_at, event)
            events_at += 32
        self.put32(count_at, len(events))
        return OK

    def subscribe_clock(self, at, events, waits):
        """A subscription to a clock: an event with an errno, or how long to wait for one."""
        raw = self.memory.bytes
        clock, timeout, flags = [struct.unpack_from(f, raw, at + i)[0] for f, i in (("<I", 16), ("<Q", 24), ("<H", 40))]
        user = bytes(raw[at : at + 8])
        if clock > _MONOTONIC:
            events.append(user + struct.pack("<HHIQQ", INVAL, _POLL_CLOCK, 0, 0, 0))
            return
        if flags & 1:  # until, not for
            timeout = max(timeout - self.time_ns(clock), 0)
        waits.append((timeout, user + bytes(24)))

    def subscribe_file(self, at, kind):
        """The event of a subscription to a file: it is ready, or it is none."""
        raw = self.memory.bytes
        file = self.file(struct.unpack_from("<I", raw, at + 16)[0])
        errno = room = ended = 0
        if file < 0 or (kind == _POLL_READ) != (file == 0):
            errno = BADF
        elif file == 0:
            room = len(self.stdin) - self.at
            ended = 0 if room else 1
        else:
            room = self.output_cap - len(self.output) if file == 1 else _STDERR_BYTES
        return bytes(raw[at : at + 8]) + struct.pack("<HHIQQ", errno, kind, 0, room, ended)

    # Files: 0 is stdin, 1 stdout, 2 stderr.

    def fd_read(self, d, fd, at, count, size_at):
        """Bytes of stdin, as many as there are and fit; none at its end."""
        if self.file(fd) != 0:
            return BADF
        pairs = self.vectors(at, count)
        if pairs is None:
            return INVAL
        self.view(size_at, 4)
        done = 0
        for address, size in pairs:
            n = min(size, len(self.stdin) - self.at)
            self.memory.bytes[address : address + n] = self.stdin[self.at : self.at + n]
            self.at += n
            done += n
        self.charge(done)
        self.put32(size_at, done)
        return OK

    def fd_write(self, d, fd, at, count, size_at):
        """Bytes to stdout, within the cap, or to stderr, of which only the beginning is kept."""
        file = self.file(fd)
        if file < 1:
            return BADF
        pairs = self.vectors(at, count)
        if pairs is None:
            return INVAL
        self.view(size_at, 4)
        total = sum([size for _, size in pairs])
        self.charge(total)
        memory = self.memory.bytes
        if file == 1:
            if len(self.output) + total > self.output_cap:
                trap("output over its cap of %d bytes" % self.output_cap)
            for address, size in pairs:
                self.output.extend(memory[address : address + size])
        else:
            for address, size in pairs:
                size = min(size, _STDERR_BYTES - len(self.errors))
                self.errors.extend(memory[address : address + size])
        self.put32(size_at, total)
        return OK

    def fd_close(self, d, fd):
        if self.file(fd) < 0:
            return BADF
        self.files[fd] = -1
        return OK

    def fd_renumber(self, d, fd, to):
        """`to` stands for what `fd` stood for, and `fd` for nothing."""
        file = self.file(fd)
        if file < 0 or self.file(to) < 0:
            return BADF
        self.files[fd] = -1
        self.files[to] = file
        return OK

    def fd_fdstat_get(self, d, fd, at):
        """File type unknown (not a terminal, so stdio buffers); may read or write."""
        file = self.file(fd)
        if file < 0:
            return BADF
        self.put(at, struct.pack("<BBHIQQ", 0, 0, 0, 0, _RIGHT_WRITE if file else _RIGHT_READ, 0))
        return OK

    def fd_fdstat_set_flags(self, d, fd, flags):
        """Append, non-blocking and the like make no difference here."""
        if self.file(fd) < 0:
            return BADF
        return OK if 0 <= flags <= 31 else INVAL

    def fd_filestat_get(self, d, fd, at):
        """File type unknown, one link, all else 0."""
        if self.file(fd) < 0:
            return BADF
        self.put(at, bytes(24) + b"\1" + bytes(39))
        return OK
