"""A stolen box is silenced in a rumour's time, and boxes that restart without the list's manifest do not believe it again."""

import math

from .. import seats

NODES = 40
SEATS = 6
# Busy rounds in which all have the list, per doubling of the fleet, and a second to carry it out.
ROUNDS_PER_DOUBLING = 2


def play(lab):
    """The thief holds a seat, speaks with everybody and has work; then the operator's list comes."""
    world = lab.world
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", SEATS)
    lab.until("ring closed", lab.ring("edge", SEATS), 300)
    plain = [box for box in seats.holders(world, "edge").values() if box >= 2]
    thief = world.boxes[plain[0]]
    lab.require("the thief is among the others", lambda: "" if _speakers(lab, thief) else "nobody knows it")
    lab.operator.push_revocation([thief.node.id])
    bound_s = ROUNDS_PER_DOUBLING * math.ceil(math.log2(lab.nodes)) * int(lab.settings["busy_round_ms"]) / 1000 + 1
    lab.measure("bound_s", bound_s)
    lab.measure("silenced_s", lab.until("nobody has keys or links of it", lambda: _alone(lab, thief), bound_s, every_ms=500))
    lab.always("it stays alone", lambda: _alone(lab, thief))
    lab.measure("refilled_s", lab.until("its seat is another's", lambda: _refilled(world, thief), 120))
    before = thief.node.counters["datagrams_out"]
    other = next(box for box in world.live() if box is not thief and not box.door)
    other.crash()
    for name in other.disk.names("blob-"):
        other.disk.remove(name)
    other.start()
    lab.go(180_000)
    after = thief.node.counters["datagrams_out"]
    lab.require("the thief runs, and tries", lambda: "" if after > before else "it is silent by itself")


def _speakers(lab, thief):
    """Numbers of live boxes that have keys of the thief, greet it, or may name or ask it."""
    id = thief.node.id
    out = []
    for box in lab.world.live():
        node = box.node
        contacts = [contact.id for contact in node.membership.contacts]
        places = (node.peers.table, node.peers.hails, node.membership.view, node.membership.doors, contacts, node.ring.near)
        if box is not thief and any(id in place for place in places):
            out.append(box.number)
    return out


def _alone(lab, thief):
    speak = _speakers(lab, thief)
    return "%d boxes have to do with it: %s" % (len(speak), speak[:5]) if speak else ""


def _refilled(world, thief):
    # The thief goes on holding the seat in its own eyes.
    others = [seat for seat, numbers in seats.held(world, "edge").items() if set(numbers) - {thief.number}]
    return "" if len(others) == SEATS else "%d of %d seats are others'" % (len(others), SEATS)
