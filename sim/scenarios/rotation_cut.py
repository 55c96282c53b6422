"""A thief of the operator's key revokes every door, so that no root comes by them: boxes have it from the controller."""

import math

from ...agent import seeds
from ..thief import Thief

NODES = 24
SEATS = 6
# Until every box has the thief's list; a box that has doubted once may do so again after this, and not after ten minutes.
ROBBED_S = 60
DOUBT_S = 60
ROUNDS_PER_DOUBLING = 2
CHECK_S = 3
# Holders are gone at once, all of them: others look for the ring after five slow rounds without a word of it.
RING_S = 600


def play(lab):
    """Doors take the root from the broker, greet the others in vain, and that makes these ask."""
    usual, seeds.DOUBT_MS = seeds.DOUBT_MS, DOUBT_S * 1000
    try:
        _play(lab)
    finally:
        seeds.DOUBT_MS = usual


def _play(lab):
    world = lab.world
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", SEATS)
    lab.until("ring closed", lab.ring("edge", SEATS), 300)
    doors = [box for box in world.boxes if box.door]
    thief = Thief(lab, world.boxes[-1], sorted(box.node.id for box in doors))
    thief.begin()
    lab.go(ROBBED_S * 1000)
    lab.require("all others have revoked the doors", lambda: _revoked(lab, doors))
    lab.rotate()
    bound_s = 2 * DOUBT_S + ROUNDS_PER_DOUBLING * math.ceil(math.log2(lab.nodes)) + CHECK_S
    lab.measure("bound_s", bound_s)
    lab.measure("rid_s", lab.until("nothing of him is left", thief.left, bound_s))
    lab.operator.push_revocation([thief.box.node.id])
    lab.until("the operator's ring is closed again", lab.ring("edge", SEATS), RING_S)
    lab.require("he has not come back", thief.left)


def _revoked(lab, doors):
    names = [door.node.id for door in doors]
    others = [box.number for box in lab.world.live() if box not in doors and not all(id in box.node.revocation for id in names)]
    return "%d boxes have not: %s" % (len(others), others[:5]) if others else ""
