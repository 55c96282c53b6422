"""Records what the agent's own classes do, for validate.py to hold the scale model against."""

import json

from .. import graph
from ..averaging import Averaging
from ..bench import sampling

HEAL = 20
CYCLES = 60


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


KINDS = {"sampling": overlay, "averaging": averaging}


def record(kind, nodes, seed, folder, say):
    """Writes folder/KIND-NODES-SEED.json; its path."""
    found = KINDS[kind](nodes, seed, say)
    found["command"] = "python -m backfence.sim observe %s --nodes %d --seed %d" % (kind, nodes, seed)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("%s-%d-%d.json" % (kind, nodes, seed))
    path.write_text(json.dumps(found) + "\n")
    return path
