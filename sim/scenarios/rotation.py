"""The operator's key is stolen and used all the time; the operator rotates, and a rumour's time later nothing of the thief is left."""

import math

from ..thief import Thief

NODES = 40
SEATS = 6
# What he does before anybody notices.
ROBBED_S = 30
# Busy rounds in which all have the root, per doubling of the fleet, and a few seconds for its check.
ROUNDS_PER_DOUBLING = 2
CHECK_S = 3
# Whom he revoked is greeted by nobody until the others forget that, and tries others ever more rarely.
REVOKED_S = 300


def play(lab):
    """The thief takes over slices, clocks, lots and the list of revoked boxes; then the root key's word comes."""
    world = lab.world
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", SEATS)
    lab.until("ring closed", lab.ring("edge", SEATS), 300)
    thief = Thief(lab, world.boxes[-1])
    thief.begin()
    lab.go(ROBBED_S * 1000)
    robbed = sum(bool(set(thief.left_on(box)) - {"key"}) for box in world.live())
    lab.measure("robbed", robbed)
    lab.require("he has most of the fleet", lambda: "" if robbed > lab.nodes // 2 else "%d boxes" % robbed)
    sleeper = world.boxes[-2]
    sleeper.crash()
    lab.rotate()
    bound_s = ROUNDS_PER_DOUBLING * math.ceil(math.log2(lab.nodes)) * int(lab.settings["busy_round_ms"]) / 1000 + CHECK_S
    lab.measure("bound_s", bound_s)
    unrevoked = lambda: thief.left(revoked=False)
    lab.measure("rid_s", lab.until("nothing of him is left", unrevoked, bound_s, every_ms=500))
    lab.always("and he does not come back", lambda: "" if sleeper.live else unrevoked())
    lab.measure("revoked_s", lab.until("nor on whom he revoked", thief.left, REVOKED_S))
    lab.go(ROBBED_S * 500)
    # His box is enrolled yet, and a liar about its seat; the new key silences it.
    lab.operator.push_revocation([thief.box.node.id])
    lab.until("the operator's ring is closed again", lab.ring("edge", SEATS), 300)
    lab.operator.push_slice("more", SEATS // 2)
    lab.until("and a slice by the new key", lab.ring("more", SEATS // 2), 300)
    sleeper.start()
    lab.measure("sleeper_s", lab.until("who slept is rid of him too", thief.left, 120))
    lab.go(10_000)
    lab.require("he has not come back", thief.left)
    lab.measure("signed_by_thief", len(thief.fleet.digests))
