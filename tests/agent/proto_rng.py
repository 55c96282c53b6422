"""One seed, one stream: the same on every interpreter, and even."""

from backfence.agent.errors import LocalError
from backfence.agent.rng import Rng


STREAM = (
    "acd8f0394bbc320b807c70074fe977110fb5b91813cb602c162b65004361bdb5"
    "ed85a22e63a8bca52e314c609a8303ac5c252c925300cc5a2687b47b43bc2ba2"
)


def test_the_stream_of_a_seed_is_known():
    rng = Rng(b"seed")
    assert rng.bytes(20).hex() == STREAM[:40]
    assert rng.bytes(44).hex() == STREAM[40:128]
    assert Rng(b"seed").bytes(64).hex() == STREAM and Rng(b"seee").bytes(64).hex() != STREAM


def test_pieces_join_to_the_same_stream():
    whole = Rng(b"x").bytes(1000)
    rng = Rng(b"x")
    pieces = b""
    while len(pieces) < 1000:
        pieces += rng.bytes(min(1 + len(pieces) % 97, 1000 - len(pieces)))
    assert pieces == whole and rng.bytes(0) == b""


def test_below_is_in_range_and_even():
    rng = Rng(b"dice")
    counts = [0] * 6
    for _ in range(3000):
        counts[rng.below(6)] += 1
    assert min(counts) > 400 and max(counts) < 600
    assert rng.below(1) == 0
    for bound in (4096, 4097, 1 << 40):
        most = max([rng.below(bound) for _ in range(200)])
        assert bound * 9 // 10 < most < bound
    for wrong in (0, -1):
        try:
            rng.below(wrong)
            raise ValueError("taken")
        except LocalError:
            pass


def test_jitter_stays_within_an_eighth():
    rng = Rng(b"j")
    seen = [rng.jitter(1000) for _ in range(300)]
    assert min(seen) >= 875 and max(seen) <= 1125 and min(seen) < 890 and max(seen) > 1110
    assert rng.jitter(0) == 0 and rng.jitter(7) == 7


def test_samples_and_shuffles_lose_nothing():
    rng = Rng(b"s")
    items = list(range(30))
    firsts = set()
    for _ in range(60):
        sample = rng.sample(items, 8)
        assert len(set(sample)) == 8 and items == list(range(30))
        firsts.add(sample[0])
    assert len(firsts) > 15
    assert sorted(rng.sample(items, 99)) == items and rng.sample([], 3) == []
    mixed = list(items)
    rng.shuffle(mixed)
    assert mixed != items and sorted(mixed) == items and rng.choice(items) in items
