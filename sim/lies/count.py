"""Count: liars poison the averages from which the fleet's size is read.

Each way is lied through one whole epoch, by all liars, whenever they speak.
"""

from . import Figure
from .colluders import Colluders, mean, poison

LIMIT_S = 400


def _ones(cells):
    return {key: 1.0 for key in cells}


def _none(cells):
    return {key: 0.0 for key in cells}


def _left_out(cells):
    return {}


def _invented(cells):
    return {bytes((0, 0, 0, number)): 1.0 for number in range(24)}


def _hidden(cells):
    return {bytes((0, 0, 0, number)): 0.0 for number in range(24)}


WAYS = (
    ("cells hold all", _ones), ("cells hold nothing", _none), ("cells are left out", _left_out),
    ("cells of their own hold all", _invented), ("cells of their own hold nothing", _hidden),
)


def measure(lab, share, say):
    """The size believed after an epoch of each lie, in parts of the truth: mean, least and most of the honest boxes."""
    lab.settings.update(round_ms="1000", busy_round_ms="1000")
    lab.boot_joined(view=min(20, lab.nodes - 1), contacts=4)
    lab.world.run_until(5_000)
    liars = Colluders(lab, share)
    way = [None]
    for box in liars.boxes:
        averages = box.node.aggregate.averages
        poison(averages, lambda averages=averages: _change(averages.sizes, way))
    out, size = [], len(lab.world.boxes)
    for name, change in WAYS:
        way[0] = change
        found = [outcome.size or 0 for outcome in epochs(lab, liars)]
        say("count: %s: %.2f (%.2f to %.2f)" % (name, mean(found) / size, min(found) / size, max(found) / size))
        out.append(Figure("%s: least size believed / truth" % name, round(min(found) / size, 3), ">= 0.25"))
        # All that are enrolled are up.
        out.append(Figure("%s: greatest size believed / truth" % name, round(max(found) / size, 3), "<= 1"))
    return out


def _change(sizes, way):
    sizes.cells = way[0](sizes.cells)


def epochs(lab, liars):
    """The outcomes of honest boxes of an epoch that begins from now on."""
    wanted = max(box.node.aggregate.epoch.number for box in liars.honest) + 1
    for _ in range(LIMIT_S):
        lab.world.run_for(1_000)
        outcomes = [box.node.aggregate.outcome for box in liars.honest]
        done = [outcome for outcome in outcomes if outcome and outcome.number >= wanted]
        if len(done) >= 0.95 * len(outcomes):
            return done
    raise RuntimeError("no epoch was complete after %d s" % LIMIT_S)
