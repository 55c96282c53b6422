"""The speed of the scale model beside PeerSim's: Newscast 20 and averaging, 30 cycles.

Each run is a process of its own, so that its processor time and its largest
resident memory are its own.  PeerSim's published figures stand beside them; with
a class path PeerSim itself runs in between, under the same load.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from .. import bench
from .errors import ScaleError
from .plain import Plain

TITLE = "Newscast 20 and averaging, 30 cycles"
CYCLES = 30
PUBLISHED = "PeerSim, Java 17, two cores"
# nodes: (seconds, MB)
REFERENCE = {100_000: (7.2, 88), 1_000_000: (120, 436)}
TIMES = 5
PLAIN_NODES, PLAIN_CYCLES = 5_000, 5
CONFIG = """random.seed %d
simulation.cycles 30
control.shf Shuffle
network.size %d
protocol.lnk example.newscast.SimpleNewscast
protocol.lnk.cache 20
protocol.avg example.aggregation.AverageFunction
protocol.avg.linkable lnk
init.rnd WireKOut
init.rnd.protocol lnk
init.rnd.k 20
init.ld LinearDistribution
init.ld.protocol avg
init.ld.max 100
init.ld.min 1
"""


def run(words):
    """(what it printed, CPU seconds, wall seconds, most resident MB) of a command; ScaleError if it fails."""
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(words, stdout=out, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if child.returncode:
            raise ScaleError("%s failed: %s" % (words[0], (errors.read().strip().splitlines() or ["no words"])[-1]))
        took = usage.ru_utime + usage.ru_stime
        return out.read(), took, time.monotonic() - begun, usage.ru_maxrss / 1024


def ours(nodes, seed):
    """(dict of newscast.timed, CPU s, wall s, MB) of our model in a process of its own."""
    words = [sys.executable, "-m", __package__ + ".newscast", str(nodes), str(seed)]
    out, cpu_s, wall_s, megabytes = run(words)
    return json.loads(out), cpu_s, wall_s, megabytes


def peersim(nodes, seed, classpath):
    """(CPU s, wall s, MB) of PeerSim on the same task."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(CONFIG % (seed, nodes))
        file.flush()
        return run(["java", "-cp", classpath, "peersim.Simulator", file.name])[1:]


def plain(seed):
    """Microseconds of CPU for a node's cycle in plain Python."""
    model = Plain(PLAIN_NODES, seed)
    begun = time.process_time()
    for _ in range(PLAIN_CYCLES):
        model.cycle()
    return 1e6 * (time.process_time() - begun) / PLAIN_NODES / PLAIN_CYCLES


def rows(nodes, seed, say, classpath=None):
    """The figures at one size."""
    ours(64, seed)  # compiles, if need be
    found, cpu_s, wall_s, megabytes = ours(nodes, seed)
    say("ours: %.1f s of CPU, %.0f MB" % (cpu_s, megabytes))
    seconds, most = REFERENCE.get(nodes, (None, None))
    large = nodes == max(REFERENCE)
    micros = 1e6 * found["cycles_s"] / nodes / CYCLES
    slow = plain(seed)
    say("plain Python: %.1f us a node and cycle" % slow)
    out = [
        _row(nodes, "CPU seconds, start of Python and all", cpu_s, seconds, "<= %d" % (seconds / TIMES) if large else None),
        _row(nodes, "wall seconds", wall_s, seconds),
        _row(nodes, "resident MB at most", megabytes, most, "<= %d" % most if large else None),
        _row(nodes, "variance factor per cycle", found["factor"]),
        _row(nodes, "microseconds of CPU for a node and cycle", micros, seconds and 1e6 * seconds / nodes / CYCLES),
        _row(nodes, "times as fast as plain Python (%d nodes)" % PLAIN_NODES, slow / micros),
    ]
    if classpath:
        theirs_s, theirs_wall_s, theirs_mb = peersim(nodes, seed, classpath)
        say("PeerSim: %.1f s of CPU, %.0f MB" % (theirs_s, theirs_mb))
        here = "PeerSim, in this run"
        out += [
            _row(nodes, "CPU seconds, in this run", cpu_s, theirs_s, None, here),
            _row(nodes, "wall seconds, in this run", wall_s, theirs_wall_s, None, here),
            _row(nodes, "resident MB, in this run", megabytes, theirs_mb, None, here),
            _row(nodes, "times as fast as PeerSim, CPU", theirs_s / cpu_s, None, ">= %d" % TIMES if large else None),
        ]
    return out


def _row(nodes, figure, value, reference=None, aim=None, source=PUBLISHED):
    return {"figure": figure, "nodes": nodes, "ours": round(value, 3), "reference": reference,
            "reference_of": source if reference else "", "aim": aim}


def report(sizes, seed, say, classpath=None, out=None):
    """The bench's report, as sim.bench makes them, written to out/peersim.json."""
    begun = time.process_time()
    found = [bench.judge(row) for nodes in sizes for row in rows(nodes, seed, say, classpath)]
    command = "python -m backfence.sim peersim --nodes %s --seed %d" % (",".join(map(str, sizes)), seed)
    made = {"bench": "peersim", "title": TITLE, "seed": seed, "command": command, "rows": found,
            "cpu_s": round(time.process_time() - begun, 1), "held": all(row["held"] is not False for row in found)}
    if out is not None:
        folder = pathlib.Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "peersim.json").write_text(json.dumps(made, indent=2) + "\n")
    return made
