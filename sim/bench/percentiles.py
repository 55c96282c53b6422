"""The distribution of an attribute, as every box comes to know it.

The error is taken over the attribute's whole range, as Adam2's authors do, and
beside it over the boxes' own values.
"""

import bisect
import random

from ..averaging import Averaging

TITLE = "distribution of a long-tailed attribute, thresholds refined each epoch"
ADAM2 = "Adam2, 10^5 nodes, ICDCS 2010"
EPOCHS = 4
GRID = 2_000
# Boxes whose view of the distribution is looked at.
LOOKED_AT = 50


def rows(nodes, seed, say):
    """CDF errors after some epochs, and what they cost."""
    rng = random.Random("percentiles/%d" % seed)
    values = [int(rng.lognormvariate(6.0, 0.8)) for _ in range(nodes)]
    world = Averaging(nodes, seed, lambda number: values[number])
    world.until_epoch(1)
    network = world.world.network
    out = []
    for epoch in range(1, EPOCHS + 1):
        sent = network.sent_bytes
        world.until_complete(epoch, say)
        kilobytes = (network.sent_bytes - sent) / nodes / 1000
        mean, worst, own = _errors(world, values)
        say("epoch %d: mean %.3f %%, worst %.2f %%" % (epoch, mean, worst))
        if epoch in (1, EPOCHS):
            last = epoch == EPOCHS
            name = "epoch %d: CDF error, %%, " % epoch
            out += [
                _row(nodes, name + "mean over the range", mean, 0.05, "<= 0.1" if last else None),
                _row(nodes, name + "worst", worst, 2.0, "<= 2" if last else None),
                _row(nodes, name + "mean over the boxes", own),
            ]
    return out + [_row(nodes, "kB sent per box in one epoch, view exchanges included", round(kilobytes, 1), 120, "<= 120")]


def _row(nodes, figure, ours, reference=None, aim=None):
    source = ADAM2 if reference else ""
    return {"figure": figure, "nodes": nodes, "ours": round(ours, 4), "reference": reference,
            "reference_of": source, "aim": aim}


def _errors(world, values):
    """(mean over the range, worst anywhere, mean over the boxes) in %, of the worst box looked at."""
    rising = sorted(values)
    count, least, most = len(rising), rising[0], rising[-1]
    grid = [least + (most - least) * i / GRID for i in range(GRID + 1)]
    true = [bisect.bisect_right(rising, at) / count for at in grid]
    mean = worst = own = 0.0
    for box in world.world.live()[:: max(1, count // LOOKED_AT)]:
        found = world.query(box.node).result
        over_range = [abs(found.below(at) - height) for at, height in zip(grid, true)]
        over_boxes = [abs(found.below(at) - bisect.bisect_right(rising, at) / count) for at in rising]
        mean = max(mean, sum(over_range) / len(grid))
        worst = max(worst, max(over_range), max(over_boxes))
        own = max(own, sum(over_boxes) / count)
    return 100 * mean, 100 * worst, 100 * own
