"""Holders die and return while every fifth datagram is lost; no seat is held twice for longer than a suspicion."""

from .. import faults, seats

NODES = 24
SEATS = 14
# Eight probes of a second, and a look.
SUSPICION_MS = 10_000


def play(lab):
    """A minute of loss, with a holder killed every five seconds; then calm."""
    world = lab.world
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", SEATS)
    lab.until("ring closed", lab.ring("edge", SEATS), 120)
    watch = seats.Duplicates(world, "edge", SUSPICION_MS)
    lab.always("no seat is held twice for long", watch)
    world.network.faults = faults.Faults(loss=0.2)
    rng = world.stream("victims")
    for _ in range(12):
        lab.go(5_000)
        box = world.boxes[rng.choice(sorted(seats.holders(world, "edge").values()))]
        box.crash()
        world.after(15_000, _again, box)
    world.network.faults = faults.CALM
    lab.measure("closed_s", lab.until("ring closed again", lab.ring("edge", SEATS), 120))
    counters = lab.counters()
    lab.measure("duplicates", watch.count)
    lab.measure("longest_duplicate_ms", watch.longest_ms)
    lab.measure("grants", counters["grants_made"])


def _again(box):
    if not box.live:
        box.start()
