"""T-Man rings: cycles to the right neighbours, hops of a lookup, repair, and who knows of a death when."""

import math

from ...agent.descriptor import Descriptor
from ...agent.limits import NEIGHBOURS
from ...agent.manifest import Manifest
from ...agent.seat import SeatEntry
from ...agent.trust import OPERATOR
from ..lab import Lab

TITLE = "Rings: T-Man cycles, lookups, repair"

PROBE_MS = 1000
# What each holder knows at the start: T-Man's c.
KNOWN = 20
# T-Man's own figures (authors' code, c = 20): cycles to these shares of right links.
REFERENCE = {1024: (10, 12, 13), 4096: (14, 17, 20), 16384: (16, 20, 31)}
SHARES = (0.99, 0.999, 1.0)
CYCLES_MOST = 60
LOOKUPS = 200
LOOKUPS_AT_ONCE = 50
SERF = "serf 0.9.4, 50 nodes, all members"
SERF_ALL_MS = 9200
VICTIMS = 6
ROWS = 3
# For the long links to fill.
WARM_CYCLES = 40
SLICE = "bench"


class Rings:
    """A lab in which `seats` boxes hold the seats of one slice, each knowing KNOWN others at random."""

    def __init__(self, seats, seed, correct=False):
        self.seats = seats
        # Peer sampling stands still: what the ring does, it does alone.
        self.lab = Lab("bench-ring", seats, seed, speech="plain", round_ms="600000", probe_ms=str(PROBE_MS))
        self.world = self.lab.world
        rng = self.world.stream("ring")
        self.lab.boot_joined(spread_ms=1)
        self.lab.go(10)
        now = self.world.wall_s()
        fields = {"kind": "slice", "name": SLICE, "seq": 1, "issued": now, "expires": now + 86400, "seats": seats}
        self.manifest = Manifest(fields, bytes(32), 100, OPERATOR)
        self.boxes = list(self.world.boxes)
        rng.shuffle(self.boxes)
        for seat in range(seats):
            box = self.boxes[seat]
            near = [(seat + way) % seats for way in (-4, -3, -2, -1, 1, 2, 3, 4)] if correct else []
            known = near or [other for other in rng.sample(range(seats), KNOWN + 1) if other != seat][:KNOWN]
            self.world.after(rng.randrange(PROBE_MS), self._sit, box, seat, known)
        self.lab.go(PROBE_MS)

    def _sit(self, box, seat, known):
        node = box.node
        box.tell(node.slicing.on_manifest, self.manifest)
        entries = [
            SeatEntry(other, 1, Descriptor(self.boxes[other].node.id, self.boxes[other].address), node.now_ms)
            for other in known
        ]
        box.tell(node.ring.take, self.manifest, seat, 1, entries)

    def live(self):
        """Seats whose holders live."""
        return [seat for seat in range(self.seats) if self.boxes[seat].live]

    def right(self):
        """Share of successor and predecessor links that name the right holder."""
        live = self.live()
        good = 0
        for place, seat in enumerate(live):
            ring = self.boxes[seat].node.ring
            after, before = ring.successor(), ring.predecessor()
            if after and after.id == self.boxes[live[(place + 1) % len(live)]].node.id:
                good += 1
            if before and before.id == self.boxes[live[place - 1]].node.id:
                good += 1
        return good / (2 * len(live))


