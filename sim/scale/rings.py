"""T-Man rings (Jelasity, Montresor, Babaoglu, 2009): cycles until neighbours on a circle know each other.

Each node keeps the `view` nearest of all it heard of, half on each side.  Each cycle
it exchanges with one of the nearest of them, at random; both send what is nearest
to the other, of its view and of RANDOM others from peer sampling.  agent/ring.py
keeps 4 on each side and long links, and sends 21 entries: holders.py.
"""

import numpy as np

from .jit import below, kernel, random_views, shuffle, stream

VIEW = 20
# Of so many nearest, one is asked.
NEAREST = 10
# Random ones of peer sampling that go along.
RANDOM = 20
SHARES, CYCLES_MOST = (0.99, 0.999, 1.0), 80


@kernel
def ahead(nodes, one, two):
    """Steps from one to two, clockwise."""
    return (two - one) % nodes


@kernel
def nearest(nodes, center, pool, size, out, chosen):
    """Puts the chosen // 2 nearest on each side of `center` from pool[:size] into out; how many.  pool is sorted by way round."""
    count = min(chosen // 2, size)
    found = 0
    for place in range(count):
        out[found] = pool[place]
        found += 1
    for place in range(max(count, size - count), size):
        out[found] = pool[place]
        found += 1
    return found


@kernel
def gather(nodes, center, rows, count, pool, ways):
    """Into pool: rows[:count] without `center`, each once, sorted by the way round from it; how many."""
    kept = 0
    for place in range(count):
        way = ahead(nodes, center, rows[place])
        at = kept
        while at > 0 and ways[at - 1] > way:
            at -= 1
        if way == 0 or at > 0 and ways[at - 1] == way:
            continue
        for later in range(kept, at, -1):
            ways[later] = ways[later - 1]
        ways[at] = way
        kept += 1
    for place in range(kept):
        pool[place] = (center + ways[place]) % nodes
    return kept


@kernel
def cycle(r, views, order):
    """One exchange begun by each node, in random order."""
    nodes, width = views.shape
    heard, pool, ways = np.empty(2 * width + RANDOM + 1, np.int64), np.empty(2 * width + RANDOM + 1, np.int64), np.empty(2 * width + RANDOM + 1, np.int64)
    near, given = np.empty(width, np.int64), np.empty(width, np.int64)
    shuffle(r, order)
    for node in order:
        size = gather(nodes, node, views[node], width, pool, ways)
        found = nearest(nodes, node, pool, size, near, NEAREST)
        peer = near[below(r, found)]
        for turn in range(2):
            to, other = (peer, node) if turn == 0 else (node, peer)
            # What the sender has, itself too, as it is nearest to the receiver.
            heard[:width] = views[other]
            heard[width] = other
            for place in range(RANDOM):
                heard[width + 1 + place] = below(r, nodes)
            size = gather(nodes, to, heard, width + 1 + RANDOM, pool, ways)
            sent = nearest(nodes, to, pool, size, given, width)
            heard[:width] = views[to]
            heard[width : width + sent] = given[:sent]
            size = gather(nodes, to, heard, width + sent, pool, ways)
            kept = nearest(nodes, to, pool, size, near, width)
            for place in range(width):
                views[to, place] = near[place % kept]


class Ring:
    """`nodes` on a circle in the order of their numbers, with random views."""

    def __init__(self, nodes, seed, view=VIEW):
        self._rng = stream(seed, "ring")
        self.views = np.empty((nodes, view), np.int32)
        random_views(self._rng, self.views)
        self._order = np.arange(nodes, dtype=np.int32)

    def cycle(self):
        """One exchange begun by each node."""
        cycle(self._rng, self.views, self._order)

    def right(self):
        """Share of the links to successor and predecessor that are there."""
        nodes = len(self.views)
        own = np.arange(nodes)[:, None]
        ways = (self.views - own) % nodes
        return float(((ways == 1).any(1).sum() + (ways == nodes - 1).any(1).sum()) / (2 * nodes))


def cycles_to(ring, shares=SHARES, most=CYCLES_MOST):
    """{share: cycles until so many links of a Ring (or holders.Agents) are right}."""
    found = {}
    for number in range(1, most + 1):
        ring.cycle()
        right = ring.right()
        for share in shares:
            if right >= share:
                found.setdefault(share, number)
        if right == 1.0:
            break
    return found
