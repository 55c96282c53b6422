"""Ordered slicing: how many slices of a hundred a box is off, cycle by cycle.

Each box takes its rank from the distribution as it knows it so far: the present
averages during the first epoch, then the last complete epoch's.
"""

import random

from ..averaging import Averaging

TITLE = "rank of each box by an attribute, 100 slices (SDM per box)"
SLICES = 100
# cycle: (ordering, ranking) of the published systems at 10^4 nodes, Newscast 20.
REFERENCE = {0: (33.2, 33.2), 10: (1.14, 3.22), 20: (0.578, 2.51), 40: (0.327, 1.83), 100: (0.209, 1.17), 200: (0.183, 0.815)}
ORDERING = "ordering (JK), Newscast 20, 10^4"
RANKING = "ranking, 22 samples a cycle, Newscast 20, 10^4"
# It starts like the first and ends below both.
AIMS = {100: "<= 0.209", 200: "<= 0.183"}


def rows(nodes, seed, say):
    """SDM at the published cycles."""
    rng = random.Random("rank/%d" % seed)
    values = [int(rng.lognormvariate(8.0, 1.0) * 1000) for _ in range(nodes)]
    order = sorted(range(nodes), key=lambda number: (values[number], number))
    right = {number: place * SLICES // nodes for place, number in enumerate(order)}
    world = Averaging(nodes, seed, lambda number: values[number])
    # Cycle 0 is the last before any box averages.
    while not world.taking_part(1):
        world.cycle()
    out = []
    for cycle in range(max(REFERENCE) + 1):
        if cycle in REFERENCE:
            measure = _disorder(world, right)
            say("cycle %d: %.3f" % (cycle, measure))
            for reference, source, aim in zip(REFERENCE[cycle], (ORDERING, RANKING), (AIMS.get(cycle), None)):
                out.append({
                    "figure": "slices off per box at cycle %d" % cycle, "nodes": nodes, "ours": round(measure, 3),
                    "reference": reference, "reference_of": source, "aim": aim})
        world.cycle()
    return out


def _disorder(world, right):
    """Mean distance of the slice a box believes to be in from the one it is in."""
    off = 0.0
    for box in world.world.live():
        query = world.query(box.node)
        found = query.result or (query.present(1, 0) if query.rank else None)
        rank = query.fraction_in(found, box.node.id) if found else None
        # Who knows nothing yet believes to be in the first slice's place by lot.
        believed = min(SLICES - 1, int(rank * SLICES)) if rank is not None else box.number % SLICES
        off += abs(believed - right[box.number])
    return off / len(right)
