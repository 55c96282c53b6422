"""The trust file: what a box believes before it has spoken with anybody."""

from backfence.agent.errors import RemoteError
from backfence.agent.limits import BLOB_BYTES, KEPT, PATH_NODES, ROOT_KEYS
from backfence.agent.peers import identity_of
from backfence.agent.trust import Root, lot_id
from backfence.agent.trust_file import decode, encode, fleet_id, load
from backfence.agent.wire import cbor, merkle
from backfence.agent.wire.hashes import sha256
from backfence.agent.wire.seal import Party
from lan import WALL_S
from vectors import EDGE, LOTS, OPERATOR, OTHER_OPERATOR

KEYS = [bytes((i,)) * 32 for i in range(5)]
LEAVES = [merkle.leaf(key) for key in KEYS]


ROOT = Root(1, [b"r" * 60], 1, OPERATOR, digest=bytes(32))


def trust_fields():
    """What the operator writes for box 3 of the lot of 5."""
    return {
        "root": encode(ROOT, fleet_id(OPERATOR), b""), "owner": b"o" * 32, "lots": LOTS,
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
    assert refused([]) and refused(dict(good, more=1)) and refused(dict(good, root=encode(ROOT, bytes(16), b"")))
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


def test_a_list_that_the_root_keeps_counts_whoever_signed_it():
    for kept, holds in ((LOTS, True), (EDGE, False)):
        root = Root(2, [b"r" * 60], 1, b"s" * 60, sha256(kept), digest=bytes(32))
        assert refused(dict(trust_fields(), root=encode(root, fleet_id(OPERATOR), b""))) != holds


def test_the_form_of_a_root():
    fleet, keys = bytes(16), [bytes((i,)) * 60 for i in range(ROOT_KEYS)]
    full = Root(1 << 31, keys, ROOT_KEYS, OPERATOR, bytes(32 * KEPT), 1 << 40, 1 << 48, bytes(32))
    root, theirs, chain, settled = decode(encode(full, fleet, bytes(BLOB_BYTES), False))
    assert encode(root, fleet, b"") == encode(full, fleet, b"") and (theirs, chain, settled) == (fleet, bytes(BLOB_BYTES), False)
    for key, wrong in (
        ("version", 0), ("version", 1 << 32), ("keys", []), ("keys", keys + [b"k" * 60]), ("keys", keys[:1] * 2),
        ("keys", [b"short"]), ("threshold", 0), ("threshold", ROOT_KEYS + 1), ("operator", keys[0]),
        ("operator", b"short"), ("kept", bytes(33)), ("kept", bytes(32 * KEPT + 32)), ("issued", -1),
        ("expires", None), ("digest", b""), ("chain", bytes(BLOB_BYTES + 1)), ("fleet", b""),
    ):
        fields = cbor.decode(encode(full, fleet, b""))
        assert key in fields
        fields[key] = wrong
        try:
            decode(cbor.encode(fields))
        except RemoteError:
            continue
        assert False, (key, wrong)
