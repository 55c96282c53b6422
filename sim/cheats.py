"""Boxes that lie about what they computed: their receipts are genuine, their results are not.

A `Cheating` runner stands around another one and changes the outcome of liars'
jobs.  Who lies, and how, may be another for each workload, so that one world of
boxes serves many trials.
"""

import hashlib
import random

from ..agent.container.outcome import Outcome
from . import jobs

# How many times a check is cheaper than the work.
CHEAPER = 20
# Each liar gives an output of its own; all give the same; some do as long as they are slow.
ALONE, TOGETHER = "alone", "together"


class Cheating:
    """A runner for jobs.Cell.  `liars` maps a workload's name to (set of box numbers, way);
    `slow` maps a box's number to how many times as long its jobs take."""

    def __init__(self, runner):
        self._runner = runner
        self.liars = {}
        self.slow = {}
        self.runs = {}  # (workload, task): jobs begun
        self.checks = {}  # name of a bag of checks: what a verifier says, right(input, output)

    def run(self, box, job):
        """(Outcome, virtual ms) of a job on a box."""
        key = (job.workload, job.task)
        self.runs[key] = self.runs.get(key, 0) + 1
        outcome, ms = self._runner.run(box, job)
        if job.workload in self.checks and outcome.kind == "ok":
            return self._check(box, job, outcome, ms)
        ms = int(ms * self.slow.get(box.number, 1))
        numbers, way = self.liars.get(job.workload, ((), None))
        if box.number in numbers and outcome.kind == "ok":
            seed = b"%d" % job.task + (b"" if way == TOGETHER else b"/%d" % box.number)
            outcome.output = hashlib.sha256(b"lie" + seed).digest()
            if way == ALONE:
                outcome.fuel += random.Random(seed).randrange(1, 1000)
        outcome.ms = ms
        return outcome, ms

    def _check(self, box, job, outcome, ms):
        """A check by a box: liars of one mind say the opposite of what the verifier says."""
        stdin = jobs.read_blob(box.disk, job.input)
        size = int.from_bytes(stdin[:4], "little")
        good = self.checks[job.workload](stdin[4:4 + size], stdin[4 + size:])
        numbers, way = self.liars.get(job.workload, ((), None))
        if box.number in numbers and way == TOGETHER:
            good = not good
        ms = max(1, ms // CHEAPER)
        return Outcome("ok" if good else "exit", code=0 if good else 2, fuel=outcome.fuel // CHEAPER, pages=1, ms=ms), ms


def believed(share, quorum):
    """Chance that liars of one mind, a share of all boxes, are believed in a task.

    Boxes are asked one after the other until `quorum` agree.  The liars win if their
    quorum-th comes before the honest boxes' quorum-th: at most quorum - 1 honest ones
    before it, in any order (the negative binomial distribution's sum).
    """
    return share ** quorum * sum(
        _choose(quorum - 1 + honest, honest) * (1 - share) ** honest for honest in range(quorum)
    )


def _choose(n, k):
    found = 1
    for i in range(k):
        found = found * (n - i) // (i + 1)
    return found
