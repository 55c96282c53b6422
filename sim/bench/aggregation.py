"""Averages over the agent's own overlay: how fast, how exact, what a death or a liar does.

One cycle is one round of every box.  The size is compared with the boxes that
were live when the epoch began.
"""

from ..averaging import Averaging
from ..lies.colluders import poison

TITLE = "aggregation on the agent's own overlay, c = 20"

PAPER = "TOCS 2005 figures with PeerSim's classes"
# Variance factor at a loss: Newscast 30, 10^5 nodes; without loss Newscast 20.
FACTORS = ((0.0, 0.354), (0.01, 0.321), (0.05, 0.350), (0.10, 0.389), (0.20, 0.464))
FACTOR_CYCLES = 12
CHURN = 0.01


def rows(nodes, seed, say):
    """Variance factors, COUNT under churn and loss, mass, and a liar's pull."""
    out = []
    for loss, reference in FACTORS:
        # At large sizes only the losses that are asked for: each is a world of its own.
        if nodes > 2_000 and loss not in (0.0, 0.05, 0.20):
            continue
        out += _factor(nodes, seed, loss, reference, say)
    out += _churn(nodes, seed, say)
    out += _liar(min(nodes, 1_000), seed, say)
    return out


def _row(nodes, figure, ours, reference=None, aim=None):
    return {"figure": figure, "nodes": nodes, "ours": ours, "reference": reference,
            "reference_of": PAPER if reference else "", "aim": aim}


def _world(nodes, seed, **settings):
    # One box in fifty has nearly all: the mean is hard to find.
    return Averaging(nodes, seed, lambda number: 10_000 if number % 50 == 0 else number % 100, **settings)


def _factor(nodes, seed, loss, reference, say):
    world = _world(nodes, seed, loss=loss)
    world.until_epoch(1, say)
    world.cycle()
    begun = world.variance(1)
    for _ in range(FACTOR_CYCLES):
        world.cycle()
    factor = (world.variance(1) / begun) ** (1 / FACTOR_CYCLES)
    name = "at %g %% loss" % (100 * loss) if loss else "without loss"
    say("factor %s: %.3f" % (name, factor))
    out = [_row(nodes, "variance factor per cycle " + name, round(factor, 4), reference, None if loss else "<= 0.32")]
    if loss not in (0.0, 0.20):
        return out
    world.until_complete(1, say)
    mean, least, most = world.counts(1)
    aim = "<= 10" if loss else "<= 0.1"
    out.append(_row(nodes, "COUNT %s, worst box off by, %%" % name, round(100 * max(most - 1, 1 - least), 3), None, aim))
    lost = max(abs(mass - 1) for mass in world.masses(1))
    return out + [_row(nodes, "mass lost %s, worst cell, parts per million" % name, round(1e6 * lost, 3), None, "<= 100")]


def _churn(nodes, seed, say):
    world = _world(nodes, seed, churn=CHURN, cycles=130)
    means = []
    worst = 0.0
    epochs = (1, 2, 3) if nodes <= 2_000 else (1,)
    for epoch in epochs:
        world.until_complete(epoch, say)
        mean, least, most = world.counts(epoch)
        means.append(mean)
        worst = max(worst, most - 1, 1 - least)
    name = "COUNT at 1 % replaced per cycle"
    return [
        _row(nodes, name + ", mean of the epochs, % of the size", round(100 * sum(means) / len(means), 2), 98.879, None),
        _row(nodes, name + ", mean off by, %", round(100 * abs(1 - sum(means) / len(means)), 2), 1.121, "<= 2"),
        _row(nodes, name + ", worst box and epoch off by, %", round(100 * worst, 2), 4.452, "<= 4"),
    ]


def _liar(nodes, seed, say):
    """One box that always says 0 of the size and 1 of a share: what the fleet then believes."""
    world = _world(nodes, seed)
    world.until_epoch(1)
    liar = world.taking_part(1)[0].aggregate.averages

    def deceive():
        liar.sizes.cells = {key: 0.0 for key in liar.sizes.cells}
        query = world.query(world.world.boxes[0].node)
        query.moments[0] = 2.0

    poison(liar, deceive)
    world.until_complete(1, say)
    honest = [number for number in world.sizes[1] if number]
    size = sum(world.sizes[1][number] for number in honest) / len(honest)
    share = sum(world.query(world.world.boxes[number].node).result.match for number in honest) / len(honest)
    return [
        _row(nodes, "one liar of %d: size believed, %% of the truth" % nodes, round(100 * size / world.begun[1], 1)),
        _row(nodes, "one liar of %d: a share of 100 %% becomes, %%" % nodes, round(100 * share, 1)),
    ]
