"""Signed manifests: real signatures, every damage to them, and every field's range."""

from backfence.agent.errors import RemoteError
from backfence.agent.limits import LOTS as LOTS_MOST
from backfence.agent.limits import MANIFEST_BYTES
from backfence.agent.manifest import Check, is_name, manifest_id, parse
from backfence.agent.trust import OPERATOR as FULL, Keys, Root
from backfence.agent.trust_file import fleet_id
from backfence.agent.wire import cbor, cose, suit
from backfence.agent.wire.hashes import sha256
from lan import WALL_S
from vectors import EDGE, EXPIRED, FIRMWARE, OPERATOR, OTHER_FLEET, OTHER_OPERATOR, UNKNOWN_FIELD

FLEET = fleet_id(OPERATOR)


def verdict(data, operator=OPERATOR, fleet=FLEET):
    """The Manifest, or the text of the RemoteError; nothing else may come out."""
    try:
        check = Check(data, Keys(fleet, Root(1, [b"r" * 60], 1, operator)))
        while not check.step():
            assert check.manifest is None
        return check.manifest
    except RemoteError as problem:
        return str(problem)


def test_a_signed_manifest_is_taken_with_all_it_says():
    manifest = verdict(EDGE)
    assert (manifest.kind, manifest.name, manifest.seq, manifest.end) == ("slice", "edge", 7, False)
    assert manifest.fields["seats"] == 12 and manifest.expires == WALL_S + 86400
    assert manifest.digest == sha256(EDGE) and manifest.size == len(EDGE)
    assert manifest.id == manifest_id("slice", "edge") != manifest_id("workload", "edge")
    assert manifest.authority == FULL
    # Expiry is the caller's: the signature is good.
    assert verdict(EXPIRED).expires == WALL_S


def test_another_operator_another_fleet_another_field():
    assert verdict(OTHER_OPERATOR) == "not signed by this fleet's operator"
    # With our key's id written over the other's.
    forged = OTHER_OPERATOR.replace(cose.decode_sign1(OTHER_OPERATOR, 9999).kid, sha256(OPERATOR)[:16])
    assert verdict(forged) == "signature does not hold"
    assert verdict(OTHER_FLEET) == "manifest of another fleet"
    assert verdict(UNKNOWN_FIELD) == "manifest has an unknown field"
    assert verdict(EDGE, fleet=bytes(16)) == "manifest of another fleet"


def test_a_suit_envelope_is_a_firmware_manifest():
    manifest = verdict(FIRMWARE)
    vendor = suit.vendor_id("isp.example")
    homebox = suit.class_id(vendor, "homebox-2")
    assert (manifest.kind, manifest.name) == ("firmware", "agent-mpy6-e7b0da73") == ("firmware", manifest.fields["name"])
    assert (manifest.seq, manifest.issued, manifest.expires, manifest.end) == (WALL_S, WALL_S, WALL_S + 86400, False)
    image = bytes(range(256)) * 300
    index = b"".join([sha256(image[start : start + 32768]) for start in (0, 32768, 65536)])
    assert manifest.fields == {
        "kind": "firmware", "name": "agent-mpy6-e7b0da73", "seq": WALL_S, "issued": WALL_S, "expires": WALL_S + 86400,
        "component": ["agent", "mpy6"], "vendor": vendor, "class": homebox, "image": sha256(image), "size": 76800,
        "index": sha256(index),
    }
    assert manifest.digest == sha256(FIRMWARE) and manifest.size == len(FIRMWARE)
    assert manifest.id == manifest_id("firmware", "agent-mpy6-e7b0da73")


