"""Rollouts in waves: who is hit by a bad image, when it is held, when a good one is everywhere, what that costs.

The agent's own classes.  Left out, for time, are greetings and tags (plain speech), the
averages that ride on view exchanges, and the timers of rooms that have no work here:
slices, rings, lookups, tasks, aggregates, availability.  Rounds are twice as long as on
a box, so members of a wave are found more slowly.  Launchers, slots and records are the
agent's own.  What is said is read off the world.

Each play goes on from the same boxes, which have met.  Besides the table: a picture and a CSV of who had
started each image, and who ran it, over time, in build/bench/.
"""

import csv
import pathlib

from ...agent.wire import messages
from .. import plays
from ..lab import Lab
from ..launcher import Launcher
from ..rollout import SETTINGS, Rollout, leave_out_idle_rooms

TITLE = "rollouts in waves"
NODES = (1_000, 10_000)
OUT = pathlib.Path("build/bench")
# A soak is longer than a bad image takes to show itself.  In the largest worlds it is shorter, but for those that are slow.
SOAK_S, SOAK_LARGE_S = 7_200, 1_800
SLOW = ("leak", "hang")
# (boxes at least, waves, polled, need): a first wave has to have some more boxes than are polled.
PLANS = (
    (5_000, ((100, ""), (1_000, ""), (10_000, "")), 20, 16),
    (800, ((1_000, ""), (4_000, ""), (10_000, "")), 20, 16),
    (0, ((2_500, ""), (5_000, ""), (10_000, "")), 5, 4),
)
SIZE = 20_000
LIARS = 0.1
# What a bad image does, how long until all who took it are back: it crashes five times, or
# its trial ends.
BAD = {"crash": 600, "mute": 1_500, "leak": 16_000, "hang": 22_000}
# So much of a soak a bad image is watched at least: its polls are taken from one soak on, each quarter.
WATCHED_SOAKS = 1.75
# The longest first: two are played at once.
PLAYS = ("hang", "trouble", "leak", "cut", "liars", "good", "crash", "mute")
# Of the good image: who lies and who is cut off while it goes round.
GOOD = ("good", "liars", "cut", "trouble")
WITH_LIARS, WITH_CUT = (*BAD, "liars", "trouble"), ("cut", "trouble")
LARGE = 5_000
LOOK_S = 120
# Boxes whose numbers end so are cut off from the others; that begins so long before the image
# comes, and outlasts the rollout.
CUT_DIGITS, CUT_BEFORE_S = (1, 4, 7), 1_200
ROUND_MS, BUSY_MS = 120_000, 10_000
# Until the boxes have met.
MEET_S = 300
LIMIT_SOAKS, LIMIT_SOAKS_LARGE = 16, 8
# Messages whose bytes are a rollout's: all but the gossip that goes on anyway.
KINDS = (messages.HAVE, messages.PULL, messages.CHUNK, messages.LACK, messages.POLL, messages.POLLED, messages.SEEK, messages.SPARE)
HEADERS = 28


