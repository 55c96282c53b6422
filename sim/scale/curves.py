"""Curves of the scale model held against recordings of the agent's own classes: seats, rumours, rings, waves.

A recording and a model give the same figures; those of the recordings of one size are
compared with the model's over seeds (checks.agree: Welch's t, SIGMAS deviations, with a
least deviation that is stated here).  Each kind has models that are wrong on purpose:
one of their figures at least must be seen to differ.
"""

from collections import namedtuple

import numpy as np

from ...agent.limits import BLOB_BYTES
from . import checks, chunks, waves

# figures(recording): {name: number}.  model(recording, seed, **wrong): the same of the model.
# floor: the least deviation of each figure.  wrong: {what is wrong: arguments of the model}.
Kind = namedtuple("Kind", ["figures", "model", "floor", "wrong"])
RUMOUR_QUANTILES = (0.02, 0.1, 0.5, 0.9, 0.98)
RING_CYCLES = 6
# Seconds, and images.
IMAGE_FLOOR = 0.8
IMAGE_QUANTILES = (0.1, 0.5, 0.9, 0.98)
ROLLOUT_STEP_S, ROLLOUT_END_S = 75, 1_500


def _seats(filled, look_s):
    from .filling import when

    names = ("s to the first seat", "s from the first to half of the seats", "s to 90 %", "s to all seats")
    return dict(zip(names, when(filled, look_s)))


def _model_seats(real, seed, **wrong):
    from .filling import Filling

    look_s = real["look_ms"] / 1_000
    return _seats(Filling(real["nodes"], seed, real["seats"], **wrong).go(look_s), look_s)


def _heard(ms, told):
    found = {"ms until %g %% have a manifest" % (100 * share): float(np.quantile(ms, share)) for share in RUMOUR_QUANTILES}
    return dict(found, **{"tens of announcements a box": 10 * told})


def _model_rumour(real, seed, **wrong):
    from .spreading import TICK_MS, Rumour

    spread = Rumour(real["nodes"], seed, round_s=real["round_ms"] / 1_000, idle_s=60.0, **wrong)
    spread.go()
    return _heard(spread.has * TICK_MS, spread.told / real["nodes"])


def _links(right):
    right = list(right) + [1.0] * RING_CYCLES
    return {"right links after cycle %d" % (cycle + 1): right[cycle] for cycle in range(RING_CYCLES)}


def _model_ring(real, seed, **wrong):
    from .holders import Agents

    ring, right = Agents(real["nodes"], seed, **wrong), []
    for _ in range(RING_CYCLES):
        ring.cycle()
        right.append(ring.right())
    return _links(right)


def _gone(gone):
    """Of waves' times (arrays, sorted): the share that has gone by every ROLLOUT_STEP_S."""
    return {"wave %d: share gone after %d s" % (wave, at): float(np.searchsorted(times, at, side="right") / len(times))
            for wave, times in enumerate(gone) if wave
            for at in range(4 * (wave + 1) * ROLLOUT_STEP_S, ROLLOUT_END_S, 2 * ROLLOUT_STEP_S)}


def _model_rollout(real, seed, **wrong):
    given = [(wave["boxes"], wave["fails"]) for wave in real["waves"]], real["waves"][0]["started"]
    found = waves.rollout(real["nodes"], seed, real["shares"], real["polled"], real["need"], real["soak_s"],
                          fetch_s=real["fetch_s"], most_s=ROLLOUT_END_S, round_s=real["round_s"], given=given, **wrong)
    return _gone([np.sort(times) for times in found["gone"]])


def _arrived(seconds, doors):
    found = {"s until %g %% have an image" % (100 * share): float(np.quantile(seconds, share)) for share in IMAGE_QUANTILES}
    return dict(found, **{"images that the doors upload": doors})


def _image(real):
    # Of what a line carries a part is the questions for chunks, and what is around them.
    return _arrived(real["s"], real["doors_up"] * BLOB_BYTES / (chunks.part_s(real["uplink"]) * real["uplink"]))


def _model_image(real, seed, **wrong):
    swarm = chunks.Swarm(real["nodes"], chunks.parts_of(real["bytes"]), seed, real["doors"], real["uplink"], **wrong)
    return _arrived(swarm.go(), float(swarm.uploads[: real["doors"]].sum()) / swarm.parts)


KINDS = {
    "filling": Kind(lambda real: _seats(real["filled"], real["look_ms"] / 1_000), _model_seats, 0.2, {
        "the next seat in place of the middle one": {"part": 1 << 30},
        "a pause after half of the grants": {"overtakes": 0.5},
        "a pause after each grant": {"overtakes": 1.0}}),
    "rumour": Kind(lambda real: _heard(real["ms"], real["told"]), _model_rumour, 12.0, {
        "four are told in place of sixteen": {"fanout": 4}}),
    "ring": Kind(lambda real: _links(real["right"]), _model_ring, 0.008, {
        "no word of seats by gossip": {"news": 0},
        "two neighbours on a side": {"side": 2}}),
    "rollout": Kind(lambda real: _gone([wave["gone"] for wave in real["waves"]]), _model_rollout, 0.03, {
        "a minute of trial before the soak": {"trial_s": 60.0},
        "the same are polled for eight polls": {"steady": True},
        "half as many polls": {"part": waves.rule.SOAK_PART / 2}}),
    "image": Kind(_image, _model_image, IMAGE_FLOOR, {
        "one part lent at once": {"lent": 1},
        "a pause of a second after who has nothing": {"pause_ms": 1_000}}),
}


def compare(kind, recordings, models):
    """[(figure, held, off, real, model)] as validate.compare gives them."""
    spec, rows = KINDS[kind], []
    seen = [spec.figures(real) for real in recordings]
    for figure in seen[0]:
        real, mine = [row[figure] for row in seen], [row[figure] for row in models]
        held, off = checks.agree(real, mine, spec.floor)
        rows.append(("%s: %s" % (kind, figure), held, off, float(np.mean(real)), float(np.mean(mine))))
    return rows


def rows(kind, recordings, seeds, say, wrong=True):
    """([row of compare], {wrong model: rows that saw it}); each recording is modelled with `seeds` seeds."""
    spec = KINDS[kind]

    def models(**changed):
        return [spec.model(real, 1_000 * number + seed, **changed)
                for number, real in enumerate(recordings, 1) for seed in range(1, seeds + 1)]

    found = compare(kind, recordings, models())
    say("%s: %d recordings of %d boxes" % (kind, len(recordings), recordings[0]["nodes"]))
    seen = {}
    for name, changed in spec.wrong.items() if wrong else ():
        seen["%s: %s" % (kind, name)] = [row[0] for row in compare(kind, recordings, models(**changed)) if not row[1]]
    return found, seen
