"""Swarms of liars: what each lie gets, beside its bound, over several seeds."""

from .. import lies
from ..lab import Lab
from . import worst

TITLE = "what enrolled liars get who act together"
NODES = (60,)
# A figure is the worst over so many seeds, from the one given on.
SEEDS = 3
# A lie at each of its shares, or at one in percent.
PLAYS = lies.NAMES + tuple("%s-%.0f" % (name, 100 * share) for name in lies.NAMES for share in lies.shares(name))


def _share_of(play):
    name, _, percent = play.partition("-")
    return [(name, int(percent) / 100)] if percent else [(name, share) for share in lies.shares(name)]


def rows(nodes, seed, say, plays=None):
    """One figure of a lie at one share a row: the worst over the seeds, beside its bound."""
    runs = [run for play in plays or lies.NAMES for run in _share_of(play)]
    for number, (name, share) in enumerate(runs):
        boxes, found = lies.nodes(name, nodes), []
        for each in range(seed, seed + SEEDS):
            say("%d of %d: %s, %.0f %% of %d boxes, seed %d" % (number + 1, len(runs), name, 100 * share, boxes, each))
            figures = lies.load(name).measure(Lab("liars-" + name, boxes, each, speech="plain"), share, say)
            for figure in figures:
                say("    %s: %.4g (%s)" % (figure.name, figure.ours, figure.bound or "no bound"))
            found.append(figures)
        for figures in zip(*found, strict=True):
            yield _row("%s, %.0f %%" % (name, 100 * share), figures, boxes)


def _row(lie, figures, boxes):
    first, ours = figures[0], [round(float(figure.ours), 3) for figure in figures]
    span = "%.4g" % ours[0] if min(ours) == max(ours) else "%.4g to %.4g" % (min(ours), max(ours))
    return {
        "figure": "%s: %s (%s)" % (lie, first.name, span), "nodes": boxes, "ours": worst(first.bound, ours),
        "reference": first.reckoned, "reference_of": "reckoned" if first.reckoned is not None else "", "aim": first.bound,
    }
