"""The trust file: what a box believes before it has spoken with anybody."""

from backfence.agent.errors import RemoteError
from backfence.agent.limits import PATH_NODES
from backfence.agent.peers import identity_of
from backfence.agent.trust import fleet_id, load, lot_id
from backfence.agent.wire import cbor, merkle
from backfence.agent.wire.seal import Party
from lan import WALL_S
from vectors import EDGE, LOTS, OPERATOR, OTHER_OPERATOR

KEYS = [bytes((i,)) * 32 for i in range(5)]
LEAVES = [merkle.leaf(key) for key in KEYS]


def trust_fields():
    """What the operator writes for box 3 of the lot of 5."""
    return {
        "fleet": fleet_id(OPERATOR), "operator": OPERATOR, "owner": b"o" * 32, "lots": LOTS,
        "lot": lot_id(merkle.root(LEAVES)), "index": 3, "path": merkle.path(LEAVES, 3),
    }


def refused(fields):
    """True if load() raises a RemoteError; any other error passes through."""
    try:
        load(cbor.encode(fields))
    except RemoteError:
        return True
    return False


def test_a_good_file_gives_the_lots_and_our_place():
    trust = load(cbor.encode(trust_fields()))
    root, root_3 = merkle.root(LEAVES), merkle.root(LEAVES[:3])
    assert trust.lots == {lot_id(root): (root, 5, 0), lot_id(root_3): (root_3, 3, WALL_S + 60)}
    assert (trust.lot, trust.leaf, trust.fleet, trust.seq) == (lot_id(root), 3, fleet_id(OPERATOR), 4)
    assert len(identity_of(KEYS[0])) == 16 and len(trust.lot) == 8
    own = Party(KEYS[3], 0, 0, trust.lot, trust.leaf, trust.path)
    assert trust.enrolled(own)
    for wrong in (
        Party(KEYS[2], 0, 0, trust.lot, 3, trust.path), Party(KEYS[3], 0, 0, trust.lot, 2, trust.path),
        Party(KEYS[3], 0, 0, lot_id(root_3), 3, trust.path), Party(KEYS[3], 0, 0, bytes(8), 3, trust.path),
        Party(KEYS[3], 0, 0, trust.lot, 3, trust.path[:-1]), Party(KEYS[3], 0, 0, trust.lot, 1 << 31, trust.path),
    ):
        assert not trust.enrolled(wrong)


def test_forms_that_are_refused_before_any_signature():
    good = trust_fields()
    for key in good:
        without = dict(good)
        del without[key]
        assert refused(without), key
        for wrong in (None, 1 << 40, -1, b"", "x", {}, [None], [b"short"], True):
            assert refused(dict(good, **{key: wrong})), (key, wrong)
    assert refused([]) and refused(dict(good, more=1)) and refused(dict(good, **{"fleet": bytes(16)}))
    mixed = dict(good)
    del mixed["path"]
    mixed[1] = []
    assert refused(mixed)
    assert refused(dict(good, path=[bytes(32)] * (PATH_NODES + 1)))


def test_lists_that_are_no_lists_of_this_fleets_lots():
    good = trust_fields()
    for wrong in (EDGE, OTHER_OPERATOR, LOTS[:-1], bytes(100)):
        assert refused(dict(good, lots=wrong))
    damaged = LOTS[:200] + bytes((LOTS[200] ^ 1,)) + LOTS[201:]
    assert refused(dict(good, lots=damaged))
    assert refused(dict(good, lot=lot_id(merkle.root(LEAVES[:4]))))
