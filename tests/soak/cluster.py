"""A real cluster on this machine that is never left alone: agents, broker and controller are killed, stopped and started."""

import os
import pathlib
import signal
import time

import brokers
import outages

from backfence.bootstrap.operator import enrol, fleet, lab, manifests, push, text
from backfence.bootstrap.operator import run as runs
from backfence.bootstrap.operator.split import split

HERE = os.path.dirname(os.path.abspath(__file__))
AGENTS, DOORS, CONTACTS, SEATS = 9, 2, 3, 4
# Never restarted, a door among them: in these growth would show.
STEADY = (0, 2, 3)
# A gateway's rounds would hide in minutes what weeks show.
SETTINGS = {
    "status_ms": 10_000, "round_ms": 5_000, "busy_round_ms": 500, "probe_ms": 1_000, "store_kb": 256, "busy_load": 0, "busy_heat": 0,
}
HEAP_BYTES = 2 << 20
# Between two boxes losing their process, and until it is started again, s.
CHURN_S, AWAY_S = 20, (1, 30)
TURN_S = 0.2
# A box that was told to leave does so within this, s.
LEAVE_S = 60
# One job at a time: so many bytes of text in so many pieces, settled within this.
JOB_BYTES, JOB_TASKS, JOB_S = 40_000, 12, 600
# Between the starts of two jobs, so that fewer than the fleet's limit of manifests are live; longer than
# a job takes on a busy machine, for what the boxes keep goes with the pace.
PACE_S = 30
# The operator's key: 32,768 signatures, a job each.
HEIGHTS, WIDTH = (10, 5), 4
SLICE = "edge"
PROGRAM = os.path.join(HERE, "..", "..", "examples", "words.wasm")


class SoakError(Exception):
    """Something that may never happen has happened; the text is for a person."""


class Telling(lab.Interpreter):
    """An interpreter that runs box.py for the agent."""

    def argv(self, module, heap_bytes):
        """How to run it with a hard heap."""
        return self.command + ["-X", "heapsize=%d" % heap_bytes, os.path.join(HERE, "box.py")]


class Box:
    """One box: its home, its process, what it is about to do."""

    def __init__(self, number, box):
        self.name = "b%02d" % number
        self.home = box.home
        self.steady = number in STEADY
        self.door = number < DOORS
        self.process = None
        self.lives = 0
        self.leaving_s = None  # when it was told to leave
        self.back_s = None  # when it is to be started again


