"""`make blackout`: a fleet of real agents loses its power at one moment, and gets it back at one.

    blackout.py [--agents N]

Real MicroPython processes with the agent compiled, the real controller, mosquitto.  All
agents and the broker are killed with -9, and all are started again, the broker 20 s later.
What is judged is seen from outside: the controller's count, the broker's log, and who is
in whose view.  Exit code 1 if a bound does not hold; docs/start-stop.md has a run.
"""

import collections
import os
import re
import shutil
import sys
import threading
import time
from pathlib import Path

import click

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "agent" / "edge")]
import brokers  # noqa: E402  (neighbours of this folder)

from backfence.bootstrap.controller.server import SeedList, Server  # noqa: E402
from backfence.bootstrap.operator import enrol, manifests  # noqa: E402
from backfence.bootstrap.operator import fleet as fleets  # noqa: E402
from backfence.bootstrap.operator import lab as labs  # noqa: E402
from backfence.sim.live import interpreters  # noqa: E402

HEAP_BYTES = 1 << 20
# Two processors for all: rounds are slow, or the agents would wait for a turn and not for each other.
SETTINGS = {"status_ms": 5000, "round_ms": 30000, "busy_round_ms": 5000, "probe_ms": 5000, "busy_load": 0, "busy_heat": 0}
CONTACTS = 4
DARK_S = 5
BROKER_LATE_S = 20
LIMIT_S = 1800
SAY_S = 10


class Seeds:
    """The controller in a thread: its own code, its own count, looked at every second."""

    def __init__(self, address, path):
        self._server = Server(address, SeedList(str(path)))
        self._reading, self._writing = os.pipe()
        self.asked = []  # questions answered, second by second
        self._last = 0
        threading.Thread(target=self._server.serve, args=(self._reading,), daemon=True).start()
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self):
        while True:
            time.sleep(1)
            now = self._server.counters["answered"]
            self.asked.append(now - self._last)
            self._last = now

    def since(self, second):
        """(all, most in a second) of the questions from this second on."""
        return sum(self.asked[second:]), max(self.asked[second:], default=0)


