"""Vacancies: liars who sit grant none of the vacancies behind them, as a ring fills."""

from .. import seats
from . import Figure
from .colluders import Colluders

NAME = "edge"
FILLING_S = 180


def measure(lab, share, say):
    """Seats that stay vacant, of those that an honest holder answers for and of all."""
    count = max(6, lab.nodes // 3)
    liars = Colluders.of_fresh(lab, share)
    for box in liars.boxes:
        box.node.ring.grants.fill = lambda: None
    lab.operator.push_slice(NAME, count)
    lab.world.run_for(FILLING_S * 1_000)
    held = sorted(seats.holders(lab.world, NAME).items())
    vacant, honest = count - len(held), 0
    for place, (seat, number) in enumerate(held):
        after = held[(place + 1) % len(held)][0]
        if not lab.world.boxes[number].liar:
            honest += (after - seat - 1) % count
    say("vacancies: %d of %d seats are vacant, %d of them behind honest holders" % (vacant, count, honest))
    return [
        Figure("seats vacant behind honest holders", honest, "<= 0"),
        Figure("seats vacant, %", 100 * vacant / count),
    ]
