"""Memory of idle agents that have joined a fleet on loopback: what the kernel says of their processes.

    memory.py [--minutes N] [--boxes N]

The fleet runs at the default rounds on Debian's amd64 MicroPython, the compiled agent and
the heap that firmware gives a box.  Three boxes are looked at: one that is no door, a
door, and one that runs the static executable if `make firmware PROCESSORS=amd64` has
made it.  Each has its own copy of the interpreter and of the libraries that only it
uses: what its proportional memory shares with its neighbours is the C library, as on a
box.  That it has joined is read off its neighbours' views.

Prints a row each every ten minutes, beside the aim; build/bench/memory.json has them all.
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

REPOSITORY = Path(__file__).resolve().parents[2]
STATIC = REPOSITORY / "build/firmware/static/backfence-amd64"
OUT = REPOSITORY / "build/bench/memory.json"
# FIGURES: resident and proportional memory of an idle agent that has joined, in KB.
AIMS = {"Rss": 4096, "Pss": 3072}
STATIC_AIM = 2560
SETTINGS = {"round_ms": 60000, "busy_round_ms": 1000, "probe_ms": 1000, "cpu_percent": 50}
# Others say how they do, so that the fleet can be watched; a box does not by default.
STATUS_MS = 10000
# Libraries that every program of a box uses.
COMMON = ("libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2")
SEATS = 6
LOOK_S = 600


def memory(pid):
    """{field: KB} of a process, as the kernel adds it up."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    rows = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return {field: rows[field] for field in ("Rss", "Pss", "Anonymous")}


class Watched:
    """An agent that is looked at: its name, its process, the aim for its resident memory in KB."""

    def __init__(self, name, agent, rss_aim):
        self.name = name
        self.agent = agent
        self.aims = dict(AIMS, Rss=rss_aim)
        self.rows = []

    def look(self, minute):
        row = {"minute": minute, **memory(self.agent.pid)}
        self.rows.append(row)
        print(
            f"{self.name:<18} {minute:>4} min   RSS {row['Rss']:>5} KB   PSS {row['Pss']:>5} KB   "
            f"of its own {row['Anonymous']:>5} KB", flush=True,
        )

    def verdict(self):
        """The last row beside the aims, as a line."""
        last = self.rows[-1]
        words = [
            f"{field.upper()} {last[field]} KB, {'within' if last[field] <= aim else 'over'} the aim of {aim}"
            for field, aim in self.aims.items()
        ]
        return f"{self.name}: {'; '.join(words)}"


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


def joined(statuses, boxes, watched):
    """Why the fleet does not stand; "" if it does, and its boxes know those that are watched."""
    views = [status["view"] for status in statuses]
    strangers = [one.name for one in watched if sum(one.agent.box in view for view in views) < len(views) // 2]
    few = [status["id"] for status in statuses if status["members"] < VIEW - 3]
    if len(statuses) < boxes - len(watched) or few or strangers:
        return f"{len(statuses)} of {boxes} say so, {len(few)} know too few others, few know: {', '.join(strangers)}"
    return ""


def measure(folder, broker, boxes, minutes):
    """Run the fleet; the list of Watched."""
    with LiveFleet(folder / "fleet", broker, ["amd64"] * boxes, settings={**SETTINGS, "status_ms": STATUS_MS}) as fleet:
        fleet.slice(SEATS)
        query = manifests.query_manifest(fleet.operator, "loads", "load")
        push.publish(broker, fleet.operator, fleet.operator.sign(query), listen_s=0)
        watched = [
            Watched("door", start_again(fleet, 0, "door", folder), AIMS["Rss"]),
            Watched("box", start_again(fleet, 1, "box", folder), AIMS["Rss"]),
        ]
        if STATIC.exists():
            watched.append(Watched("static executable", start_again(fleet, 2, "static", folder, STATIC), STATIC_AIM))
        else:
            print("no static executable: make firmware PROCESSORS=amd64", flush=True)
        fleet.wait(1800, "the boxes have not joined", lambda statuses: joined(statuses, boxes, watched))
        began = time.monotonic()
        look_s = 0
        while True:
            passed = time.monotonic() - began
            if passed >= look_s:
                for one in watched:
                    one.look(round(passed / 60))
                look_s = min(passed + LOOK_S, minutes * 60) if passed < minutes * 60 else None
            if look_s is None:
                return watched
            fleet.lab.check()
            time.sleep(min(60, max(0.1, look_s - passed)))


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
    return 0


if __name__ == "__main__":
    sys.exit(main())
