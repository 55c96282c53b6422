"""A cluster of real agents that does a bag of tasks while boxes die, boxes lie and the broker dies (`make cluster`).

32 MicroPython agents, a tenth of them liars, a real mosquitto.  Every task is done by
three boxes, two of which must agree.  By what has settled, boxes at work are killed with
-9 and started again, a door among them, and the broker is killed with -9 and started
again on what its disk has.  The output must be what CPython says, byte for byte; and it
counts only if something was at stake: lies that were outvoted, boxes killed at their
work, results that came after the broker was back.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time

from rich.console import Console
from rich.table import Table

from backfence.bootstrap.operator import lab, manifests, run as runs, text, world
from backfence.bootstrap.operator.errors import OperatorError
from backfence.sim.live import fleet as live
from backfence.sim.live import interpreters

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = str(interpreters.REPOSITORY / "examples" / "words.wasm")
SLICE, NAME = "edge", "bag"
DOORS, REPLICAS, QUORUM = 3, 3, 2
LIARS = 0.1
TASK_BYTES = 1000
# Of the boxes, how many hold seats; the rest wait for one.
SEATED = 7 / 8
AWAY_S = 15
SETTLE_S = 1800
SETTINGS = {"status_ms": 2000, "round_ms": 10000, "busy_round_ms": 2000, "probe_ms": 3000, "cpu_percent": 90}
START_S = 20


class Broker:
    """A mosquitto that writes what it holds to its disk, to be killed and started again."""

    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.config = os.path.join(folder, "mosquitto.conf")
        with open(self.config, "w") as file:
            file.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nuser root\n"
                       f"persistence true\npersistence_location {folder}/\nautosave_on_changes true\nautosave_interval 1\n")
        self.program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
        if self.program is None:
            raise SystemExit("Error: mosquitto is not installed")
        self.start()

    def start(self):
        """Starts it and waits until it listens."""
        self.process = subprocess.Popen([self.program, "-c", self.config], stderr=subprocess.DEVNULL)
        give_up = time.monotonic() + START_S
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if time.monotonic() > give_up:
                    raise SystemExit("Error: mosquitto does not start") from None
                time.sleep(0.05)

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Lying(lab.Interpreter):
    """An interpreter that runs liar.py for the agent."""

    def argv(self, module, heap_bytes):
        """How to run it with a hard heap."""
        heap = ["-X", "heapsize=%d" % heap_bytes] if self.micropython else []
        return self.command + heap + [os.path.join(HERE, "liar.py")]


class Cluster(live.LiveFleet):
    """A LiveFleet of which some boxes lie; what is killed can be started again."""

    def __init__(self, folder, broker, count, liars):
        super().__init__(folder, broker, ["micropython"] * count, doors=DOORS, settings=SETTINGS)
        # No first contact and no door, so that the cluster begins as any other.
        self.liars = set(range(count - liars, count))

    def make_interpreter(self, number, found):
        """The Interpreter of a box."""
        return Lying(found.command, found.name, found.micropython) if number in self.liars else found

    def again(self, agent):
        """Starts the agent of a killed Process anew in its home."""
        number = self.agents.index(agent)
        self.agents[number] = self.start_agent(number, agent.home, agent.box)


class Disasters:
    """What happens as tasks settle: at each share, once, in this order."""

    def __init__(self, cluster, broker, rng):
        self.cluster, self.broker, self.rng = cluster, broker, rng
        self.plan = [(0.1, self._boxes), (0.25, self._broker), (0.5, self._door), (0.7, self._boxes)]
        self.killed, self.at_stake, self.restarted = 0, 0, 0
        self.broker_killed_at = self.broker_back_at = None  # the share that had settled
        self._share = 0.0
        self._back = []  # (when, what starts again)
        self._died = set()  # boxes, each once: a new process has the status file of the old one at first

    def turn(self, share):
        """Begins or ends what is due.  share: of the tasks that have settled."""
        now_s, self._share = time.monotonic(), share
        for row in [row for row in self._back if now_s >= row[0]]:
            self._back.remove(row)
            row[1]()
        if self.plan and share >= self.plan[0][0] and not self._back and self.plan[0][1]():
            self.plan.pop(0)

    def away(self):
        """True while something is not back."""
        return bool(self._back)

    def _kill(self, statuses):
        for status in statuses:
            agent = next(agent for agent in self.cluster.agents if agent.box == status["id"])
            self.at_stake += min(world.at_stake(status, SLICE)) > 0
            self.killed += 1
            self._died.add(status["id"])
            agent.kill()
            say(f"kill -9 of {agent.name}: {status['tasks']['open']} tasks open{', a door' if status['door'] else ''}")
            self._back.append((time.monotonic() + AWAY_S, lambda agent=agent: self._start(agent)))

    def _start(self, agent):
        self.cluster.again(agent)
        self.restarted += 1
        say(f"{agent.name} starts again")

    def _boxes_of(self, door, at_work):
        found = [
            status for status in self.cluster.statuses()
            if bool(status["door"]) == door and status["id"] not in self._died
            and (not at_work or min(world.at_stake(status, SLICE)) > 0)
        ]
        self.rng.shuffle(found)
        return found

    def _boxes(self):
        victims = self._boxes_of(False, True)[:3]
        self._kill(victims)
        return bool(victims)

    def _door(self):
        victims = self._boxes_of(True, False)[:1]
        self._kill(victims + self._boxes_of(False, True)[:1])
        return bool(victims)

    def _broker(self):
        self.broker.kill()
        self.broker_killed_at = self._share
        say("kill -9 of the broker")
        self._back.append((time.monotonic() + AWAY_S, self._broker_back))
        return True

    def _broker_back(self):
        self.broker.start()
        self.broker_back_at = self._share
        say("the broker is back")


def say(words):
    """A line of progress."""
    print(time.strftime("%H:%M:%S"), words, flush=True)


def pieces(count):
    """`count` inputs, none like another."""
    prose = text.default_text()
    most = len(prose) - TASK_BYTES
    return [b"task %d " % task + prose[task * TASK_BYTES % most:][:TASK_BYTES - 10] for task in range(count)]


def wanted(data):
    """What the program gives for an input, by CPython."""
    return text.lines(text.count(data))


def perform(arguments, folder):
    """Runs it all; returns the report, a dict."""
    inputs = pieces(arguments.tasks)
    liars = max(1, round(LIARS * arguments.agents))
    begun_s = time.monotonic()
    with Broker(folder) as broker, Cluster(os.path.join(folder, "fleet"), broker.address, arguments.agents, liars) as cluster:
        seats = int(SEATED * arguments.agents)
        cluster.slice(seats, SLICE)
        say(f"{arguments.agents} agents, {liars} of them liars: the slice of {seats} is full")
        disasters = Disasters(cluster, broker, random.Random(arguments.seed))
        pushed_s = time.monotonic()
        done = work(cluster, inputs, disasters)
        report = {
            "seed": arguments.seed, "agents": arguments.agents, "liars": liars, "seats": seats, "tasks": len(inputs),
            "replicas": REPLICAS, "quorum": QUORUM, "joined_s": round(pushed_s - begun_s),
            "settled_s": round(time.monotonic() - pushed_s), "states": {name: n for name, n in done.states.items() if n},
            **votes(cluster, done, inputs),
            "boxes_killed": disasters.killed, "killed_at_work": disasters.at_stake, "boxes_restarted": disasters.restarted,
            "broker_killed_at": disasters.broker_killed_at, "broker_back_at": disasters.broker_back_at, "disasters_left": len(disasters.plan),
            "exact": done.merged == b"".join(map(wanted, inputs)),
        }
    report["why_not"] = faults(report)
    return report


def work(cluster, inputs, disasters):
    """Pushes the bag and collects it through all that happens; a live.Done."""
    with runs.open_session(cluster.operator, NAME, cluster.broker) as session:
        manifest = manifests.workload_manifest(
            cluster.operator, NAME, SLICE, open(PROGRAM, "rb").read(), inputs, replicas=REPLICAS, quorum=QUORUM,
            deadline_s=SETTLE_S, fuel=50_000_000, pages=4)
        work, _report = runs.start(cluster.operator, manifest, "concat", session)
        collector = runs.Collector(work, session)
        said_s = time.monotonic()
        while not work.settlement.settled or disasters.away():
            collector.collect(time.monotonic() + 0.5)
            if work.settlement.settled:
                time.sleep(0.2)  # what is away comes back
            settled = sum(work.settlement.counts()[state] for state in ("SUCCEEDED", "FAILED", "REJECTED"))
            disasters.turn(settled / len(inputs))
            cluster.lab.check()
            if time.monotonic() - said_s > 10:
                said_s = time.monotonic()
                say(f"{settled} of {len(inputs)} settled")
        runs.finish(work, session)
    return live.Done(work, cluster.processor_of)


def votes(cluster, done, inputs):
    """What the boxes said: right and wrong results, and whether a liar was believed."""
    right = [hashlib.sha256(wanted(data)).digest() for data in inputs]
    liars = {bytes.fromhex(cluster.agents[number].box) for number in cluster.liars}
    ok = [each for each in done.receipts if each["outcome"] == "ok"]
    lies = [each for each in ok if each["output"] != right[each["task"]]]
    return {
        "results": len(done.receipts), "lies": len(lies), "lies_by_honest_boxes": sum(each["box"] not in liars for each in lies),
        "failed_runs": len(done.receipts) - len(ok),
    }


def faults(report):
    """Returns what is wrong with a run, a list of lines: the result, or that nothing was at stake."""
    return [line for bad, line in (
        (not report["exact"], "the output is not what CPython says"),
        (report["states"] != {"SUCCEEDED": report["tasks"]}, "not every task succeeded"),
        (report["lies_by_honest_boxes"], "an honest box gave a wrong output"),
        (not report["lies"], "nobody lied"),
        (not report["killed_at_work"], "no box was killed at its work"),
        (report["boxes_restarted"] < report["boxes_killed"], "a killed box did not start again"),
        (report["broker_back_at"] is None, "the broker was not killed"),
        (report["broker_back_at"] == 1, "no result came after the broker was back"),
        (report["disasters_left"], "all was settled before all had happened; give it more TASKS"),
    ) if bad]


def show(report):
    """Prints a report as a table."""
    table = Table("cluster", "", show_lines=False)
    for key, value in report.items():
        table.add_row(key.replace("_", " "), json.dumps(value) if isinstance(value, (dict, list)) else str(value))
    Console().print(table)


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--agents", type=int, default=32)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="Which boxes die.")
    arguments = parser.parse_args()
    if arguments.agents < 8 or arguments.tasks < 20:
        parser.error("a cluster has 8 agents and 20 tasks or more")
    try:
        with tempfile.TemporaryDirectory(prefix="cluster") as folder:
            report = perform(arguments, folder)
    except OperatorError as problem:
        raise SystemExit(f"Error: {problem}") from None
    show(report)
    raise SystemExit("Error: " + "; ".join(report["why_not"]) if report["why_not"] else 0)


if __name__ == "__main__":
    main()
