"""Records what reaches one box of a fleet, for replay.py to hand it to that box alone; on MicroPython.

    record.py TRACE NODES WARM_ROUNDS ROUNDS

A fleet of real nodes in virtual time, with sealed and encrypted speech and the default
configuration.  It joins in busy rounds, as any fleet does, and counts itself three times;
what follows are idle rounds.  CPython would not do: its dicts have another order, so the
same draws would choose other boxes.
"""

import heapq
import sys

from backfence.agent.config import Config
from backfence.agent.descriptor import pack_all
from backfence.agent.node import Node
from backfence.agent.rng import Rng
from backfence.agent.store import Store
from backfence.agent.wire import cbor
from backfence.agent.wire.hashes import sha256
from lan import WALL_S, Counters, Lan, TableLadder

# The box that is recorded, and those with a broker: no door is an idle box.
NUMBER = 10
DOORS = (0, 1)
VIEW = 20
DELAY_MS = 20
JITTER_MS = 40
# What happens in one ms, in this order: as in a turn of the loop.
ARRIVES = 0
WAKES = 1
# Busy rounds while the fleet joins and counts itself.
JOIN_MS = 150000


class Fleet(Lan):
    """A Lan for hundreds of nodes: events in a heap."""

    def __init__(self, count):
        defaults = Config()
        super().__init__(count, busy_round_ms=defaults.busy_round_ms, round_ms=defaults.round_ms)
        self._heap = []
        self._wakes = {}
        self.rows = []
        self.sent = []
        for number in DOORS:
            self.nodes[number].config.door = 1
            self.restart(number)
            self.nodes[number].connected(self.now_ms)
        for number in range(count):
            known = self.rng.sample([i for i in range(count) if i != number], VIEW)
            known = [self.descriptor(i) for i in known]
            if number == NUMBER:
                self.known = pack_all(known)
            self.nodes[number].membership.join(known)
            self._after_call(number)

    def _node(self, config, identity, trust, disk, number, controller=None):
        seed = b"node %d" % number + self.rng.bytes(8)
        # As the edge finds them; they differ, or the fleet's averages would be short.
        attributes = {
            "arch": "mips", "byteorder": "big", "word_bits": 32, "mem_total": 64 << 20,
            "mem_free": (16 << 20) + (number << 12), "load": number % 100, "version": "1.0.0",
            "class": config.class_, "region": config.region, "door": config.door,
        }
        if number == NUMBER:
            self.recorded = {
                "private": identity.private, "public": identity.public, "address": self.address(number), "seed": seed,
                "root": self.lots[trust.lot][0], "path": trust.path, "attributes": attributes,
            }
        store = Store(disk, config.store_kb * 1024, Counters())
        node = Node(config, identity, trust, store, Rng(seed), self.now_ms, WALL_S, self.address(number), controller, TableLadder)
        node.attributes.update(attributes)
        return node

    def push(self, at_ms, kind, *event):
        self._order += 1
        heapq.heappush(self._heap, (at_ms, kind, self._order) + event)

    def run(self, ms):
        end_ms = self.now_ms + ms
        heap = self._heap
        while heap and heap[0][0] <= end_ms:
            self.now_ms, _, _, number, data, source = heapq.heappop(heap)
            node = self.nodes[number]
            if data is not None:
                if number == NUMBER:
                    self.rows.append([self.now_ms, source, data])
                node.receive(data, source, self.now_ms)
                self._drain(number)
            elif self._wakes[number] != self.now_ms:
                continue
            else:
                self._wakes[number] = None
            self._after_call(number)
        self.now_ms = end_ms

    def _after_call(self, number):
        """What the loop does in a turn, after it received."""
        node = self.nodes[number]
        if self.now_ms >= node.deadline():
            node.handle_timer(self.now_ms)
        self._drain(number)
        wake = max(self.now_ms + 1, node.deadline())
        known = self._wakes.get(number)
        if known is None or wake < known:
            self._wakes[number] = wake
            self.push(wake, WAKES, number, None, None)

    def _drain(self, number):
        node = self.nodes[number]
        while node.step(self.now_ms):
            pass
        for data, target in node.datagrams():
            if number == NUMBER:
                self.sent.append((self.now_ms, data))
            other = target[2] << 8 | target[3]
            self.push(self.now_ms + DELAY_MS + self.rng.below(JITTER_MS), ARRIVES, other, data, self.address(number))
        node.events()


def main(path, nodes, warm, rounds):
    fleet = Fleet(nodes)
    start_ms = fleet.now_ms
    node = fleet.nodes[NUMBER]
    round_ms = node.config.round_ms
    fleet.run(JOIN_MS)
    for number in range(warm + rounds):
        if number == warm:
            begin_ms = fleet.now_ms
        sys.stderr.write("%d of %d rounds recorded\r" % (number, warm + rounds))
        fleet.run(round_ms)
    sent = [data for at_ms, data in fleet.sent if begin_ms <= at_ms < fleet.now_ms]
    head = fleet.recorded
    head.update({
        "nodes": nodes, "number": NUMBER, "known": fleet.known, "start_ms": start_ms, "begin_ms": begin_ms,
        "end_ms": fleet.now_ms, "rounds": rounds, "sent": len(sent), "hash": sha256(*sent),
    })
    with open(path, "wb") as file:
        for value in [head] + fleet.rows:
            data = cbor.encode(value)
            file.write(len(data).to_bytes(4, "big") + data)
    sys.stderr.write("\n")


if __name__ == "__main__":
    main(sys.argv[1], *[int(word) for word in sys.argv[2:]])
