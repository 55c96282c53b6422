"""A rumour among a million boxes, as agent/rumour.py and agent/telling.py spread it.

Time goes in ticks of 5 ms.  A box that has verified a manifest tells others once:
RUMOUR_FANOUT of them, RUMOUR_FEEDBACK fewer for each box beyond the first that told
it, and never fewer than RUMOUR_LEAST; one that learnt by comparing tells RUMOUR_LEAST.
It tells boxes among the RUMOUR_LISTENERS that it heard last: each is on as many lists
as it has on its own, so that hardly any is told by nobody.  Who lacks it asks the first
that told it, takes the body in CHUNKS and verifies it.  Once a round a box compares
with another: a busy round if it has news, else an idle one.
"""

from math import gcd

import numpy as np

from ...agent.chunks import WAIT_MS
from ...agent.limits import RUMOUR_FANOUT, RUMOUR_FEEDBACK, RUMOUR_LEAST, RUMOUR_LISTENERS

TICK_MS = 5
# One way on a line: 10 to 30 ms, as the simulator's network draws it.
DELAY_MS = (10, 30)
DELAY = (DELAY_MS[0] // TICK_MS, DELAY_MS[1] // TICK_MS)
# From the operator's push to a door: by the broker, and what the door asks it.
PUSH_MS = 30
VERIFY_MS = 85
# A manifest of 3 KB, all of whose chunks are asked for at once.
CHUNKS = 3
# Comparing is done for so many ticks at once.
COMPARE_TICKS = 10
LIMIT_S = 3_600
NEVER = np.iinfo(np.int32).max


def permutations(nodes, rng, count):
    """(a, b): int64 arrays of `count` affine permutations, box -> (a * box + b) % nodes."""
    factors = []
    while len(factors) < count:
        factor = int(rng.integers(1, nodes))
        if gcd(factor, nodes) == 1:
            factors.append(factor)
    return np.array(factors, np.int64), rng.integers(0, nodes, count)


def round_trip_ms(rng, count, chunks):
    """Until the last of `chunks` chunks that were asked for at once is here, ms."""
    # The highest of so many sums of two uniform numbers, by the inverse of its distribution.
    height = rng.random(count) ** (1 / chunks)
    way = np.where(height < 0.5, np.sqrt(2 * height), 2 - np.sqrt(2 * (1 - height)))
    return 2 * DELAY_MS[0] + (DELAY_MS[1] - DELAY_MS[0]) * way


class Rumour:
    """One manifest in a fleet: who has it when.

    round_s: a busy round; idle_s: one of a box without news, the same if None.  down: share of the boxes that are off and never hear of it.  churn: share of the boxes
    that are replaced each round by fresh ones, which learn of it by comparing.
    """

    def __init__(self, nodes, seed, loss=0.0, round_s=1.0, down=0.0, churn=0.0, doors=1, idle_s=None, fanout=RUMOUR_FANOUT):
        self.nodes, self.loss, self.churn = nodes, loss, churn
        self.round_ticks = max(1, round(1_000 * round_s / TICK_MS))
        self.idle_ticks = max(1, round(1_000 * (idle_s or round_s) / TICK_MS))
        self.fanout = fanout
        self.rng = np.random.default_rng([seed, 17])
        self._lists = permutations(nodes, self.rng, RUMOUR_LISTENERS)
        self.has = np.full(nodes, NEVER, np.int32)  # when verified
        self.coming = np.full(nodes, NEVER, np.int32)  # when it will be
        self.tellers = np.zeros(nodes, np.int16)
        self.quiet = np.zeros(nodes, np.bool_)
        self.up = self.rng.random(nodes) >= down
        self.up[:doors] = True
        self.told = 0
        self.now = 0
        self._queue = {}  # tick: [numbers of boxes told then]
        self._checked = {}  # tick: [numbers of boxes that have verified then]
        self._check(np.arange(doors), np.full(doors, (PUSH_MS + VERIFY_MS) // TICK_MS, np.int32))

    def _later(self, queue, ticks, boxes):
        if not len(boxes):
            return
        order = np.argsort(ticks, kind="stable")
        ticks, boxes = ticks[order], boxes[order]
        starts = np.flatnonzero(np.r_[True, ticks[1:] != ticks[:-1]])
        for start, end in zip(starts, np.r_[starts[1:], len(ticks)]):
            queue.setdefault(int(ticks[start]), []).append(boxes[start:end])

    def _delay(self, count):
        return self.rng.integers(DELAY[0], DELAY[1] + 1, count)

    def _check(self, boxes, ticks):
        self.coming[boxes] = ticks
        self._later(self._checked, ticks, boxes)

    def _fetch(self, boxes, now):
        """The body is asked for, comes, and is verified."""
        ms = round_trip_ms(self.rng, len(boxes), CHUNKS) + VERIFY_MS
        if self.loss:
            ms += WAIT_MS * (self.rng.geometric((1 - self.loss) ** (2 * CHUNKS), len(boxes)) - 1)
        self._check(boxes, (now + np.ceil(ms / TICK_MS)).astype(np.int32))

    def _tell(self, boxes, now):
        many = np.maximum(RUMOUR_LEAST, self.fanout - RUMOUR_FEEDBACK * np.maximum(0, self.tellers[boxes] - 1))
        many[self.quiet[boxes]] = RUMOUR_LEAST
        count = int(many.sum())
        self.told += count
        # Of its list of listeners each takes `many` that follow each other, from a random one on.
        first = np.repeat(self.rng.integers(0, RUMOUR_LISTENERS, len(boxes)), many)
        nth = np.arange(count) - np.repeat(np.cumsum(many) - many, many)
        row = (first + nth) % RUMOUR_LISTENERS
        factors, offsets = self._lists
        targets = (factors[row] * np.repeat(boxes, many) + offsets[row]) % self.nodes
        if self.loss:
            targets = targets[self.rng.random(len(targets)) >= self.loss]
        targets = targets[self.up[targets]]
        self._later(self._queue, now + self._delay(len(targets)), targets)

    def _compare(self, now):
        """A part of a round's comparisons: who lacks it and meets one who has it fetches it."""
        if now < self.round_ticks or now % COMPARE_TICKS:
            return
        lacking = np.flatnonzero(self.up & (self.coming == NEVER))
        # It asks one in an idle round, and is asked by one of those with news in a busy one.
        rate = COMPARE_TICKS * (1 - self.loss) * (1 / self.round_ticks + 1 / self.idle_ticks)
        lacking = lacking[self.rng.random(len(lacking)) < rate]
        other = self.rng.integers(0, self.nodes, len(lacking))
        found = lacking[(self.has[other] <= now) & self.up[other]]
        self.quiet[found] = True
        self._fetch(found, now + 2 * DELAY[0])

    def _replace(self):
        """Some boxes make way for others, which know nothing yet."""
        new = self.rng.choice(self.nodes, round(self.churn * self.nodes), replace=False)
        self.has[new], self.coming[new] = NEVER, NEVER
        self.tellers[new], self.quiet[new] = 0, False

    def left(self):
        """Boxes that are up and lack it."""
        return int((self.up & (self.has == NEVER)).sum())

    def go(self):
        """Spreads until all that are up have it; (s until half, until 99.9 %, until all have it).

        Under churn it ends when no more lack it than were replaced in the last two rounds.
        """
        lacking = int(self.up.sum())
        spared = 2 * self.churn * self.nodes
        while lacking > spared and self.now * TICK_MS < 1_000 * LIMIT_S:
            for told in self._queue.pop(self.now, []):
                np.add.at(self.tellers, told, 1)
                fresh = np.unique(told[self.coming[told] == NEVER])
                self._fetch(fresh, self.now)
            done = self._checked.pop(self.now, [])
            if done:
                boxes = np.concatenate(done)
                boxes = boxes[self.coming[boxes] == self.now]  # others were replaced meanwhile
                self.has[boxes] = self.now
                lacking -= len(boxes)
                self._tell(boxes, self.now)
            self._compare(self.now)
            self.now += 1
            if self.churn and not self.now % self.round_ticks:
                self._replace()
                lacking = self.left()
        times = np.sort(np.minimum(self.has[self.up], self.now))
        at = lambda share: float(times[min(len(times) - 1, int(share * len(times)))]) * TICK_MS / 1_000
        return at(0.5), at(0.999), at(1.0)
