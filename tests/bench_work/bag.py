"""A bag of tasks at its full size, on real agents: 8,192 tasks and 64 MB of inputs (`make bag`).

The owner is `backfence map` in a process of its own, killed with -9 when a quarter has
settled; the same command ends it.  Its output must be exact.  Said are the time, the
owner's peak memory, and how many bytes of inputs and results went through each door,
by the broker's log, and through each box, by its own counters.
"""

import argparse
import collections
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from backfence.bootstrap.operator import lab, results, text
from backfence.bootstrap.operator.errors import OperatorError
from backfence.sim.live import interpreters
from backfence.sim.live.fleet import LiveFleet

WORDS = str(interpreters.REPOSITORY / "examples" / "words.wasm")
SLICE = "edge"
NAME = "bag"
LINE_BYTES = 72
KILL_AT = 0.25
SETTLE_S = 3600
SETTINGS = {"busy_load": 0, "busy_heat": 0, "round_ms": 10000, "busy_round_ms": 1000, "store_kb": 4096}
_SENT = re.compile(r"Sending PUBLISH to (\S+) \(.*/blob/[0-9a-f]{64}', \.\.\. \((\d+) bytes\)\)")
_CAME = re.compile(r"Received PUBLISH from (\S+) \(.*/result/.*', \.\.\. \((\d+) bytes\)\)")


