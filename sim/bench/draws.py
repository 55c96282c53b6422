"""An image that fails on a share of the boxes: how many of a later wave go, draw after draw.

Arrays, not nodes: the rule of agent/waves.py over independent draws of `POLLED` members,
each heard until NEED are good or no longer can be.  Beside it, what would come of it if
each draw were judged alone.  `nodes` are the boxes of the later wave.
"""

import numpy as np

TITLE = "holds that last"
NODES = (20_000,)
POLLED, NEED = 20, 16
FAILS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
DRAWS = (1, 10, 60)


def gone(nodes, rng, fails, remembered):
    """Shares of the boxes that have gone after each of DRAWS."""
    good_sum, bad_sum = np.zeros(nodes), np.zeros(nodes)
    went = np.full(nodes, DRAWS[-1] + 1)
    for draw in range(1, DRAWS[-1] + 1):
        good = rng.random((nodes, POLLED)) >= fails
        goods, bads = good.cumsum(1), (~good).cumsum(1)
        enough = goods[:, -1] >= NEED
        last = np.where(enough, (goods >= NEED).argmax(1), (bads > POLLED - NEED).argmax(1))
        rows = np.arange(nodes)
        good_sum += goods[rows, last]
        bad_sum += bads[rows, last]
        goes = enough & (~remembered | (good_sum * POLLED >= NEED * (good_sum + bad_sum)))
        went = np.where(goes, np.minimum(went, draw), went)
    return [float((went <= draw).mean()) for draw in DRAWS]


def rows(nodes, seed, say):
    """Each share, by the rule and without memory of failures."""
    out = []
    for fails in FAILS:
        rng = np.random.default_rng([seed, 53])
        ours, alone = (gone(nodes, rng, fails, np.bool_(remembered)) for remembered in (True, False))
        for draw, share, other in zip(DRAWS, ours, alone):
            # An image twice as bad as NEED allows gets through by luck at once, or not at all.
            aim = "<= %g" % (alone[0] + 0.02) if fails >= 0.4 else ">= 0.999" if fails <= 0.1 and draw > 1 else None
            out.append({
                "figure": "fails on %d %%: gone after %d draws" % (round(100 * fails), draw), "nodes": nodes,
                "ours": round(share, 4), "reference": round(other, 4), "reference_of": "each draw judged alone", "aim": aim})
        say("fails on %g: %s" % (fails, ours))
    return out
