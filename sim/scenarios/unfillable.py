"""A slice that cannot be filled stands as far as it can, and its holders know how many seats it lacks."""

from .. import seats

NODES = 30
WANTED = 20
MATCHING = 8


def play(lab):
    """Eight boxes match a slice of twenty; later more do."""
    world = lab.world
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    for box in world.boxes:
        box.node.attributes["mem_free"] = (64 if box.number % 3 == 1 and box.number < 3 * MATCHING else 16) << 20
    lab.operator.push_slice("edge", WANTED, where="mem_free >= 32 MiB")
    few = lambda: "" if len(seats.held(world, "edge")) == MATCHING else "%d sit" % len(seats.held(world, "edge"))
    lab.measure("stands_s", lab.until("all who match sit", few, 60))

    def lacking():
        lack = seats.vacancies(world, "edge")
        return "" if lack == WANTED - MATCHING else "the holders miss %d seats" % lack

    lab.until("the holders know what is lacking", lacking, 30)

    def counted():
        wrong = [box.number for box in world.boxes if not _counts(box.node)]
        return "%d boxes do not know it" % len(wrong) if wrong else ""

    lab.measure("counted_s", lab.until("every box knows what is lacking", counted, 600))
    for box in world.boxes:
        box.node.attributes["mem_free"] = 64 << 20
    lab.measure("filled_s", lab.until("filled once more boxes match", lab.ring("edge", WANTED), 600))


def _counts(node):
    slice = node.slicing.by_name("edge")
    return slice is not None and node.aggregate.filled(slice.manifest) == (MATCHING, MATCHING)
