"""Newscast and averaging once more, in plain Python: what newscast.py is held against.

A view is a list of (cycle, node) from the newest to the oldest.  The same rules in
other words, so that an error in one of the two shows; and the measure of what
arrays and Numba gain.
"""

import random

from .errors import ScaleError


class Plain:
    """`nodes` with random views of `view`; each begins with its own number as value."""

    def __init__(self, nodes, seed, view=20):
        if nodes <= view:
            raise ScaleError("a view of %d needs more than %d nodes" % (view, view))
        self.rng = random.Random("plain/%s" % seed)
        self.view, self.now = view, 0
        self.values = [float(number) for number in range(nodes)]
        self.views = []
        for node in range(nodes):
            known = self.rng.sample(range(nodes - 1), view)
            self.views.append([(0, other + (other >= node)) for other in known])

    def cycle(self):
        """One cycle of every node, in random order: averaging, then Newscast."""
        order = list(range(len(self.views)))
        self.rng.shuffle(order)
        for node in order:
            other = self.rng.choice(self.views[node])[1]
            self.values[node] = self.values[other] = (self.values[node] + self.values[other]) / 2
            self._meet(node, self.rng.choice(self.views[node])[1])
        self.now += 1

    def _meet(self, node, peer):
        side = self.rng.randrange(2)
        ours, theirs = list(self.views[node]), list(self.views[peer])
        found, known = [], {node, peer}
        while len(found) < self.view - 1 and (ours or theirs):
            if ours and theirs and ours[0][0] == theirs[0][0]:
                side = 1 - side
                rows = ours if side else theirs
            else:
                rows = ours if not theirs or ours and ours[0][0] > theirs[0][0] else theirs
            entry = rows.pop(0)
            if entry[1] not in known:
                known.add(entry[1])
                found.append(entry)
        self.views[node] = [(self.now, peer)] + found
        self.views[peer] = [(self.now, node)] + found

    def in_degrees(self):
        """How many views each node is in."""
        count = [0] * len(self.views)
        for view in self.views:
            for _, other in view:
                count[other] += 1
        return count
