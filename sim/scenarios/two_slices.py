"""Slices that want more boxes than there are divide them by the seats they want, and nobody changes sides."""

from .. import checkers, seats

NODES = 30
# Wanted seats, in tenths of the fleet: one and a half times as many as there are.
WANTED = {"big": 9, "middle": 4, "small": 2}
# Boxes by which a slice may differ from its part: three times the root of a drawn sum.
TOLERANCE = 8


def play(lab):
    """Three slices at once; a quiet minute; one ends, and the others take its boxes."""
    world = lab.world
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.always("no box holds two seats", lambda: checkers.slices_disjoint(lab.states()))
    for name, tenths in WANTED.items():
        lab.operator.push_slice(name, tenths * lab.nodes // 10)

    def filled():
        return {name: len(seats.held(world, name)) for name in WANTED}

    def all_sit():
        idle = lab.nodes - sum(filled().values())
        return "%d boxes are free" % idle if idle else ""

    lab.measure("filled_s", lab.until("every box sits", all_sit, 120))
    lab.measure("filled", filled())
    total = sum(WANTED.values())
    unfair = [
        "%s has %d of %d" % (name, count, lab.nodes) for name, count in filled().items()
        if abs(count - lab.nodes * WANTED[name] / total) > TOLERANCE
    ]
    lab.require("in proportion", lambda: ", ".join(unfair))
    lab.always("nobody changes sides", seats.Sitting(world, "big", "middle"))
    lab.go(60_000)
    lab.require("every box sits still", all_sit)
    lab.operator.end("slice-small")
    lab.measure("taken_over_s", lab.until("the others have its boxes", lambda: all_sit() or (
        "small has holders" if seats.held(world, "small") else ""), 60))