class World:
    """A fleet that has met, with a meter on what is sent for rollouts and lost at cuts, and the curve of an image."""

    def __init__(self, nodes, seed, say):
        self.nodes, self.say, self.liars = nodes, say, 0.0  # play() says who lies
        self.soak_s = self.limit_s = 0
        self.rows, self.polled, self.need = [plan[1:] for plan in PLANS if nodes >= plan[0]][0]
        self.lab = Lab("rollout", nodes, seed, speech="plain", round_ms=str(ROUND_MS), busy_round_ms=str(BUSY_MS), **SETTINGS)
        self.bytes = self.lost = 0
        self.curve = []  # (hours, share that started it, share that runs it)
        network = self.lab.world.network
        send, is_cut = network.send, network.is_cut

        def metered(box, address, data):
            kind = data[28] if len(data) < 30 or data[28] != 0x18 else data[29]
            if kind in KINDS:
                self.bytes += len(data) + HEADERS
            send(box, address, data)

        def counted(source, target):
            found = is_cut(source, target)
            self.lost += found
            return found

        network.send, network.is_cut = metered, counted
        leave_out_idle_rooms(self.lab)
        self.lab.boot_joined(doors=3, contacts=4)
        for box in self.lab.world.boxes:
            box.launcher = Launcher()
        self.lab.world.run_for(MEET_S * 1000)
        say("%d boxes have met" % nodes)

    def publish(self, word):
        """The next image; its Rollout."""
        large = self.nodes >= LARGE
        self.soak_s = SOAK_LARGE_S if large and word not in SLOW else SOAK_S
        self.limit_s = self.soak_s * (LIMIT_SOAKS_LARGE if large else LIMIT_SOAKS)
        return Rollout(self.lab, word, self.rows, self.polled, self.need, self.soak_s, size=SIZE, liars=self.liars)

    def _held(self, rollout):
        """True if a poll of a box about this image met failures."""
        waiting = [box.node.update.waves for box in self.lab.world.live() if box.node.update.waves]
        return any(waves.held and waves.manifest.seq == rollout.sequence for waves in waiting)

    def asked(self, rollout):
        """Of the boxes of the second wave, the share that waits, having polled at least once and been told to hold."""
        second = [self.lab.world.boxes[number] for number in rollout.in_wave(1)]
        waiting = [box.node.update.waves for box in second if box.live and box.node.update.waves]
        return sum(waves.polls > 0 and waves.manifest.seq == rollout.sequence for waves in waiting) / max(1, len(second))

    def watch(self, rollout, until):
        """Lets the world go on until `until(seen)`, or the limit; dict of what was seen first when, in hours."""
        seen, world, first = {}, self.lab.world, rollout.in_wave(0)
        while True:
            hit, done = rollout.hit(), rollout.done()
            hours = rollout.elapsed_s() / 3600
            self.curve.append((hours, len(hit) / self.nodes, len(done) / self.nodes))
            found = {
                "first": first <= hit, "back": first <= hit and not rollout.back(), "held": "held" not in seen and self._held(rollout),
                "half": len(done) >= 0.5 * self.nodes, "most": len(done) >= 0.99 * self.nodes, "all": len(done) == self.nodes,
            }
            for name in found:
                if found[name]:
                    seen.setdefault(name, hours)
            if until(seen) or rollout.elapsed_s() > self.limit_s:
                return seen
            self.say("%.1f h: %.2f %% have started it, %.2f %% run it" % (hours, 100 * len(hit) / self.nodes, 100 * len(done) / self.nodes))
            world.run_for(LOOK_S * 1000)


def rows(nodes, seed, say, chosen=PLAYS):
    """Bad images among liars; a good one in peace, among liars, in a fleet that is cut in two, and both."""
    unknown = [name for name in chosen if name not in PLAYS]
    if unknown:
        raise ValueError("there is no play %s; there are: %s" % (unknown[0], ", ".join(PLAYS)))
    found = plays.perform(World, play, [name for name in PLAYS if name in chosen], nodes, seed, OUT, "rollout")
    found = {name: found[name] for name in (*BAD, *GOOD) if name in found}
    _write(nodes, seed, found)
    return [row for name in found for row in found[name]["rows"]]


def play(world, name, say):
    """One play in a World, {"rows": as a bench has them, "curve": World's, "held": hours or None}."""
    world.say, world.liars = say, LIARS if name in WITH_LIARS else 0.0
    out, seen = _bad(world, name) if name in BAD else _good(world, name in WITH_CUT)
    for row in out:
        say("%(figure)s: %(ours)s (aim %(aim)s)" % row)
    return {"rows": out, "curve": world.curve, "held": seen.get("held")}


def _bad(world, word):
    rollout = world.publish(word)
    before, watched_h, end_h = world.bytes, WATCHED_SOAKS * world.soak_s / 3600, BAD[word] / 3600
    rollout.push()

    def over(seen):
        hours = rollout.elapsed_s() / 3600
        return hours >= watched_h and ("back" in seen or hours >= end_h)

    seen = world.watch(rollout, over)
    nodes, hit, first = world.nodes, rollout.hit(), rollout.in_wave(0)
    label = "%s, soak %g h, %d %% lie: " % (word, world.soak_s / 3600, 100 * world.liars)
    return [
        _row(nodes, label + "of the first wave started it, %", 100 * len(hit & first) / max(1, len(first)), None, "== 100"),
        _row(nodes, label + "all of the first wave have started it, h", seen.get("first", -1), None, "> 0"),
        _row(nodes, label + "hit, % of the fleet", 100 * len(hit) / nodes, None, "<= %g" % (1.5 * world.rows[0][0] / 100)),
        _row(nodes, label + "boxes of later waves that started it", len(hit - first), None, "== 0"),
        _row(nodes, label + "boxes that have it still", rollout.still(), None, "== 0"),
        _row(nodes, label + "all are back, h", seen.get("back", -1), end_h, "> 0"),
        _row(nodes, label + "first poll that met a failure, h", seen.get("held", -1), world.soak_s / 3600, "> 0"),
        _row(nodes, label + "of the second wave polled and hold, %", 100 * world.asked(rollout), None, "> 0"),
        _row(nodes, label + "liars of the first wave, and good ones needed", len(rollout.liars & first), world.need),
        _row(nodes, label + "watched, h", rollout.elapsed_s() / 3600, watched_h),
        _row(nodes, label + "bytes a box", (world.bytes - before) / nodes),
    ], seen