def test_a_firmware_of_another_operator_or_under_damage_is_refused():
    # The key alone says which fleet is meant.
    assert verdict(FIRMWARE, operator=bytes(60)) == "not signed by this fleet's operator"
    signature, key = FIRMWARE.index(cose.decode_sign1(EDGE, 9999).signature[:20]), FIRMWARE.index(sha256(OPERATOR)[:16])
    at = signature + 700
    assert verdict(FIRMWARE[:at] + bytes((FIRMWARE[at] ^ 1,)) + FIRMWARE[at + 1 :]) == "signature does not hold"
    assert verdict(FIRMWARE[:key] + b"k" + FIRMWARE[key + 1 :]) == "not signed by this fleet's operator"
    for length in range(0, len(FIRMWARE), 197):
        assert isinstance(verdict(FIRMWARE[:length]), str), length
    # A later sequence, beside what was signed for the earlier one.
    later = FIRMWARE[:-201] + FIRMWARE[-201:].replace(cbor.encode(WALL_S), cbor.encode(WALL_S + 9), 1)
    assert later != FIRMWARE and verdict(later) == "suit: the digest is not the manifest's"
    # The same, with a digest that holds: only the signature tells.
    members = cbor.decode(FIRMWARE).value
    manifest = members[3].replace(cbor.encode(WALL_S), cbor.encode(WALL_S + 9), 1)
    block = cbor.decode(members[2])[1]

    def forged(manifest):
        digest = cbor.encode([-16, sha256(cbor.encode(manifest))])
        return cbor.encode(cbor.Tag(107, {2: cbor.encode([digest, block]), 3: manifest}))

    assert forged(members[3]) == FIRMWARE and verdict(forged(manifest)) == "signature does not hold"
    # It raises the boxes' clocks: out of range, or later than the expiry, is refused unchecked.
    for wrong in (0, 1 << 48, WALL_S + 86401):
        manifest = members[3].replace(cbor.encode(WALL_S), cbor.encode(wrong), 1)
        assert verdict(forged(manifest)) in ("manifest field seq", "manifest field expires"), wrong
    assert verdict(bytes(FIRMWARE[:2]) + bytes(MANIFEST_BYTES)) == "suit: larger than %d bytes" % MANIFEST_BYTES
    # The kind is an envelope's alone.
    assert refused(dict(SLICE, kind="firmware"))


def test_unsigned_is_refused():
    parts = cose.decode_sign1(EDGE, 9999)
    for signature in (b"", bytes(len(parts.signature)), parts.signature[:-1], parts.signature + b"\0"):
        header = cbor.decode(parts.protected)
        assert isinstance(verdict(cose.encode_sign1(header, parts.payload, signature)), str)
    assert isinstance(verdict(parts.payload), str)
    other = cbor.encode(dict(cbor.decode(parts.payload), seats=13))
    assert verdict(cose.encode_sign1(cbor.decode(parts.protected), other, parts.signature)) == "signature does not hold"


def test_truncation_at_every_97th_byte_is_refused():
    for length in range(0, len(EDGE), 97):
        assert isinstance(verdict(EDGE[:length]), str), length
    assert isinstance(verdict(EDGE[:-1]), str) and isinstance(verdict(EDGE + b"\0"), str)