class Fleet:
    """Agents, a broker and a controller below one folder."""

    def __init__(self, root, count):
        self.count, self.doors = count, max(2, count // 20)
        self.root = root
        ports = labs.free_ports(count + 1)
        self.log = root / "mosquitto.log"
        lines = ("allow_anonymous true", "log_type notice", f"log_dest file {self.log}")
        self.lab = None
        self.broker = brokers.Broker("mosquitto", root, lines)
        self._ports = ports

    def enrol(self):
        """The boxes' homes, and the controller."""
        root, count, ports = self.root, self.count, self._ports
        controller = f"127.0.0.1:{ports + count}"
        fleet = fleets.create(str(root / "fleet"), width=4, broker=self.broker.address)
        settings = {**SETTINGS, "controller": controller}
        self.boxes = fleet.enrol(count, ports, doors=self.doors, extra=settings)
        listed = [(box.id, enrol.pack_address(box.address)) for box in self.boxes[:CONTACTS]]
        (root / "seeds").write_bytes(fleet.sign(manifests.seeds_manifest(fleet, listed)))
        self.seeds = Seeds(controller, root / "seeds")
        found = interpreters.find("micropython")
        package = os.path.join(interpreters.compiled_agent(), "backfence")
        self.lab = labs.Lab(str(root), labs.Interpreter(found.command, "MicroPython", True), HEAP_BYTES, package)

    def start(self):
        """Start all agents, as fast as this machine does it."""
        self.lab.agents = [self.lab.start_agent(box.id.hex()[:8], box.home) for box in self.boxes]

    def cut(self):
        """kill -9 to all at once."""
        for agent in self.lab.agents:
            agent.send(9)
        self.broker.kill()
        for agent in self.lab.agents:
            agent.gone(labs.KILL_TIMEOUT_S)
        for box in self.boxes:
            Path(box.home, "status.json").unlink(missing_ok=True)

    def views(self):
        """{id: ids in its view} of who has told, {} as long as it has not."""
        told = {}
        for box, agent in zip(self.boxes, self.lab.agents):
            status = agent.status()
            if status:
                told[box.id.hex()] = status["view"]
        return told

    def connected(self):
        """(running, boxes in the largest part of the overlay)."""
        views = self.views()
        links = collections.defaultdict(set)
        for id, view in views.items():
            for other in view:
                if other in views:
                    links[id].add(other)
                    links[other].add(id)
        most, seen = 0, set()
        for id in views:
            part, waiting = set(), [id]
            while waiting and id not in seen:
                here = waiting.pop()
                if here not in part:
                    part.add(here)
                    waiting.extend(links[here])
            seen |= part
            most = max(most, len(part))
        return len(views), most

    def connections(self):
        """{second: connections that the broker's log has}."""
        found = collections.Counter()
        for line in self.log.read_text().splitlines():
            match = re.match(r"(\d+): New client connected ", line)
            if match:
                found[int(match.group(1))] += 1
        return found

    def end(self):
        if self.lab:
            self.lab.stop_everything()
        self.broker.kill()


def wait_for(what, fleet, done):
    """Wait until done() holds, and say how far it is; the seconds it took."""
    began = said = time.monotonic()
    while not done():
        now = time.monotonic()
        if now - began > LIMIT_S:
            raise click.ClickException(f"{what}: not within {LIMIT_S} s")
        if now - said > SAY_S:
            said = now
            running, most = fleet.connected()
            dead = len(fleet.boxes) - len(fleet.lab.living())
            print(f"  {now - began:4.0f} s: {running} have told of themselves, {most} in one overlay, {dead} ended, "
                  f"{sum(fleet.seeds.asked)} questions to the controller", flush=True)
        time.sleep(1)
    print(f"{what}: {time.monotonic() - began:.0f} s", flush=True)
    return time.monotonic() - began


def whole(fleet):
    """A check that every agent runs and all are one overlay."""
    return lambda: fleet.connected() == (fleet.count, fleet.count)


def play(fleet):
    """The run; [(what is judged, the figure, its bound)]."""
    count, doors = fleet.count, fleet.doors
    fleet.start()
    wait_for(f"{count} agents have joined by the controller's list", fleet, whole(fleet))
    asked, peak = fleet.seeds.since(0)
    print(f"  the controller answered {asked} questions, {peak} in one second at most")
    saved = [Path(box.home, "state/state-contacts") for box in fleet.boxes]
    wait_for("contacts are on every disk", fleet, lambda: all(path.exists() for path in saved))
    wait_for("all doors are at the broker", fleet, lambda: sum(fleet.connections().values()) >= doors)
    fleet.cut()
    print("the power is gone", flush=True)
    time.sleep(DARK_S)
    second, wall_s = len(fleet.seeds.asked), int(time.time())
    began = time.monotonic()
    fleet.start()
    print(f"the power is back: {time.monotonic() - began:.1f} s to start {count} processes", flush=True)
    late = threading.Timer(max(0, BROKER_LATE_S - (time.monotonic() - began)), fleet.broker.start)
    late.start()
    wait_for("all have joined again", fleet, whole(fleet))

    def back():
        return {at_s: times for at_s, times in fleet.connections().items() if at_s >= wall_s}

    wait_for("all doors are at the broker again", fleet, lambda: sum(back().values()) >= doors)
    asked, peak = fleet.seeds.since(second)
    return [
        ("questions to the controller", asked, count // 10),
        ("questions in one second", peak, max(4, count // 50)),
        ("doors that connected in one second", max(back().values()), max(3, doors // 2)),
    ]


@click.command()
@click.option("--agents", default=200, show_default=True, type=click.IntRange(8, 1000))
def main(agents):
    """All agents at once."""
    root = interpreters.BUILD / "blackout"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    fleet = Fleet(root, agents)
    try:
        fleet.enrol()
        rows = play(fleet)
    finally:
        fleet.end()
    for what, figure, most in rows:
        print(f"{what}: {figure} (at most {most}){'' if figure <= most else '  FAILED'}")
    sys.exit(any(figure > most for _, figure, most in rows))


if __name__ == "__main__":
    main()
