"""Records what the agent's own classes do, for validate.py to hold the scale model against.

Whole nodes in the simulator, real timeouts and datagram sizes; plain speech
(sim/speech.py) but where a bench has it otherwise.  A recording is a JSON file with the
command that makes it anew.
"""

import json

import numpy as np

from .. import graph, seats
from ..averaging import Averaging
from ..bench import distribution, ring, sampling
from ..distribution import UP
from ..lab import Lab
from ..launcher import CRASH, Launcher
from ..rollout import SETTINGS, Rollout, leave_out_idle_rooms

HEAL = 20
CYCLES = 60
# Quantiles that are kept of a distribution: 0 to 1.
QUANTILES = np.linspace(0, 1, 51)
# Seats: a share of the boxes, looked at so often, for so long after all are filled.
SEATS_SHARE, SEATS_LOOK_MS, SEATS_LIMIT_S, SEATS_ROUND_MS = 0.1, 50, 120, 1_000
# Rumours: a busy round, how long a fleet talks before, so that all have heard enough others and are quiet, and the most.
RUMOUR_ROUND_MS, RUMOUR_QUIET_MS, RUMOUR_LIMIT_MS = 1_000, 30_000, 60_000
# The rollout that is recorded: waves, polled, need, soak, on which share the image fails.
ROLLOUT = {"shares": (0.2, 0.5, 1.0), "polled": 10, "need": 8, "soak_s": 300, "bad": 0.15, "round_s": 60}
# A small image: fetching is not what is recorded.
ROLLOUT_BYTES = 8_000
ROLLOUT_LOOK_MS, ROLLOUT_LIMIT_S, ROLLOUT_DONE = 2_000, 1_500, 0.99
# An image for all boxes at once, each with a megabit up.
IMAGE_BYTES = 1 << 20


def overlay(nodes, seed, say):
    """In-degrees, clustering and path length after CYCLES cycles; then the healing curve, as sim/bench/sampling.py takes them."""
    lab = sampling.start(nodes, seed)
    sampling.cycles(lab, CYCLES, say)
    now, rng = graph.of(lab.world), graph.stream(seed)
    degrees = now.in_degrees()
    found = {"nodes": nodes, "seed": seed, "cycles": CYCLES, "sd": float(degrees.std()),
             "degrees": [int((degrees == count).sum()) for count in range(degrees.max() + 1)],
             "clustering": float(now.clustering(rng, 2_000)), "path": float(now.path_length(rng, 5)), "heal": []}
    sampling.kill(lab, seed)
    for cycle in range(HEAL):
        sampling.cycles(lab, 1)
        now = graph.of(lab.world)
        found["heal"].append([float(now.dead_share()), float(now.in_degrees().std())])
        say("cycle %d after the death of half" % (cycle + 1))
    return found


def averaging(nodes, seed, say, cycles=12):
    """The variance of an attribute's mean, cycle by cycle, as sim/bench/aggregation.py takes it."""
    world = Averaging(nodes, seed, lambda number: 10_000 if number % 50 == 0 else number % 100)
    world.until_epoch(1, say)
    world.cycle()
    variance = [world.variance(1)]
    for _ in range(cycles):
        world.cycle()
        variance.append(world.variance(1))
    return {"nodes": nodes, "seed": seed, "variance": variance}


def filling(nodes, seed, say):
    """Seats filled of a tenth of the boxes, every SEATS_LOOK_MS from the push at the door, as sim/bench/slices.py fills them."""
    lab = Lab("bench-slices-observed", nodes, seed, speech="plain")
    lab.boot_joined(doors=1, spread_ms=3 * SEATS_ROUND_MS)
    lab.go(8 * SEATS_ROUND_MS)
    wanted, filled = int(nodes * SEATS_SHARE), []
    lab.operator.push_slice("edge", wanted)
    while (not filled or filled[-1] < wanted) and len(filled) * SEATS_LOOK_MS < SEATS_LIMIT_S * 1_000:
        lab.go(SEATS_LOOK_MS)
        filled.append(len(seats.held(lab.world, "edge")))
        say("%.2f s: %d of %d seats" % (len(filled) * SEATS_LOOK_MS / 1_000, filled[-1], wanted))
    return {"nodes": nodes, "seed": seed, "seats": wanted, "look_ms": SEATS_LOOK_MS, "filled": filled}


def rumour(nodes, seed, say):
    """When the boxes of a quiet fleet have a manifest, ms from the push, by quantile; announcements a box."""
    lab = Lab("observed-rumour", nodes, seed, speech="plain", busy_round_ms=str(RUMOUR_ROUND_MS))
    lab.boot_joined(doors=1, spread_ms=1_000)
    lab.world.run_for(RUMOUR_QUIET_MS)
    told = lambda: sum(box.node.counters["rumours_told"] for box in lab.world.boxes)
    before, begun, times = told(), lab.world.now_ms, []
    lab.operator.push_slice("rumour", 1)
    left = lab.world.boxes
    while left and len(times) < nodes and lab.world.now_ms - begun < RUMOUR_LIMIT_MS:
        lab.world.run_for(10)
        left = [box for box in left if not box.node.rumours.of_kind("slice")]
        times += [lab.world.now_ms - begun] * (nodes - len(left) - len(times))
    say("the last of %d after %d ms" % (len(times), times[-1]))
    lab.world.run_for(1_000)
    return {"nodes": nodes, "seed": seed, "round_ms": RUMOUR_ROUND_MS, "told": (told() - before) / nodes,
            "ms": [int(x) for x in np.quantile(times, QUANTILES)]}


