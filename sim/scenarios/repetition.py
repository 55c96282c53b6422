"""Boxes that lie about their results, each its own way or all alike: what an owner believes of it."""

from .. import cheats, trusting

NODES = 40
RULES = (trusting.PAIR, trusting.ADAPTIVE, trusting.VERIFIED, trusting.CHECKED)
SHARE = 0.3


def play(lab):
    """Three tenths of the holders lie; the same work under several rules, held against the truth."""
    seats = max(8, lab.nodes // 2)
    world = trusting.World(lab, seats)
    for rule in RULES:
        for way in (cheats.ALONE, cheats.TOGETHER):
            found = world.work(rule, 2 * seats, SHARE, way, wait_s=20)
            lab.measure(found.name, found.as_dict())
            lab.require("no more than their seats allow is believed: " + found.name, found.excess)
            lab.require("every task is decided: " + found.name, found.left_open)
