"""Swarms of liars: what each lie gets with a tenth and three tenths of the fleet, beside its bound."""

from .. import lies
from ..lab import Lab

TITLE = "what enrolled liars get who act together"
NODES = (150, 300)


def rows(nodes, seed, say):
    """Every lie, at every share: what was measured beside its bound."""
    out = []
    for name in lies.NAMES:
        for share in lies.SHARES:
            lab = Lab("liars-" + name, nodes, seed, speech="plain")
            for figure in lies.load(name).measure(lab, share, say):
                out.append({
                    "figure": "%s, %d %%: %s" % (name, round(100 * share), figure.name), "nodes": nodes,
                    "ours": round(float(figure.ours), 3), "reference": None, "reference_of": "", "aim": figure.bound})
    return out
