"""Memory runs out inside a node, at ever other places, and the node lives on.

    starved.py

Three boxes on a wire in virtual time.  Some of what box 0 is called for happens in a heap
that is full but for a few pieces, more of them each time.  Then memory is back, and the
others say whether box 0 lives: it has their manifest, and they have it in their views.
"""

import gc

from backfence.agent.node import Node
from lan import Lan

STARVED_CALLS = 90
EVERY = 3
PIECES = 512


class Hog:
    """All the heap there is, but for some pieces of 64 bytes."""

    def __init__(self):
        self.large = [None] * 1024
        self.small = [None] * 8192

    def fill(self, spare):
        size, at = 1 << 20, 0
        while size > 64:
            try:
                self.large[at] = bytearray(size)
                at += 1
            except MemoryError:
                size >>= 1
        at = 0
        try:
            while at < len(self.small):
                self.small[at] = bytearray(32)
                at += 1
        except MemoryError:
            pass
        for number in range(spare):
            self.small[at - 1 - number] = None

    def release(self):
        for table in (self.large, self.small):
            for number in range(len(table)):
                table[number] = None
        gc.collect()


class Starving(Node):
    """A node some of whose calls find hardly any memory."""

    hog = None
    calls = starved = failed = 0

    def _call(self, function, *arguments):
        self.calls += 1
        if self.hog is None or self.calls % EVERY or self.starved >= STARVED_CALLS:
            return function(self, *arguments)
        self.starved += 1
        self.hog.fill(self.starved * 37 % PIECES)
        try:
            return function(self, *arguments)
        except MemoryError:
            self.failed += 1
            self.shed()
        finally:
            self.hog.release()
        return False

    def receive(self, data, addr, now_ms):
        return self._call(Node.receive, data, addr, now_ms)

    def handle_timer(self, now_ms):
        return self._call(Node.handle_timer, now_ms)

    def step(self, now_ms):
        return self._call(Node.step, now_ms)


def main():
    """Starve it, feed it, look; prints how often memory ran out."""
    lan = Lan(3)
    old = lan.nodes[0]
    node = Starving(old.config, old.identity, old.trust, old.store, old.rng, lan.now_ms, old.wall_s(),
                    lan.address(0), None, old.ladder)
    lan.nodes[0] = node
    node.hog = Hog()
    lan.join_all()
    lan.push(1, {"kind": "slice", "name": "edge", "seats": 3})
    lan.push(2, {"kind": "query", "name": "loads", "by": "load"})
    lan.run_until(lambda: node.starved >= STARVED_CALLS, 900000)
    node.hog = None
    assert node.failed > STARVED_CALLS // 4, node.failed
    lan.push(1, {"kind": "query", "name": "later", "by": "load"})
    lan.run(120000)
    others = lan.nodes[1:]
    asked = node.counters["shuffles_answered"]
    assert all([node.id in other.membership.view for other in others]), "forgotten"
    state = (len(node.rumours.manifests), len(node.work), len(node.peers.hails))
    assert state == (3, 0, 0), state
    assert sorted([each.ring.seat for each in lan.nodes]) == [0, 1, 2], [each.ring.seat for each in lan.nodes]
    lan.run(20000)
    assert node.counters["shuffles_answered"] > asked, "nobody is answered"
    print("failed", node.failed, "of", node.starved)


main()
