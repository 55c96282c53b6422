"""The story that `make run` tells, stage by stage, each with a check from outside."""

import collections
import contextlib
import hashlib
import os
import time

from rich.console import Console

import backfence

from . import broker as brokers
from . import census as censuses
from . import enrol, files, fleet, manifests, monitor, picture, push, report, settle, split, text, view, world
from . import run as runs
from .errors import OperatorError
from .lab import Lab, choose_interpreter, free_ports

SLICE, WORKLOAD = "edge", "words"
# What the fleet is asked while it works: to count itself, once more.
QUERY, ASKED = "alive", "count"
DOORS = 2
CONTACTS = 4  # "a few first contacts" that the controller hands to each
# Where a gateway would gossip once a minute, the demonstration is watched by
# an impatient person; all sixteen share this machine.
SETTINGS = {
    "status_ms": 300, "round_ms": 1000, "busy_round_ms": 300, "probe_ms": 1000, "cpu_percent": 90, "busy_load": 0, "busy_heat": 0,
}
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(backfence.__file__)), "examples", "words.wasm")
TURN_S = 0.1  # of the watching loop: results in, status files read, picture drawn

# Each some five times what it takes on two cores.
JOIN_S, FILL_S, RING_S = 60, 60, 60
WORK_S, TASK_S = 120, 2  # for all, and for each task
COUNT_S = 30
# The disaster comes when something is done and much is left.
KILL_FROM, KILL_UNTIL = 0.15, 0.75


