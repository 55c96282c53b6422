"""Dissemination: how soon the last box has a manifest, and what that costs beside eager push.

A manifest under a real signature is pushed to one door of a quiet fleet; every
box verifies it in steps of 5 ms before it tells on.  The eager push is the same
node with another way to tell: the whole body, unasked, to four boxes.
"""

import contextlib

from ...agent import node as nodes_room
from ...agent import telling
from ...agent.chunks import Chunks
from ...agent.limits import CHUNK_BYTES
from ...agent.rumour import Rumours
from ...agent.wire import messages, seal
from .. import box as boxes
from .. import faults
from ..lab import Lab

TITLE = "dissemination of a manifest"
NODES = (50, 1_000, 10_000)

ROUND_MS = 200
# In larger worlds rounds are slower: they cost most, and announcements do not wait for them.
ROUND_LARGE_MS = 1_000
# Greetings, keys and tags are simulated up to here; the bytes are the same above.
SEALED_MOST = 200
# IPv4 and UDP headers of each datagram.
HEADERS = 28
EAGER_FANOUT = 4
SEEDS_SMALL = 5
# A fleet has settled after this long; the first rounds after a start are busy.
SETTLE_MS = 8_000
# Nobody is greeted in plain speech, and views are full from the start.
SETTLE_PLAIN_MS = 3_000
LIMIT_MS = 30_000
# Loss and churn: so long both go on, in rounds; so many manifests are live.
STORM_ROUNDS = 20
STORM_MANIFESTS = 3
# No 10,000 boxes of churn: the papers' 50 failures a cycle there are half of our share.
STORM_MOST = 1_000


class EagerRumours(Rumours):
    """Tells by sending the whole body, unasked."""

    def _tell_new(self, manifest, entry):
        node = self._node
        for box in node.rng.sample(telling.listeners(node, ()), EAGER_FANOUT):
            for offset in range(0, manifest.size, CHUNK_BYTES):
                data = bytes(node.store.read(manifest.digest, offset, CHUNK_BYTES))
                node.send(box.id, box.addr, messages.CHUNK, manifest.digest, offset, manifest.size, data)


class EagerChunks(Chunks):
    """Takes bodies that nobody asked for."""

    def __init__(self, node):
        super().__init__(node)
        self._pushed = {}  # digest: {offset: bytes}, None once it is whole

    def on_chunk(self, peer, message):
        """A chunk of a fetch, or of a body that was pushed at us."""
        _, digest, offset, size, data = message
        parts = self._pushed.setdefault(digest, {})
        if digest in self.fetches or parts is None or offset in parts or self._node.store.has(digest):
            super().on_chunk(peer, message)
            return
        self._node.counters.bump("chunks_in")
        parts[offset] = data
        if sum(map(len, parts.values())) == size:
            self._pushed[digest] = None
            self._node.rumours.offer(b"".join(parts[at] for at in sorted(parts)))


@contextlib.contextmanager
def _eagerly(eager):
    kept = nodes_room.Rumours, nodes_room.Chunks
    if eager:
        nodes_room.Rumours, nodes_room.Chunks = EagerRumours, EagerChunks
    try:
        yield
    finally:
        nodes_room.Rumours, nodes_room.Chunks = kept


