"""A fleet of real agents on chosen processors, and what an operator does with it.

    with LiveFleet(folder, broker, ["armhf", "mips", "mips"]) as fleet:
        done = fleet.push("words.wasm", [b"some words", b"more words"], replicas=2, quorum=2)
        assert done.succeeded, done

Each agent is a process with a home of its own, on its processor's MicroPython, with
the compiled agent and the heap that firmware gives a box.
"""

import os
import time

from ...bootstrap.operator import enrol, files, manifests, push, run, source, world
from ...bootstrap.operator import fleet as fleets
from ...bootstrap.operator.errors import OperatorError
from ...bootstrap.operator.lab import Interpreter, Lab, choose_interpreter, free_ports
from ...firmware_pkg import processors
from . import interpreters

# An emulated box is slow, and a dozen of them share this machine: a gossip round is long
# enough for all of them to take part.
SETTINGS = {
    "status_ms": 500, "round_ms": 2000, "busy_round_ms": 500, "probe_ms": 2000, "cpu_percent": 90, "busy_load": 0, "busy_heat": 0,
}
CONTACTS = 4
# `1wM`, as firmware gives a box, by the bits of a word.
HEAP_BYTES = {32: 1 << 20, 64: 2 << 20}
# Generous: some ten times what a fleet takes on an idle machine.
JOIN_S, FILL_S = 240, 240
JOB_S = 900
TURN_S = 0.2


def heap_bytes(name):
    """The heap of an agent on a processor (or "micropython", "cpython"), in bytes."""
    known = processors.PROCESSORS.get(name)
    return HEAP_BYTES[known.bits if known else 64]


def interpreter(name):
    """The operator's Interpreter of a name from interpreters.py.  Missing."""
    return Interpreter(interpreters.find(name).command, name, name != "cpython")


class Done:
    """A workload's settled results.

    states: {state: tasks}.  outputs: bytes of each task in order, None where it has none.
    receipts: of each box and task a map as docs/wire.cddl has it, and "processor".
    merged: all outputs as one, None unless all tasks succeeded.
    """

    def __init__(self, work, processor_of):
        settlement = work.settlement
        self.states = settlement.counts()
        self.succeeded = settlement.succeeded
        self.outputs = list(work.outputs())
        self.receipts = [dict(each, processor=processor_of(each["box"])) for each in settlement.receipts]
        self.merged = work.merged() if self.succeeded else None
        self._reasons = sorted({task.reason for task in settlement.tasks if task.reason})

    def __repr__(self):
        states = ", ".join(f"{count} {state}" for state, count in self.states.items() if count)
        return f"<{states}{': ' if self._reasons else ''}{'; '.join(self._reasons[:3])}>"


