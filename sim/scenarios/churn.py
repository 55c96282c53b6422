"""Boxes that crash and return all the time do not tear the overlay, and leave no dead links."""

NODES = 40


def play(lab):
    """Three minutes of crashes at a quarter of the fleet; then some boxes stay away for good."""
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", 3)
    lab.storm(crash=1.0, disk_full=0.0, partition=0.0, broker=0.0, loss=0.02, duplicate=0.02, reorder=0.02)
    lab.go(180_000)
    lab.heal()
    gone = [box for box in lab.world.boxes[2:] if box.number % 5 == 0]
    for box in gone:
        box.wanted = False
        box.crash()
    lab.measure("connected_s", lab.until("overlay connected after the storm", lab.connected, 120))
    lab.measure("informed_s", lab.until("manifest everywhere", lab.informed, 300))
    lab.measure("ring_s", lab.until("ring closed", lab.ring("edge", 3), 600))
    lab.measure("no_dead_s", lab.until("views hold no dead", lab.clean, 3_600, every_ms=10_000))
