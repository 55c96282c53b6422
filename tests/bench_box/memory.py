"""Memory of idle agents that have joined a fleet on loopback: what the kernel says of their processes.

    memory.py [--minutes N] [--boxes N]

The fleet runs at the default rounds on Debian's amd64 MicroPython, the compiled agent and
the heap that firmware gives a box.  Three boxes are looked at: one that is no door, a
door, and one that runs the static executable if `make firmware PROCESSORS=amd64` has
made it.  Each has its own copy of the interpreter and of the libraries that only it
uses: what its proportional memory shares with its neighbours is the C library, as on a
box.  That it has joined is read off its neighbours' views and off the wire (wire.py): it
has spoken with most of those that a view holds, and they with it.

Prints a row each every ten minutes, beside the aim; build/bench/memory.json has them all.
Exits with 1 if a box misses an aim or fell silent.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from backfence.agent.limits import VIEW
from backfence.bootstrap.operator import manifests, push
from backfence.bootstrap.operator.broker import Broker
from backfence.bootstrap.operator.errors import OperatorError
from backfence.bootstrap.operator.lab import Interpreter
from backfence.sim.live import interpreters
from backfence.sim.live.fleet import LiveFleet, heap_bytes

from wire import Wire

REPOSITORY = Path(__file__).resolve().parents[2]
STATIC = REPOSITORY / "build/firmware/static/backfence-amd64"
OUT = REPOSITORY / "build/bench/memory.json"
# FIGURES: resident and proportional memory of an idle agent that has joined, in KB.
AIMS = {"Rss": 4096, "Pss": 3072}
STATIC_AIM = 2560
SETTINGS = {"round_ms": 60000, "busy_round_ms": 1000, "probe_ms": 1000, "cpu_percent": 50, "busy_load": 0, "busy_heat": 0}
# Others say how they do, so that the fleet can be watched; a box does not by default.
STATUS_MS = 10000
# Libraries that every program of a box uses.
COMMON = ("libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2")
SEATS = 6
LOOK_S = 600
JOIN_S = 1800
# A box has joined when it has exchanged datagrams with so many: half of its view.
SPOKEN_WITH = VIEW // 2


def memory(pid):
    """{field: KB} of a process, as the kernel adds it up."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    rows = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return {field: rows[field] for field in ("Rss", "Pss", "Anonymous")}


class Watched:
    """An agent that is looked at: its name, its process, its UDP port, the aim for its resident memory in KB."""

    def __init__(self, name, agent, rss_aim):
        self.name = name
        self.agent = agent
        self.port = port_of(agent.home)
        self.aims = dict(AIMS, Rss=rss_aim)
        self.rows = []

    def look(self, minute, wire):
        """Take a row: what the kernel says of the process, and the datagrams it sent and got so far."""
        sent, got = wire.datagrams(self.port)
        row = {"minute": minute, **memory(self.agent.pid), "sent": sent, "got": got}
        self.rows.append(row)
        print(
            f"{self.name:<18} {minute:>4} min   RSS {row['Rss']:>5} KB   PSS {row['Pss']:>5} KB   "
            f"of its own {row['Anonymous']:>5} KB   datagrams {sent} out, {got} in", flush=True,
        )

    def faults(self):
        """What misses an aim, a list of lines; [] if all is within."""
        last = self.rows[-1]
        lines = [
            f"{self.name}: {field.upper()} {last[field]} KB, over the aim of {aim}"
            for field, aim in self.aims.items() if last[field] > aim
        ]
        first = self.rows[0]
        if last["minute"] > first["minute"] + 2 and not (last["sent"] > first["sent"] and last["got"] > first["got"]):
            lines.append(f"{self.name}: it neither speaks nor is spoken to any more")
        return lines

    def verdict(self):
        """The last row beside the aims, as a line."""
        last = self.rows[-1]
        return f"{self.name}: " + "; ".join(f"{field.upper()} {last[field]} KB, aim {aim}" for field, aim in self.aims.items())


def port_of(home):
    """The UDP port on which the box with this home listens."""
    for line in Path(home, "agent.conf").read_text().splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "listen":
            return int(value.rpartition(":")[2])
    raise OperatorError(f"{home}/agent.conf names no port")


