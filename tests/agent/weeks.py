"""Nodes that live for weeks of virtual time in one MicroPython; what the heap holds each day.

    weeks.py TURNS HOURS [leak]

A turn is so many hours of churn and work.  The nodes' time comes from the agent's own
clock, over a counter that wraps every 2^30 ms, and passes 2^30 on the way.  Prints a
few times each turn `turn N at MS: heap BYTES, files NAMES BYTES`, and the interpreter's
line on interned names.  With `leak`, the first bytes of what is asked in shuffles are kept for ever.
"""

import gc
import sys

import micropython
from backfence.agent.counting import Counters
from backfence.agent.edge.clock import Clock
from backfence.agent.membership import Membership
from backfence.agent.node import Node
from backfence.agent.rng import Rng
from backfence.agent.store import Store
from backfence.agent.wire.hashes import sha256
from lan import WALL_S, Lan, Outcome, TableLadder

BOXES = 4
WRAP_MS = 1 << 30
HOUR_MS = 3600000
SAMPLES_A_TURN = 3
# As full from the start as it gets, of blobs as large as those to come.
STORE_BYTES, BLOB_BYTES = 20 << 10, 320
PROGRAM = b"\0asm and more"
# A door's 64 last answers are full after three turns, too.
TASKS = 24
# Sequence floors: as many names a turn fill their 64 places in three turns.
NAMES = 24


class Weeks(Lan):
    """A Lan whose time is read from a Clock, as the loop of the agent does."""

    def __init__(self, count, before_ms, **settings):
        """before_ms: how far the time is from 2^30; the counter under it wraps somewhat later."""
        self._ticks = before_ms // 2
        self._clock = Clock(lambda: self._ticks % WRAP_MS, WRAP_MS - 1, lambda: WALL_S)
        while self._clock.now() < WRAP_MS - before_ms:
            self._pass(min(WRAP_MS >> 2, WRAP_MS - before_ms - self._clock.now()))
        super().__init__(count, **settings)

    def _pass(self, ms):
        before = self._clock.now()
        self._ticks += ms
        assert self._clock.now() - before == ms, (before, ms)

    @property
    def now_ms(self):
        """The clock's time."""
        return self._clock.now()

    @now_ms.setter
    def now_ms(self, value):
        # The Lan begins at 1,000; ours has begun.
        if value > self._clock.now():
            self._pass(value - self._clock.now())

    def _node(self, config, identity, trust, disk, number, controller=None):
        store = Store(disk, STORE_BYTES, Counters())
        rng = Rng(b"node %d" % number + self.rng.bytes(8))
        wall_s = WALL_S + self.now_ms // 1000
        return Node(
            config, identity, trust, store, rng, self.now_ms, wall_s, self.address(number), controller, TableLadder)


def wall_s(lan):
    """What every node's wall clock says."""
    return WALL_S + lan.now_ms // 1000


def push(lan, valid_s, **fields):
    """A signed manifest for door 0 that is valid so long."""
    fields.update(issued=wall_s(lan), expires=wall_s(lan) + valid_s)
    verdict = lan.push(0, fields)
    lan.run(1000)
    assert verdict == [None], (verdict, fields)


def work(lan, turn, turn_ms):
    """The turn's pushes: a slice that changes its size, names that come and go, a workload; its blobs."""
    valid_s = turn_ms // 3000
    push(lan, turn_ms // 500, kind="slice", name="edge", seats=2 + turn % 2, seq=turn + 1)
    for i in range(NAMES - 2):
        push(lan, valid_s, kind="slice", name="none-%d-%d" % (turn, i), seats=2, where=["==", "region", "nowhere"])
    push(lan, valid_s, kind="query", name="ask-%d" % turn, by="load")
    inputs = [(b"input %d of turn %d " % (i, turn) * BLOB_BYTES)[:BLOB_BYTES] for i in range(TASKS)]
    index = b"".join([sha256(data) for data in inputs])
    push(
        lan, valid_s, kind="workload", name="words-%d" % turn, slice="edge", program=sha256(PROGRAM),
        program_size=len(PROGRAM), index=[sha256(index)], tasks=TASKS, args=[], replicas=1, quorum=1,
        limits={"fuel": 1000, "pages": 2, "output": 1000}, deadline_s=valid_s, deterministic=True)
    return {sha256(data).hex(): data for data in inputs + [PROGRAM, index]}


def serve(lan, blobs):
    """What edge and broker do with the nodes' events; the number of results that came."""
    results = 0
    for number in list(lan.events):
        node = lan.nodes[number]
        for event in lan.events.pop(number):
            if event[0] == "subscribe" and "/blob/" in event[1]:
                digest = event[1].rsplit("/", 1)[1]
                if digest in blobs:
                    node.message(event[1], blobs[digest], True, lan.now_ms)
            elif event[0] == "publish":
                results += "/result/" in event[1]
                if event[4] is not None:
                    node.published(event[4], lan.now_ms)
            elif event[0] == "job":
                node.job_done(event[1], Outcome(b"ran " + node.store.get(event[1].input)), lan.now_ms)
    return results


def live(lan, turn, turn_ms):
    """One turn: work, garbage, a restart, a long quiet in which the heap is looked at."""
    start_ms = lan.now_ms
    blobs = work(lan, turn, turn_ms)
    results = 0
    while results < TASKS:
        assert lan.now_ms - start_ms < turn_ms // 3, "%d of %d results" % (results, TASKS)
        lan.run(500)
        results += serve(lan, blobs)
    for i in range(20):
        lan.send_raw(bytes((0x10 + i,)) + lan.rng.bytes(40), 1, lan.rng.below(BOXES))
    lan.restart(BOXES - 1)
    lan.nodes[BOXES - 1].membership.join([lan.descriptor(0)])
    for sample in range(1, SAMPLES_A_TURN + 1):
        until_ms = start_ms + turn_ms // 2 + sample * turn_ms // (2 * SAMPLES_A_TURN)
        # In pieces, so that no list of events is long.
        while lan.now_ms < until_ms:
            lan.run(min(HOUR_MS, until_ms - lan.now_ms))
            serve(lan, blobs)
        say(lan, turn)


def say(lan, turn):
    """The lines of one look."""
    gc.collect()
    heap = gc.mem_alloc()
    sizes = [len(data) for node in lan.nodes for data in node.store.disk.files.values()]
    print("turn %d at %d: heap %d, files %d %d" % (turn, lan.now_ms, heap, len(sizes), sum(sizes)))
    micropython.qstr_info()


def plant():
    """A leak in every node."""
    on_ask = Membership.on_ask

    def leaking(self, peer, message):
        if len(kept[-1]) == 32:  # no large list, for which there may be no room
            kept.append([])
        kept[-1].append(bytes(message[2][:16]))
        on_ask(self, peer, message)

    kept = [[]]
    Membership.on_ask = leaking


def main(turns, turn_ms, leak):
    """All turns."""
    if leak:
        plant()
    lan = Weeks(BOXES, turns * turn_ms // 2, door=True, round_ms=600000, busy_round_ms=5000, probe_ms=60000)
    lan.join_all()
    lan.nodes[0].connected(lan.now_ms)
    for node in lan.nodes:
        while node.store.used + BLOB_BYTES <= STORE_BYTES:
            node.store.put(lan.rng.bytes(BLOB_BYTES))
    for turn in range(turns):
        live(lan, turn, turn_ms)


main(int(sys.argv[1]), int(sys.argv[2]) * HOUR_MS, "leak" in sys.argv)
