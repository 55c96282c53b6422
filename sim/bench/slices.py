"""Slices: rounds to fill, with common and with rare predicates; growing, shrinking, merging, splitting."""

import math

from .. import checkers, seats
from ..lab import Lab

TITLE = "Slices: rounds to fill, to reshape, and how fairly"

ROUND_MS = 1000
# A 1 % predicate without and with offers that gossip carries (modelled at 10^4).
SEARCHED_ROUNDS = 245
OFFERED_ROUNDS = 13
# The fleet's memory, by which the rare predicate tells boxes apart.
MANY, FEW = 64 << 20, 16 << 20
LIMIT_S = 240
NODES = (1_000,)


def rows(nodes, seed, say):
    """Rounds are busy rounds of a second, from the push at the door."""
    out = []
    for share in (10, 50):
        lab = _lab("common-%d" % share, nodes, seed)
        took = _fill(lab, nodes * share // 100, None)
        say("%d %% of the fleet wanted: filled in %d rounds" % (share, took))
        out.append(_row(nodes, "rounds to fill %d %% of the fleet" % share, took,
                        aim="<= %d" % (3 * math.log2(nodes))))
        if share == 10:
            out += _reshape(lab, nodes * share // 100, say)
    lab = _lab("rare", nodes, seed)
    rng = lab.world.stream("matching")
    matching = set(rng.sample(range(nodes), nodes // 100))
    for box in lab.world.boxes:
        box.node.attributes["mem_free"] = MANY if box.number in matching else FEW
    wanted = max(1, 9 * len(matching) // 10)
    took = _fill(lab, wanted, "mem_free >= 32 MiB")
    say("%d of %d matching boxes wanted: filled in %d rounds" % (wanted, len(matching), took))
    out.append(_row(nodes, "rounds to fill, 1 % match, 90 % of them wanted", took, SEARCHED_ROUNDS,
                    "seats that search, in place of boxes that offer themselves", "<= %d" % (2 * OFFERED_ROUNDS)))
    out += _contended(nodes, seed, say)
    return out


def _row(nodes, figure, ours, reference=None, source="", aim=None):
    return {"figure": figure, "nodes": nodes, "ours": ours, "reference": reference, "reference_of": source, "aim": aim}


def _lab(name, nodes, seed):
    lab = Lab("bench-slices-" + name, nodes, seed, speech="plain")
    lab.boot_joined(doors=1, spread_ms=3 * ROUND_MS)
    lab.go(8 * ROUND_MS)
    return lab


def _until(lab, condition):
    """Rounds until condition() holds."""
    begun = lab.world.now_ms
    while not condition() and lab.world.now_ms - begun < LIMIT_S * 1000:
        lab.go(ROUND_MS)
    return (lab.world.now_ms - begun) // ROUND_MS


def _closed(lab, name, size):
    return not checkers.ring_closed(lab.states(), name, size)


def _fill(lab, wanted, where):
    lab.operator.push_slice("edge", wanted, where)
    return _until(lab, lambda: len(seats.held(lab.world, "edge")) == wanted and _closed(lab, "edge", wanted))


def _reshape(lab, size, say):
    out = []

    def step(figure, condition):
        took = _until(lab, condition)
        say("%s: %d rounds" % (figure, took))
        out.append(_row(lab.nodes, "rounds to " + figure, took, aim="<= 30"))

    operator = lab.operator
    operator.push_slice("edge", size * 3 // 2)
    step("grow by a half", lambda: _closed(lab, "edge", size * 3 // 2))
    operator.push_slice("edge", size)
    step("shrink again", lambda: _closed(lab, "edge", size))
    operator.push_slice("other", size)
    _until(lab, lambda: _closed(lab, "other", size))
    operator.push_slice("edge", 2 * size, absorbs=[["other", size, size]])
    step("merge two rings", lambda: _closed(lab, "edge", 2 * size))
    operator.push_slice("part", size, origin=["edge", size])
    operator.push_slice("edge", size)
    step("split it again", lambda: _closed(lab, "edge", size) and _closed(lab, "part", size))
    operator.end("slice-part")
    step("free the boxes of one that is ended", lambda: not seats.held(lab.world, "part"))
    return out


def _contended(nodes, seed, say):
    """Three slices that want one and a half times the fleet, in parts 9 : 4 : 2."""
    lab = _lab("contended", nodes, seed)
    wanted = {"big": 9, "middle": 4, "small": 2}
    for name, tenths in wanted.items():
        lab.operator.push_slice(name, tenths * nodes // 10)
    took = _until(lab, lambda: sum(len(seats.held(lab.world, name)) for name in wanted) >= nodes * 99 // 100)
    counts = {name: len(seats.held(lab.world, name)) for name in wanted}
    worst = max(abs(count - nodes * wanted[name] / 15) for name, count in counts.items())
    say("contended: %s after %d rounds" % (counts, took))
    return [
        _row(nodes, "rounds until 99 % sit, three slices that want 150 % of the fleet", took, aim="<= 60"),
        _row(nodes, "furthest from its part of the fleet, %", round(100 * worst / nodes, 2), aim="<= 5"),
    ]