def _good(world, is_cut):
    rollout = world.publish("good")
    lab, nodes = world.lab, world.nodes
    side, cut = set(), None
    if is_cut:
        # A door on either side: the operator reaches both, they do not reach each other.
        side = {box.number for box in lab.world.boxes if box.number % 10 in CUT_DIGITS}
        cut = lab.world.network.cut(side)
        lab.controller.stop()
        lab.world.run_for(CUT_BEFORE_S * 1000)
    before, lost = world.bytes, world.lost
    rollout.push()
    seen = world.watch(rollout, lambda seen: "all" in seen)
    lost, done = world.lost - lost, rollout.done()
    if is_cut:
        lab.world.network.mend(cut)
    soaks_h, limit_h = (len(world.rows) - 1) * world.soak_s / 3600, world.limit_s / 3600
    label = "good, soak %g h" % (world.soak_s / 3600)
    label += ", %d %% lie" % (100 * world.liars) if world.liars else ""
    label += ", %d %% cut off, no controller" % (10 * len(CUT_DIGITS)) if is_cut else ""
    # Liars of the other side are named and silent, as boxes are that an image left without speech: together
    # more than may be bad, so nothing is aimed at for both at once.
    aimed = not (is_cut and world.liars)
    early = max(started for hours, started, _ in world.curve if hours < world.soak_s / 3600)
    out = [
        _row(nodes, label + ": started within the first soak, % of the fleet", 100 * early, None, "<= %g" % (1.5 * world.rows[0][0] / 100)),
        _row(nodes, label + ": half run it, h", seen.get("half", limit_h), soaks_h),
        _row(nodes, label + ": 99 % run it, h", seen.get("most", limit_h), soaks_h, "<= %g" % (2.5 * soaks_h) if aimed else None),
        _row(nodes, label + ": the last one runs it, h; -1: not by the end", seen.get("all", -1), soaks_h),
        _row(nodes, label + ": boxes that lack it at the end", nodes - len(done), None, "<= %d" % (nodes // 1000) if aimed else None),
        _row(nodes, label + ": watched, h", rollout.elapsed_s() / 3600),
        _row(nodes, label + ": bytes a box", (world.bytes - before) / nodes),
    ]
    if is_cut:
        out.append(_row(nodes, label + ": of those cut off run it, %", 100 * len(done & side) / len(side), None, ">= 99" if aimed else None))
        out.append(_row(nodes, label + ": datagrams lost at the cut", lost, None, "> 0"))
    if world.liars:
        out.append(_row(nodes, label + ": liars of the fleet, %", 100 * len(rollout.liars) / nodes))
    return out, seen


def _write(nodes, seed, found):
    """The curves of these plays, {name: outcome}, as a CSV and a picture."""
    OUT.mkdir(parents=True, exist_ok=True)
    with open(OUT / ("rollout-%d.csv" % nodes), "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "hours", "started", "runs"))
        writer.writerows((name, "%.3f" % hours, "%.5f" % hit, "%.5f" % runs)
                         for name in found for hours, hit, runs in found[name]["curve"])
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4))
    for name in found:
        _draw(axes[0 if name in BAD else 1], name, found[name])
    axes[0].set_title("Bad images, %d %% of the boxes lie" % (100 * LIARS))
    axes[1].set_title("A good image")
    for axis in axes:
        axis.set_xlabel("hours")
        axis.set_ylabel("% of the fleet")
        axis.set_ylim(bottom=0)
        if axis.lines:
            axis.legend(fontsize=7)
    figure.text(0.01, 0.01, "python -m backfence.sim bench rollout --nodes %d --seed %d" % (nodes, seed), fontsize=7)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(OUT / ("rollout-%d.png" % nodes), dpi=80)


def _draw(axis, name, outcome):
    hours, started, runs = zip(*outcome["curve"])
    line, = axis.plot(hours, [100 * share for share in started], label=name + ": started")
    axis.plot(hours, [100 * share for share in runs], "--", color=line.get_color(), label=name + ": run it")
    if name in BAD and outcome["held"] is not None:
        at = min(range(len(hours)), key=lambda index: abs(hours[index] - outcome["held"]))
        axis.plot(hours[at : at + 1], [100 * started[at]], "o", color=line.get_color(), label=name + ": first poll met a failure")


def _row(nodes, figure, ours, reference=None, aim=None):
    return {"figure": figure, "nodes": nodes, "ours": round(float(ours), 3), "reference": reference,
            "reference_of": "waves times the soak, or the contract's times" if reference else "", "aim": aim}
