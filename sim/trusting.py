"""Trials of trust and of stragglers: one world of boxes, work after work under other rules.

What an owner believed is held against the outputs that the simulator knows to be
right; what it cost is counted in jobs begun and datagrams sent.
"""

from dataclasses import asdict, dataclass, field

from ..agent.manifest import manifest_id
from ..agent.placement import seat_of
from ..bootstrap.operator import checking, repetition, verifier
from ..bootstrap.operator.task import OPEN
from . import cheats, jobs
from .operator import WAIT

# (name, settings of the workload): r replicas at first, quorum q.
SINGLE = ("r1-q1", {"replicas": 1, "quorum": 1})
PAIR = ("r2-q2", {"replicas": 2, "quorum": 2})
TRIPLE = ("r3-q2", {"replicas": 3, "quorum": 2})
FIVE = ("r5-q3", {"replicas": 5, "quorum": 3})
ADAPTIVE = ("adaptive", {"replicas": 1, "quorum": 2, "adaptive": True})
VERIFIED = ("verified", {"replicas": 1, "quorum": 1})
# The same, and so many boxes run the verifier before the owner does.
CHECKED = ("checked", {"replicas": 1, "quorum": 1})
CHECKERS = 2
# Silent boxes are waited for so long.
WAIT_S = 60
MOST_S = 3_600
# Share of the tasks that others than those in the seats may have answered: neighbours, who copy.
ELSEWHERE = 0.05


@dataclass
class Found:
    """What came of one workload.  Shares are of its tasks; costs are of one task.

    expected: the closed form; seated: the same for these very liars in their seats.
    checks, lies_checked: verifications by the owner, and those of wrong outputs; box_checks: by boxes.
    """

    name: str
    tasks: int
    liars: float
    wrong: int = 0
    failed: int = 0
    open: int = 0
    expected: float = 0.0
    seated: float = 0.0
    runs: float = 0.0
    messages: float = 0.0
    bytes: float = 0.0
    seconds: float = 0.0
    rounds: int = 0
    checks: float = 0.0
    lies_checked: float = 0.0
    box_checks: float = 0.0
    seats: int = field(default=1, repr=False)

    def as_dict(self):
        """For the report."""
        return {key: round(value, 3) if isinstance(value, float) else value for key, value in asdict(self).items()}

    def most(self):
        """The largest share of wrong outputs that these liars' seats allow."""
        return self.seated and self.seated + ELSEWHERE

    def excess(self):
        """"" or by what the wrong outputs exceed what chance allows."""
        share = self.wrong / self.tasks
        return "%.3f of the outputs are wrong, %.3f is allowed" % (share, self.most()) if share > self.most() else ""

    def left_open(self):
        """"" or how many tasks are open."""
        return "%d of %d tasks are open" % (self.open, self.tasks) if self.open else ""


