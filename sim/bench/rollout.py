"""Rollouts in waves: who is hit by a bad image, when it is held, when a good one is everywhere, what that costs.

The agent's own classes.  Left out, for time, are greetings and tags (plain speech), the
averages that ride on view exchanges, and the timers of rooms that have no work here:
slices, rings, lookups, tasks, aggregates, availability.  Rounds are twice as long as on
a box, so members of a wave are found more slowly.  Launchers, slots and records are the
agent's own.  What is said is read off the world.

Besides the table: a picture and a CSV of who had started each image, and who ran it,
over time, in build/bench/.
"""

import csv
import gc
import pathlib

from ...agent.wire import messages
from ..lab import Lab
from ..rollout import SETTINGS, Rollout, leave_out_idle_rooms

TITLE = "rollouts in waves"
NODES = (1_000, 10_000)
OUT = pathlib.Path("build/bench")
# Longer than a bad image takes to show itself; in the largest worlds only those that do so soon.
SOAK_S, SOAK_LARGE_S = 7_200, 1_800
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
BAD_LARGE = ("crash", "mute")
LARGE = 5_000
LOOK_S = 120
# Boxes whose numbers end so are cut off from the others; that begins so long before the image
# comes, and outlasts the rollout.
CUT_DIGITS, CUT_BEFORE_S = (1, 4, 7), 1_200
ROUND_MS, BUSY_MS = 120_000, 10_000
# Until the boxes have met.
MEET_S = 300
LIMIT_SOAKS = 16
# Messages whose bytes are a rollout's: all but the gossip that goes on anyway.
KINDS = (messages.HAVE, messages.PULL, messages.CHUNK, messages.LACK, messages.POLL, messages.POLLED, messages.SEEK, messages.SPARE)
HEADERS = 28


class World:
    """A fleet that has met, with a meter on what is sent for rollouts, and the curves of all of them."""

    def __init__(self, nodes, seed, say, liars=0.0):
        self.nodes, self.say, self.liars = nodes, say, liars
        self.soak_s = SOAK_LARGE_S if nodes >= LARGE else SOAK_S
        self.rows, self.polled, self.need = [plan[1:] for plan in PLANS if nodes >= plan[0]][0]
        self.lab = Lab("rollout", nodes, seed, speech="plain", round_ms=str(ROUND_MS), busy_round_ms=str(BUSY_MS), **SETTINGS)
        self.bytes = 0
        self.curve = []  # (image, hours, share that started it, share that runs it)
        network = self.lab.world.network
        send = network.send

        def metered(box, address, data):
            kind = data[28] if len(data) < 30 or data[28] != 0x18 else data[29]
            if kind in KINDS:
                self.bytes += len(data) + HEADERS
            send(box, address, data)

        network.send = metered
        leave_out_idle_rooms(self.lab)

    def publish(self, word):
        """The next image; its Rollout."""
        rollout = Rollout(self.lab, word, self.rows, self.polled, self.need, self.soak_s, size=SIZE, liars=self.liars)
        if not self.lab.world.boxes:
            self.lab.boot_joined(doors=3, contacts=4)
            rollout.equip()
            self.lab.world.run_for(MEET_S * 1000)
        return rollout

    def _held(self, rollout):
        """True if a poll of a box about this image met failures."""
        waiting = [box.node.update.waves for box in self.lab.world.live() if box.node.update.waves]
        return any(waves.held and waves.manifest.seq == rollout.sequence for waves in waiting)

    def watch(self, rollout, until):
        """Lets the world go on until `until(rollout)`; dict of what was seen first when."""
        seen, world = {}, self.lab.world
        label = rollout.word
        while True:
            hit, done = rollout.hit(), rollout.done()
            hours = rollout.elapsed_s() / 3600
            self.curve.append((label, hours, len(hit) / self.nodes, len(done) / self.nodes))
            if "held" not in seen and self._held(rollout):
                seen["held"] = hours
            if "back" not in seen and rollout.in_wave(0) <= hit and not rollout.back():
                seen["back"] = hours
            if "first" not in seen and rollout.in_wave(0) <= hit:
                seen["first"] = hours
            if "most" not in seen and len(done) >= 0.99 * self.nodes:
                seen["most"] = hours
            if "all" not in seen and len(done) == self.nodes:
                seen["all"] = hours
            if until(seen) or rollout.elapsed_s() > LIMIT_SOAKS * self.soak_s:
                return seen
            self.say("%s: %.1f h: %.2f %% have started it, %.2f %% run it" % (label, hours, 100 * len(hit) / self.nodes, 100 * len(done) / self.nodes))
            world.run_for(LOOK_S * 1000)


def rows(nodes, seed, say):
    """Bad images among liars, one after the other; a good one in peace; a good one in trouble."""
    out, curves = [], []
    for play in (_troubled, _bad_ones, _good_one):
        found, curve = play(nodes, seed, say)
        for row in found:
            say("%(figure)s: %(ours)s (aim %(aim)s)" % row)
        out += found
        curves += curve
        gc.collect()  # one world at a time: a large one takes a gigabyte
    _write(nodes, seed, curves)
    return out


