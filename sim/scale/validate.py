"""The scale model held against the agent's own classes, by statistical tests over seeds.

The other side is recorded: what the real classes do, taken by `python -m backfence.sim
observe` into observed/.  Overlays and averages are compared here, seats, rumours, rings
and waves in curves.py, by the tests of checks.py.  A model that is wrong on purpose
must fail: each of WRONG, and of those in curves.py, is seen by one of the figures at least.
"""

import json
import pathlib

import numpy as np

from . import checks, curves, newscast, sampling
from .views import RULES

OBSERVED = pathlib.Path(__file__).parent / "observed"
SEEDS = 6
# The model finds a silent box at once, the agent within 3.5 s of its 30 s round:
# so much of a dead share, and so many links, are no difference.
DEAD_PART, DEAD_LEAST = 0.025, 0.0002
# In-degrees: KS over the histogram; their deviation hardly varies from seed to seed.
SD_FLOOR, CLUSTERING_FLOOR = 0.012, 0.0002
FACTOR_FLOOR, FACTOR_CYCLES = 0.003, 12
CLUSTERED = 2_000
# Rounds after which the recorded fleets begin their first epoch: their partners are few as yet.
BEFORE = 10
WRONG = {
    "shuffles of 3 links": RULES._replace(shuffle=3),
    "no healing": RULES._replace(healing=0),
    "one timeout a round": RULES._replace(timeouts=1),
    "no partners": RULES._replace(partners=0),
}


def observed(kind, nodes):
    """List of what was recorded of the real classes at a size; kind: one of observe.KINDS."""
    return [json.loads(path.read_text()) for path in sorted(OBSERVED.glob("%s-%d-*.json" % (kind, nodes)))]


def sizes():
    """The sizes of which there are recordings."""
    return sorted({int(path.stem.split("-")[1]) for path in OBSERVED.glob("*.json")})


def model(nodes, seed, cycles, heal, rules=RULES):
    """What `observe` records, of the model: dict degrees, sd, clustering, heal [(dead share, sd)]."""
    from ..graph import stream

    fleet = sampling.Fleet(nodes, seed, rules=rules)
    for _ in range(cycles):
        fleet.cycle()
    degrees = fleet.in_degrees()
    found = {"degrees": np.bincount(degrees).tolist(), "sd": float(degrees.std()),
             "clustering": float(fleet.graph().clustering(stream(seed), CLUSTERED)), "heal": []}
    fleet.kill(0.5)
    for _ in range(heal):
        fleet.cycle()
        found["heal"].append((fleet.links()[2], float(fleet.in_degrees().std())))
    return found


def factor(nodes, seed):
    """The model's mean variance factor over FACTOR_CYCLES cycles after an epoch's first."""
    fleet = sampling.Fleet(nodes, seed)
    for _ in range(BEFORE):
        fleet.cycle()
    fleet.values[:, 0] = [10_000 if number % 50 == 0 else number % 100 for number in range(nodes)]
    seen = []
    fleet.epoch(lambda: seen.append(float(fleet.values[fleet.live(), 0].var())))
    return (seen[FACTOR_CYCLES] / seen[0]) ** (1 / FACTOR_CYCLES)


def _spread(histogram):
    return np.repeat(np.arange(len(histogram)), histogram)


def compare(real, models):
    """[(figure, held, off, real, model's mean)] of one recording and the models of the same size."""
    rows = []
    same, far, most = checks.same_distribution(_spread(real["degrees"]), _spread(models[0]["degrees"]))
    rows.append(("in-degrees, distance of the distributions (most allowed)", same, far / most, far, most))
    for figure, floor in (("sd", SD_FLOOR), ("clustering", CLUSTERING_FLOOR)):
        values = [row[figure] for row in models]
        held, off = checks.within(real[figure], values, floor)
        rows.append((figure, held, off, real[figure], float(np.mean(values))))
    for cycle, (dead, sd) in enumerate(real["heal"]):
        values = [row["heal"][cycle][0] for row in models]
        held, off = checks.within(dead, values, max(DEAD_PART * np.mean(values), DEAD_LEAST))
        rows.append(("dead share %d cycles after the death of half" % (cycle + 1), held, off, dead, float(np.mean(values))))
    return rows


def sampling_rows(nodes, seeds=SEEDS, wrong=True, say=print):
    """([row of compare], {wrong model: rows that saw it}) at a size that was recorded."""
    real = observed("sampling", nodes)[0]
    cycles, heal = real["cycles"], len(real["heal"])
    models = []
    for seed in range(1, seeds + 1):
        models.append(model(nodes, seed, cycles, heal))
        say("model of %d boxes, seed %d of %d" % (nodes, seed, seeds))
    seen = {}
    for name, rules in WRONG.items() if wrong else ():
        found = [model(nodes, seed, cycles, heal, rules) for seed in range(1, 4)]
        seen[name] = [row[0] for row in compare(real, found) if not row[1]]
        say("%s: %s" % (name, "seen by %d tests" % len(seen[name]) if seen[name] else "NOT SEEN"))
    return compare(real, models), seen


def averaging_rows(nodes, seeds=SEEDS):
    """(rows of compare, {wrong model: rows that saw it}): the variance factor of the real classes and of the model, over seeds."""
    real = [(row["variance"][FACTOR_CYCLES] / row["variance"][0]) ** (1 / FACTOR_CYCLES)
            for row in observed("averaging", nodes)]
    found = []
    for make in (factor, lambda nodes, seed: newscast.timed(nodes, seed, FACTOR_CYCLES)["factor"]):
        mine = [make(nodes, seed) for seed in range(1, seeds + 1)]
        held, off = checks.agree(real, mine, FACTOR_FLOOR)
        found.append(("variance factor per cycle", held, off, float(np.mean(real)), float(np.mean(mine))))
    return found[:1], {"averages over Newscast": [row[0] for row in found[1:] if not row[1]]}


def rows(nodes, seeds=SEEDS, say=print):
    """(rows, {wrong model: figures that saw it}) of all kinds that were recorded at a size."""
    found, seen = [], {}
    makers = {"sampling": lambda: sampling_rows(nodes, seeds, True, say), "averaging": lambda: averaging_rows(nodes, seeds)}
    for kind in [*makers, *curves.KINDS]:
        recordings = observed(kind, nodes)
        if recordings:
            make = makers.get(kind, lambda: curves.rows(kind, recordings, seeds, say))
            rows, wrong = make()
            found += rows
            seen.update(wrong)
            say("%s: compared" % kind)
    return found, seen