class Cluster:
    """Broker, controller and agents below `folder`; draws come from `rng` (random.Random)."""

    def __init__(self, folder, rng):
        self.rng = rng
        self.folder = str(folder)
        found = lab.choose_interpreter()
        if not found.micropython:
            raise SoakError("no MicroPython to run the agents on; run `make setup`")
        self.lab = lab.Lab(self.folder, Telling(found.command, found.name, True), HEAP_BYTES)
        self.kills = {"kill -9": 0, "SIGTERM": 0}
        self.jobs = []  # (seconds of the run at its end, seconds to settle)
        self._churn_s = time.monotonic() + CHURN_S
        self.broker = self.session = self.work = self.outages = None
        self._job_s = -PACE_S

    def start(self):
        """All of it, and one slice."""
        self.broker = brokers.Broker("mosquitto", pathlib.Path(self.folder), (
            "allow_anonymous true", "persistence true", "persistence_location %s/" % self.folder))
        self.fleet = fleet.create(os.path.join(self.folder, "fleet"), HEIGHTS, WIDTH, self.broker.address)
        first = lab.free_ports(AGENTS + 1)
        controller = "127.0.0.1:%d" % first
        enrolled = self.fleet.enrol(
            AGENTS, first + 1, doors=DOORS, homes=os.path.join(self.folder, "boxes"),
            extra=dict(SETTINGS, controller=controller))
        seeds = os.path.join(self.folder, "seeds.cose")
        contacts = [(box.id, enrol.pack_address(box.address)) for box in enrolled[:CONTACTS]]
        with open(seeds, "wb") as file:
            file.write(self.fleet.sign(manifests.seeds_manifest(self.fleet, contacts)))
        self.boxes = [Box(number, box) for number, box in enumerate(enrolled)]
        for box in self.boxes:
            self._start(box)
        self.session = push.Session(self.broker.address, "backfence-soak", clean=False)
        self.session.subscribe(self.fleet.topic("result", "+", "+", "+"))
        self._slice = self.fleet.sign(manifests.slice_manifest(self.fleet, SLICE, SEATS))
        self._publish_slice()
        command = ["backfence.bootstrap.controller", "--listen", controller, "--seeds", seeds]
        self.outages = outages.Outages(
            self.rng, self.broker, lambda: self.lab.start_python("controller", command), self._publish_slice)

    def _publish_slice(self):
        push.publish(self.broker.address, self.fleet, self._slice, session=self.session)

    def stop(self):
        """Ends every process."""
        if self.session is not None:
            self.session.close()
        self.lab.stop_everything()
        if self.broker is not None:
            self.broker.kill()

    def ends(self):
        """{how something was ended: how often}."""
        return {**self.kills, **(self.outages.counts if self.outages else {})}

    def turn(self, begun_s):
        """A moment of churn and work.  Raises SoakError, LabError."""
        self._look()
        self.outages.turn(idle=self.work is None)
        self._churn()
        self._work_on(begun_s)

    # -- churn

    def _start(self, box):
        box.lives += 1
        box.back_s = box.leaving_s = None
        box.process = self.lab.start_agent(box.name, box.home)

    def _look(self):
        """Nobody may end that was not told to."""
        now_s = time.monotonic()
        for box in self.boxes:
            if box.back_s is not None:
                if now_s >= box.back_s:
                    self._start(box)
            elif not box.process.alive():
                if box.leaving_s is None or box.process.code not in (0, -signal.SIGTERM):
                    raise SoakError("agent %s ended with code %d: %s" % (
                        box.name, box.process.code, lab.last_line(box.process.log)))
                box.back_s = now_s + self.rng.uniform(*AWAY_S)
            elif box.leaving_s is not None and now_s - box.leaving_s > LEAVE_S:
                raise SoakError("agent %s does not leave within %d s of SIGTERM" % (box.name, LEAVE_S))

    def _churn(self):
        now_s = time.monotonic()
        if now_s < self._churn_s:
            return
        self._churn_s = now_s + self.rng.uniform(0.5, 1.5) * CHURN_S
        box = self.rng.choice([box for box in self.boxes if not box.steady])
        if box.back_s is not None or box.leaving_s is not None:
            return
        if self.rng.random() < 0.5:
            box.process.kill()
            box.back_s = now_s + self.rng.uniform(*AWAY_S)
            self.kills["kill -9"] += 1
        else:
            box.process.send(signal.SIGTERM)
            box.leaving_s = now_s
            self.kills["SIGTERM"] += 1

    # -- work

    def _work_on(self, begun_s):
        """Takes what results there are; the next job when one is settled."""
        if self.work is None:
            if self.outages.broker_away or time.monotonic() - self._job_s < PACE_S:
                time.sleep(TURN_S)
                return
            self._push()
        until_s = time.monotonic() + TURN_S
        while (message := self.session.receive(until_s - time.monotonic())) is not None:
            if message.topic.startswith(self.work.settlement.fleet_prefix()):
                self.work.take(message.topic, message.payload)
            self.session.done(message)
        took_s = time.monotonic() - self._job_s
        if self.work.settlement.succeeded and not self.outages.broker_away:
            if self.work.merged() != self._right:
                raise SoakError("the counts of %s are not CPython's" % self.work.name)
            self.jobs.append((time.monotonic() - begun_s, took_s))
            self._withdraw()
        elif took_s > JOB_S or self.work.settlement.settled and not self.work.settlement.succeeded:
            raise SoakError("%s is not settled after %d s: %s" % (self.work.name, took_s, self.work.settlement.counts()))

    def _push(self):
        start = self.rng.randrange(len(self._text) - JOB_BYTES)
        data = self._text[start : start + JOB_BYTES]
        with open(PROGRAM, "rb") as file:
            program = file.read()
        manifest = manifests.workload_manifest(
            self.fleet, "job-%d" % len(self.jobs), SLICE, program, split(data, "words", JOB_BYTES // JOB_TASKS),
            deadline_s=JOB_S, valid_s=JOB_S)
        self._right = text.lines(text.count(data))
        self._job_s = time.monotonic()
        self.work, _ = runs.start(self.fleet, manifest, "sum", self.session)

    _text = text.default_text()

    def _withdraw(self):
        """The boxes forget a job when it expires; the broker is told to."""
        push.withdraw(self.session, self.fleet, self.work.removable_blobs())
        self.session.publish([(self.fleet.topic("manifest", "workload-" + self.work.name), b"")], 60)
        self.work = None
