"""Ordered slicing over Newscast: ordering by swapped lots (JK), and ranking by samples.

Ordering (Jelasity, Kermarrec, 2006): each node has an attribute and a lot, and swaps
lots with one at random of those in its view whose lot stands to its own in the other
order than the attributes.  (Fernandez et al. take the one with which that gains most.)
What the lots are is never mended: drawn at random they are not even, and `floor` is what
is off when all lie in order.  Ranking (Fernandez et al., 2007): each node counts which part
of the attributes it met lie below its own; it tells its own to two others a cycle.
"""

import numpy as np

from .jit import below, kernel, shuffle, stream
from .newscast import ID_MASK, Newscast

SLICES = 100
TOLD = 2


@kernel
def swap_lots(r, views, attributes, lots, order):
    """One cycle of ordering."""
    shuffle(r, order)
    width = views.shape[1]
    for node in order:
        chosen, wrong = np.int64(-1), 0
        for place in range(width):
            other = np.int64(views[node, place]) & ID_MASK
            if (attributes[other] - attributes[node]) * (lots[other] - lots[node]) < 0:
                wrong += 1
                if below(r, wrong) == 0:
                    chosen = other
        if chosen >= 0:
            lots[node], lots[chosen] = lots[chosen], lots[node]


@kernel
def count_samples(r, views, attributes, lower, met):
    """One cycle of ranking."""
    nodes, width = views.shape
    for node in range(nodes):
        for place in range(width):
            other = np.int64(views[node, place]) & ID_MASK
            met[node] += 1
            lower[node] += attributes[other] < attributes[node]
        for _ in range(TOLD):
            other = np.int64(views[node, below(r, width)]) & ID_MASK
            met[other] += 1
            lower[other] += attributes[node] < attributes[other]


class Slices:
    """`nodes` that order themselves; `ordering` or ranking."""

    def __init__(self, nodes, seed, ordering=True):
        self.overlay = Newscast(nodes, seed)
        self.ordering = ordering
        self._rng = stream(seed, "slices")
        lots = np.random.default_rng([seed, 5])
        self.attributes = lots.permutation(nodes).astype(np.float64) / nodes
        self.lots = lots.random(nodes)
        self.lower, self.met = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
        self._order = np.arange(nodes, dtype=np.int32)

    def cycle(self):
        """Newscast, then a cycle of slicing."""
        self.overlay.cycle()
        if self.ordering:
            swap_lots(self._rng, self.overlay.views, self.attributes, self.lots, self._order)
        else:
            count_samples(self._rng, self.overlay.views, self.attributes, self.lower, self.met)

    def disorder(self):
        """Slices that a node is off, on average (SDM per node)."""
        known = self.lots if self.ordering else np.where(self.met, self.lower / np.maximum(1, self.met), self.lots)
        return self._off(known, self.attributes)

    def floor(self):
        """The disorder of ordering when every lot lies where it belongs."""
        return self._off(np.sort(self.lots), np.sort(self.attributes))

    @staticmethod
    def _off(known, attributes):
        believed = np.minimum(SLICES - 1, (known * SLICES).astype(np.int64))
        return float(np.abs(believed - (attributes * SLICES).astype(np.int64)).mean())
