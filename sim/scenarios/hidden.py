"""Six boxes of ten are behind NATs, shared and symmetric ones too: all seats are filled and kept, also when a porter dies."""

import collections

from .. import seats

NODES = 40
SHARE = 0.6
# Boxes that are not needed, so that a dead one's seat is filled again.
SPARE = 2
STEADY_MS = 120_000
CURVE_S = (2, 4, 6, 8, 12, 16, 24)


def play(lab):
    """Most boxes are hidden."""
    part(lab, SHARE)


def part(lab, share):
    """A share of the boxes is hidden; a slice of nearly all of them fills, stands, and loses a porter."""
    lab.wildcard = True
    lab.boot(doors=1, contacts=2)
    hidden = hide(lab.world.boxes, round(lab.nodes * share))
    lab.until("overlay connected", lab.connected, 60)
    wanted = lab.nodes - SPARE
    lab.operator.push_slice("edge", wanted)
    pushed_ms, curve = lab.world.now_ms, {}

    def vacant():
        taken = len(seats.held(lab.world, "edge"))
        passed_s = (lab.world.now_ms - pushed_ms) // 1000
        curve.update({mark: taken for mark in CURVE_S if mark <= passed_s and mark not in curve})
        return lab.ring("edge", wanted)()

    lab.measure("filled_s", lab.until("every seat is filled", vacant, 60, every_ms=1000))
    lab.measure("seats_after_s", {**{mark: wanted for mark in CURVE_S}, **curve})
    stand(lab, hidden)
    lose_a_porter(lab, hidden, wanted)


def hide(boxes, count):
    """Puts the last `count` boxes behind NATs: every third is symmetric, of four two share one."""
    hidden = boxes[-count:]
    for index, box in enumerate(hidden):
        box.reachable = False
        box.symmetric = index % 3 == 0
        box.nat = index // 4 if index % 4 < 2 else None
    return hidden


def stand(lab, hidden):
    """Nobody is found dead while nothing happens; what that costs is measured."""
    lab.go(30_000)
    before, deaths = _bytes(lab.world.boxes), _deaths(lab)
    held, forwards = seats.holders(lab.world, "edge"), lab.counters().get("forwards", 0)
    lab.go(STEADY_MS)
    lab.require("nobody is taken for dead", lambda: _found(_deaths(lab) - deaths))
    lab.require("all keep their seats", lambda: "" if seats.holders(lab.world, "edge") == held else "seats changed")
    after = _bytes(lab.world.boxes)
    spent = {box: (after[box] - before[box]) * 1000 // STEADY_MS for box in after}
    most = {name: max(spent[box] for box in spent if (box in hidden) == side) for name, side in (("hidden", True), ("open", False))}
    lab.measure("bytes_per_s_most", most)
    lab.measure("forwards_per_s", round((lab.counters().get("forwards", 0) - forwards) * 1000 / STEADY_MS, 1))


def lose_a_porter(lab, hidden, wanted):
    """The box dies that most keep as their porter: they keep their seats, and its own is filled again."""
    porters = collections.Counter(box.node.porter.id for box in hidden if box.node.porter.way)
    lab.measure("most_at_one_porter", max(porters.values()))
    # Doors and contacts stay.
    victim = max(lab.world.boxes[2:], key=lambda box: porters[box.node.id])
    held = seats.holders(lab.world, "edge")
    victim.wanted = False
    victim.crash()
    lab.measure("refilled_s", lab.until("the ring is whole again", lab.ring("edge", wanted), 60))
    lab.go(30_000)
    lab.require("the others kept their seats", lambda: _moved(lab, held, victim))
    lab.until("the ring is whole still", lab.ring("edge", wanted), 10)


def _moved(lab, held, victim):
    now = seats.holders(lab.world, "edge")
    moved = [seat for seat in held if held[seat] != victim.number and now.get(seat) != held[seat]]
    return "other boxes sit in the seats %s" % moved if moved else ""


def _bytes(boxes):
    """{box: bytes of UDP payload in and out so far}"""
    return {box: box.node.counters["bytes_in"] + box.node.counters["bytes_out"] for box in boxes}


def _deaths(lab):
    return lab.counters().get("ring_deaths", 0)


def _found(count):
    return "%d times a holder was found dead" % count if count else ""