def rows(nodes, seed, say):
    """Convergence of as many seats as the references have, `nodes` at most; the rest at 1,024 at most."""
    seats = max([seats for seats in REFERENCE if seats <= nodes], default=min(REFERENCE))
    out = _converge(seats, seed, say)
    ring = Rings(min(1024, nodes), seed, correct=True)
    ring.lab.go(WARM_CYCLES * PROBE_MS)
    out += _deaths(ring, say)
    out += _lookups(ring, "", "<= %d" % math.log2(ring.seats), say)
    rng = ring.world.stream("dead")
    for seat in rng.sample(ring.live(), len(ring.live()) // 10):
        ring.boxes[seat].crash()
    out += _lookups(ring, ", 10 % of the holders just dead", "<= %d" % math.log2(ring.seats), say)
    return out


def _row(ring, figure, ours, reference=None, source="", aim=None):
    return {
        "figure": figure, "nodes": ring.seats, "ours": ours, "reference": reference,
        "reference_of": source, "aim": aim,
    }


def _converge(seats, seed, say):
    ring = Rings(seats, seed)
    found = {}
    for cycle in range(1, CYCLES_MOST + 1):
        ring.lab.go(PROBE_MS)
        right = ring.right()
        say("%d seats, cycle %d: %.4f of the links are right" % (seats, cycle, right))
        for share in SHARES:
            if right >= share:
                found.setdefault(share, cycle)
        if right == 1.0:
            break
    return [
        _row(ring, "cycles to %g %% of right ring links" % (100 * share), found.get(share, CYCLES_MOST),
             reference, "T-Man, c = 20, authors' code", "<= %d" % reference)
        for share, reference in zip(SHARES, REFERENCE[seats])
    ]


def _deaths(ring, say):
    """Kills single holders and rows of NEIGHBOURS - 1, all far apart and at once; when who knows, and when it is mended."""
    apart = ring.seats // (VICTIMS + ROWS)
    singles = {number * apart: None for number in range(VICTIMS)}
    rows = {(VICTIMS + number) * apart: None for number in range(ROWS)}
    care = {}
    for seat in singles:
        id = ring.boxes[seat].node.id
        care[seat] = id, [box for box in ring.boxes if box.live and id in box.node.ring.near]
        ring.boxes[seat].crash()
    for seat in rows:
        for other in range(seat, seat + NEIGHBOURS - 1):
            ring.boxes[other].crash()
    begun = ring.world.now_ms
    while None in list(singles.values()) + list(rows.values()) and ring.world.now_ms - begun < 60_000:
        ring.lab.go(100)
        took = ring.world.now_ms - begun
        for seat in singles:
            id, boxes = care[seat]
            if singles[seat] is None and not any(id in box.node.ring.near for box in boxes):
                singles[seat] = took
                say("kill -9 of seat %d: all %d neighbours know after %d ms" % (seat, len(boxes), took))
        for seat in rows:
            before, after = ring.boxes[seat - 1].node, ring.boxes[seat + NEIGHBOURS - 1].node
            if rows[seat] is None and before.ring.successor().id == after.id and after.ring.predecessor().id == before.id:
                rows[seat] = took
                say("%d adjacent deaths from seat %d on: closed after %d ms" % (NEIGHBOURS - 1, seat, took))
    took = list(singles.values())
    return [
        _row(ring, "ms until every ring neighbour knows of a kill -9, mean", round(sum(took) / len(took)), SERF_ALL_MS, SERF),
        _row(ring, "ms until every ring neighbour knows of a kill -9, worst", max(took), SERF_ALL_MS, SERF, "<= 9000"),
        _row(ring, "ms until the ring is closed over %d adjacent deaths, worst" % (NEIGHBOURS - 1),
             max(rows.values()), aim="<= 9000"),
    ]


def _lookups(ring, when, aim, say):
    """Hops of lookups between random holders, mean; all must find the right one."""
    rng = ring.world.stream("lookups" + when)
    found = []
    for _ in range(LOOKUPS // LOOKUPS_AT_ONCE):
        for source in rng.sample(ring.live(), LOOKUPS_AT_ONCE):
            target = rng.choice(ring.live())
            box = ring.boxes[source]
            done = lambda entry, hops, target=target: found.append((entry and entry.seat == target, hops))
            box.tell(box.node.lookup.find, target, done)
        ring.lab.go(500)
    ring.lab.go(12_000)
    hops = [count for right, count in found if right]
    failed = LOOKUPS - len(hops)
    say("lookups%s: mean %.2f hops, most %d, %d failed" % (when, sum(hops) / len(hops), max(hops), failed))
    return [
        _row(ring, "hops of a lookup, mean%s" % when, round(sum(hops) / len(hops), 2), aim=aim),
        _row(ring, "lookups that failed, %%%s" % when, 100 * failed / LOOKUPS, aim="<= 1"),
    ]
