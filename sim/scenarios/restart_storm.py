"""Boxes that restart again and again, with the disk kept, torn or lost, lose neither the manifests nor the ring."""

from ..box import KEPT, LOST, TORN

NODES = 20
SEATS = 5
TIMES = 6


def play(lab):
    """Six times a third of the boxes goes at once and is back within seconds; the ring is whole after it."""
    lab.boot(doors=2, contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", SEATS)
    lab.until("ring closed", lab.ring("edge", SEATS), 300)
    rng = lab.world.stream("restarts")
    for _ in range(TIMES):
        for box in rng.sample(lab.world.live(), lab.nodes // 3):
            box.crash(rng.choice((KEPT, TORN, LOST)))
            lab.world.after(rng.randrange(500, 5_000), box.start)
        lab.go(15_000)
    lab.measure("connected_s", lab.until("overlay connected", lab.connected, 120))
    lab.measure("informed_s", lab.until("manifest everywhere", lab.informed, 300))
    lab.measure("ring_s", lab.until("one closed ring", lab.ring("edge", SEATS), 600))
    lab.go(60_000)
    lab.require("ring stays closed", lab.ring("edge", SEATS))
