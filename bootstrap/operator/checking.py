"""Checks by boxes: a workload's verifier, run by other boxes before the owner runs it.

What is to be checked is a bag of tasks like any other, named after the workload: the
program is the verifier, an input what verifier.stdin_of makes of a task's input and an
output, and it is asked of so many boxes.

- If one of them takes the output, the owner looks himself, and his word is the last:
  boxes that check may be in league with the one that computed.
- If all refuse it, the output is put aside and another box is asked for the task.  Nobody
  is blamed, for they may have lied.  Before a task would fail, the owner looks after all.
- If they cannot say, or no bag can be sent, the owner looks.

So nothing wrong succeeds, nothing right fails, and the owner is spared what is wrong.
"""

import hashlib
import time

from ...agent import limits
from . import manifests, repetition, run, verifier
from .errors import OperatorError
from .task import FAILED, OPEN, ballot

# The first output waits this long for others, since each bag takes two signatures.
LINGER_S = 5.0
# What a box says whose container ran the verifier to its end: it refused the output.
REFUSALS = ("exit", "trap", "fuel")


def refused(task):
    """True if a decided task of a bag of checks says that all boxes refused an output; False: the owner must look."""
    return task.state == FAILED and bool(task.winner) and ballot(task.votes[task.winner])[0] in REFUSALS


def name_of(name):
    """Returns the name of the bag of checks of a workload."""
    base = name.rpartition("/")[2]
    if len(base) > 25:
        base = f"{base[:18]}-{hashlib.sha256(base.encode()).hexdigest()[:6]}"
    return base + "-checks"


class Checks:
    """The checks by boxes of one run (a results.Work), at a broker."""

    def __init__(self, work, broker):
        self._work, self._broker = work, broker
        self._since_s = None
        self.why_not = ""  # why no bag could be sent, if the last one could not
        self._rows = []  # of the bag under way: [(task, box)]
        self._bag = None  # its run.Collector
        self.asked = 0

    def step(self):
        """Hands what is new to boxes, and takes their verdicts; the owner looks where he must."""
        if self._bag:
            self._collect()
            return
        rows = list(self._work.settlement.unjudged())
        if not rows:
            self._since_s = None
            return
        self._since_s = self._since_s or time.monotonic()
        waited = time.monotonic() - self._since_s >= LINGER_S
        if waited or len(rows) == sum(task.state in OPEN for task in self._work.settlement.tasks):
            self._begin(rows)

    def close(self):
        """Ends the bag under way, if there is one."""
        if self._bag:
            bag, self._bag = self._bag, None
            run.finish(bag.work, bag.session)

    def _begin(self, rows):
        work, payload = self._work, self._work.settlement.payload
        self._since_s = None
        stdins = [verifier.stdin_of(work.input(number), work.sent(number, box)) for number, box in rows]
        # What no box could be sent, and what is too late, is the owner's.
        left_s = payload["issued"] + payload["deadline_s"] - int(time.time())
        fit = [len(data) <= limits.BLOB_BYTES and left_s > 0 for data in stdins]
        work.verify([row for row, fits in zip(rows, fit) if not fits])
        self._rows = [row for row, fits in zip(rows, fit) if fits][:limits.TASKS // work.plan["checkers"]]
        if not self._rows:
            return
        inputs = [data for data, fits in zip(stdins, fit) if fits][:len(self._rows)]
        try:
            self._send(name_of(work.name), inputs, left_s)
            self.why_not = ""
        except OperatorError as problem:
            # A tenant's quota, say, or the last signature.
            self.why_not = str(problem)
            work.verify(self._rows)

    def _send(self, name, inputs, left_s):
        work, fleet, payload = self._work, self._work.fleet, self._work.settlement.payload
        manifest = manifests.workload_manifest(
            fleet, name, payload["slice"].rpartition("/")[2], work.verifier(), inputs, args=payload["args"],
            replicas=work.plan["checkers"], fuel=verifier.FUEL, pages=verifier.PAGES, output=0, deadline_s=left_s)
        session = run.open_session(fleet, name, self._broker)
        try:
            bag, _report = run.start(fleet, manifest, "concat", session)
        except OperatorError:
            session.close()
            raise
        # Its boxes' records are the owner's to keep, not their neighbours'.
        bag.plan["recorded"] = True
        self._bag = run.Collector(bag, session)
        self._bag.rounds = repetition.Rounds(bag.settlement, bag.plan["attempts"], repetition.PATIENCE_LEAST_S)
        self.asked += len(inputs)

    def _collect(self):
        bag = self._bag
        bag.step(0)
        bag.ask_again()
        for number in bag.work.settlement.decided():
            task, row = bag.work.settlement.tasks[number], self._rows[number]
            if refused(task):
                self._work.judge(*row, None)
            else:
                self._work.verify([row])
        if bag.work.settlement.settled:
            self.close()