def _bad_ones(nodes, seed, say):
    world, out = World(nodes, seed, say, LIARS), []
    for word in BAD_LARGE if nodes >= LARGE else BAD:
        out += _bad(world, word)
    return out, world.curve


def _good_one(nodes, seed, say):
    world = World(nodes, seed, say)
    return _good(world, "good"), world.curve


def _troubled(nodes, seed, say):
    world = World(nodes, seed, say, LIARS)
    return _good(world, "good, in trouble"), [("good, in trouble",) + row[1:] for row in world.curve]


def _bad(world, word):
    rollout = world.publish(word)
    before = world.bytes
    rollout.push()
    end_h = max(BAD[word], world.soak_s * 1.75) / 3600
    seen = world.watch(rollout, lambda seen: rollout.elapsed_s() / 3600 >= end_h)
    nodes, hit, label = world.nodes, rollout.hit(), "%s, %d %% lie: " % (word, 100 * world.liars)
    return [
        _row(nodes, label + "hit, % of the fleet", 100 * len(hit) / nodes, None, "<= %g" % (1.5 * world.rows[0][0] / 100)),
        _row(nodes, label + "boxes of later waves that started it", len(hit - rollout.in_wave(0)), None, "== 0"),
        _row(nodes, label + "boxes that have it still", nodes if rollout.back() else 0, None, "== 0"),
        _row(nodes, label + "all are back, h", seen.get("back", -1), BAD[word] / 3600, "> 0"),
        _row(nodes, label + "first poll that met a failure, h", seen.get("held", -1), world.soak_s / 3600),
        _row(nodes, label + "bytes a box", (world.bytes - before) / nodes),
    ]


def _good(world, label):
    rollout = world.publish("good")
    lab = world.lab
    trouble = world.liars > 0
    if trouble:
        # A door on either side: the operator reaches both, they do not reach each other.
        side = [box.number for box in lab.world.boxes if box.number % 10 in CUT_DIGITS]
        cut = lab.world.network.cut(side)
        lab.controller.stop()
        lab.world.run_for(CUT_BEFORE_S * 1000)
    before = world.bytes
    rollout.push()
    # The last of many thousand boxes may have drawn liars several times; that is no matter of the fleet's size.
    last = "most" if world.nodes >= LARGE else "all"
    seen = world.watch(rollout, lambda seen: last in seen)
    if trouble:
        lab.world.network.mend(cut)
    nodes, soaks_h, limit_h = world.nodes, (len(world.rows) - 1) * world.soak_s / 3600, LIMIT_SOAKS * world.soak_s / 3600
    if trouble:
        label += " (%d %% lie, %d %% are cut off, no controller)" % (100 * world.liars, 10 * len(CUT_DIGITS))
    out = [
        _row(nodes, label + ": 99 % run it, h", seen.get("most", limit_h), soaks_h, "<= %g" % (2.5 * soaks_h)),
        _row(nodes, label + ": bytes a box", (world.bytes - before) / nodes),
    ]
    if last == "all":
        out.append(_row(nodes, label + ": all run it, h", seen.get("all", limit_h), soaks_h, "< %g" % limit_h))
    return out


def _write(nodes, seed, curves):
    OUT.mkdir(parents=True, exist_ok=True)
    with open(OUT / ("rollout-%d.csv" % nodes), "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "hours", "started", "runs"))
        writer.writerows((label, "%.3f" % hours, "%.5f" % hit, "%.5f" % runs) for label, hours, hit, runs in curves)
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    for label in dict.fromkeys(row[0] for row in curves):
        line = [row for row in curves if row[0] == label]
        axis = right if label.startswith("good") else left
        axis.plot([row[1] for row in line], [100 * row[2] for row in line], label=label + ": started")
        if label.startswith("good"):
            axis.plot([row[1] for row in line], [100 * row[3] for row in line], "--", label=label + ": run it")
    left.set_title("Bad images, %d %% of the boxes lie" % (100 * LIARS))
    right.set_title("A good image")
    for axis in (left, right):
        axis.set_xlabel("hours")
        axis.set_ylabel("% of the fleet")
        axis.set_ylim(bottom=0)
        axis.legend(fontsize=7)
    figure.text(0.01, 0.01, "python -m backfence.sim bench rollout --nodes %d --seed %d" % (nodes, seed), fontsize=7)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(OUT / ("rollout-%d.png" % nodes), dpi=80)


def _row(nodes, figure, ours, reference=None, aim=None):
    return {"figure": figure, "nodes": nodes, "ours": round(float(ours), 3), "reference": reference,
            "reference_of": "waves times the soak, or the contract's times" if reference else "", "aim": aim}
