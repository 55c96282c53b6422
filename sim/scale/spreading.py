"""A rumour among a million boxes, as agent/rumour.py and agent/telling.py spread it.

Time goes in ticks of 10 ms.  A box that has verified a manifest tells others once:
RUMOUR_FANOUT of them, RUMOUR_FEEDBACK fewer for each box beyond the first that told
it, and never fewer than RUMOUR_LEAST; one that learnt by comparing tells
RUMOUR_LEAST.  Who lacks it asks the first that told it and verifies the body.  Each
round every box compares with one other.  Whom a box tells is uniform here; in the
agent it is among the boxes it heard last, which a random overlay makes as good.
"""

import numpy as np

from ...agent.limits import RUMOUR_FANOUT, RUMOUR_FEEDBACK, RUMOUR_LEAST

TICK_MS = 10
# One way on a line, ticks: 10 to 30 ms, as the simulator's network draws it.
DELAY = (1, 3)
VERIFY_MS = 85
# A lost pull or chunk is asked for again after this.
RETRY_MS = 300
LIMIT_S = 3_600
NEVER = np.iinfo(np.int32).max


class Rumour:
    """One manifest in a fleet: who has it when.

    down: share of the boxes that are off and never hear of it.  churn: share of the boxes
    that are replaced each round by fresh ones, which learn of it by comparing.
    """

    def __init__(self, nodes, seed, loss=0.0, round_s=1.0, down=0.0, churn=0.0, doors=1):
        self.nodes, self.loss, self.churn = nodes, loss, churn
        self.round_ticks = max(1, round(1_000 * round_s / TICK_MS))
        self.rng = np.random.default_rng([seed, 17])
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
        self._check(np.arange(doors), np.full(doors, VERIFY_MS // TICK_MS, np.int32))

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
        ticks = now + self._delay(len(boxes)) + self._delay(len(boxes)) + VERIFY_MS // TICK_MS
        if self.loss:
            lost = self.rng.geometric((1 - self.loss) ** 2, len(boxes)) - 1
            ticks = ticks + lost * (RETRY_MS // TICK_MS)
        self._check(boxes, ticks.astype(np.int32))

    def _tell(self, boxes, now):
        many = np.maximum(RUMOUR_LEAST, RUMOUR_FANOUT - RUMOUR_FEEDBACK * np.maximum(0, self.tellers[boxes] - 1))
        many[self.quiet[boxes]] = RUMOUR_LEAST
        self.told += int(many.sum())
        targets = self.rng.integers(0, self.nodes, int(many.sum()))
        if self.loss:
            targets = targets[self.rng.random(len(targets)) >= self.loss]
        targets = targets[self.up[targets]]
        self._later(self._queue, now + self._delay(len(targets)), targets)

    def _compare(self, now):
        """A share of a round's comparisons: who lacks it and meets one who has it fetches it."""
        if now < self.round_ticks:
            return
        lacking = np.flatnonzero(self.up & (self.coming == NEVER))
        # It asks one, and is asked by one, in a round.
        meets = self.rng.random(len(lacking)) < 2 * (1 - self.loss) / self.round_ticks
        lacking = lacking[meets]
        other = self.rng.integers(0, self.nodes, len(lacking))
        found = lacking[(self.has[other] <= now) & self.up[other]]
        self.quiet[found] = True
        self._fetch(found, now + 2)

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
