"""An image among boxes that have few uploads: parts of 32 KiB, fetched from peers in random order.

A step is the time in which a box uploads one part.  In each step every box that lacks
parts asks one of its random peers, and a few more if that one is busy or has nothing
for it; a box serves one part a step, doors as many as they have copies to give.
"""

import numpy as np

from ...agent.limits import BLOB_BYTES, UPDATE_SOURCES

STEPS_MOST = 100_000


def swarm(nodes, parts, seed, doors=3, asks=UPDATE_SOURCES, slow=0.0, loss=0.0):
    """dict: steps until half and all boxes have all parts, and how many parts the doors uploaded.

    slow: share of the boxes that fetch and serve in every fourth step only.
    """
    rng = np.random.default_rng([seed, 41])
    has = np.zeros((nodes, parts), np.bool_)
    has[:doors] = True
    count = has.sum(1)
    lags = rng.random(nodes) < slow
    half, uploads = 0, 0
    for step in range(1, STEPS_MOST):
        busy = lags & (rng.integers(0, 4, nodes) > 0)
        wants = np.flatnonzero((count < parts) & ~busy)
        if not len(wants):
            if (count == parts).all():
                return {"half": half, "all": step - 1, "uploads": uploads / parts}
            continue
        for _ in range(asks):
            peers = rng.integers(0, nodes, len(wants))
            if step <= 4 * parts:  # those that find nobody else ask a door
                peers = np.where(rng.random(len(wants)) < doors / len(wants), rng.integers(0, doors, len(wants)), peers)
            free = ~busy[peers]
            _, first = np.unique(peers, return_index=True)  # one asker a peer, at random: wants is in random order
            chosen = np.zeros(len(wants), np.bool_)
            chosen[first] = True
            chosen &= free
            who, whom = wants[chosen], peers[chosen]
            useful = has[whom] & ~has[who]
            pick = np.where(useful, rng.random(useful.shape, dtype=np.float32), -1.0).argmax(1)
            gives = useful[np.arange(len(who)), pick]
            if loss:
                gives &= rng.random(len(who)) >= loss
            who, whom, pick = who[gives], whom[gives], pick[gives]
            has[who, pick] = True
            count[who] += 1
            uploads += int((whom < doors).sum())
            busy[whom] = True
            wants = np.setdiff1d(wants, who, assume_unique=True)
            rng.shuffle(wants)
            if not len(wants):
                break
        if not half and (count == parts).mean() >= 0.5:
            half = step
    raise OverflowError("the image did not reach all within %d steps" % STEPS_MOST)


def parts_of(image_bytes):
    """Parts of an image."""
    return -(-image_bytes // BLOB_BYTES)
