"""A tenant who pushes what he likes has what his quota allows on every box, and less when the operator says so."""

import math

from ..tenant import Tenant

NODES = 40
SEATS = 6
OWN = 3
# Slices that he pushes beyond his quota, each within it for itself.
EXCESS = 14
QUOTA = {"slices": 1, "seats": SEATS, "workloads": 1, "tasks": 10, "fuel": 10**9, "pages": 16, "output": 1000}
# Busy rounds in which all have the delegation, per doubling of the fleet, and a few seconds for its check.
ROUNDS_PER_DOUBLING = 2
CHECK_S = 3


def play(lab):
    """His slice fills, his excess never does, the operator's work goes on; then his quota is halved, and he is out."""
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    tenant = Tenant(lab, "acme")
    lab.operator.push_slice("edge", OWN)
    # His word is at the broker before the one that lets it count.
    tenant.push_slice("main", SEATS, valid_s=1_000_000)
    lab.go(10_000)
    tenant.delegate(**QUOTA)
    lab.until("his ring closed", lab.ring("acme/main", SEATS), 300)
    lab.until("the operator's ring closed", lab.ring("edge", OWN), 300)
    lab.always("no seats but his quota's", lambda: _beyond(lab))
    for number in range(EXCESS):
        tenant.push_slice("more-%d" % number, 1 + number % SEATS, valid_s=1_000_000)
        lab.go(3_000)
    lab.go(60_000)
    said = [payload for _, payload in lab.operator.refusals if b"beyond the tenant's quota" in payload]
    lab.require("doors say why", lambda: "" if len(said) >= EXCESS else "%d refusals" % len(said))
    lab.require("he still has his slice", lab.ring("acme/main", SEATS))
    tenant.delegate(**{**QUOTA, "seats": SEATS // 2})
    bound_s = ROUNDS_PER_DOUBLING * math.ceil(math.log2(lab.nodes)) * int(lab.settings["busy_round_ms"]) / 1000 + CHECK_S
    lab.measure("bound_s", bound_s)
    lab.measure("stopped_s", lab.until("nobody holds his seats or his manifest", lambda: _left(lab), bound_s, every_ms=500))
    lab.always("they stay free", lambda: _left(lab))
    tenant.push_slice("main", SEATS // 2, valid_s=1_000_000)
    lab.until("what fits fills", lab.ring("acme/main", SEATS // 2), 300)
    lab.require("the operator's ring is whole", lab.ring("edge", OWN))


def _seats(lab):
    """How many live boxes sit in a slice of the tenant's."""
    rings = [box.node.ring for box in lab.world.live()]
    return [ring.manifest.name for ring in rings if ring.seat is not None and "/" in ring.manifest.name]


def _beyond(lab):
    names = _seats(lab)
    other = [name for name in names if name != "acme/main"]
    # Two boxes may hold one seat until they hear of each other.
    return "seats of %s" % other if other else "" if len(names) <= 2 * SEATS else "%d seats" % len(names)


def _left(lab):
    full = [
        box.number for box in lab.world.live()
        for manifest in box.node.rumours.of_kind("slice")
        if manifest.name == "acme/main" and manifest.fields["seats"] == SEATS
    ]
    return "%d boxes have it: %s" % (len(full), full[:5]) if full else ""
