"""Where a task runs: jump consistent hash of (workload, task) gives the seat.

Nobody schedules: every holder computes alike which tasks are its own.  When a
slice grows by one seat, 1/N of the tasks move.
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


def seat_of(workload_id, task, seats):
    """Seat of a task's first replica; replica j sits j seats further round."""
    digest = sha256(workload_id, task.to_bytes(4, "big"))
    return jump(int.from_bytes(digest[:8], "big"), seats)
