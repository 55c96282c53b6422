"""WASI preview 1 for a job: stdin, stdout, arguments, a clock, random bytes, an exit code.

The calls that wasi-libc's start-up and stdio make, and no more: no files, no
network.  Every pointer is range-checked against the memory; a bad one is a trap.
Calls and their types: wasi_snapshot_preview1.witx.
"""

import struct
from hashlib import sha256

from .reader import I32, I64
from .trap import Unwind, trap

_OK = 0
_BADF = 8
_INVAL = 28
_SPIPE = 70

# Vectors in one fd_read or fd_write; wasi-libc uses at most 2.
_IOVECS = 16
# What a job may say on stderr: enough for the one line that explains its exit.
_STDERR_BYTES = 512

_NAME = "wasi_snapshot_preview1"


def _types(text):
    return tuple([I64 if c == "I" else I32 for c in text])


# name -> parameters: i for i32, I for i64.  All but proc_exit give an errno.
_CALLS = {
    "args_get": "ii",
    "args_sizes_get": "ii",
    "environ_get": "ii",
    "environ_sizes_get": "ii",
    "clock_res_get": "ii",
    "clock_time_get": "iIi",
    "fd_advise": "iIIi",
    "fd_close": "i",
    "fd_datasync": "i",
    "fd_fdstat_get": "ii",
    "fd_fdstat_set_flags": "ii",
    "fd_prestat_dir_name": "iii",
    "fd_prestat_get": "ii",
    "fd_read": "iiii",
    "fd_seek": "iIii",
    "fd_sync": "i",
    "fd_tell": "ii",
    "fd_write": "iiii",
    "proc_exit": "i",
    "random_get": "ii",
    "sched_yield": "",
}