class Story:
    """One run.  knobs -- demo.Knobs; run_dir -- empty directory; view -- view.open_view()"""

    def __init__(self, knobs, run_dir, shown):
        self.knobs = knobs
        self.run_dir = run_dir
        self.view = shown
        self.began = time.monotonic()
        self.stages = {}
        self.lab = self.broker = self.controller = self.session = None
        self.job = self.settlement = self.counted = None
        self.names = {}  # box id in hex: name
        self.agents = {}  # box id in hex: Process
        self.last_words = {}  # box id in hex: the last status of a killed agent
        self.killed = []
        self.ring_seconds = None
        self.matches = False
        self.refusals = collections.Counter()
        self.report = {}

    def tell(self, data, outside):
        """All of it.  Raises OperatorError where the run is not a good one.

        data -- bytes to count, None for the default text; outside -- a Broker
        that runs already, None to start our own
        """
        self._prepare(data)
        with self._stage("broker"):
            self._start_broker(outside)
        with self._stage("enrol"):
            self._make_fleet()
        with self._stage("join"):
            self._start_agents()
        with self._stage("slice"):
            self._push_slice()
        with self._stage("work"):
            self._push_workload()
            self._work()
        with self._stage("check"):
            self._check()
        self._write_report()
        faults = report.failures(self.report)
        if faults:
            raise OperatorError("; ".join(faults))

    @contextlib.contextmanager
    def _stage(self, name):
        began = time.monotonic()
        yield
        self.stages[name] = round(time.monotonic() - began, 2)

    def _path(self, *parts):
        return os.path.join(self.run_dir, *parts)

    def _prepare(self, data):
        self.lab = Lab(self._path(), choose_interpreter(), self.knobs.heap_kb * 1024)
        self.data = text.default_text() if data is None else data
        self.pieces = split.split(self.data, "words", text.task_bytes(len(self.data), self.knobs.seats))
        name = self.knobs.input or "Python's own documentation"
        self.view.say("the job: count the words of %s, %s bytes in %d tasks"
                      % (name, f"{len(self.data):,}", len(self.pieces)))

    def _start_broker(self, outside):
        self.broker = outside or brokers.Broker.start(self._path("broker.log"))
        kind = "somebody else's broker" if outside else "embedded broker"
        self.view.say("%s at %s" % (kind, self.broker))

    def _make_fleet(self):
        self.fleet = fleet.create(self._path("fleet"), broker=str(self.broker))
        first = free_ports(self.knobs.agents + 1)
        self.controller_address = "127.0.0.1:%d" % first
        self.boxes = self.fleet.enrol(
            self.knobs.agents, first + 1, doors=DOORS, homes=self._path("boxes"),
            extra=dict(SETTINGS, controller=self.controller_address),
        )
        self.names = {box.id.hex(): "b%02d" % number for number, box in enumerate(self.boxes)}
        contacts = [(box.id, enrol.pack_address(box.address)) for box in self.boxes[:CONTACTS]]
        with open(self._path("seeds.cose"), "wb") as file:
            file.write(self.fleet.sign(manifests.seeds_manifest(self.fleet, contacts)))
        self.view.say("made the fleet's keys and enrolled %d boxes in one lot" % self.knobs.agents)

    def _start_agents(self):
        self.controller = self.lab.start_python(
            "controller",
            ["backfence.bootstrap.controller", "--listen", self.controller_address, "--seeds", self._path("seeds.cose")],
        )
        for box in self.boxes:
            name = box.id.hex()
            self.agents[name] = self.lab.start_agent(self.names[name], box.home)
        heap = f"{self.knobs.heap_kb:,} KiB of heap each" if self.lab.interpreter.micropython else "without a limit of heap"
        self.view.say("started the controller and %d agents on %s, %s"
                      % (self.knobs.agents, self.lab.interpreter.name, heap))
        self._wait(JOIN_S, "the agents did not find each other",
                   lambda statuses: world.stragglers(statuses, self.knobs.agents) or self._doors_shut(statuses))
        self.view.say("all %d agents are one overlay, each knows %d to %d others"
                      % ((self.knobs.agents,) + _range(status["members"] for status in self.lab.statuses())))
        if not self.lab.stop(self.controller):
            raise OperatorError("the controller does not end")
        self.view.say("stopped the controller for good: nothing needs it from here on")

    @staticmethod
    def _doors_shut(statuses):
        shut = [status for status in statuses if status["door"] and not status["broker"]]
        return "%d doors have no connection to the broker" % len(shut) if shut else None

    def _push_slice(self):
        self.session = runs.open_session(self.fleet, WORKLOAD, str(self.broker))
        signed = self.fleet.sign(manifests.slice_manifest(self.fleet, SLICE, self.knobs.seats))
        done = push.publish(str(self.broker), self.fleet, signed, session=self.session)
        self.view.say(self._pushed(done))
        self._wait(FILL_S, "the slice did not fill", self._full)
        self.view.say("the slice is full and its ring is closed: %d seats" % self.knobs.seats)

    def _push_workload(self):
        with open(PROGRAM, "rb") as file:
            program = file.read()
        workload = manifests.workload_manifest(self.fleet, WORKLOAD, SLICE, program, self.pieces)
        self.job, done = runs.start(self.fleet, workload, "sum", self.session)
        self.settlement = self.job.settlement
        self.view.say(self._pushed(done))

    def _full(self, statuses):
        return "; ".join(world.ring_faults(statuses, SLICE, self.knobs.seats)[:3])

    @staticmethod
    def _pushed(done):
        return "signed and pushed %s: %s bytes in %d messages" % (done.label, f"{done.size:,}", done.acknowledged)

    def _work(self):
        if self.knobs.kills:
            self._disaster()
        self._ask()
        self._wait(self._work_s(), "the work is not done", lambda _statuses: self._open_work())
        self.view.say("all %d tasks are settled: SUCCEEDED" % len(self.pieces))

    def _ask(self):
        """Has the fleet count itself by gossip, while it works."""
        self.counted = picture.Picture(self.fleet)
        self.session.subscribe(self.fleet.topic("census", "+"), self.fleet.topic("door", "+"))
        self.query = manifests.query_manifest(self.fleet, QUERY, ASKED)
        push.publish(str(self.broker), self.fleet, self.fleet.sign(self.query), session=self.session)

    def _answer(self):
        """The answer to the query, None while there is none."""
        return monitor.answer(self.query.payload, self.counted.census)

    def _tell_census(self):
        """What gossip counted, beside the truth.  Shown, not judged: a count is of an epoch that is over."""
        with contextlib.suppress(OperatorError):
            self._wait(COUNT_S, "the fleet has not counted itself", lambda _statuses: not self._answer() and "no answer")
        census = self.counted.census
        if not self._answer():
            self.view.say("the fleet has not counted itself within %d s" % COUNT_S)
            return
        living = len(self.lab.living())
        self.view.say("by gossip alone a door counts %s; %d agents run" % (monitor.headline(census), living))
        for name, row in census["slices"].items():
            self.view.say("  slice " + censuses.filling(name, row))

    def _open_work(self):
        """Why the work is not finished, None if it is; raises OperatorError when it cannot be any more."""
        counts = self.settlement.counts()
        lost = ["%d %s" % (number, state) for state, number in counts.items()
                if number and state not in settle.OPEN + (settle.SUCCEEDED,)]
        if lost:
            reasons = {task.reason for task in self.settlement.tasks if task.reason}
            raise OperatorError("tasks ended as %s: %s" % (", ".join(lost), "; ".join(sorted(reasons)[:3])))
        return None if self.settlement.succeeded else "%d of %d tasks succeeded" % (
            counts[settle.SUCCEEDED], len(self.pieces))

    def _work_s(self):
        return WORK_S + TASK_S * len(self.pieces)

    def _share_done(self):
        return self.settlement.counts()[settle.SUCCEEDED] / len(self.pieces)

    def _disaster(self):
        """Pulls the plug of boxes with seats and open tasks, chosen now; raises if there are none."""
        self._wait(self._work_s(), "results do not come", lambda _statuses: self._share_done() < KILL_FROM and "too few results")
        while not (victims := world.pick_victims(self.lab.statuses(), SLICE, self.knobs.kills)):
            if self._share_done() > KILL_UNTIL:
                raise OperatorError("nothing was at stake: no %d agents held a seat and open tasks" % self.knobs.kills)
            self._turn()
        for status in victims:
            self._kill(status["id"])
        closed = self._wait(RING_S, "the ring did not close over the gap",
                            lambda statuses: "; ".join(world.ring_faults(statuses, SLICE)[:3]))
        self.view.say("the ring is closed again after %.1f s" % closed)
        filled = self._wait(RING_S, "the seats were not refilled", self._full)
        self.view.say("and all %d seats are held again %.1f s later" % (self.knobs.seats, filled))
        self.ring_seconds = {"closed": round(closed, 2), "refilled": round(closed + filled, 2)}

    def _kill(self, name):
        agent = self.agents[name]
        agent.kill()
        # What the box itself wrote last, and what we know to be unsettled of
        # its seats: both, for a task may be done there and not yet with us.
        status = self.last_words[name] = agent.status()
        seats = [seat["seat"] for seat in status["seats"] if seat["slice"] == SLICE]
        unsettled = [number for number, task in enumerate(self.settlement.tasks) if task.state in settle.OPEN]
        self.killed.append({
            "name": agent.name, "box": name, "pid": agent.pid, "door": status["door"],
            "seats": seats, "open_tasks": status["tasks"]["open"],
            "unsettled": world.placed_on(WORKLOAD, self.knobs.seats, seats, unsettled),
            "settled_before": len(self.pieces) - len(unsettled),
        })
        self.view.say("kill -9 of %s (pid %d): it held seat %s and %d open tasks"
                      % (agent.name, agent.pid, ", ".join(map(str, seats)), status["tasks"]["open"]))

    def _check(self):
        self._wait(RING_S, "the ring is not whole at the end", self._full)
        merged = self.job.merged()
        files.write_whole(self._path("words.txt"), merged)
        self.matches = merged == text.lines(text.count(self.data))
        if self.matches:
            self.view.say("the merged counts are those of CPython, word for word")
        self._tell_census()
        for victim in self.killed:
            box = bytes.fromhex(victim["box"])
            victim["rescued"] = sum(box not in self.settlement.tasks[task].votes for task in victim["unsettled"])

    def _wait(self, most_s, failure, reason):
        """Turn until reason(statuses) is empty; returns the seconds it took.  OperatorError after most_s."""
        began = time.monotonic()
        while True:
            why = reason(self._turn())
            if not why:
                return time.monotonic() - began
            if time.monotonic() - began > most_s:
                raise OperatorError("%s within %d s: %s" % (failure, most_s, why))

    def _turn(self):
        """One turn of watching; returns the living agents' statuses."""
        self.lab.check()
        until = time.monotonic() + TURN_S
        while self.session and (message := self.session.receive(until - time.monotonic())):
            self._message(message)
        time.sleep(max(0.0, until - time.monotonic()))
        statuses = {agent.name: agent.status() for agent in self.lab.living()}
        self.view.show(self._scene(statuses))
        return [status for status in statuses.values() if status]

    def _message(self, message):
        refusal = None
        if message.topic.startswith(self.fleet.topic("refused", "")):
            refusal = push.read_refusal(message)
        elif message.topic.startswith((self.fleet.topic("census", ""), self.fleet.topic("door", ""))):
            self.counted.offer(message)
        elif self.job:
            self.job.take(message.topic, message.payload)
        self.session.done(message)
        if refusal:
            # A kind is told once, the number of them is in the report.
            kind = " ".join(refusal["why"].split()[:3])
            self.refusals[kind] += 1
            if self.refusals[kind] == 1:
                self.view.say("door %s refuses %s: %s" % (self.names.get(refusal["box"], "?"), refusal["what"], refusal["why"]))

    def _scene(self, statuses):
        boxes = []
        for name, agent in self.agents.items():
            status = statuses.get(agent.name) or self.last_words.get(name)
            boxes.append(_drawn(agent, status) if status else view.Box(agent.name))
        faults = world.ring_faults([status for status in statuses.values() if status], SLICE, self.knobs.seats)
        done = self.settlement.counts()[settle.SUCCEEDED] if self.settlement else 0
        total = len(self.pieces) if self.settlement else 0
        return view.Scene(boxes, self.knobs.seats, done, total, faults)

    def _write_report(self):
        statuses = self.lab.statuses()
        seats = [seat for seat, holders in world.held_seats(statuses, SLICE).items() if len(holders) == 1]
        counts = self.settlement.counts()
        self.report = {
            "agents": self.knobs.agents,
            "interpreter": self.lab.interpreter.name,
            "heap_bytes": self.lab.heap_bytes if self.lab.interpreter.micropython else None,
            "controller_stopped": not self.controller.alive(),
            "slice": {"wanted": self.knobs.seats, "filled": len(seats)},
            "kills_wanted": self.knobs.kills,
            "killed": self.killed,
            "ring_seconds": self.ring_seconds,
            "tasks": {"total": len(self.pieces), "succeeded": counts[settle.SUCCEEDED], "states": counts},
            "census": censuses.view(self.counted.census) if self.counted.census else None,
            "living": len(self.lab.living()),
            "verdicts": dict(self.settlement.verdicts),
            "matches_reference": self.matches,
            "receipts": report.rows(self.settlement.metering(), self.names),
            "input": {"name": self.knobs.input, "bytes": len(self.data), "sha256": hashlib.sha256(self.data).hexdigest()},
            "broker": "embedded" if self.broker.process else str(self.broker),
            "refusals": dict(self.refusals),
            "heap_used": dict(zip(("least", "most"), _range(status["heap_used"] for status in statuses))),
            "counters": _sum(status["counters"] for status in statuses),
            "stages": self.stages,
            "seconds": round(time.monotonic() - self.began, 1),
        }
        report.write(self._path("report.json"), self.report)

    def clean_up(self):
        """Ends every process; may be called at any time."""
        if self.session is not None:
            self.session.close()
        if self.lab is not None:
            self.lab.stop_everything()
        if self.broker is not None:
            self.broker.stop()

    def print_result(self):
        """The metering and where the report is."""
        Console().print(report.meter_table(self.report["receipts"]))
        print("%d of %d tasks succeeded on %d boxes, the counts are CPython's; %d agents killed; %.1f s."
              % (self.report["tasks"]["succeeded"], len(self.pieces), len(self.report["receipts"]),
                 len(self.killed), self.report["seconds"]))
        print("The counts are in %s, all about the run in %s." % (self._path("words.txt"), self._path("report.json")))


def _drawn(agent, status):
    state = "killed" if agent.killed else "door" if status["door"] else "joined" if status["members"] else "starting"
    running = status["tasks"]["running"]
    return view.Box(
        agent.name, state, status["members"],
        [seat["seat"] for seat in status["seats"] if seat["slice"] == SLICE],
        status["tasks"]["open"], running[1] if running else None, status["tasks"]["done"],
    )


def _range(numbers):
    numbers = list(numbers)
    return min(numbers), max(numbers)


def _sum(counters):
    total = collections.Counter()
    for one in counters:
        total.update(one)
    return dict(total)
