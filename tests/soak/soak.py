"""`make soak`: a real cluster under churn and work for as long as it is given, and what it held in memory.

    soak.py --minutes N [--seed N] [--out build/soak]

Writes samples.csv, jobs.csv and memory.png.  Exit 1 if an agent ended unasked, a
result was wrong or late, or something grew in the agents that were never restarted
(sim/growth.py has the rule).  Ctrl-C ends it with the figures so far.
"""

import argparse
import csv
import os
import pathlib
import random
import secrets
import shutil
import statistics
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[1:1] = [str(TESTS), str(TESTS / "agent" / "edge")]

import cluster  # noqa: E402
import samples  # noqa: E402

from backfence.bootstrap.operator.errors import OperatorError  # noqa: E402
from backfence.sim import growth  # noqa: E402

SAMPLE_S = 10
SAY_S = 30
PLOT_S = 300
# Before this share of the time, tables, stores and the kernel's pages fill: ten minutes' jobs
# are live at a time, and 64 sequence floors are known after 27 minutes.
WARM = 0.45
# The samples after it are judged as so many medians.
BINS = 20
# Rises that are noise, of each field that is judged.
JUDGED = {
    "heap_used": 4096, "scattered": 0.05, "names": 3, "rss_kb": 64, "pss_kb": 64, "fds": 1, "files": 8,
    "file_bytes": 16384,
}


def main():
    """Runs it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--out", default="build/soak")
    known = parser.parse_args()
    if known.minutes <= 0:
        parser.error("--minutes must be above 0")
    seed = secrets.randbelow(1 << 32) if known.seed is None else known.seed
    out = pathlib.Path(known.out)
    shutil.rmtree(out, ignore_errors=True)
    (out / "run").mkdir(parents=True)
    soak = Soak(out, seed)
    print("soak: %g minutes, seed %d, into %s" % (known.minutes, seed, out), flush=True)
    failure, code = "", 1
    try:
        soak.go(60 * known.minutes)
        failure = soak.growth()
        code = 1 if failure else 0
    except (cluster.SoakError, OperatorError) as problem:
        failure = str(problem)
    except KeyboardInterrupt:
        failure, code = "interrupted; the figures so far are written", 130
    finally:
        soak.end()
    print(soak.summary(), flush=True)
    if failure:
        print("Error: %s (logs: %s; seed %d)" % (failure, out / "run", seed), file=sys.stderr)
    return code


class Soak:
    """One run: a cluster and the samples of it."""

    def __init__(self, out, seed):
        self.out = out
        self.rows = []
        self.begun_s = time.monotonic()
        self.cluster = cluster.Cluster(out / "run", random.Random(seed))
        self._csv = open(out / "samples.csv", "w", newline="")
        self._writer = csv.DictWriter(self._csv, samples.FIELDS)
        self._writer.writeheader()
        self._said_s = self._sampled_s = self._drawn_s = self.begun_s

    def elapsed_s(self):
        """Seconds since the start."""
        return time.monotonic() - self.begun_s

    def go(self, seconds):
        """Churn, work and samples for so long.  Raises SoakError, OperatorError."""
        self.cluster.start()
        while self.elapsed_s() < seconds:
            self.cluster.turn(self.begun_s)
            now_s = time.monotonic()
            if now_s - self._sampled_s >= SAMPLE_S:
                self._sampled_s = now_s
                self._sample()
            if now_s - self._drawn_s >= PLOT_S:
                self._drawn_s = now_s
                self.draw()
            if now_s - self._said_s >= SAY_S:
                self._said_s = now_s
                print("soak: %d of %d minutes, %s" % (self.elapsed_s() // 60, seconds // 60, self._state()), flush=True)

    def _sample(self):
        for box in self.cluster.boxes:
            if box.back_s is None and box.process.alive():
                row = samples.sample(box, self.elapsed_s())
                if row:
                    self.rows.append(row)
                    self._writer.writerow(row)
        self._csv.flush()

    def _state(self):
        kills = ", ".join("%d %s" % (count, how) for how, count in self.cluster.ends().items())
        return "%d jobs settled, %s, %d agents live" % (
            len(self.cluster.jobs), kills, len(self.cluster.lab.living()))

    def steady(self):
        """Names of the agents that are never restarted."""
        return ["b%02d" % number for number in cluster.STEADY]

    def growth(self):
        """"" or what grows in the steady agents."""
        found = []
        end_s = self.elapsed_s()
        for agent in self.steady():
            since_s = max(WARM * end_s, self._filled_s(agent))
            rows = [row for row in self.rows if row["agent"] == agent and row["time_s"] >= since_s]
            if len(rows) < 2 * BINS:
                print("soak: too short to judge growth: %d samples of %s after the warm-up, of %d (give it 25 minutes)" % (
                    len(rows), agent, 2 * BINS), flush=True)
                continue
            for field, least in JUDGED.items():
                series = medians([row[field] for row in rows])
                if growth.grown(series, least):
                    found.append("%s of %s from %s to %s" % (field, agent, series[0], series[-1]))
        return "grows: " + "; ".join(found) if found else ""

    def _filled_s(self, agent):
        """When the jobs that an agent keeps are as many as they will be: a job's life after it first sat in the slice."""
        seated = [row["time_s"] for row in self.rows if row["agent"] == agent and row["seats"]]
        return seated[0] + cluster.JOB_S if seated else 0

    def draw(self):
        """The picture so far."""
        if self.rows:
            import plots  # its library is the soak's alone, and slow to load

            heading = "%s: %s" % (self.cluster.lab.interpreter.name, self._state())
            plots.draw(self.out / "memory.png", self.rows, self.steady(), self.cluster.jobs, heading)

    def end(self):
        """Ends the processes and writes what there is."""
        state = self._state()
        self.cluster.stop()
        self._csv.close()
        with open(self.out / "jobs.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("time_s", "settled_s"))
            writer.writerows((round(at, 1), round(took, 2)) for at, took in self.cluster.jobs)
        self._state = lambda: state
        self.draw()

    def summary(self):
        """One table of the steady agents, for a person: medians of the first and last tenth after the warm-up."""
        lines = ["soak: %.1f minutes, %s" % (self.elapsed_s() / 60, self._state())]
        for agent in self.steady():
            rows = [row for row in self.rows if row["agent"] == agent]
            rows = rows[int(WARM * len(rows)):]
            if len(rows) >= 10:
                few = len(rows) // 10
                lines.append("  %s  " % agent + ", ".join("%s %g > %g" % (
                    field, statistics.median(row[field] for row in rows[:few]),
                    statistics.median(row[field] for row in rows[-few:])) for field in JUDGED))
        return "\n".join(lines)


def medians(values, bins=BINS):
    """Medians of `bins` equal parts of a series."""
    edges = [len(values) * part // bins for part in range(bins + 1)]
    return [statistics.median(values[a:b]) for a, b in zip(edges, edges[1:])]


if __name__ == "__main__":
    os.nice(5)
    sys.exit(main())