HOSTS = {
    _NAME: dict([(name, (_types(params), () if name == "proc_exit" else (I32,))) for name, params in _CALLS.items()])
}


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
        self.open = [True, True, True]
        self.fault = None  # an exception of our own, not the job's

    def bind(self, name):
        """The function for generated code; our own bugs are told from the job's traps."""
        call = getattr(self, name)

        def bound(*args):
            try:
                return call(*args)
            except Unwind:
                raise
            except Exception as e:
                self.fault = e
                raise

        return bound

    # Memory, range-checked.  Pointers and sizes come signed or unsigned: u() makes them unsigned.

    def view(self, at, size):
        at &= 0xFFFFFFFF
        size &= 0xFFFFFFFF
        if self.memory is None or at + size > self.memory.size:
            trap("WASI call with a pointer out of bounds")
        return at

    def put32(self, at, value):
        at = self.view(at, 4)
        struct.pack_into("<I", self.memory.bytes, at, value)

    def put64(self, at, value):
        at = self.view(at, 8)
        struct.pack_into("<Q", self.memory.bytes, at, value & 0xFFFFFFFFFFFFFFFF)

    def put(self, at, data):
        at = self.view(at, len(data))
        self.memory.bytes[at : at + len(data)] = data

    def vectors(self, at, count):
        """[(address, size)] of an iovec array, each checked."""
        count &= 0xFFFFFFFF
        if count > _IOVECS:
            return None
        at = self.view(at, count * 8)
        pairs = []
        for i in range(count):
            address, size = struct.unpack_from("<II", self.memory.bytes, at + i * 8)
            self.view(address, size)
            pairs.append((address, size))
        return pairs

    def is_open(self, fd):
        return 0 <= fd <= 2 and self.open[fd]

    # Arguments and environment.

    def lists(self, at, texts_at, texts):
        """Write strings and an array of pointers to them."""
        at &= 0xFFFFFFFF
        texts_at &= 0xFFFFFFFF
        for text in texts:
            self.put32(at, texts_at)
            self.put(texts_at, text)
            at += 4
            texts_at += len(text)
        return _OK

    def args_get(self, d, at, texts_at):
        return self.lists(at, texts_at, self.args)

    def args_sizes_get(self, d, count_at, size_at):
        self.put32(count_at, len(self.args))
        self.put32(size_at, sum([len(a) for a in self.args]))
        return _OK

    def environ_get(self, d, at, texts_at):
        return _OK

    def environ_sizes_get(self, d, count_at, size_at):
        self.put32(count_at, 0)
        self.put32(size_at, 0)
        return _OK

    # Clock, random bytes, the rest of the process.

    def clock_res_get(self, d, clock, at):
        if not 0 <= clock <= 3:
            return _INVAL
        self.put64(at, 1000000)
        return _OK

    def clock_time_get(self, d, clock, precision, at):
        if not 0 <= clock <= 3:
            return _INVAL
        now = self.clock_ns
        self.put64(at, now() if callable(now) else now)
        return _OK

    def random_get(self, d, at, size):
        """Bytes of SHA-256(seed, counter): the same for the same seed."""
        at = self.view(at, size)
        size &= 0xFFFFFFFF
        while size:
            # A hash takes long on a small box: 1 fuel a byte, and a turn of `tick` between.
            self.memory.charge(32 << 6)
            block = sha256(self.seed + struct.pack(">I", self.drawn)).digest()[: min(size, 32)]
            self.drawn += 1
            self.memory.bytes[at : at + len(block)] = block
            at += len(block)
            size -= len(block)
        return _OK

    def sched_yield(self, d):
        return _OK

    def proc_exit(self, d, code):
        raise Unwind("exit", code & 0xFFFFFFFF, "")

    # Files: 0 is stdin, 1 stdout, 2 stderr.

    def fd_read(self, d, fd, at, count, size_at):
        """Bytes of stdin, as many as there are and fit."""
        if fd or not self.open[0]:
            return _BADF
        pairs = self.vectors(at, count)
        if pairs is None:
            return _INVAL
        done = 0
        for address, size in pairs:
            n = min(size, len(self.stdin) - self.at)
            self.memory.bytes[address : address + n] = self.stdin[self.at : self.at + n]
            self.at += n
            done += n
        self.memory.charge(done)
        self.put32(size_at, done)
        return _OK

    def fd_write(self, d, fd, at, count, size_at):
        """Bytes to stdout, within the cap, or to stderr, of which only the beginning is kept."""
        if fd not in (1, 2) or not self.open[fd]:
            return _BADF
        pairs = self.vectors(at, count)
        if pairs is None:
            return _INVAL
        total = sum([size for _, size in pairs])
        self.memory.charge(total)
        self.put32(size_at, total)
        memory = self.memory.bytes
        if fd == 1:
            if len(self.output) + total > self.output_cap:
                trap("output over its cap of %d bytes" % self.output_cap)
            for address, size in pairs:
                self.output.extend(memory[address : address + size])
        else:
            for address, size in pairs:
                size = min(size, _STDERR_BYTES - len(self.errors))
                self.errors.extend(memory[address : address + size])
        return _OK

    def fd_close(self, d, fd):
        if not self.is_open(fd):
            return _BADF
        self.open[fd] = False
        return _OK

    def fd_fdstat_get(self, d, fd, at):
        """File type unknown (not a terminal, so stdio buffers); may read or write."""
        if not self.is_open(fd):
            return _BADF
        self.put(at, struct.pack("<BBHIQQ", 0, 0, 0, 0, 2 if fd == 0 else 64, 0))
        return _OK

    def fd_fdstat_set_flags(self, d, fd, flags):
        return _OK if self.is_open(fd) else _BADF

    def fd_prestat_get(self, d, fd, at):
        return _BADF

    def fd_prestat_dir_name(self, d, fd, at, size):
        return _BADF

    def fd_seek(self, d, fd, offset, whence, at):
        return _SPIPE if self.is_open(fd) else _BADF

    def fd_tell(self, d, fd, at):
        return _SPIPE if self.is_open(fd) else _BADF

    def fd_advise(self, d, fd, offset, size, advice):
        return _SPIPE if self.is_open(fd) else _BADF

    def fd_sync(self, d, fd):
        return _OK if self.is_open(fd) else _BADF

    def fd_datasync(self, d, fd):
        return _OK if self.is_open(fd) else _BADF
