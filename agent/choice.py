"""Which slice a free box offers itself to first, when several want it.

Weighted rendezvous hashing (Thaler and Ravishankar 1998; weights as in
Schindelhauer and Schomaker 2005): each box draws a number per slice from a hash,
scaled by the seats that the slice wants; the least draw wins.  A slice that
wants three times as many seats is first for three times as many boxes, and a
new slice changes the order of no two others.
"""

import math

from .wire.hashes import sha256


def preference(slice_id, id, seats):
    """A float; a box offers itself first where it is least.  seats: int above 0."""
    draw = int.from_bytes(sha256(b"choice", slice_id, id)[:3], "big") + 1
    return -math.log(draw / 16777217.0) / seats
