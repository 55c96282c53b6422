"""The ring of seats as the agent's holders make it: agent/ring.py, probes.py and links.py as arrays.

Each holder keeps the NEIGHBOURS nearest on each side and the first that it hears of in
each class of distance.  Each cycle it exchanges with one of the near that it met least:
each tells what is nearest to the other, and FAR_TOLD long links.  It pings the two next
on each side and one of the others, who thereby hear of it.  Whoever has no seat yet says
so and is forgotten until it speaks itself: bench ring seats its boxes one by one.

Gossip tells of seats besides: each cycle HEARD others, at random, take places among
SEAT_HINTS, and all of these count as heard.  Left out: ages of entries (12 cycles), deaths.
"""

import numpy as np

from ...agent.limits import NEIGHBOURS, RING_TOLD, SEAT_HINTS, TOMBSTONES
from ...agent.links import CLASSES, FIRST_CLASS
from ...agent.probes import CLOSE, FAR_TOLD
from .jit import below, kernel, random_views, shuffle, stream
from .rings import ahead, gather

KNOWN = 20
# Seats heard of in a round: one exchange begun, one answered; each tells of its own and two
# that are no news to few (the fourth is always the lowest).
HEARD = 6
SIDE, NEAR, TOLD_SIDE = NEIGHBOURS, 2 * NEIGHBOURS, (RING_TOLD - 1 - FAR_TOLD) // 2
GONE = TOMBSTONES
HOLDER = np.dtype([("near", np.int32, (NEAR,)), ("met", np.int32, (NEAR,)), ("far", np.int32, (2 * CLASSES,)),
                   ("gone", np.int32, (GONE,)), ("hints", np.int32, (SEAT_HINTS,)), ("sits", np.bool_)])


@kernel
def class_of(nodes, one, two):
    """links.class_of: which long link `two` may be to `one`; -1 if it is near."""
    way, side = ahead(nodes, one, two), 0
    if way > nodes // 2:
        way, side = nodes - way, CLASSES
    width = -1
    while way:
        way >>= 1
        width += 1
    return width - FIRST_CLASS + side if FIRST_CLASS <= width < FIRST_CLASS + CLASSES else -1


@kernel
def keep_far(s, nodes, node, other):
    """links.keep: the first of a class stays."""
    place = class_of(nodes, node, other)
    if place >= 0 and s[node].far[place] < 0:
        s[node].far[place] = other


@kernel
def take(s, nodes, node, heard, count, side, pool, ways):
    """ring.merge: of its own and heard[:count] the nearest are near, of the others some are long links."""
    rows, met = np.empty(NEAR + count, np.int64), np.empty(NEAR, np.int64)
    size = 0
    for place in range(NEAR):
        met[place] = s[node].met[place]
        if s[node].near[place] >= 0:
            rows[size] = s[node].near[place]
            size += 1
    old = s[node].near.copy()
    for place in range(count):
        known = False
        for row in range(GONE):
            known |= s[node].gone[row] == heard[place]
        if not known:
            rows[size] = heard[place]
            size += 1
    kept = gather(nodes, node, rows, size, pool, ways)
    filled = 0
    for place in range(kept):
        if place < side or place >= kept - side:
            s[node].near[filled], s[node].met[filled] = pool[place], 0
            for row in range(NEAR):
                if old[row] == pool[place]:
                    s[node].met[filled] = met[row]
            filled += 1
        else:
            keep_far(s, nodes, node, pool[place])
    for place in range(filled, NEAR):
        s[node].near[place] = -1


@kernel
def word(r, s, nodes, node, to, heard, pool, ways):
    """probes.entries: what `node` tells the holder `to`, into heard; how many."""
    known, longs = np.empty(NEAR + 2 * CLASSES + SEAT_HINTS, np.int64), np.empty(2 * CLASSES, np.int64)
    size = 0
    for place in range(SEAT_HINTS):
        if s[node].hints[place] >= 0:
            known[size] = s[node].hints[place]
            size += 1
    for place in range(NEAR + 2 * CLASSES):
        id = s[node].near[place] if place < NEAR else s[node].far[place - NEAR]
        if id >= 0:
            known[size] = id
            size += 1
    kept = gather(nodes, to, known, size, pool, ways)
    heard[0], count = node, 1
    for place in range(kept):
        if place < TOLD_SIDE or place >= kept - TOLD_SIDE:
            heard[count] = pool[place]
            count += 1
    size = 0
    for place in range(2 * CLASSES):
        id = s[node].far[place]
        if id >= 0 and id != to and find_in(heard, count, id) < 0:
            longs[size] = id
            size += 1
    for place in range(min(FAR_TOLD, size)):
        other = place + below(r, size - place)
        longs[place], longs[other] = longs[other], longs[place]
        heard[count] = longs[place]
        count += 1
    return count


