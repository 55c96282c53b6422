"""Averaged cells: exact mass, the least keys stay, a peer's nonsense is refused."""

from backfence.agent.errors import RemoteError
from backfence.agent.pool import Pool, floats, pack_floats, whole
from backfence.agent.rng import Rng


def refused(call):
    try:
        call()
    except RemoteError:
        return True
    return False


def meet(asker, answerer, between=None):
    """One exchange by the wire's bytes; between() happens while the answer is out."""
    data, keys = asker.pack()
    theirs, end = answerer.parse(data, 0)
    assert end == len(data)
    answer = answerer.answer(theirs)
    if between:
        between()
    changes, end = asker.parse_answer(answer, 0, keys)
    assert end == len(answer)
    asker.apply(changes)


def fleet(count, most, seed=1):
    rng = Rng(b"pool %d" % seed)
    pools = []
    for _ in range(count):
        pools.append(Pool(most))
        pools[-1].begin(rng.bytes(4))
    return pools, rng


def least_keys(pools, most):
    return sorted([list(pool.cells)[0] for pool in pools])[:most]


def mass(pools, key):
    return sum([pool.cells.get(key, 0.0) for pool in pools])


def test_every_cell_that_stays_keeps_its_mass_and_becomes_one_nth():
    pools, rng = fleet(60, 4)
    kept = least_keys(pools, 4)
    for cycle in range(25):
        for pool in pools:
            other = rng.choice(pools)
            if other is not pool:
                meet(pool, other)
        for key in kept:
            assert abs(mass(pools, key) - 1.0) < 1e-9, cycle
    for pool in pools:
        assert sorted(pool.cells) == kept
        for cell in pool.cells.values():
            assert abs(cell - 1 / 60) < 1e-6


def test_exchanges_that_overlap_lose_nothing():
    pools, rng = fleet(30, 3, 2)
    kept = least_keys(pools, 3)
    for _ in range(20):
        for pool in pools:
            first, second = rng.choice(pools), rng.choice(pools)
            if pool is not first and pool is not second and first is not second:
                meet(pool, first, lambda: meet(second, pool))
    for key in kept:
        assert abs(mass(pools, key) - 1.0) < 1e-9


def test_more_keys_than_the_cap_are_never_held():
    pools, rng = fleet(40, 3, 3)
    for _ in range(200):
        asker, answerer = rng.choice(pools), rng.choice(pools)
        if asker is not answerer:
            meet(asker, answerer)
            assert len(asker.cells) <= 3 and len(answerer.cells) <= 3


def test_two_boxes_and_one():
    pools, _ = fleet(2, 24)
    meet(pools[0], pools[1])
    assert [round(cell, 6) for cell in pools[0].cells.values()] == [0.5, 0.5]
    assert pools[0].cells == pools[1].cells
    alone, _ = fleet(1, 24)
    assert list(alone[0].cells.values()) == [1.0]


def test_nonsense_is_refused_and_changes_nothing():
    pool = Pool(3)
    pool.begin(b"aaaa")
    good, _ = pool.pack()
    nan = b"\x7f\xc0\0\0"
    cases = [
        ("nothing", b""), ("too many", b"\4" + bytes(32)), ("cut off", good[:-1]),
        ("not a number", good[:-4] + nan), ("infinite", good[:-4] + b"\x7f\x80\0\0"),
        ("beyond all shares", good[:-4] + pack_floats([3.0])), ("debt", good[:-4] + pack_floats([-2.0])),
        ("one key twice", b"\2aaaaaaaa" + pack_floats([0.1, 0.1])),
        ("keys not in order", b"\2bbbbaaaa" + pack_floats([0.1, 0.1])),
    ]
    for name, data in cases:
        assert refused(lambda: pool.parse(data, 0)), name
    for name, data in (("nothing", b""), ("too many", b"\4" + bytes(64)), ("cut off", b"\0" + bytes(3))):
        assert refused(lambda: pool.parse_answer(data, 0, [b"aaaa"])), name
    assert pool.cells == {b"aaaa": 1.0}


def test_numbers_on_the_wire():
    assert floats(pack_floats([1.5, -2.0]), 0, 2) == ([1.5, -2.0], 8)
    assert refused(lambda: floats(b"\0\0\0", 0, 1))
    assert [whole(value) for value in (2.5, 2.4, -2.5, -0.4)] == [3, 2, -3, 0]
    assert [whole(value) for value in (1e30, -3e38, 1e400)] == [1 << 53, -(1 << 53), 1 << 53]