class LiveFleet:
    """The fleet; starts when it is entered, and nothing of it is left when it is left.

    folder -- str, empty, takes the fleet's keys, the boxes' homes and logs
    broker -- "host:port"
    names -- the processor of each box, of interpreters.py's names
    doors -- how many of the boxes hold a connection to the broker, the first ones
    settings -- lines of agent.conf for all boxes, a dict, beside SETTINGS
    prepare(number, box) -- called for each box whose home is made and whose agent is not started yet

    operator: the operator's Fleet.  lab: the Lab.  agents: its Processes, in the order of
    `names`, each with `processor` and `box` (32 hexadecimal digits).
    OperatorError and interpreters.Missing say in one line what is wrong.
    """

    make_lab = Lab

    def __init__(self, folder, broker, names, doors=1, settings=None, prepare=None):
        self.folder = str(folder)
        self.broker = str(broker)
        self.names = list(names)
        self.doors = doors
        self.settings = {**SETTINGS, **(settings or {})}
        self.prepare = prepare
        self.agents = []
        self.operator = self.lab = None
        self._seats = {}
        self._pushed = 0

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends every process of the fleet."""
        if self.lab:
            self.lab.stop_everything()

    def _start(self):
        self._found = {name: interpreter(name) for name in self.names}
        package = os.path.join(interpreters.compiled_agent(), "backfence")
        self.lab = self.make_lab(os.path.join(self.folder, "lab"), choose_interpreter(), HEAP_BYTES[64], package)
        self.operator = fleets.create(os.path.join(self.folder, "fleet"), width=4, broker=self.broker)
        first = free_ports(len(self.names) + 1)
        controller = f"127.0.0.1:{first}"
        boxes = self.operator.enrol(
            len(self.names), first + 1, doors=self.doors, homes=os.path.join(self.folder, "boxes"),
            extra={**self.settings, "controller": controller},
        )
        contacts = [(box.id, enrol.pack_address(box.address)) for box in boxes[:CONTACTS]]
        seeds = os.path.join(self.folder, "seeds.cose")
        files.write_whole(seeds, self.operator.sign(manifests.seeds_manifest(self.operator, contacts)))
        self.lab.start_python(
            "controller", ["backfence.bootstrap.controller", "--listen", controller, "--seeds", seeds]
        )
        for number, (box, name) in enumerate(zip(boxes, self.names)):
            if self.prepare:
                self.prepare(number, box)
            self.agents.append(self.start_agent(number, box.home, box.id.hex()))
        self.wait(JOIN_S, "the agents did not find each other", self._apart)

    def make_interpreter(self, number, found):
        """The Interpreter that runs box `number`, which is to run on `found`; for who wants another."""
        return found

    def start_agent(self, number, home, box):
        """Starts the agent of a box (its home, 32 hexadecimal digits); its Process."""
        name = self.names[number]
        agent = self.lab.start_agent(
            f"{name}-{number}", home, self.make_interpreter(number, self._found[name]), heap_bytes(name))
        agent.processor, agent.box = name, box
        return agent

    def _apart(self, statuses):
        shut = sum(1 for status in statuses if status["door"] and not status["broker"])
        return world.stragglers(statuses, len(self.agents)) or (shut and f"{shut} doors have no connection to the broker")

    def processor_of(self, box):
        """The processor of a box, by its identity (16 bytes)."""
        return next(agent.processor for agent in self.agents if agent.box == box.hex())

    def statuses(self):
        """What each living agent last said of itself (docs/agent.md, status.json), a list of dicts."""
        return self.lab.statuses()

    def wait(self, most_s, failure, reason):
        """Waits until reason(statuses) is empty.  OperatorError after most_s, or if an agent ends by itself."""
        until = time.monotonic() + most_s
        while why := reason(self.statuses()):
            self.lab.check()
            if time.monotonic() > until:
                raise OperatorError(f"{failure} within {most_s} s: {why}; logs are in {self.folder}")
            time.sleep(TURN_S)

    def slice(self, seats, name="edge", where=None):
        """Pushes a slice, or its new size, and waits until its ring is whole."""
        manifest = manifests.slice_manifest(self.operator, name, seats, where)
        push.publish(self.broker, self.operator, self.operator.sign(manifest), listen_s=0)
        self._seats[name] = seats
        self.wait(FILL_S, f"the slice {name} did not fill",
                  lambda statuses: "; ".join(world.ring_faults(statuses, name, seats)[:3]))

    def push(self, program, inputs, name=None, slice="edge", seats=None, merge="concat", deadline_s=JOB_S, watch=None,
             **options):
        """Runs a program on the fleet; returns Done when every task is settled, or its deadline has passed.

        program -- path of a .wasm, or its bytes; inputs -- one bytes object a task
        slice, seats -- where it runs; made if it is not there yet, by default of all boxes
        watch() -- called a few times a second meanwhile
        options -- further arguments of operator.manifests.workload_manifest: args, replicas, quorum, fuel, ...
        """
        if isinstance(program, (str, os.PathLike)):
            program = source.read_file(program, "the program")
        source.check_program(program, name or "given")
        if slice not in self._seats or seats not in (None, self._seats[slice]):
            self.slice(seats or len(self.lab.living()), slice)
        self._pushed += 1
        name = name or f"job-{self._pushed}"
        with run.open_session(self.operator, name, self.broker) as session:
            manifest = manifests.workload_manifest(
                self.operator, name, slice, program, inputs, deadline_s=deadline_s, **options
            )
            work, _report = run.start(self.operator, manifest, merge, session)
            collector = run.Collector(work, session)
            until_s = time.monotonic() + deadline_s + 1
            while not work.settlement.settled and time.monotonic() < until_s:
                collector.collect(min(until_s, time.monotonic() + 2 * TURN_S))
                self.lab.check()
                if watch:
                    watch()
            run.finish(work, session)
        return Done(work, self.processor_of)

    def kill(self, agent):
        """kill -9 of one of `agents`, by its pid."""
        agent.kill()