@kernel
def find_in(row, count, id):
    """The place of a number among the first `count` of a row, else -1."""
    for place in range(count):
        if row[place] == id:
            return place
    return -1


@kernel
def speak(s, nodes, one, two, side, pool, ways):
    """ring.hear_direct: `two` has heard `one` itself."""
    for row in range(GONE):
        if s[two].gone[row] == one:
            s[two].gone[row] = -1
    heard = np.full(1, one, np.int64)
    take(s, nodes, two, heard, 1, side, pool, ways)


@kernel
def lose(r, s, nodes, node, other, side, pool, ways):
    """ring.lose: a box that says that it has no seat; long links may be near now."""
    place = find_in(s[node].near, NEAR, other)
    if place >= 0:
        s[node].near[place] = -1
    s[node].gone[below(r, GONE)] = other
    heard, count = np.empty(2 * CLASSES, np.int64), 0
    for place in range(2 * CLASSES):
        if s[node].far[place] == other:
            s[node].far[place] = -1
        elif s[node].far[place] >= 0:
            heard[count] = s[node].far[place]
            count += 1
    take(s, nodes, node, heard, count, side, pool, ways)


@kernel
def tick(r, s, nodes, node, turn, side, pool, ways):
    """probes.tick: an exchange with one of those met least, pings to the next and one of the others."""
    order, heard = np.empty(NEAR, np.int64), np.empty(RING_TOLD + NEAR, np.int64)
    size, least, ties, partner = 0, 1 << 30, 0, -1
    for place in range(NEAR):  # take() has put them into clockwise order
        if s[node].near[place] >= 0:
            order[size] = s[node].near[place]
            size += 1
            if s[node].met[place] < least:
                least, ties = s[node].met[place], 0
            if s[node].met[place] == least:
                ties += 1
                if below(r, ties) == 0:
                    partner = place
    if size == 0:
        return
    s[node].met[partner] += 1
    partner = s[node].near[partner]
    others = max(1, size - 2 * CLOSE)
    for place in range(size):
        if order[place] != partner and (place < CLOSE or place >= size - CLOSE or place == CLOSE + turn % others):
            if s[order[place]].sits:
                speak(s, nodes, node, order[place], side, pool, ways)
            else:
                lose(r, s, nodes, node, order[place], side, pool, ways)
    if not s[partner].sits:
        lose(r, s, nodes, node, partner, side, pool, ways)
        return
    speak(s, nodes, node, partner, side, pool, ways)
    count = word(r, s, nodes, node, partner, heard, pool, ways)
    take(s, nodes, partner, heard, count, side, pool, ways)
    count = word(r, s, nodes, partner, node, heard, pool, ways)
    take(s, nodes, node, heard, count, side, pool, ways)


@kernel
def ours(r, s, order, known, turn, news, side):
    """One cycle of every holder, in random order; in the first each sits down, knowing a row of `known`."""
    nodes = len(order)
    pool, ways, heard = np.empty(160, np.int64), np.empty(160, np.int64), np.empty(SEAT_HINTS, np.int64)
    shuffle(r, order)
    for node in order:
        if not s[node].sits:
            s[node].sits = True
            take(s, nodes, node, known[node].astype(np.int64), known.shape[1], side, pool, ways)
        else:
            count = 0
            for _ in range(news):
                s[node].hints[below(r, SEAT_HINTS)] = below(r, nodes)
            for place in range(SEAT_HINTS):
                if s[node].hints[place] >= 0:
                    heard[count] = s[node].hints[place]
                    count += 1
            take(s, nodes, node, heard, count, side, pool, ways)
        tick(r, s, nodes, node, turn, side, pool, ways)


class Agents:
    """`nodes` seats of the agent's own ring, each holder knowing KNOWN others at random.

    news, side: what a wrong model changes: seats heard of by gossip, near ones kept on a side.
    """

    def __init__(self, nodes, seed, news=HEARD, side=SIDE):
        self._rng, self._news, self._side = stream(seed, "agents' ring"), news, side
        self._known = np.empty((nodes, KNOWN), np.int32)
        random_views(self._rng, self._known)
        self._order = np.arange(nodes, dtype=np.int32)
        self._state = np.zeros(nodes, HOLDER)
        for name in ("near", "far", "gone", "hints"):
            self._state[name] = -1
        self._turn = 0
        self.cycle()  # all sit down

    def cycle(self):
        """One exchange and the pings begun by each holder."""
        self._turn += 1
        ours(self._rng, self._state, self._order, self._known, self._turn, self._news, self._side)

    def right(self):
        """Share of the links to successor and predecessor that are there."""
        nodes = len(self._order)
        ways = np.where(self._state["near"] >= 0, (self._state["near"] - np.arange(nodes)[:, None]) % nodes, 0)
        return float(((ways == 1).any(1).sum() + (ways == nodes - 1).any(1).sum()) / (2 * nodes))