class Fleet:
    """A quiet, joined fleet, and a meter on every box's messages."""

    def __init__(self, nodes, seed, eager=False):
        speech = "sealed" if nodes <= SEALED_MOST else "plain"
        round_ms = ROUND_MS if nodes <= STORM_MOST else ROUND_LARGE_MS
        self.lab = Lab("bench-broadcast", nodes, seed, speech=speech, busy_round_ms=str(round_ms))
        self.bytes = {}  # message type: bytes on the wire
        self.count = {}
        with _eagerly(eager):
            if speech == "sealed":
                self.lab.boot(doors=1, contacts=2, spread_s=1)
                self.lab.world.run_for(SETTLE_MS)
            else:
                self.lab.boot_joined(doors=1, spread_ms=1_000)
                self.lab.world.run_for(SETTLE_PLAIN_MS)
        for box in self.lab.world.boxes:
            self.meter(box)

    def meter(self, box):
        """Counts what a box sends from now on, by the type of message."""
        send = box.node.peers.send

        def metered(id, addr, body):
            kind = body[1]
            self.count[kind] = self.count.get(kind, 0) + 1
            self.bytes[kind] = self.bytes.get(kind, 0) + len(body) + seal.SEALED_OVERHEAD + HEADERS
            send(id, addr, body)

        box.node.peers.send = metered

    def lacking(self, among=None):
        """Live boxes that lack a live manifest."""
        wanted = self.lab.operator.live()
        found = []
        for box in among if among is not None else self.lab.world.live():
            if box.live:
                has = {"%s-%s" % (m.kind, m.name): m.seq for m in box.node.rumours.manifests.values()}
                if any(has.get(name) != wanted[name] for name in wanted):
                    found.append(box)
        return found

    def spread(self, name="rumour", most_ms=LIMIT_MS):
        """Pushes one manifest; (ms until half have it, ms until all have, boxes left)."""
        world = self.lab.world
        before = self.totals()
        self.bytes.clear()
        self.count.clear()
        begun = world.now_ms
        self.lab.operator.push_slice(name, 1)
        left, half = self.lacking(), None
        while left and world.now_ms - begun < most_ms:
            world.run_for(10)
            left = self.lacking(left)
            if half is None and 2 * len(left) <= self.lab.nodes:
                half = world.now_ms - begun
        last = world.now_ms - begun
        # What is still on its way counts as well.
        world.run_for(1_000)
        after = self.totals()
        self.moved = {key: after[key] - before[key] for key in after}
        return half, last, len(left)

    def totals(self):
        """Sums over all boxes of what was received."""
        total = {"chunks_in": 0, "chunks_unasked": 0, "rumours_told": 0, "rumours_known": 0}
        for box in self.lab.world.live():
            for key in total:
                total[key] += box.node.counters[key]
        return total

    def redundancy(self):
        """Bodies received a box beyond the one that it needs (Plumtree's RMR)."""
        size = next(iter(self.lab.world.boxes[0].node.rumours.manifests.values())).size
        needed = (self.lab.nodes - 1) * -(-size // CHUNK_BYTES)
        return (self.moved["chunks_in"] + self.moved["chunks_unasked"]) / needed - 1

    def each(self, *kinds):
        """Bytes a box sent in messages of these types."""
        return sum(self.bytes.get(kind, 0) for kind in kinds) / self.lab.nodes


def _median(values):
    values = sorted(values)
    return values[len(values) // 2]


def _row(figure, nodes, ours, reference=None, reference_of="", aim=None):
    return {"figure": figure, "nodes": nodes, "ours": ours, "reference": reference,
            "reference_of": reference_of, "aim": aim}


def rows(nodes, seed, say):
    """The figures at one size."""
    found = _spreading(nodes, seed, say)
    if 200 <= nodes <= STORM_MOST:
        for loss in (0.1, 0.2):
            found += _storm(nodes, seed, loss, say)
    return found


def _spreading(nodes, seed, say):
    seeds = range(seed, seed + (SEEDS_SMALL if nodes <= SEALED_MOST else 1))
    halves, lasts = [], []
    for number in seeds:
        lazy = Fleet(nodes, number)
        half, last, left = lazy.spread()
        say("seed %d: half %s ms, last %d ms, %d left" % (number, half, last, left))
        halves.append(half / 1000)
        lasts.append(last / 1000)
        if left:
            raise RuntimeError("%d boxes were never reached" % left)
    serf = nodes == 50
    found = [
        _row("rumour to half of the boxes, s", nodes, _median(halves), 0.37 if serf else None, "serf, 200 ms rounds"),
        _row("rumour to the last box, s", nodes, _median(lasts), 0.71 if serf else None, "serf, 200 ms rounds",
             "<= 0.7" if serf else None),
        _row("the same, worst of %d seeds, s" % len(lasts), nodes, max(lasts), 0.71 if serf else None, "serf, 200 ms rounds"),
    ]
    eager = Fleet(nodes, seed, eager=True)
    half, last, left = eager.spread()
    say("eager push: half %s ms, last %d ms, %d left" % (half, last, left))
    tell = lazy.each(messages.HAVE)
    found += [
        _row("relative message redundancy", nodes, round(lazy.redundancy(), 4), 3, "eager push of fanout 4", "<= 0.05"),
        _row("the same, eager push of fanout 4", nodes, round(eager.redundancy(), 4), 3, "Plumtree's paper"),
        _row("announcements sent a box", nodes, lazy.moved["rumours_told"] / nodes, None, "", "<= 12"),
        _row("bytes of announcements a box", nodes, round(tell), round(eager.each(messages.CHUNK)),
             "bytes of bodies a box, eager push", None),
        _row("bytes of bodies, pulls and announcements a box", nodes,
             round(tell + lazy.each(messages.PULL, messages.CHUNK, messages.LACK)),
             round(eager.each(messages.CHUNK, messages.HAVE, messages.PULL)), "the same, eager push", None),
        _row("bytes of comparing while it spreads, a box", nodes, round(lazy.each(messages.DIGEST))),
    ]
    return found


def _storm(nodes, seed, loss, say):
    """Loss, and one box in a hundred replaced each round, while manifests are pushed."""
    fleet = Fleet(nodes, seed)
    lab, world = fleet.lab, fleet.lab.world
    rng = world.stream("churn")
    world.network.faults = faults.Faults(loss=loss)
    for number in range(STORM_ROUNDS):
        if number < STORM_MANIFESTS:
            lab.operator.push_slice("rumour-%d" % number, 1)
        for box in rng.sample(world.boxes[1:], nodes // 100):
            box.crash(rng.choice((boxes.KEPT, boxes.LOST)))
            box.start()
        world.run_for(ROUND_MS)
    left = fleet.lacking()
    lacking = len(left)
    say("loss %g: %d boxes lack something as churn ends" % (loss, lacking))
    begun = world.now_ms
    while left and world.now_ms - begun < LIMIT_MS:
        world.run_for(ROUND_MS // 4)
        left = fleet.lacking(left)
    after = (world.now_ms - begun) / ROUND_MS
    name = "%d %% loss, 1 %% churn a round" % round(100 * loss)
    live = len(world.live())
    return [
        _row("boxes with every manifest, %, " + name, nodes, 100 * (live - len(left)) / live, 100, "Plumtree, 0.5 % churn", "== 100"),
        _row("boxes that lack something as churn ends, %, " + name, nodes, 100 * lacking / live),
        _row("rounds to the last after churn ended, " + name, nodes, after),
    ]
