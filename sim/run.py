"""One run of one scenario: its world, its verdicts, its report.

A scenario is a small file in scenarios/ with a docstring that states its
claim, NODES (how many boxes it has by default) and play(run).  It builds on
the verbs of `Run`: boot, push, always, until, require, measure.
"""

import importlib
import pkgutil
import sys
import time
import traceback

from . import checkers, inspect, scenarios
from .box import NodeRaised
from .world import World

# How often the checks that must always hold are made, virtual ms.
ALWAYS_MS = 1_000
# Boxes that are looked at once a second; larger worlds take turns, so that
# looking does not cost more than the world itself.
BOXES_A_LOOK = 24
# How often a run reports its progress, seconds of the host.
PROGRESS_S = 10
# Nodes that a run may have: more would take hours on one core.
NODES_MAX = 20_000
# Days that a run may have: an operator's key of the simulator signs a thousand manifests.
DAYS_MAX = 60


class Failed(Exception):
    """A check does not hold; the message says which and where."""


class Run:
    """One seeded run.  `make_node` and `read` stand for the node under test."""

    def __init__(self, name, nodes, seed, make_node, read=inspect.read, progress=False):
        self.name = name
        self.nodes = nodes
        self.seed = seed
        # What the command that repeats the run says besides, with a space before it.
        self.options = ""
        self.world = World("%s/%s" % (name, seed), make_node)
        self.checks = {}
        self.metrics = {}
        # How often the checks that must always hold are made, for scenarios of many days.
        self.look_ms = ALWAYS_MS
        self.read = read
        self._always = []
        self._looked_ms = 0
        self._turn = 0
        self._progress = progress
        self._said_s = time.monotonic()

    def counters(self):
        """What the agents counted, summed over live boxes; for the report, never for a check."""
        return {}

    def states(self):
        """What inspect.py reads of every live box."""
        return [self.read(box) for box in self.world.live()]

    def measure(self, name, value):
        """A figure for the report."""
        self.metrics[name] = value

    def always(self, name, check):
        """From now on `check()` must return "" at every look; it is looked at every second."""
        self.checks[name] = {"ok": True, "kind": "always", "detail": ""}
        self._always.append((name, check))

    def require(self, name, check):
        """`check()` must return "" now."""
        problem = check()
        self.checks[name] = {"ok": not problem, "kind": "now", "at_s": self.world.now_ms / 1000, "detail": problem}
        if problem:
            raise Failed("%s: %s" % (name, problem))

    def until(self, name, check, limit_s, every_ms=ALWAYS_MS):
        """Lets the world go on until `check()` returns ""; fails after `limit_s` of virtual time.

        Returns the virtual seconds it took, to a look's precision.
        """
        begun = self.world.now_ms
        problem = check()
        while problem:
            if self.world.now_ms - begun >= limit_s * 1000:
                self.checks[name] = {"ok": False, "kind": "within %g s" % limit_s, "detail": problem}
                raise Failed("%s: after %g s %s" % (name, limit_s, problem))
            self.go(every_ms)
            problem = check()
        took = (self.world.now_ms - begun) / 1000
        self.checks[name] = {"ok": True, "kind": "within %g s" % limit_s, "took_s": took, "detail": ""}
        return took

    def go(self, duration_ms):
        """Lets the world go on, with a look at what must always hold at least every look_ms."""
        end = self.world.now_ms + duration_ms
        while self.world.now_ms < end:
            self.world.run_until(min(end, self._looked_ms + self.look_ms))
            if self.world.now_ms - self._looked_ms >= self.look_ms:
                self.look()

    def turn(self):
        """The boxes whose turn it is to be looked at."""
        boxes = self.world.boxes
        if len(boxes) <= BOXES_A_LOOK:
            return boxes
        turn = boxes[self._turn : self._turn + BOXES_A_LOOK]
        return turn + boxes[: BOXES_A_LOOK - len(turn)]

    def tables_within_caps(self):
        """The check of caps over the boxes whose turn it is."""
        return checkers.within_caps([self.read(box) for box in self.turn() if box.live])

    def look(self):
        """Makes every check that must always hold."""
        self._looked_ms = self.world.now_ms
        self._turn = (self._turn + BOXES_A_LOOK) % max(1, len(self.world.boxes))
        for name, check in self._always:
            problem = check()
            if problem:
                self.checks[name] = {
                    "ok": False, "kind": "always", "at_s": self.world.now_ms / 1000, "detail": problem}
                raise Failed("%s: at %.3f s %s" % (name, self.world.now_ms / 1000, problem))
        if time.monotonic() - self._said_s > PROGRESS_S:
            self.say("%.0f s of virtual time, %d datagrams" % (self.world.now_ms / 1000, self.world.trace.datagrams))

    def say(self, text):
        """A line of progress, for who waits for the run."""
        self._said_s = time.monotonic()
        if self._progress:
            print("%s: %s" % (self.name, text), file=sys.stderr, flush=True)


def names():
    """The scenarios, by name, each with the first line of its claim."""
    found = {}
    for module in pkgutil.iter_modules(scenarios.__path__):
        found[module.name.replace("_", "-")] = load(module.name).__doc__.strip().split("\n")[0]
    return found


def load(name):
    """A scenario's module; ModuleNotFoundError if there is none of this name."""
    return importlib.import_module(scenarios.__name__ + "." + name.replace("-", "_"))


def repeat(run):
    """The command that repeats a run."""
    return "python -m backfence.sim run %s --nodes %d --seed %d%s" % (run.name, run.nodes, run.seed, run.options)


def perform(run, play):
    """Plays a scenario on a run and returns its report, JSON-able."""
    cpu = time.process_time()
    failure = ""
    run.always("datagrams fit", lambda: checkers.datagrams_fit(run.world))
    run.always("no spinning", lambda: checkers.no_spinning(run.world, run.turn()))
    run.always("one job at a time", lambda: checkers.one_job_at_a_time(run.turn()))
    run.always("within caps", run.tables_within_caps)
    try:
        play(run)
        run.look()
        run.require("every table within its cap", lambda: checkers.within_caps(run.states()))
    except Failed as failed:
        failure = str(failed)
    except NodeRaised as raised:
        failure = str(raised)
        detail = traceback.format_exception(raised.__cause__)
        run.checks["no node raises"] = {"ok": False, "kind": "always", "detail": "".join(detail)}
    return _report(run, failure, time.process_time() - cpu)


def _report(run, failure, cpu_s):
    world = run.world
    virtual_s = world.now_ms / 1000
    starts = sum(box.starts for box in world.boxes)
    timers = sum(box.timers for box in world.boxes)
    run.metrics.update({
        "nodes": len(world.boxes),
        "virtual_s": virtual_s,
        "cpu_s": round(cpu_s, 2),
        "starts": starts,
        "timers": timers,
        "datagrams": world.network.sent,
        "datagram_bytes": world.network.sent_bytes,
        "datagrams_lost": world.network.lost,
        "node_seconds_per_cpu_s": round(len(world.boxes) * virtual_s / max(cpu_s, 0.001)),
        "datagrams_per_cpu_s": round(world.network.sent / max(cpu_s, 0.001)),
    })
    report = {
        "ok": not failure,
        "scenario": run.name,
        "seed": run.seed,
        "trace_hash": world.trace.hash(),
        "checks": run.checks,
        "metrics": run.metrics,
        "repeat": repeat(run),
    }
    if run.counters():
        report["metrics"]["counters"] = run.counters()
    if failure:
        report["failure"] = failure
        report["last_events"] = world.trace.tail()
    return report
