"""The swarm: scenarios, sizes and seeds drawn for as long as it is given, on every core.

Each run is a process of its own, so that one that hangs or dies takes nothing
with it.  All draws come from one master seed; what fails is repeated by its own
command, which is printed and kept with the run's output in a log.
"""

import pathlib
import random
import subprocess
import sys
import time

from . import run as runs

# Runs at a time: the cores of a small machine.
PROCESSES = 2
# A run that takes longer hangs; the longest takes a minute or two.
RUN_S = 900
# After the swarm's time, runs that have begun may take so long to end.
GRACE_S = 60
# Of its own size, a scenario is run at this share at least, and at most.
LEAST_SHARE, MOST_SHARE = 0.8, 1.5
# One run in so many speaks plainly (speech.py).
PLAIN_EVERY = 4
TICK_S = 0.2


def draws(master):
    """Endless (scenario, nodes, seed, speech), all from the master seed; every scenario in each lap."""
    rng = random.Random("swarm/%d" % master)
    while True:
        lap = sorted(runs.names())
        rng.shuffle(lap)
        for name in lap:
            usual = runs.load(name).NODES
            nodes = rng.randint(max(10, int(usual * LEAST_SHARE)), max(10, int(usual * MOST_SHARE)))
            speech = "plain" if rng.randrange(PLAIN_EVERY) == 0 else "sealed"
            yield name, nodes, rng.randrange(1 << 32), speech


def words(name, nodes, seed, speech):
    """The command line of one run, behind "python -m"."""
    out = ["backfence.sim", "run", name, "--nodes", str(nodes), "--seed", str(seed)]
    return out + ["--speech", speech] if speech != "sealed" else out


class Swarm:
    """Runs under way and what came of those that ended.

    say(text) is told of every end.  `command` is what runs a run: the words of
    words() are put behind it.
    """

    def __init__(self, master, out, say, command=(sys.executable, "-m")):
        self.master = master
        self.out = pathlib.Path(out)
        self.passed = {}
        self.failed = []
        self.cut_off = 0
        self._say = say
        self._command = tuple(command)
        self._draws = draws(master)
        self._begun = 0
        self._going = []  # [(process, words, log path, since)]
        self._log = None

    def go(self, minutes, most=None):
        """Runs for so long, at most so many runs; True if nothing failed."""
        self.out.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        end = begun + 60 * minutes
        with open(self.out / "log.txt", "a") as self._log:
            self._note("master seed %d, %g minutes" % (self.master, minutes))
            try:
                while self._going or self._may_begin(end, most):
                    while len(self._going) < PROCESSES and self._may_begin(end, most):
                        self._begin()
                    time.sleep(TICK_S)
                    self._look()
                    if time.monotonic() > end + GRACE_S:
                        self.cut_off += len(self._going)
                        self._stop()
            finally:
                self._stop()
        return not self.failed

    def _may_begin(self, end, most):
        return time.monotonic() < end and (most is None or self._begun < most)

    def _begin(self):
        self._begun += 1
        line = words(*next(self._draws))
        path = self.out / ("-".join(word.lstrip("-") for word in line[2:]) + ".log")
        with open(path, "w") as log:
            process = subprocess.Popen(self._command + tuple(line), stdout=log, stderr=subprocess.STDOUT)
        self._going.append((process, line, path, time.monotonic()))

    def _look(self):
        for entry in list(self._going):
            process, line, path, since = entry
            took = time.monotonic() - since
            hangs = process.poll() is None and took > RUN_S
            if hangs:
                process.kill()
                process.wait()
            elif process.poll() is None:
                continue
            self._going.remove(entry)
            text = " ".join(line[2:])
            if process.returncode == 0 and not hangs:
                self.passed[line[2]] = self.passed.get(line[2], 0) + 1
                path.unlink()
                self._note("ok    %s  (%.0f s)" % (text, took))
            else:
                why = "took over %d s" % RUN_S if hangs else _last_error(path) or "exit %d" % process.returncode
                self.failed.append({"repeat": "python -m " + " ".join(line), "why": why, "log": str(path)})
                self._note("FAIL  %s  (%.0f s): %s" % (text, took, why))
                self._note("      repeat with: python -m " + " ".join(line))

    def _stop(self):
        for process, _, path, _ in self._going:
            process.kill()
            process.wait()
            path.unlink()
        self._going = []

    def _note(self, text):
        self._say(text)
        self._log.write(text + "\n")
        self._log.flush()


def _last_error(path):
    """What a failed run said of itself."""
    found = [line for line in path.read_text(errors="replace").splitlines() if line.startswith("Error: ")]
    return found[-1][7:] if found else ""