def start_again(fleet, number, name, folder, static=None):
    """Box `number` on an interpreter that no other process maps; its new Process."""
    old = fleet.agents[number]
    fleet.lab.stop(old)
    fleet.lab.agents.remove(old)
    conf = Path(old.home, "agent.conf")
    conf.write_text("".join(line for line in conf.read_text().splitlines(True) if not line.startswith("status_ms")))
    Path(old.home, "status.json").unlink(missing_ok=True)
    if static:
        program = shutil.copy(static, folder / f"{name}-program")
        interpreter = Interpreter([str(program)], "the static executable", True)
    else:
        root = folder / f"{name}-root"
        shutil.copytree(interpreters.SYSROOTS / "amd64", root, symlinks=True)
        for path in [path for path in root.rglob("*") if path.name in COMMON]:
            path.unlink()
            path.symlink_to((interpreters.SYSROOTS / "amd64").resolve() / path.relative_to(root))
        interpreter = Interpreter(interpreters.find("amd64", root).command, "MicroPython", True)
    agent = fleet.lab.start_agent(name, old.home, interpreter, heap_bytes("amd64"))
    agent.processor, agent.box = old.processor, old.box
    fleet.agents[number] = agent
    return agent


def joined(statuses, boxes, watched, wire):
    """Why the fleet does not stand; "" if it does, and the boxes that are watched are part of it."""
    views = [status["view"] for status in statuses]
    few = [status["id"] for status in statuses if status["members"] < VIEW - 3]
    strangers = [one.name for one in watched if sum(one.agent.box in view for view in views) < len(views) // 2]
    silent = [one.name for one in watched if wire.partners(one.port) < SPOKEN_WITH]
    if len(statuses) < boxes - len(watched) or few or strangers or silent:
        return (f"{len(statuses)} of {boxes} say so, {len(few)} know too few others; "
                f"known to few: {', '.join(strangers) or 'none'}; spoke with few: {', '.join(silent) or 'none'}")
    return ""


def watch(fleet, folder):
    """The list of Watched: three boxes of the fleet, started again on interpreters of their own."""
    watched = [
        Watched("door", start_again(fleet, 0, "door", folder), AIMS["Rss"]),
        Watched("box", start_again(fleet, 1, "box", folder), AIMS["Rss"]),
    ]
    if STATIC.exists():
        watched.append(Watched("static executable", start_again(fleet, 2, "static", folder, STATIC), STATIC_AIM))
    else:
        print("no static executable: make firmware PROCESSORS=amd64", flush=True)
    return watched


def measure(folder, broker, boxes, minutes):
    """Run the fleet; the list of Watched."""
    settings = {**SETTINGS, "status_ms": STATUS_MS}
    with LiveFleet(folder / "fleet", broker, ["amd64"] * boxes, settings=settings) as fleet, Wire() as wire:
        fleet.slice(SEATS)
        query = manifests.query_manifest(fleet.operator, "loads", "load")
        push.publish(broker, fleet.operator, fleet.operator.sign(query), listen_s=0)
        wire.forget()  # what those said that are started again
        watched = watch(fleet, folder)
        fleet.wait(JOIN_S, "the boxes have not joined", lambda statuses: joined(statuses, boxes, watched, wire))
        began = time.monotonic()
        look_s = 0
        while True:
            passed = time.monotonic() - began
            if passed >= look_s:
                for one in watched:
                    one.look(round(passed / 60), wire)
                look_s = min(passed + LOOK_S, minutes * 60) if passed < minutes * 60 else None
            if look_s is None:
                return watched
            fleet.lab.check()
            time.sleep(min(10, max(0.1, look_s - passed)))
            wire.read()


def main():
    """Measure, print, judge; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--boxes", type=int, default=24)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="backfence-") as folder:
        folder = Path(folder)
        broker = Broker.start(str(folder / "broker.log"))
        try:
            watched = measure(folder, str(broker), options.boxes, options.minutes)
        except OperatorError as error:
            print(f"Error: {error.message}", file=sys.stderr)
            return 1
        finally:
            broker.stop()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({one.name: one.rows for one in watched}, indent=1) + "\n")
    for one in watched:
        print(one.verdict())
    faults = [line for one in watched for line in one.faults()]
    for line in faults:
        print(f"Error: {line}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
