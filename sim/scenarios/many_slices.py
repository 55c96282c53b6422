"""A dozen slices at once fill their seats from one fleet, and no box sits in two."""

from .. import checkers

NODES = 40
SLICES = 12


def play(lab):
    """Twelve slices of one to three seats take at most the fleet; then half of them end."""
    seats = {"s%d" % i: 1 + i % 3 for i in range(SLICES)}
    while sum(seats.values()) > lab.nodes - 2:
        seats.popitem()
    lab.always("no box holds two seats", lambda: checkers.slices_disjoint(lab.states()))
    lab.boot(doors=2, contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    for name in sorted(seats):
        lab.operator.push_slice(name, seats[name])
    lab.measure("informed_s", lab.until("manifests everywhere", lab.informed, 300))
    lab.measure("filled_s", lab.until("every ring closed", lambda: _open(lab, seats), 900))
    ended = sorted(seats)[::2]
    for name in ended:
        lab.operator.end("slice-" + name)
    gone = lambda: "seats of %s" % ended if any(lab.holders(name) for name in ended) else ""
    lab.measure("left_s", lab.until("the seats of ended slices are left", gone, 300))
    stay = {name: seats[name] for name in seats if name not in ended}
    lab.measure("settled_s", lab.until("the other rings are closed", lambda: _open(lab, stay), 120))
    lab.go(300_000)
    lab.require("the other rings stay closed", lambda: _open(lab, stay))


def _open(lab, seats):
    for name in sorted(seats):
        problem = checkers.ring_closed(lab.states(), name, seats[name])
        if problem:
            return problem
    return ""
