"""The owner settles: from results that their boxes alone could have made.

A result is worth nothing for where it came from: broker, doors and other
boxes can all lie.  It counts if its receipt carries the tag of an enrolled
box, and that box then has one vote on that task, whatever it sends later.

- SUCCEEDED: a quorum of boxes voted for the same output, at the same cost: fuel and
  pages follow from program and input, so who tells others than a quorum lies.
- FAILED, REJECTED: every replica has voted, no output has a quorum, and a
  quorum agrees that the program failed, or that boxes refused it.  FAILED too
  when the attempts are used up without a quorum.
- IN_PROGRESS: some votes, no decision (a dispute waits for another replica).
- QUEUED: no votes yet.  TIMED_OUT, CANCELED: what was open when the deadline
  passed or the owner ended the workload.

A box with a record may suffice alone (repetition.py).  Where the workload has a
verifier, an output succeeds by it, and by nothing else.

A decided task never changes.  The states' counts always add up to the tasks.
The workload's own state follows from them (`Settlement.state`).
"""

import collections
import hashlib
import hmac
import time

from ...agent.errors import RemoteError
from . import receipt as receipts
from . import repetition
from .task import (
    CANCELED, CLOSED, ENDS, FAILED, IN_PROGRESS, OPEN, QUEUED, REJECTED, STATES, SUCCEEDED, TIMED_OUT, Task, ballot,
)

# What manifests of the same work have in common.
SAME = ("name", "program", "index", "tasks", "args", "limits", "deterministic")
# Boxes that may vote on one task.  Replicas are at most 8, and a box that
# died and was replaced may still answer; more than this is an attack.
VOTES = 64
# Why offer() ignored something; each is a counter.
ACCEPTED = "accepted"  # the box's vote on the task
DUPLICATE = "duplicate"  # the same vote again
CONFLICTING = "conflicting"  # the box said something else before; that stays
MALFORMED = "malformed"  # not a result at all
OTHER = "other"  # another workload's or fleet's
REPLAYED = "replayed"  # of an earlier run of the same name
STRANGER = "stranger"  # of a box that is not enrolled
FORGED = "forged"  # its tag, topic or output does not fit its receipt
CROWDED = "crowded"  # more boxes than may vote on one task
REVOKED = "revoked"  # of a box that was revoked before it came
INFLATED = "inflated"  # its receipt says more than can be (receipt.inflated)
VERDICTS = (
    ACCEPTED, DUPLICATE, CONFLICTING, MALFORMED, OTHER, REPLAYED, STRANGER, FORGED, CROWDED, REVOKED, INFLATED,
)


