"""Trust by repetition: which boxes have a record, and which tasks are asked of one more box.

The owner alone decides, from results that came (settle.py); boxes never learn why
a task is asked for again.

- Each task is asked of `replicas` boxes at first, then of one more at a time, while
  it has no quorum, up to `attempts`.  Then it has FAILED.
- With `adaptive` one box a task is asked at first.  A box whose last RECORD answers
  another box confirmed is believed alone, but for one answer in n, where n is how many
  were confirmed in a row (BOINC's adaptive replication; Anderson, "BOINC: a platform
  for volunteer computing", 2020).  Which ones follows from a secret of the owner, and
  is drawn for answers that came: no box can know when it is looked at.  One answer
  that a quorum contradicts ends a record.
"""

import hashlib
import hmac
import os

from ...agent import limits
from . import files

# Answers confirmed in a row that make a record, and the longest that counts: one
# answer in a hundred of any box is looked at.
RECORD = 10
RECORD_MOST = 100
# Attempts unless the workload says otherwise.
ATTEMPTS = 8
# A further replica is asked for when results have not come for so long and all that
# were asked have answered: one manifest, one leaf of the signer, serves many tasks.
SETTLE_S = 5.0
# When nothing came for this share of the deadline, silent boxes are not waited for.
PATIENCE_SHARE = 8
PATIENCE_LEAST_S = 30.0
# What a box says that could not do a task: it is neither confirmed nor a lie.
UNABLE = ("refused", "memory")


def patience_s(payload):
    """How long the owner of a workload waits for silent boxes, seconds."""
    return max(PATIENCE_LEAST_S, payload["deadline_s"] / PATIENCE_SHARE)


class Trust:
    """How many answers of each box were confirmed in a row, before this run and in it.

    secret: bytes that boxes do not know; base: {box id: answers} before the run;
    adaptive: whether a record counts in this run.
    """

    def __init__(self, secret=b"", base=None, adaptive=False):
        self._secret = secret
        self._base = base or {}
        self.adaptive = adaptive
        self.streaks = {}  # of boxes that were confirmed or contradicted in this run
        self.liars = set()  # boxes that were contradicted in this run

    def streak(self, box):
        """Answers of a box that were confirmed in a row."""
        return self.streaks.get(box, self._base.get(box, 0))

    def confirmed(self, box):
        """Another box said the same; True if it has a record now."""
        self.streaks[box] = self.streak(box) + 1
        return self.streaks[box] >= RECORD

    def contradicted(self, box):
        """A quorum, or the verifier, said otherwise."""
        self.streaks[box] = 0
        self.liars.add(box)

    def lot(self, task, box):
        """The lot of an answer, drawn from [0, 1): the lowest are checked."""
        drawn = hmac.new(self._secret, task.to_bytes(4, "big") + box, hashlib.sha256).digest()
        return int.from_bytes(drawn[:6], "big") / (1 << 48)

    def suffices(self, task, box):
        """True if the word of this box alone decides this task."""
        streak = self.streak(box)
        return self.adaptive and streak >= RECORD and self.lot(task, box) >= 1 / min(streak, RECORD_MOST)

    def checks(self, box, tasks):
        """Those of a box's unconfirmed tasks (an iterable) that another box is asked for now."""
        tasks = sorted(tasks, key=lambda task: self.lot(task, box))
        if box in self.liars:
            return tasks
        streak = min(self.streak(box), RECORD_MOST)
        due = sum(self.lot(task, box) < 1 / max(streak, RECORD) for task in tasks)
        return tasks[:max(due, RECORD - streak)]

    def merged(self, before):
        """The record {box id: answers} that another one becomes by this run."""
        after = dict(before)
        for box, streak in self.streaks.items():
            gained = streak if box in self.liars else before.get(box, 0) + streak - self._base.get(box, 0)
            after[box] = max(0, gained)
        return after


def load(path):
    """Reads {box id: answers} from a JSON file; empty where there is none."""
    if not os.path.exists(path):
        return {}
    return {bytes.fromhex(box): streak for box, streak in files.read_json(path).items()}


def save(path, record):
    """Writes {box id: answers} as JSON."""
    files.write_json(path, {box.hex(): min(streak, RECORD_MOST) for box, streak in sorted(record.items())})


class Rounds:
    """When which tasks are asked of one more box.  Times are any clock's seconds."""

    def __init__(self, settlement, attempts=ATTEMPTS, wait_s=None):
        self._settlement = settlement
        self.attempts = min(attempts, limits.ATTEMPTS)
        self._wait_s = wait_s
        self._seen = None
        self._since_s = 0.0

    def step(self, now_s):
        """Returns (numbers of tasks to ask one more box for, numbers of tasks to give up), mostly empty lists."""
        settlement = self._settlement
        seen = (sum(settlement.verdicts.values()), len(settlement.sequences))
        if seen != self._seen:
            self._seen, self._since_s = seen, now_s
        still_s = now_s - self._since_s
        wait_s = patience_s(settlement.payload) if self._wait_s is None else self._wait_s
        stalled = still_s >= wait_s
        if settlement.settled or not (stalled or still_s >= min(SETTLE_S, wait_s)):
            return [], []
        answered, silent = settlement.undecided()
        if silent and not stalled:
            return [], []
        again, given_up = [], []
        last = settlement.next_replica >= limits.ATTEMPTS
        for number in sorted(answered + (silent if stalled else [])):
            task = settlement.tasks[number]
            if task.asked < self.attempts and not last:
                again.append(number)
            elif task.votes:
                given_up.append(number)
        return again, given_up
