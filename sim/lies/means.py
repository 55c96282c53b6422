"""Means: liars insist on a value of their own in every average but that of the size.

Each way is told through one whole epoch, by all liars, whenever they speak: all that
is averaged as great as the wire takes it, then as small.
"""

from ...agent.averages import VECTOR_MOST
from ...agent.limits import PPM
from ...agent.query import VALUE_MOST
from ..seats import held
from . import Figure
from .colluders import Colluders, mean, poison
from .count import epochs

NAME = "edge"


def measure(lab, share, say):
    """What honest boxes believe of shares, means and a distribution, of which all is known in truth."""
    lab.settings.update(round_ms="1000", busy_round_ms="1000")
    lab.boot_joined(view=min(20, lab.nodes - 1), doors=1, contacts=4)
    lab.world.run_until(5_000)
    lab.operator.push_slice(NAME, max(6, lab.nodes // 5))
    liars = Colluders(lab, share)
    way = [None]
    for box in liars.boxes:
        averages = box.node.aggregate.averages
        poison(averages, lambda averages=averages: _change(averages, way))
    out = []
    for name, top in (("great", True), ("small", False)):
        way[0] = top
        epochs(lab, liars)
        out += _figures(lab, liars, name, say)
    return out


def _figures(lab, liars, name, say):
    size = len(lab.world.boxes)
    up, load, filled = [], [], []
    for box in liars.honest:
        told = box.node.aggregate.report()
        up.append(told["queries"]["availability"]["mean"] / PPM)
        load.append(told["queries"]["load"]["mean"])
        filled.append(told["slices"][NAME]["filled"] / size)
    true = len(held(lab.world, NAME)) / size
    say("means: told %s: %.2f of the time up, a load of %.3g, %.2f of the boxes in seats (%.2f are)" % (
        name, mean(up), mean(load), mean(filled), true))
    return [
        Figure("told %s: share of the time up, mean of all" % name, max(up), "<= 1"),
        Figure("told %s: the least of it" % name, min(up), ">= 0"),
        Figure("told %s: share of the boxes that sit" % name, max(filled), "<= 1"),
        Figure("told %s: the least of it, where %.2f do" % (name, max(6, size // 5) / size), min(filled), ">= 0"),
        Figure("told %s: mean load" % name, max(load), "<= %d" % VALUE_MOST),
    ]


def _change(averages, way):
    for key, numbers in averages.vectors.items():
        averages.vectors[key] = [VECTOR_MOST if way[0] else -VECTOR_MOST] * len(numbers)
    for query in averages.queries.values():
        value = float(VALUE_MOST) if way[0] else -float(VALUE_MOST)
        query.moments = [1.0, value, value * value]
        query.least, query.most = min(value, 0.0), max(value, 0.0)
        for place in range(len(query.shares)):
            query.shares[place] = 0.0 if way[0] else 1.0
