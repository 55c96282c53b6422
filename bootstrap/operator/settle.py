"""The owner settles: from results that their boxes alone could have made.

A result is worth nothing for where it came from: broker, doors and other
boxes can all lie.  It counts if its receipt carries the tag of an enrolled
box, and that box then has one vote on that task, whatever it sends later.

- SUCCEEDED: a quorum of boxes voted for the same output, at the same cost: fuel and
  pages follow from program and input, so who tells others than a quorum lies.
- FAILED, REJECTED: every replica has voted, no output has a quorum, and a
  quorum agrees that the program failed, or that boxes refused it.
- IN_PROGRESS: some votes, no decision (a dispute waits for another replica).
- QUEUED: no votes yet.  TIMED_OUT, CANCELED: what was open when the deadline
  passed or the owner ended the workload.

A decided task never changes.  The states' counts always add up to the tasks.
The workload's own state follows from them (`Settlement.state`).
"""

import collections
import dataclasses
import hashlib
import hmac
import time

from ...agent.errors import RemoteError
from . import receipt as receipts

QUEUED, IN_PROGRESS, SUCCEEDED = "QUEUED", "IN_PROGRESS", "SUCCEEDED"
FAILED, TIMED_OUT, REJECTED, CANCELED = "FAILED", "TIMED_OUT", "REJECTED", "CANCELED"
STATES = (QUEUED, IN_PROGRESS, SUCCEEDED, FAILED, TIMED_OUT, REJECTED, CANCELED)
OPEN = (QUEUED, IN_PROGRESS)
# What a workload is called of which not all tasks SUCCEEDED: the first that fits.
ENDS = (CANCELED, TIMED_OUT, REJECTED, FAILED)

# Why open tasks were closed.
CLOSED = {TIMED_OUT: "the deadline passed", CANCELED: "the workload was ended"}

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


@dataclasses.dataclass
class Task:
    """votes: {first id of a box: receipt map}, in the order in which they came; winner: the first
    box that voted for what was decided; output: bytes once SUCCEEDED, if kept here."""

    state: str = QUEUED
    votes: dict = dataclasses.field(default_factory=dict)
    winner: bytes = b""
    output: bytes = b""
    reason: str = ""


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
    """

    def __init__(self, workload, fleet, keep=True, sizes=None):
        self.payload = getattr(workload, "payload", workload)
        self.fleet = fleet
        self.name = self.payload["name"]
        self.replicas, self.quorum = self.payload["replicas"], self.payload["quorum"]
        self.sequences = {self.payload["seq"]}
        self.tasks = [Task() for _ in range(self.payload["tasks"])]
        self.verdicts = collections.Counter({verdict: 0 for verdict in VERDICTS})
        self._states = collections.Counter({QUEUED: len(self.tasks)})
        self._issued_s = self.payload["issued"]
        self._keep, self._sizes = keep, sizes
        self._outputs = {}  # (task, box): output, until the task is decided
        self._decided = []
        self._keys = {}

    def accept(self, payload):
        """Counts results of another manifest of the same work, with more replicas.

        OperatorError does not come from here: a manifest of other work is a
        caller's mistake, ValueError.
        """
        if any(payload[key] != self.payload[key] for key in SAME):
            raise ValueError("another workload's manifest")
        self.sequences.add(payload["seq"])
        self.replicas, self.quorum = payload["replicas"], payload["quorum"]
        self.payload = payload

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
        return ACCEPTED

    def _decide(self, number, task):
        ballots = collections.Counter(ballot(receipt) for receipt in task.votes.values())
        winners = [each for each, votes in ballots.items() if votes >= self.quorum]
        good = [each for each in winners if each[0] == "ok"]
        if good:
            task.winner = self._first(task, good[0])
            task.output = self._outputs.get((number, task.winner), b"")
            self._move(number, SUCCEEDED)
        elif winners and len(task.votes) >= self.replicas:
            task.winner = self._first(task, winners[0])
            receipt = task.votes[task.winner]
            task.reason = receipt["reason"] or f"{receipt['outcome']} {receipt['code']}"
            self._move(number, REJECTED if receipt["outcome"] == "refused" else FAILED)
        else:
            self._move(number, IN_PROGRESS)

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

    def decided(self):
        """Returns the numbers of the tasks that were decided since the last call."""
        found, self._decided = self._decided, []
        return found

    def disputed(self):
        """Returns the numbers of the tasks whose replicas have all voted without a decision."""
        return [
            number for number, task in enumerate(self.tasks)
            if task.state == IN_PROGRESS and len(task.votes) >= self.replicas
        ]

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


def ballot(receipt):
    """What replicas must agree on: the same output at the same cost, or the same failure."""
    if receipt["outcome"] == "ok":
        return "ok", receipt["output"], receipt["fuel"], receipt["pages"]
    return receipt["outcome"], receipt["code"]