class World:
    """A lab whose boxes may cheat, with one slice of `seats`."""

    def __init__(self, lab, seats, doors=2):
        self.lab, self.seats = lab, seats
        self.cheats = cheats.Cheating(lab.runner)
        lab.runner = self.cheats
        self.record = {}
        lab.boot(doors=doors, contacts=2)
        lab.until("overlay connected", lab.connected, 300)
        lab.operator.push_slice("edge", seats)
        lab.until("ring closed", lab.ring("edge", seats), 900, every_ms=2_000)
        self.churning = False
        self._done = 0

    def liars(self, share):
        """Numbers of `share` of the holders, another draw each time."""
        holders = [box.number for box in self.lab.holders("edge")]
        rng = self.lab.world.stream("liars/%d" % self._done)
        return set(rng.sample(sorted(holders), round(share * len(holders)))), holders

    def work(self, rule, tasks, share=0.0, way=cheats.ALONE, wait_s=WAIT_S):
        """Runs one workload to its end; a Found."""
        lab = self.lab
        label, settings = rule
        self._done += 1
        name = "%s-%d-%s-%d" % (label, round(100 * share), way, self._done)
        numbers, holders = self.liars(share)
        self.cheats.liars[name] = numbers, way
        found = Found(name, tasks, len(numbers) / len(holders), seats=len(holders))
        quorum = settings["quorum"]
        verified = rule in (VERIFIED, CHECKED)
        if way == cheats.TOGETHER and not verified:
            found.expected = cheats.believed(found.liars, quorum)
        elif quorum == 1 and not verified:
            found.expected = found.liars

        def right(data, output):
            good = output == jobs.expected(work.plan.payload["program"], data, ())
            found.checks += 1 / tasks
            found.lies_checked += (not good) / tasks
            return good

        bag = Bag(self, name, right, numbers, way) if rule is CHECKED else None
        at_seat = [number in numbers for number in holders]
        before, begun = self.sent(), lab.world.now_ms
        work = lab.operator.push_workload(
            name, "edge", tasks, wait_s=wait_s, verify=bag.offer if bag else right if verified else None,
            record=dict(self.record), **settings)
        if bag:
            work.look = bag.look
        if found.expected and len(holders) == self.seats:
            found.seated = seated(work.plan, at_seat, quorum)
        def open_tasks():
            if bag:
                bag.step(work)
            return "" if work.settlement.settled else "open"

        lab.until("%s is settled" % name, open_tasks, MOST_S)
        found.seconds = (lab.world.now_ms - begun) / 1000
        found.box_checks = bag.asked * CHECKERS / tasks if bag else 0.0
        sent = self.sent()
        found.messages, found.bytes = ((after - first) / tasks for after, first in zip(sent, before))
        self._judge(work, found)
        if share == 0:
            self.record = work.settlement.trust.merged(self.record)
        lab.operator.end("workload-" + name)
        lab.operator.works.pop(name)
        lab.go(5_000)
        return found

    def _judge(self, work, found):
        found.rounds = work.rounds
        found.runs = sum(self.cheats.runs.get((found.name, task), 0) for task in range(found.tasks)) / found.tasks
        for number, task in enumerate(work.settlement.tasks):
            if task.state == "SUCCEEDED":
                found.wrong += task.output != self.lab.operator.wanted_output(found.name, number)
            else:
                found.failed += task.state == "FAILED"
                found.open += task.state != "FAILED"

    def sent(self):
        """(datagrams, bytes of payload) that all boxes have sent so far."""
        network = self.lab.world.network
        return network.sent, network.sent_bytes


class Bag:
    """Checks by boxes, as operator/checking.py has them, of one workload in a World."""

    def __init__(self, world, name, right, liars, way):
        self._operator, self._cheats = world.lab.operator, world.cheats
        self._name, self._right, self._lies = name, right, (liars, way)
        self._rows, self._bag = [], None
        self.asked = 0

    def offer(self, _data, _output):
        """Nothing is known yet: boxes look first."""
        return WAIT

    def step(self, work):
        """Hands to boxes what is new, and takes their verdicts."""
        settlement = work.settlement
        if self._bag:
            for number, task in enumerate(self._bag.settlement.tasks):
                row = self._rows[number]
                if task.state not in OPEN and row:
                    settlement.judge(*row, None if checking.refused(task) else self.look(work, *row))
                    self._rows[number] = None
            if not self._bag.settlement.settled:
                return
            self._operator.end("workload-" + self._bag.plan.payload["name"])
            self._bag = None
        self._rows = list(settlement.unjudged())
        if self._rows:
            name = checking.name_of(self._name)  # each time the same: a fleet has few manifests
            inputs = [verifier.stdin_of(work.inputs[number], settlement.output_of(number, box)) for number, box in self._rows]
            self._cheats.checks[name] = self._right_of(work)
            self._cheats.liars[name] = self._lies
            self.asked += len(inputs)
            self._bag = self._operator.push_workload(
                name, "edge", len(inputs), inputs=inputs, outputs=[b""] * len(inputs), replicas=CHECKERS, quorum=1,
                wait_s=repetition.PATIENCE_LEAST_S)

    def look(self, work, number, box):
        """The owner's own look at what a box sent for an open task."""
        if work.settlement.tasks[number].state not in OPEN:
            return None
        return self._right(work.inputs[number], work.settlement.output_of(number, box))

    @staticmethod
    def _right_of(work):
        return lambda data, output: output == jobs.expected(work.plan.payload["program"], data, ())


def seated(plan, liars, quorum):
    """Share of a workload's tasks that liars of one mind win by where they sit; liars: for each seat, whether one sits there.

    Boxes are asked seat after seat, and of 2 * quorum - 1 one side has a quorum, whatever
    the order of their answers.
    """
    id = manifest_id("workload", plan.payload["name"])
    won = 0
    for task in range(plan.payload["tasks"]):
        home = seat_of(id, task, len(liars))
        won += sum(liars[(home + i) % len(liars)] for i in range(2 * quorum - 1)) >= quorum
    return won / plan.payload["tasks"]
