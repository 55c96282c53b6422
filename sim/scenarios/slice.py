"""A slice fills its seats, closes over two killed ones, and fills them again."""

from .. import checkers

NODES = 30


def play(lab):
    """Half the fleet sits in one ring; two neighbours in it die for good."""
    seats = max(3, lab.nodes // 2)
    lab.always("no box holds two seats", lambda: checkers.slices_disjoint(lab.states()))
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", seats)
    lab.measure("filled_s", lab.until("ring closed", lab.ring("edge", seats), 300))
    lab.go(60_000)
    lab.require("ring stays closed", lab.ring("edge", seats))
    for box in lab.holders("edge")[1:3]:
        box.wanted = False
        box.crash()
    lab.measure("refilled_s", lab.until("ring closed again", lab.ring("edge", seats), 300))
    lab.require("seats unique", lambda: checkers.seats_unique(lab.states()))
    lab.operator.push_slice("edge", seats + 2)
    lab.measure("grown_s", lab.until("ring grown by two", lab.ring("edge", seats + 2), 300))
    lab.operator.push_slice("edge", 3)
    lab.measure("shrunk_s", lab.until("ring shrunk to three", lab.ring("edge", 3), 300))
