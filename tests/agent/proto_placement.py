"""Placement: the published vectors of the jump hash, balance, and what moves."""

from backfence.agent.placement import jump, seat_of

# Of the paper's C++ code, computed with floating point on an x86-64.
VECTORS = ((0, 1, 0), (1, 1, 0), (1, 2, 0), (42, 57, 43), (0xDEAD10CC, 1, 0), (0xDEAD10CC, 666, 361), (256, 1024, 520))


def test_known_buckets():
    for key, buckets, bucket in VECTORS:
        assert jump(key, buckets) == bucket, (key, buckets)


def test_all_seats_get_their_share_and_growth_moves_few():
    counts = [0] * 10
    moved = 0
    for task in range(1500):
        seat = seat_of(b"w" * 16, task, 10)
        counts[seat] += 1
        grown = seat_of(b"w" * 16, task, 11)
        assert grown in (seat, 10)
        moved += grown == 10
    assert min(counts) > 100 and max(counts) < 200 and 90 < moved < 190


def test_growth_by_one_moves_one_in_so_many_and_less_than_twice_as_many_with_replicas():
    # Replicas sit beside each other: of a task that moves all do, and one of each task that
    # reached round the end of the ring, where the new seat is.
    for seats, replicas in ((4, 1), (9, 2), (20, 3), (100, 1)):
        total, moved = 0, 0
        for task in range(600):
            home, grown = seat_of(b"g" * 16, task, seats), seat_of(b"g" * 16, task, seats + 1)
            before = [(home + replica) % seats for replica in range(replicas)]
            for replica in range(replicas):
                total += 1
                moved += (grown + replica) % (seats + 1) not in before
        ratio = moved / total * (seats + 1) / (1 + (replicas - 1) / replicas)
        assert 0.7 < ratio < 1.3, (seats, replicas, ratio)


def test_workloads_are_placed_apart():
    same = sum([seat_of(b"v" * 16, task, 50) == seat_of(b"w" * 16, task, 50) for task in range(200)])
    assert same < 20 and seat_of(b"v" * 16, 8191, 4096) < 4096 and seat_of(b"v" * 16, 5, 1) == 0
