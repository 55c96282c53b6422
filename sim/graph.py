"""Measures of an overlay, as the papers on peer sampling take them.

The views are a directed graph; in-degrees are taken of it.  Clustering, path
length and connection are those of the undirected graph below it, as PeerSim's
observers have them.
"""

import random

import numpy as np


class Graph:
    """The views of `count` live boxes: links (who, whom) by index; `dead` more lead to boxes that are not live."""

    def __init__(self, count, who, whom, dead=0):
        self.count, self.dead = count, dead
        self.who, self.whom = np.asarray(who, dtype=np.int64), np.asarray(whom, dtype=np.int64)
        self._first, self._near = _undirected(self.count, self.who, self.whom)

    def dead_share(self):
        """Links to boxes that do not run, of all links."""
        return self.dead / max(1, self.dead + len(self.who))

    def in_degrees(self):
        """In-degree of each box, an array."""
        return np.bincount(self.whom, minlength=self.count)

    def near(self, i):
        """The undirected neighbours of a box, an array."""
        return self._near[self._first[i] : self._first[i + 1]]

    def clustering(self, rng, sample=500):
        """Mean clustering coefficient of a sample of boxes; `rng` is a random.Random."""
        total = taken = 0
        for i in rng.sample(range(self.count), min(sample, self.count)):
            near = self.near(i)
            if len(near) > 1:
                ties = sum(np.isin(self.near(j), near, assume_unique=True).sum() for j in near)
                total += ties / (len(near) * (len(near) - 1))
                taken += 1
        return total / max(1, taken)

    def path_length(self, rng, sample=20):
        """Mean hops from a sample of boxes to all others."""
        hops = reached = 0
        everybody = np.ones(self.count, dtype=bool)
        for i in rng.sample(range(self.count), min(sample, self.count)):
            for depth, found in enumerate(self._waves(i, everybody)):
                hops += depth * found
                reached += found
            reached -= 1
        return hops / reached

    def first_cut(self, rng, trials=5, step=0.05):
        """The least share of boxes (in steps) whose random removal cut the rest in one of the trials.

        1.0 if none did.
        """
        for number in range(1, round(1 / step)):
            share = number * step
            for _ in range(trials):
                left = np.ones(self.count, dtype=bool)
                left[rng.sample(range(self.count), round(share * self.count))] = False
                start = int(np.argmax(left))
                if sum(self._waves(start, left)) < left.sum():
                    return share
        return 1.0

    def _waves(self, start, among):
        """How many boxes are 0, 1, 2, ... hops from `start` through boxes of a mask."""
        seen, met = ~among, np.zeros(self.count, dtype=bool)
        seen[start] = True
        front = np.array([start])
        while len(front):
            yield len(front)
            # All rows of _near that belong to `front`, one after the other.
            sizes = self._first[front + 1] - self._first[front]
            ends = np.cumsum(sizes)
            met[self._near[np.arange(ends[-1]) + np.repeat(self._first[front] - ends + sizes, sizes)]] = True
            met &= ~seen
            front = np.flatnonzero(met)
            seen |= met
            met[:] = False


def _undirected(count, who, whom):
    """(first, near): the neighbours of i are near[first[i]:first[i + 1]]."""
    pairs = np.concatenate([who * count + whom, whom * count + who])
    pairs.sort()
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    first = np.searchsorted(pairs // count, np.arange(count + 1))
    return first, pairs % count


def of(world):
    """The Graph of a world's live boxes."""
    boxes = [box for box in world.boxes if box.live]
    index = {box.node.id: i for i, box in enumerate(boxes)}
    who, whom, dead = [], [], 0
    for i, box in enumerate(boxes):
        for id in box.node.membership.view:
            j = index.get(id)
            if j is None:
                dead += 1
            else:
                who.append(i)
                whom.append(j)
    return Graph(len(boxes), who, whom, dead)


def stream(seed):
    """A random.Random for the samples that measures take."""
    return random.Random("graph/%s" % seed)