class Settlement:
    """The state of one workload's tasks.

        settlement = Settlement(plan, fleet)
        settlement.offer(message.topic, message.payload)
        settlement.counts()      # {"QUEUED": 3, ...}; adds up to the tasks
        settlement.decided()     # tasks decided since the last call
        settlement.receipts      # [receipt map, ...], one per box and task
        settlement.outputs()     # [bytes or None, ...], in task order

    workload: a Manifest or its payload map; fleet: a Fleet, or anything with
    id, boxes(), receipt_key(public) and tag_at.  keep: False where whoever calls keeps
    the outputs elsewhere.  sizes: bytes of each task's input, where they are known.
    trust: a repetition.Trust.  verify: True where `judge` decides what succeeds.
    """

    def __init__(self, workload, fleet, keep=True, sizes=None, trust=None, verify=False):
        self.payload = getattr(workload, "payload", workload)
        self.fleet = fleet
        self.name = self.payload["name"]
        self.quorum = self.payload["quorum"]
        self.next_replica = self.payload["replicas"]
        self.trust = trust or repetition.Trust()
        self.verify = verify
        self.sequences = {self.payload["seq"]}
        self.tasks = [Task(asked=self.next_replica) for _ in range(self.payload["tasks"])]
        self._alone = collections.defaultdict(set)  # box: open tasks that it alone has answered
        self.verdicts = collections.Counter({verdict: 0 for verdict in VERDICTS})
        self._states = collections.Counter({QUEUED: len(self.tasks)})
        self._issued_s = self.payload["issued"]
        self._keep, self._sizes = keep, sizes
        self._outputs = {}  # (task, box): output, until the task is decided
        self._decided = []
        self._keys = {}

    def accept(self, payload):
        """Counts results of a later manifest of the same work, which asks for some tasks again.

        OperatorError does not come from here: a manifest of other work is a
        caller's mistake, ValueError.
        """
        if any(payload[key] != self.payload[key] for key in SAME):
            raise ValueError("another workload's manifest")
        if payload["seq"] in self.sequences:
            return
        self.sequences.add(payload["seq"])
        self.payload = payload
        first, asked = payload["again"]
        self.next_replica = first + payload["replicas"]
        for number, task in enumerate(self.tasks):
            if asked[number >> 3] >> (number & 7) & 1:
                task.asked += payload["replicas"]

    def offer(self, topic, payload, revoked=(), now_s=None):
        """Takes one MQTT message; returns one of VERDICTS, which is also counted.

        revoked: identities of boxes whose word counts no more.  What they said
        before was counted then, and stays.  now_s: when it came, unix seconds.
        """
        verdict = self._judge(topic, payload, revoked, time.time() if now_s is None else now_s)
        self.verdicts[verdict] += 1
        return verdict

    def _judge(self, topic, payload, revoked, now_s):
        head = self.fleet_prefix()
        if not topic.startswith(head):
            return OTHER
        try:
            receipt_bytes, tags, output = receipts.open_result(payload)
            receipt = receipts.read(receipt_bytes)
        except RemoteError:
            return MALFORMED
        box = self.fleet.boxes().get(receipt["box"])
        if box is None:
            return STRANGER
        if box.id in revoked:
            return REVOKED
        wanted = hmac.new(self._key(box), receipt_bytes, hashlib.sha256).digest()[:receipts.TAG_BYTES]
        at = self.fleet.tag_at
        if not hmac.compare_digest(wanted, tags[at:at + receipts.TAG_BYTES]):
            return FORGED
        # From here on the box itself said it.
        if topic != head + f"{receipt['task']}/{box.id.hex()}":
            return FORGED
        if len(output) != receipt["size"] or hashlib.sha256(output).digest() != receipt["output"]:
            return FORGED
        if receipt["workload"] != self.name:
            return OTHER
        if receipt["seq"] not in self.sequences:
            return REPLAYED
        if receipt["task"] >= len(self.tasks) or len(output) > self.payload["limits"]["output"]:
            return MALFORMED
        size_in = self._sizes[receipt["task"]] if self._sizes else None
        if receipts.inflated(receipt, self.payload["limits"], size_in, int((now_s - self._issued_s) * 1000)):
            return INFLATED
        return self._vote(receipt["task"], self.fleet.first_id(box.id), receipt, output)

    def fleet_prefix(self):
        """Returns the topic prefix of this workload's results."""
        return f"backfence/{self.fleet.id.hex()}/result/{self.name}/"

    def _key(self, box):
        if box.id not in self._keys:
            self._keys[box.id] = self.fleet.receipt_key(box.public)
        return self._keys[box.id]

    def _vote(self, number, box, receipt, output):
        task = self.tasks[number]
        if box in task.votes:
            return DUPLICATE if ballot(task.votes[box]) == ballot(receipt) else CONFLICTING
        if len(task.votes) >= VOTES:
            return CROWDED
        task.votes[box] = receipt
        if task.state in OPEN:
            if self._keep:
                self._outputs[number, box] = output
            self._decide(number, task)
        elif task.winner and self._contradicts(receipt, ballot(task.votes[task.winner])):
            self.trust.contradicted(box)
        return ACCEPTED

    def _decide(self, number, task):
        self._note_alone(number, task)
        ballots = collections.Counter(ballot(receipt) for receipt in task.votes.values())
        if self.verify:
            good = [each for each in ballots if task.judged.get(each)]
        else:
            good = [each for each, votes in ballots.items() if each[0] == "ok" and votes >= self._enough(number, task)]
        bad = [each for each, votes in ballots.items() if each[0] != "ok" and votes >= self.quorum]
        if good:
            self._close(number, task, good[0], SUCCEEDED)
        elif bad and len(task.votes) >= task.asked:
            receipt = task.votes[self._first(task, bad[0])]
            task.reason = receipt["reason"] or f"{receipt['outcome']} {receipt['code']}"
            self._close(number, task, bad[0], REJECTED if receipt["outcome"] == "refused" else FAILED)
        else:
            self._move(number, IN_PROGRESS)

    def _enough(self, number, task):
        """Votes that decide a task: a quorum, or the one of a box with a record that nobody contradicts."""
        return 1 if len(task.votes) == 1 and self.trust.suffices(number, next(iter(task.votes))) else self.quorum

    def _note_alone(self, number, task):
        box, receipt = next(iter(task.votes.items()))
        if len(task.votes) == 1 and self.trust.adaptive and receipt["outcome"] == "ok":
            self._alone[box].add(number)
        else:
            self._alone[box].discard(number)

    def _close(self, number, task, wanted, state):
        """Decides a task for a ballot, and tells the record who said so and who did not."""
        task.winner = self._first(task, wanted)
        task.output = self._outputs.get((number, task.winner), b"") if self._keep and state == SUCCEEDED else b""
        told = [box for box, receipt in task.votes.items() if ballot(receipt) == wanted]
        task.needed = 1 if self.verify else min(self.quorum, len(told))
        self._move(number, state)
        recorded = []
        for box, receipt in task.votes.items():
            if self._contradicts(receipt, wanted):
                self.trust.contradicted(box)
            elif box in told and (len(told) > 1 or self.verify) and self.trust.confirmed(box):
                recorded.append(box)
        # What such boxes alone have said may count now.
        for box in recorded:
            for other in sorted(self._alone[box]):
                self._decide(other, self.tasks[other])

    def _contradicts(self, receipt, wanted):
        """True if a receipt tells what cannot be, where `wanted` (a ballot) was decided."""
        told = ballot(receipt)
        # A verifier may take several outputs of one task: `judge` says which it does not.
        return told != wanted and told[0] not in repetition.UNABLE and not (self.verify and told[0] == wanted[0])

    def unjudged(self, last=()):
        """Yields (task, box) of outputs that the verifier has to see: of each output its first box.

        Whom it has caught lying in this run it sees no more: another box is asked.  Of tasks
        in `last` it sees all that it has not, also what boxes refused (checking.py).
        """
        for number, task in enumerate(self.tasks):
            all_of_it = number in last
            seen = {told for told, good in task.judged.items() if good is not None or not all_of_it}
            for box, receipt in task.votes.items() if task.state in OPEN else ():
                told = ballot(receipt)
                if receipt["outcome"] == "ok" and told not in seen and (all_of_it or box not in self.trust.liars):
                    seen.add(told)
                    yield number, box

    def output_of(self, number, box):
        """The output (bytes) that a box sent for a task that is still open, if outputs are kept here."""
        return self._outputs[number, box]

    def judge(self, number, box, good):
        """The verifier's word on what a box sent for an open task; good: None if only boxes refused it."""
        task = self.tasks[number]
        if task.state not in OPEN or box not in task.votes:
            return
        told = ballot(task.votes[box])
        task.judged[told] = good
        if good:
            self._close(number, task, told, SUCCEEDED)
        for each, receipt in task.votes.items():
            if good is False and ballot(receipt) == told:
                self.trust.contradicted(each)

    def give_up(self, numbers):
        """Turns open tasks whose attempts are used up into FAILED, with the reason."""
        for number in numbers:
            task = self.tasks[number]
            if task.state in OPEN:
                answers = len({ballot(receipt) for receipt in task.votes.values()})
                told = "the verifier took none of" if self.verify else "no quorum among"
                task.reason = (
                    f"{told} {answers} different answers of {len(task.votes)} boxes, after {task.asked} attempts"
                )
                self._move(number, FAILED)

    @staticmethod
    def _first(task, wanted):
        return next(box for box, receipt in task.votes.items() if ballot(receipt) == wanted)

    def _move(self, number, state):
        task = self.tasks[number]
        self._states[task.state] -= 1
        self._states[state] += 1
        task.state = state
        if state not in OPEN:
            self._decided.append(number)
            for box in task.votes:
                self._outputs.pop((number, box), None)
                self._alone[box].discard(number)

    def decided(self):
        """Returns the numbers of the tasks that were decided since the last call."""
        found, self._decided = self._decided, []
        return found

    def undecided(self):
        """Returns (answered, silent): numbers of open tasks, of which all who were asked have answered
        and one more must be asked; and of which some have not answered."""
        answered, silent = [], []
        held = {number for numbers in self._alone.values() for number in numbers}
        held.update(number for number, _ in self.unjudged() if self.verify)
        for number, task in enumerate(self.tasks):
            if task.state in OPEN and len(task.votes) < task.asked:
                silent.append(number)
            elif task.state in OPEN and number not in held:
                answered.append(number)
        for box, numbers in self._alone.items():
            answered += self.trust.checks(box, [number for number in numbers if self.tasks[number].asked == 1])
        return answered, silent

    def expire(self, now_s=None):
        """Turns what is open into TIMED_OUT if the deadline has passed; returns how many."""
        now_s = time.time() if now_s is None else now_s
        if now_s < self.payload["issued"] + self.payload["deadline_s"]:
            return 0
        return self.close(TIMED_OUT)

    def cancel(self):
        """Turns what is open into CANCELED; returns how many tasks that were."""
        return self.close(CANCELED)

    def close(self, state):
        """Turns what is open into a state of CLOSED, whose words are the reason; returns how many."""
        if self.settled:
            return 0
        closed = [number for number, task in enumerate(self.tasks) if task.state in OPEN]
        for number in closed:
            self.tasks[number].reason = CLOSED[state]
            self._move(number, state)
        return len(closed)

    def counts(self):
        """Returns {state: tasks} for all seven states; they add up to the tasks."""
        return {state: self._states[state] for state in STATES}

    @property
    def settled(self):
        """True when no task is open any more."""
        return not any(self._states[state] for state in OPEN)

    @property
    def succeeded(self):
        """True when every task has SUCCEEDED."""
        return self._states[SUCCEEDED] == len(self.tasks)

    @property
    def state(self):
        """The workload's state, one of STATES: QUEUED until a first result, IN_PROGRESS while a
        task is open, SUCCEEDED if all did; else the first of CANCELED, TIMED_OUT, REJECTED and
        FAILED that one of its tasks is in."""
        if self._states[QUEUED] == len(self.tasks):
            return QUEUED
        if not self.settled:
            return IN_PROGRESS
        return next((state for state in ENDS if self._states[state]), SUCCEEDED)

    @property
    def receipts(self):
        """Every authentic receipt, one per box and task, in the order of the tasks."""
        return [receipt for task in self.tasks for receipt in task.votes.values()]

    def outputs(self):
        """Returns each task's output in task order, None where it has not SUCCEEDED."""
        return [task.output if task.state == SUCCEEDED else None for task in self.tasks]

    def metering(self):
        """Returns one row a box: {"box", "tasks", "fuel", "ms", "byte_s", "bytes_in", "bytes_out"}."""
        rows = {}
        for receipt in self.receipts:
            row = rows.setdefault(self.fleet.first_id(receipt["box"]), {
                "box": self.fleet.first_id(receipt["box"]).hex(), "tasks": 0, "fuel": 0, "ms": 0, "byte_s": 0,
                "bytes_in": 0, "bytes_out": 0,
            })
            row["tasks"] += 1
            for key in ("fuel", "ms", "byte_s", "bytes_in", "bytes_out"):
                row[key] += receipt[key]
        return [rows[box] for box in sorted(rows)]