def test_a_changed_byte_anywhere_is_refused():
    payload = EDGE.index(b"edge")
    for at in (0, 1, 3, 10, payload, payload + 30, len(EDGE) // 2, len(EDGE) - 1):
        for change in (1, 0x80):
            damaged = bytearray(EDGE)
            damaged[at] ^= change
            assert isinstance(verdict(bytes(damaged)), str), at


def test_longer_than_the_cap_is_refused_unread():
    assert verdict(bytes(MANIFEST_BYTES + 1)) == "cose: larger than %d bytes" % MANIFEST_BYTES


SLICE = {"kind": "slice", "fleet": bytes(16), "name": "edge", "seq": 1, "issued": 5, "expires": 6, "seats": 3}
WORKLOAD = {
    "kind": "workload", "fleet": bytes(16), "name": "words", "seq": 1, "issued": 5, "expires": 6,
    "slice": "edge", "program": bytes(32), "program_size": 100, "index": [bytes(32)], "tasks": 10,
    "args": ["a"], "replicas": 3, "quorum": 2, "limits": {"fuel": 1, "pages": 0, "output": 0},
    "deadline_s": 9, "deterministic": True,
}
LOTS = {"kind": "lots", "fleet": bytes(16), "name": "all", "seq": 1, "issued": 5, "expires": 6,
        "lots": [[bytes(32), 9, 0]]}
SEEDS = {"kind": "seeds", "fleet": bytes(16), "name": "seeds", "seq": 1, "issued": 5, "expires": 6,
         "contacts": [[bytes(16), b"123456"]]}

WRONG = (1, -1, None, True, "", "x", b"", [], [[]], {}, [None], ["x"], [b"x"], {1: 2, "a": 3})


def refused(fields):
    """True if parse() raises a RemoteError; any other error passes through."""
    try:
        parse(cbor.encode(fields))
    except RemoteError:
        return True
    return False


def test_each_field_is_needed_and_has_its_type():
    for good in (SLICE, WORKLOAD, LOTS, SEEDS):
        assert parse(cbor.encode(good)) == good
        for key in good:
            without = dict(good)
            del without[key]
            assert refused(without), key
            for wrong in WRONG:
                if type(wrong) is not type(good[key]) or key in ("fleet", "index", "limits", "contacts"):
                    if not (key == "index" and wrong == good[key]):
                        assert refused(dict(good, **{key: wrong})), (key, wrong)
        assert refused(dict(good, **{"other": 1})) and refused(dict(good, end=False))
        assert refused(dict(good, end=True)) == (good is LOTS)


def test_each_number_has_its_range():
    table = (
        (SLICE, "seats", 1, 16384), (SLICE, "seq", 1, (1 << 53) - 1), (SLICE, "expires", 5, (1 << 48) - 1),
        (WORKLOAD, "program_size", 8, 32768), (WORKLOAD, "quorum", 1, 8), (WORKLOAD, "replicas", 1, 8),
        (WORKLOAD, "deadline_s", 1, (1 << 48) - 1), (WORKLOAD, "tasks", 1, 1024),
    )
    for fields, key, least, most in table:
        for value in (least, most):
            assert not refused(dict(fields, **{key: value})), (key, value)
        for value in (least - 1, most + 1):
            assert refused(dict(fields, **{key: value})), (key, value)
    for key, least, most in (("fuel", 1, (1 << 53) - 1), ("pages", 0, 65536), ("output", 0, 32768)):
        for value, wrong in ((least, False), (most, False), (least - 1, True), (most + 1, True), (True, True)):
            limits = dict(WORKLOAD["limits"], **{key: value})
            assert refused(dict(WORKLOAD, limits=limits)) == wrong, (key, value)


def test_a_list_of_lots_has_a_cap_and_rows_of_three():
    row = [bytes(32), 9, 0]
    assert not refused(dict(LOTS, lots=[row] * LOTS_MOST)) and refused(dict(LOTS, lots=[row] * (LOTS_MOST + 1)))
    assert refused(dict(LOTS, name="some")) and refused(dict(LOTS, lots=[row + [0]]))
    for column, least, most in ((1, 1, 1 << 20), (2, 0, (1 << 48) - 1)):
        for value, wrong in ((least, False), (most, False), (least - 1, True), (most + 1, True)):
            changed = list(row)
            changed[column] = value
            assert refused(dict(LOTS, lots=[row, changed])) == wrong, (column, value)
    for wrong in (bytes(31), "x", None):
        assert refused(dict(LOTS, lots=[[wrong, 9, 0]]))


def test_the_caps_of_lists():
    full = [bytes(32)] * 8
    assert not refused(dict(WORKLOAD, tasks=8192, replicas=1, quorum=1, index=full))
    assert refused(dict(WORKLOAD, tasks=8193, replicas=1, quorum=1, index=full + [bytes(32)]))
    assert refused(dict(WORKLOAD, tasks=2731, index=full[:3]))  # times 3 replicas
    assert refused(dict(WORKLOAD, tasks=1025)) and refused(dict(WORKLOAD, index=full))
    assert not refused(dict(WORKLOAD, args=["x" * 64] * 8))
    for args in (["x"] * 9, ["x" * 65], ["\u00e9" * 33], ["a\0b"], [1]):
        assert refused(dict(WORKLOAD, args=args)), args
    assert refused(dict(WORKLOAD, deterministic=False))  # with a quorum of 2
    assert not refused(dict(WORKLOAD, deterministic=False, quorum=1))
    contact = [bytes(16), b"123456"]
    assert not refused(dict(SEEDS, contacts=[contact] * 16)) and refused(dict(SEEDS, contacts=[contact] * 17))
    for wrong in ([bytes(15), b"123456"], [bytes(16), b"1234567"], [bytes(16)], [bytes(16), b"1234\0\0"]):
        assert refused(dict(SEEDS, contacts=[wrong])), wrong


def test_a_workload_asked_again_names_a_replica_and_some_of_its_tasks():
    assert not refused(dict(WORKLOAD, again=[1, bytes(2)])) and not refused(dict(WORKLOAD, again=[13, b"\xff\x03"]))
    for wrong in ([0, bytes(2)], [14, bytes(2)], [1, bytes(1)], [1, bytes(3)], [1], [1, bytes(2), 0], [True, bytes(2)],
                  ["1", bytes(2)], [1, "ab"], [1, None], None, {}, bytes(2)):
        assert refused(dict(WORKLOAD, again=wrong)), wrong
    assert refused(dict(SLICE, again=[1, bytes(2)]))


def test_names():
    for good in ("a", "a-0", "z" * 32):
        assert is_name(good)
    for wrong in ("", "A", "a b", "a/b", "z" * 33, "\u00e9", "a\n", b"a", None, 1, "+", "#"):
        assert not is_name(wrong), wrong
