"""The top of a fleet by an attribute sits, and goes only when it is clearly not the top any more."""

from .. import seats

NODES = 20
SEATS = 3


def play(lab):
    """A slice of the top 20 % by free memory; some of its holders lose theirs."""
    world = lab.world
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    for box in world.boxes:
        box.node.attributes["mem_free"] = (16 + 7 * box.number % lab.nodes) << 20
    order = sorted(world.boxes, key=lambda box: -box.node.attributes["mem_free"])
    top = {box.number for box in order[: lab.nodes // 5]}
    lab.operator.push_slice("best", SEATS, where="top 20 % by mem_free")
    lab.measure("filled_s", lab.until("ring closed", lab.ring("best", SEATS), 600))
    sit = lambda: set(seats.holders(world, "best").values())
    lab.require("only the top sits", lambda: "" if sit() <= top else "boxes %s sit" % sorted(sit() - top))
    first = sit()
    lab.go(60_000)
    lab.require("they stay", lambda: "" if sit() == first else "boxes %s went" % sorted(first - sit()))
    fallen = sorted(first)[:2]
    for number in fallen:
        world.boxes[number].node.attributes["mem_free"] = 1 << 20
    # Ranks are those of the last complete epoch; a manifest lets one begin at once.
    lab.operator.push_slice("best", SEATS, where="top 20 % by mem_free")
    gone = lambda: "boxes %s sit" % sorted(sit() & set(fallen)) if sit() & set(fallen) else ""
    lab.measure("left_s", lab.until("who fell leaves", gone, 600, every_ms=5_000))
    lab.measure("refilled_s", lab.until("others sit", lab.ring("best", SEATS), 600, every_ms=5_000))
