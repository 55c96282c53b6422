"""One fleet of agents on different processors, one slice, one job, and one of them killed in the midst of it.

The tests of four processors (CI) and of seven (`make test-qemu`) share this.
"""

import os
import time

from backfence.bootstrap.operator import text, trial, world
from backfence.sim.live import interpreters

PROGRAM = (interpreters.REPOSITORY / "examples/words.wasm").read_bytes()
# Three distinct boxes do each task and must agree.  With one processor there twice, no task
# is done by one processor alone.
REPLICAS = 3
FUEL, PAGES, OUTPUT = 50_000_000, 4, 32768
TASK_BYTES = 1000
HEAP_BYTES = 2 << 20
# Jobs rest most of the time, so that on a fast machine too the work outlasts the look for a victim.
SETTINGS = {"cpu_percent": 30, "status_ms": 250, "busy_load": 0, "busy_heat": 0}


def say(words):
    """A line of progress, seen with pytest's -s."""
    print(time.strftime("%H:%M:%S"), words, flush=True)


def inputs(count):
    """`count` different pieces of prose."""
    prose = text.default_text()
    return [prose[number * TASK_BYTES:(number + 1) * TASK_BYTES] for number in range(count)]


def reference(data):
    """(output, fuel) of one task in the container of this machine's own interpreter, without any fleet."""
    written = []
    asked = trial.request(PROGRAM, data, fuel=FUEL, pages=PAGES, output=OUTPUT)
    verdict = trial.hold(asked, HEAP_BYTES, written.append)
    assert verdict.kind == "ok", verdict.reason
    return b"".join(written), verdict.report["fuel"]


class Killer:
    """Kills the agent with the most open tasks, once some work is done.

    One whose processor is there twice, so that every processor has its say.
    """

    def __init__(self, fleet):
        self.fleet = fleet
        self.twice = {agent.box for agent in fleet.agents if fleet.names.count(agent.processor) > 1}
        self.victim = self.last_words = None

    def __call__(self):
        statuses = self.fleet.statuses()
        if self.victim or not any(status["tasks"]["done"] for status in statuses):
            return
        twice = [status for status in statuses if status["id"] in self.twice]
        for status in world.pick_victims(twice, "edge", 1):
            self.victim = next(agent for agent in self.fleet.agents if agent.box == status["id"])
            self.fleet.kill(self.victim)
            self.last_words = self.victim.status()
            say(f"kill -9 of {self.victim.name}, pid {self.victim.pid}: {self.last_words['tasks']}")


def run(fleet, push, seats, tasks):
    """The job with its disaster on a fleet that has one box more than seats; asserts what must hold."""
    pieces = inputs(tasks)
    killer = Killer(fleet)
    fleet.slice(seats)
    say(f"{len(fleet.agents)} agents on {', '.join(fleet.names)}: the slice of {seats} is full")
    done = push(
        fleet, PROGRAM, pieces, seats=seats, replicas=REPLICAS, quorum=REPLICAS,
        fuel=FUEL, pages=PAGES, output=OUTPUT, merge="sum", watch=killer,
    )
    assert done.succeeded, done
    say(f"{len(done.receipts)} receipts: {done.states}")
    check_disaster(fleet, killer, seats)
    check_receipts(fleet, done, pieces)
    assert done.merged == text.lines(text.count(b" ".join(pieces)))


def check_disaster(fleet, killer, seats):
    """What was killed was at work, is gone, and its seat is held by another."""
    victim, said = killer.victim, killer.last_words
    assert victim, "the job was over before an agent could be killed at work"
    assert said["seats"] and said["tasks"]["open"], said
    assert not os.path.exists(f"/proc/{victim.pid}")
    fleet.wait(120, "the dead box's seat was not refilled",
               lambda statuses: "; ".join(world.ring_faults(statuses, "edge", seats)))
    assert victim.box not in {box for boxes in world.held_seats(fleet.statuses(), "edge").values() for box in boxes}


def check_receipts(fleet, done, pieces):
    """Each task was done alike, fuel and all, by boxes of different processors."""
    for number, data in enumerate(pieces):
        output, fuel = reference(data)
        mine = [each for each in done.receipts if each["task"] == number]
        assert done.outputs[number] == output
        assert {each["fuel"] for each in mine} == {fuel}, mine
        assert len({each["box"] for each in mine}) == len(mine) >= REPLICAS
        assert len({each["processor"] for each in mine}) >= 2, mine
    assert {each["processor"] for each in done.receipts} == set(fleet.names)