def rings(nodes, seed, say, most=40):
    """Share of right ring links, cycle by cycle, as sim/bench/ring.py takes it."""
    world, right = ring.Rings(nodes, seed), []
    while len(right) < most and (not right or right[-1] < 1):
        world.lab.go(ring.PROBE_MS)
        right.append(world.right())
        say("cycle %d: %.4f of the links are right" % (len(right), right[-1]))
    return {"nodes": nodes, "seed": seed, "right": right}


class Failing(Launcher):
    """A launcher on a box on which any image crashes."""

    def behaviour(self, disk, slot):
        """It crashes, whatever it is."""
        return CRASH if slot else b""


def _plan(nodes, seed):
    """(lab, sim.rollout.Rollout, numbers of the boxes on which the image fails), nothing started yet."""
    round_ms = str(1_000 * ROLLOUT["round_s"])
    lab = Lab("observed-rollout", nodes, seed, speech="plain", round_ms=round_ms, busy_round_ms=round_ms, **SETTINGS)
    leave_out_idle_rooms(lab)
    plan = Rollout(lab, "good", [(round(10_000 * share), "") for share in ROLLOUT["shares"]],
                   ROLLOUT["polled"], ROLLOUT["need"], ROLLOUT["soak_s"], size=ROLLOUT_BYTES)
    return lab, plan, set(lab.world.stream("fails").sample(range(2, nodes), round(ROLLOUT["bad"] * nodes)))


def rollout(nodes, seed, say):
    """When the boxes of each wave went, and started the image, seconds from its publication, by quantile."""
    lab, plan, fails = _plan(nodes, seed)
    lab.boot_joined(doors=1, spread_ms=5_000)
    for number in fails:
        lab.world.boxes[number].launcher = Failing()
    plan.equip()
    lab.world.run_for(2_000 * ROLLOUT["round_s"])
    plan.push()
    gone, started = {}, {}
    while len(started) < ROLLOUT_DONE * nodes and plan.elapsed_s() < ROLLOUT_LIMIT_S:
        lab.world.run_for(ROLLOUT_LOOK_MS)
        for box in lab.world.boxes:
            if box.number not in gone and box.live and box.node.rumours.of_kind("firmware") and not box.node.update.waves:
                gone[box.number] = plan.elapsed_s()
        for number in plan.hit() - started.keys():
            started[number] = plan.elapsed_s()
        if lab.world.now_ms % 60_000 < ROLLOUT_LOOK_MS:
            say("%d s: %d have gone, %d have started it" % (plan.elapsed_s(), len(gone), len(started)))
    waves = []
    for wave in range(len(ROLLOUT["shares"])):
        boxes = [number for number in plan.members if plan.members[number] == wave]
        waves.append({"boxes": len(boxes), "fails": len(fails & set(boxes)), "gone": _quantiles(gone, boxes), "started": _quantiles(started, boxes)})
    fetch = float(np.median([started[number] - gone[number] for number in gone if number in started and plan.members[number]]))
    return {"nodes": nodes, "seed": seed, **ROLLOUT, "hit": len(fails & started.keys()), "fetch_s": fetch, "waves": waves}


def _quantiles(times, boxes):
    """Of boxes' times; who never went comes after all others."""
    found = [times.get(number, ROLLOUT_LIMIT_S) for number in boxes]
    return [round(float(x), 1) for x in np.quantile(found, QUANTILES)]


def image(nodes, seed, say):
    """When the boxes have an image, s from its publication, by quantile; copies from the broker and uploads, in images: as sim/bench/distribution.py spreads it."""
    found = distribution.spread(nodes, seed, IMAGE_BYTES, say)
    times, heard = [list(rows.values()) for rows in (found.at_s, found.heard_s)]
    ups = [up / IMAGE_BYTES for up, _ in found.carried()]
    return {"nodes": nodes, "seed": seed, "bytes": IMAGE_BYTES, "uplink": UP, "doors": distribution.DOORS, "copies": found.copies(),
            "doors_up": sum(ups[: distribution.DOORS]), "up": float(np.mean(ups)), "up_most": max(ups),
            "heard_s": float(np.median(heard)), "s": [round(float(x), 2) for x in np.quantile(times, QUANTILES)]}


KINDS = {"sampling": overlay, "averaging": averaging, "filling": filling, "rumour": rumour, "ring": rings, "rollout": rollout,
         "image": image}


def record(kind, nodes, seed, folder, say):
    """Writes folder/KIND-NODES-SEED.json; its path."""
    found = KINDS[kind](nodes, seed, say)
    found["command"] = "python -m backfence.sim observe %s --nodes %d --seed %d" % (kind, nodes, seed)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("%s-%d-%d.json" % (kind, nodes, seed))
    path.write_text(json.dumps(found) + "\n")
    return path
