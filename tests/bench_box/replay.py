"""Hands a recorded trace (record.py) to one box in virtual time; on MicroPython, counted by count.c.

    replay.py TRACE HOME

The box is the whole agent: its loop, with a clock that jumps from one event to the next
and a wire that is the trace; its store, state and stop file are real files under HOME.
What is written to standard error marks where the counts belong.  The last line of
standard output is what was found, as JSON.
"""

# The start of the agent, which sets when garbage is collected; then jobs' memory.
from backfence.agent import __main__ as start

try:
    from backfence.agent.container.arena import set_aside
except ImportError:
    set_aside = None  # an older agent does it later
if set_aside:
    set_aside()

import gc
import hashlib
import json
import sys

from backfence.agent.config import Config
from backfence.agent.descriptor import unpack_all
from backfence.agent.edge import disk, loop, main, started, stop, system
from backfence.agent.node import Node
from backfence.agent.peers import Identity
from backfence.agent.rng import Rng
from backfence.agent.store import Store
from backfence.agent.trust import Keys, Root, lot_id
from backfence.agent.wire import cbor, x25519
from lan import WALL_S, Counters, LanTrust, TableLadder

FILENO = 1000
NEVER_MS = 1 << 29
# A key that a real ladder takes.
OWNER = b"\x09" + bytes(31)
COUNTED = (
    "hellos", "shuffles", "shuffles_answered", "averages", "averages_answered", "datagrams_in", "datagrams_out",
    "bytes_in", "bytes_out", "state_bytes",
)


class Trace:
    """The rows of a trace file, read one by one; at_ms: when the next one comes."""

    def __init__(self, path):
        self._file = open(path, "rb")
        self.head = self._read()
        self._row = self._read()
        self.at_ms = self._row[0]

    def _read(self):
        size = self._file.read(4)
        return cbor.decode(self._file.read(int.from_bytes(size, "big"))) if size else None

    def next(self):
        """(datagram, address)."""
        row = self._row
        self._row = self._read()
        self.at_ms = self._row[0] if self._row else NEVER_MS
        return row[2], row[1]


class Wire:
    """Clock, poller and socket of a Loop: virtual time, and the trace's datagrams."""

    fileno = FILENO
    _ready = ((FILENO, 1),)

    def __init__(self, trace):
        head = trace.head
        self._trace = trace
        self._begin_ms = head["begin_ms"]
        self._end_ms = head["end_ms"]
        self._start_ms = self._now_ms = head["start_ms"]
        self._got = None
        self._counting = False
        self.loop = None
        self.before = {}
        self.turns = self.ladders = 0
        self.hash = hashlib.sha256()

    def now(self):
        """Virtual ms."""
        return self._now_ms

    def wall(self):
        """Virtual Unix seconds."""
        return WALL_S + (self._now_ms - self._start_ms) // 1000

    def poll(self, wait_ms):
        """Let time pass until a datagram or the wait's end."""
        before = self._now_ms
        # A box that waits no time still takes some; the recorded world says 1 ms.
        now = before + max(wait_ms, 1)
        if self._trace.at_ms <= now:
            now = max(before, self._trace.at_ms)
            self._got = self._trace.next()
        if before < self._begin_ms <= now:
            self._begin()
        if self._counting and now >= self._end_ms:
            mark("end")
            self._counting = False
            self.loop.stopping = True
        self._now_ms = now
        self.turns += 1
        return self._ready if self._got else ()

    def _begin(self):
        self._counting = True
        self.turns = Ladder.count = 0
        self.before = self.loop._node.counters.nonzero()
        mark("begin")

    def receive(self):
        """The datagram that came, once."""
        got, self._got = self._got, None
        return got

    def send(self, data, address):
        """Keep what a datagram said."""
        if self._counting:
            self.hash.update(data)

    def close(self):
        """Nothing is open."""


class Ladder:
    """Costs what the X25519 ladder costs; the fleet was recorded with a table's secrets."""

    count = 0

    def __init__(self, private, public, blind):
        Ladder.count += 1
        self._ladder = x25519.Ladder(private, public, blind)
        self.result = TableLadder(private, public, blind).result

    def step(self):
        """One step of the real ladder."""
        return self._ladder.step()


def mark(name):
    """Let the counter tell its count."""
    sys.stderr.write(name + "\n")


def make_node(head, home):
    """The recorded box, as it was before it joined, with files under home."""
    config = Config()
    identity = Identity(head["private"], head["public"])
    lot = lot_id(head["root"])
    keys = Keys(hashlib.sha256(b"fleet").digest()[:16], Root(1, [b"r" * 60], 1, bytes(60)))
    trust = LanTrust(keys, OWNER, {lot: (head["root"], head["nodes"], 0)}, lot, head["number"], head["path"])
    directories = [home + "/" + name for name in ("state", "store", "slots")]
    for directory in directories:
        disk.make_directory(directory)
    store = Store(disk.Disk(*directories), config.store_kb * 1024, Counters())
    node = Node(config, identity, trust, store, Rng(head["seed"]), head["start_ms"], WALL_S, head["address"], None, Ladder)
    node.attributes.update(head["attributes"])
    return node


def make_loop(trace, home):
    """(Loop, Wire, Node) of the recorded box, which has joined."""
    if not set_aside:
        main.set_aside()
    del sys.modules[main.__name__]  # as the start does
    head = trace.head
    node = make_node(head, home)
    wire = Wire(trace)
    # /proc is read as ever, but what it says must be the same in each run.
    memory, load, attributes = system.memory, system.load, head["attributes"]
    system.memory = lambda: (memory(), (attributes["mem_total"], attributes["mem_free"]))[1]
    system.load = lambda: (load(), attributes["load"])[1]
    beat = started.Beat(home + "/store/beat")
    wire.loop = loop.Loop(node.config, node, wire, wire, wire, None, stop.Stop(home + "/stop"), home, beat)
    if hasattr(start, "collect_less"):
        start.collect_less()
    node.membership.join(unpack_all(head["known"], 64))
    return wire.loop, wire, node


def run(path, home):
    """Replay all of it."""
    trace = Trace(path)
    made, wire, node = make_loop(trace, home)
    mark("loaded")
    made.run()
    found = {name: node.counters[name] - wire.before.get(name, 0) for name in COUNTED}
    found["rounds"] = trace.head["rounds"]
    found["round_s"] = node.config.round_ms / 1000
    found["turns"] = wire.turns
    found["ladders"] = Ladder.count
    found["same"] = wire.hash.digest() == trace.head["hash"]
    gc.collect()
    found["heap"] = gc.mem_alloc()
    print(json.dumps(found))


if __name__ == "__main__":
    run(*sys.argv[1:])
