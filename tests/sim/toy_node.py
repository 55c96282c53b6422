"""A tiny gossip protocol with the agent's interface: the simulator's own test subject.

Every round a toy tells one box of its view who it knows and what rumours it
has, and is told the same.  It keeps its rumours on disk.
"""

import random

from backfence.agent.wire import cbor
from backfence.sim.inspect import State
from backfence.sim.world import World

ROUND_MS = 1_000
VIEW = 8
SILENT_ROUNDS = 10


def address_of(number):
    """A packed IPv4 address for a box number."""
    return bytes((10, 0, number >> 8, number & 255, 0x1B, 0x58))


class ToyNode:
    """Push-pull gossip of rumours (name -> number) over a view of addresses."""

    def __init__(self, address, disk, seed, contacts, now_ms):
        self.id = address
        self.rng = random.Random(seed)
        self.disk = disk
        self.view = {contact: 0 for contact in contacts if contact != address}
        self.rumours = {}
        if disk.size("state-toy") > 0:
            self.rumours = cbor.decode(disk.read("state-toy", 0, disk.size("state-toy")))
        self.due = now_ms + self.rng.randrange(ROUND_MS)
        self.out = []
        self.said = []
        self.work = 0
        self.stepped = 0
        self.done = []
        self.acknowledged = []
        self.inbox = []
        self.is_connected = False
        self.broken = False

    def learn(self, rumours):
        """Takes what is new, and keeps it."""
        fresh = {name: rumours[name] for name in rumours if rumours[name] > self.rumours.get(name, 0)}
        if fresh:
            self.rumours.update(fresh)
            try:
                self.disk.write("state-toy", cbor.encode(self.rumours))
            except OSError:
                self.said.append(("log", "warning", "disk"))

    def _tell(self, target, kind):
        known = sorted(self.view)[:4] + [self.id]
        self.out.append((cbor.encode([kind, known, self.rumours]), target))

    def receive(self, data, addr, now_ms):
        if self.broken:
            raise RuntimeError("broken on purpose")
        kind, known, rumours = cbor.decode(data)
        self.learn(rumours)
        self.view[addr] = 0
        for other in known:
            if other != self.id and other not in self.view and len(self.view) < VIEW:
                self.view[other] = 0
        while len(self.view) > VIEW:
            del self.view[max(sorted(self.view), key=self.view.get)]
        if kind == 0:
            self._tell(addr, 1)

    def handle_timer(self, now_ms):
        if now_ms < self.due:
            return
        self.due = now_ms + ROUND_MS
        for other in sorted(self.view):
            self.view[other] += 1
            if self.view[other] > SILENT_ROUNDS:
                del self.view[other]
        if self.view:
            self._tell(self.rng.choice(sorted(self.view)), 0)

    def deadline(self):
        return self.due

    def datagrams(self):
        out, self.out = self.out, []
        return out

    def events(self):
        said, self.said = self.said, []
        return said

    def step(self, now_ms):
        if self.work:
            self.work -= 1
            self.stepped += 1
        return self.work > 0

    def connected(self, now_ms):
        self.is_connected = True

    def disconnected(self, now_ms):
        self.is_connected = False

    def message(self, topic, payload, retained, now_ms):
        self.inbox.append((topic, payload, retained))

    def published(self, token, now_ms):
        self.acknowledged.append(token)

    def job_done(self, job, outcome, now_ms):
        self.done.append((job.key, outcome.kind))

    @property
    def leaving(self):
        return self

    def keep(self):
        """Nothing: what it learns is on the disk at once."""

    def leave(self, now_ms):
        self.out.append((cbor.encode([1, [], self.rumours]), sorted(self.view)[0]))


def make_toy(box, now_ms, wall_s):
    """A toy for a box; its first contact is box 0."""
    seed = "%s/toy/%d/%d" % (box.world.seed, box.number, box.starts)
    return ToyNode(box.address, box.disk, seed, [address_of(0)], now_ms)


def read_toy(box):
    """The State of a live box that runs a toy."""
    node = box.node
    return State(box.number, node.id, sorted(node.view), node.rumours, [], [("view", len(node.view), VIEW)])


def toy_world(seed, count, **settings):
    """A world of started toys."""
    world = World(seed, make_toy)
    for number in range(count):
        world.add_box(address_of(number), **settings).start()
    return world
