"""Newscast and push-pull averaging, as PeerSim's own classes do them, for its comparison.

Newscast (Jelasity, Kowalczyk, van Steen, 2003) as in PeerSim's SimpleNewscast: a
node picks one of its view at random, passing over dead ones by an oracle, both
views are merged, the newest `view` entries of different nodes stay on both sides,
each with a fresh one of the other.  Before that the node averages with one of its
view: PeerSim takes a node's protocols by their names in its configuration, and
`avg` comes before `lnk`.
Nodes act in an order that is drawn anew each cycle, and each sees what those
before it have done: PeerSim's cycle-driven engine with its Shuffle control.

What differs: entries are numbers in place of references to objects, ties between
equally new entries go to the two sides in turn from a lot, as there, by another
generator of random numbers.  A cycle and what is seen in it are the same.
"""

import json
import sys
import time

import numpy as np

from .errors import ScaleError
from .jit import below, draw, kernel, random_views, shuffle, stream
from .prefetch import hint

VIEW = 20
CYCLES = 30
# A row's entries lie from the newest to the oldest, as PeerSim keeps them; each is
# its cycle above its node's number, in 32 bits, so that a view is 80 bytes.
AGE_BITS = 24
ID_MASK = (1 << AGE_BITS) - 1
NODES_MOST = 1 << AGE_BITS
CYCLES_MOST = 127
MARKS = 1023
# So many nodes before its turn a node's row is asked for, and the row of whom it will meet.
AHEAD, NEAR = 16, 8


@kernel
def _merge(state, views, node, peer, now, scratch, marks):
    """Both get the newest entries of both, and a fresh one of the other.

    scratch: rows for both views, each with an end that is older than all, and for
    what is found.  marks: when each remainder of a node's number was last met, so
    that most entries are known to be new without looking for them.  The choice
    between two entries is arithmetic: a processor that guesses it is wrong half
    of the time.
    """
    width = views.shape[1]
    ours, others, found = scratch[0], scratch[1], scratch[2]
    for place in range(width):
        ours[place], others[place] = views[node, place], views[peer, place]
    ours[width] = others[width] = -1
    marks[0] += 1
    turn = np.int64(draw(state) & np.uint64(1))
    mine = theirs = 0
    count = 1
    while count < width and mine + theirs < 2 * width:
        one, two = ours[mine], others[theirs]
        newer, tie = np.int64(one >> AGE_BITS > two >> AGE_BITS), np.int64(one >> AGE_BITS == two >> AGE_BITS)
        turn ^= tie
        first = newer | (tie & turn)
        entry = two + first * (one - two)
        mine += first
        theirs += 1 - first
        id = entry & ID_MASK
        known = id == node or id == peer
        place = 1 + (id & MARKS)
        if marks[place] == marks[0]:
            for other in range(1, count):
                known |= found[other] & ID_MASK == id
        found[count] = entry
        marks[place] = marks[0]
        count += np.int64(not known)
    for place in range(1, width):
        views[node, place] = views[peer, place] = found[place]
    views[node, 0], views[peer, 0] = now << AGE_BITS | peer, now << AGE_BITS | node


@kernel
def _pick(views, live, node, start):
    """A live one of a node's view: from place `start` on toward the oldest, else newer; -1 if all are dead."""
    width = views.shape[1]
    for step in range(width):
        place = start + step if start + step < width else width - 1 - step
        other = np.int64(views[node, place]) & ID_MASK
        if live[other]:
            return other
    return np.int64(-1)


@kernel
def cycle(state, views, values, live, order, now, scratch, marks, lots):
    """One cycle of all live nodes: averaging, then Newscast.

    lots: each node's two random places, drawn NEAR nodes ahead, so that the processor can
    be asked in time for the rows of those that will most likely be met there.
    """
    shuffle(state, order)
    count, width = len(order), views.shape[1]
    for turn in range(-AHEAD, count):
        if turn + AHEAD < count:
            hint(views, order[turn + AHEAD])
            hint(values, order[turn + AHEAD])
        soon = turn + NEAR
        if 0 <= soon < count:
            row, node = soon % (NEAR + 1), order[soon]
            lots[row, 0], lots[row, 1] = below(state, width), below(state, width)
            hint(values, views[node, lots[row, 0]] & ID_MASK)
            hint(views, views[node, lots[row, 1]] & ID_MASK)
        if turn < 0 or not live[order[turn]]:
            continue
        node = order[turn]
        other = np.int64(views[node, lots[turn % (NEAR + 1), 0]]) & ID_MASK
        if live[other]:
            mean = (values[node] + values[other]) / 2
            values[node] = values[other] = mean
        peer = _pick(views, live, node, lots[turn % (NEAR + 1), 1])
        if peer >= 0:
            _merge(state, views, node, peer, now, scratch, marks)


class Newscast:
    """`nodes` with random views of `view`; each begins with its own number as value."""

    def __init__(self, nodes, seed, view=VIEW):
        if nodes > NODES_MOST:
            raise ScaleError("this model of Newscast has at most %d nodes" % NODES_MOST)
        self.state = stream(seed, "newscast")
        self.views = np.empty((nodes, view), np.int32)
        self.values = np.arange(nodes, dtype=np.float64)
        self.live = np.ones(nodes, np.bool_)
        self.now = 0
        self._order = np.arange(nodes, dtype=np.int32)
        self._scratch, self._marks = np.zeros((3, view + 1), np.int64), np.zeros(MARKS + 2, np.int32)
        self._lots = np.zeros((NEAR + 1, 2), np.int64)
        random_views(self.state, self.views)

    def cycle(self):
        """One cycle of every live node; CYCLES_MOST of them at most."""
        if self.now == CYCLES_MOST:
            raise ScaleError("this model of Newscast has at most %d cycles" % CYCLES_MOST)
        cycle(self.state, self.views, self.values, self.live, self._order, self.now, self._scratch, self._marks,
              self._lots)
        self.now += 1

    def links(self):
        """(nodes, view) int32: whom each knows."""
        return self.views & ID_MASK

    def kill(self, share):
        """Sudden death of a random share."""
        doomed = np.arange(len(self.live), dtype=np.int32)
        shuffle(self.state, doomed)
        self.live[doomed[: round(share * len(doomed))]] = False

    def dead_share(self):
        """Links of live nodes to dead ones, of all their links."""
        return 1.0 - float(self.live[self.links()[self.live]].mean())

    def variance(self):
        """Variance of the live nodes' values."""
        return float(self.values[self.live].var())


def timed(nodes, seed, cycles=CYCLES):
    """dict: CPU seconds of the start and of the cycles, variance factor per cycle; compiled before."""
    warm = Newscast(64, seed)
    warm.cycle()
    begun = time.process_time()
    model = Newscast(nodes, seed)
    started = time.process_time()
    first = model.variance()
    for _ in range(cycles):
        model.cycle()
    return {"start_s": started - begun, "cycles_s": time.process_time() - started,
            "factor": (model.variance() / first) ** (1 / cycles)}


if __name__ == "__main__":  # for versus.py: a process that does nothing else
    print(json.dumps(timed(int(sys.argv[1]), int(sys.argv[2]))))
