"""Where a task runs: jump consistent hash of (workload, task) gives the seat.

Nobody schedules: every holder computes alike which tasks are its own.  When a
slice grows by one seat, 1/N of the tasks move.

A slice may keep its seats for regions in turn: seat s for the region s mod k of k.  So
replicas, which sit beside each other, are in different regions, and nobody has to know
who is where.  What falls to another box stays in the region: next to a seat are those k
seats away.
"""

from .wire.hashes import sha256

_MASK = (1 << 64) - 1


def jump(key, buckets):
    """Bucket in [0, buckets) of a 64-bit key.

    Lamping and Veach, "A fast, minimal memory, consistent hash algorithm", 2014;
    with integer division, so that no box's floating point matters.
    """
    bucket, following = -1, 0
    while following < buckets:
        bucket = following
        key = (key * 2862933555777941757 + 1) & _MASK
        following = ((bucket + 1) << 31) // ((key >> 33) + 1)
    return bucket


def step_of(manifest):
    """Seats from one to the next of the same region, for a slice's Manifest; 1 without regions."""
    return len(manifest.fields.get("regions", "-"))


def first_seat(manifest, attributes):
    """The first seat that a box with these attributes (dict) may have, as it may each step_of-th after it; None: it has none."""
    regions, own = manifest.fields.get("regions"), attributes.get("region")
    if not regions:
        return 0
    return regions.index(own) if own in regions else None


def seat_of(workload_id, task, seats):
    """Seat of a task's first replica; replica j sits j seats further round."""
    digest = sha256(workload_id, task.to_bytes(4, "big"))
    return jump(int.from_bytes(digest[:8], "big"), seats)