class Mosquitto:
    """A mosquitto whose log says what goes to whom."""

    def __init__(self, folder, port):
        self.log = os.path.join(folder, "mosquitto.log")
        config = os.path.join(folder, "mosquitto.conf")
        with open(config, "w") as file:
            file.write(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
                       f"log_dest file {self.log}\nlog_type all\nuser root\n")
        program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
        if program is None:
            raise SystemExit("Error: mosquitto is not installed")
        self.address = f"127.0.0.1:{port}"
        self.process = subprocess.Popen([program, "-c", config], stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def passed(self):
        """Returns ({client: bytes of blobs sent to it}, {client: bytes of results it brought})."""
        blobs, brought = collections.Counter(), collections.Counter()
        with open(self.log, errors="replace") as file:
            for line in file:
                for pattern, counts in ((_SENT, blobs), (_CAME, brought)):
                    found = pattern.search(line)
                    if found:
                        counts[found[1]] += int(found[2])
        return blobs, brought


def make_input(path, tasks, task_bytes):
    """Writes `tasks` pieces of lines, none like another, of nearly task_bytes each."""
    source = text.default_text().replace(b"\n", b" ")
    with open(path, "wb") as file:
        for task in range(tasks):
            lines, size = [b"task %d" % task], len(b"task %d\n" % task)
            start = task * task_bytes % (len(source) - 2 * task_bytes)
            while size + LINE_BYTES + 1 <= task_bytes:
                line = source[start:start + LINE_BYTES]
                start += LINE_BYTES
                lines.append(line)
                size += len(line) + 1
            lines.append(b"x" * (task_bytes - size - 1))
            file.write(b"\n".join(lines) + b"\n")


class Owner:
    """`backfence map` in a process; its peak memory is taken when it ends."""

    def __init__(self, fleet, path, out, task_bytes):
        command = [
            os.path.join(os.path.dirname(sys.executable), "backfence"), "map", WORDS, path, "--name", NAME,
            "--slice", SLICE, "--split", "lines", "--task-bytes", str(task_bytes),
        ]
        self.sink = open(out, "wb")
        self.process = subprocess.Popen(
            command, stdout=self.sink, env={**os.environ, "BACKFENCE_FLEET": fleet.operator.directory})
        self.peak_kb, self.code = 0, None
        self.thread = threading.Thread(target=self._wait, daemon=True)
        self.thread.start()

    def _wait(self):
        _, status, usage = os.wait4(self.process.pid, 0)
        self.code, self.peak_kb = os.waitstatus_to_exitcode(status), usage.ru_maxrss
        self.process.returncode = self.code
        self.sink.close()


def run(arguments, folder):
    """Runs it all; returns the report, a dict."""
    path, out = os.path.join(folder, "input"), os.path.join(folder, "output")
    make_input(path, arguments.tasks, arguments.task_bytes)
    port = lab.free_ports(1) + 1
    with Mosquitto(folder, port) as broker, LiveFleet(
        os.path.join(folder, "fleet"), broker.address, ["micropython"] * arguments.agents,
        doors=arguments.doors, settings=SETTINGS,
    ) as fleet:
        fleet.slice(arguments.agents, SLICE)
        begun_s = time.monotonic()
        first = Owner(fleet, path, out + "-1", arguments.task_bytes)
        wait(fleet, lambda: count(fleet) >= KILL_AT * arguments.tasks, begun_s)
        first.process.kill()
        first.thread.join()
        killed_at = count(fleet)
        print(f"killed the owner with {killed_at:,} tasks settled", flush=True)
        time.sleep(arguments.away_s)
        second = Owner(fleet, path, out, arguments.task_bytes)
        wait(fleet, lambda: second.code is not None, begun_s)
        report = {
            "tasks": arguments.tasks, "bytes": os.path.getsize(path), "agents": arguments.agents,
            "doors": arguments.doors, "seconds": round(time.monotonic() - begun_s),
            "settled_when_killed": killed_at, "owner_code": second.code,
            "owner_peak_mb": [round(owner.peak_kb / 1024, 1) for owner in (first, second)],
            "exact": exact(path, out, arguments.task_bytes),
        }
        time.sleep(2)
        statuses = fleet.statuses()
        blobs, brought = broker.passed()
        doors = [agent.box for agent in fleet.agents[:arguments.doors]]
        report["door_input_share"] = shares(blobs, doors)
        report["door_result_share"] = shares(brought, doors)
        report["box_bytes_in"] = [status["counters"].get("bytes_in", 0) for status in statuses]
        report["box_bytes_out"] = [status["counters"].get("bytes_out", 0) for status in statuses]
        report["tasks_started"] = sum(status["counters"].get("tasks_started", 0) for status in statuses)
        return report


def shares(passed, doors):
    """Each door's percentage of what went through all of them; clients' ids begin with a box's."""
    found = [sum(size for client, size in passed.items() if door[:12] in client) for door in doors]
    total = sum(passed.values())
    return {"bytes": total, "percent": [round(100 * size / total, 1) if total else 0 for size in found]}


def count(fleet):
    """Tasks that have settled, as the disk has it."""
    try:
        work = results.Work.newest(fleet.operator, NAME)
    except (OperatorError, FileNotFoundError):
        return 0
    done = work.settlement.counts()["SUCCEEDED"]
    work.close()
    return done


def wait(fleet, condition, begun_s):
    """Waits for a condition, asked every ten seconds."""
    while not condition():
        fleet.lab.check()
        if time.monotonic() - begun_s > SETTLE_S:
            raise SystemExit("Error: it did not end")
        print(f"{time.monotonic() - begun_s:5.0f} s: {count(fleet):,} settled", flush=True)
        time.sleep(10)


def exact(path, out, task_bytes):
    """True if the output is, task by task, what the program's work is."""
    with open(out, "rb") as file:
        found = file.read()
    wanted = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(task_bytes):
            wanted.update(b"".join(b"%s %d\n" % pair for pair in sorted(text.count(piece).items())))
    return hashlib.sha256(found).digest() == wanted.digest()


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--tasks", type=int, default=8192)
    parser.add_argument("--task-bytes", type=int, default=8192)
    parser.add_argument("--agents", type=int, default=8)
    parser.add_argument("--doors", type=int, default=3)
    parser.add_argument("--away-s", type=int, default=20, help="How long the owner is away.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bag") as folder:
        report = run(arguments, folder)
    print(json.dumps(report, indent=1))
    raise SystemExit(0 if report["exact"] and report["owner_code"] == 0 else 1)


if __name__ == "__main__":
    main()
