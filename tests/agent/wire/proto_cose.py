"""COSE_Sign1: one exact form goes in and out, everything else is refused."""

from backfence.agent.errors import RemoteError
from backfence.agent.wire import cbor, cose
from backfence.agent.wire.cbor import Tag

KEY = bytes(range(60))
# sha256(KEY)[:16]
KID = bytes.fromhex("0ddde28e40838ef6f9853e887f597d6a")
PROTECTED = b"\xa2\x01\x38\x2d\x04\x50" + KID
PAYLOAD = b"payload"
SIGNATURE = b"s" * 300
SIGNED = b"\xd2\x84\x56" + PROTECTED + b"\xa0\x47payload\x59\x01\x2c" + SIGNATURE


def refused(data, max_bytes=8192):
    try:
        cose.decode_sign1(data, max_bytes)
    except RemoteError:
        return True
    return False


def signed(protected=PROTECTED, unprotected=None, payload=PAYLOAD, signature=SIGNATURE):
    """COSE_Sign1 bytes with any of its members replaced."""
    return cbor.encode(Tag(18, [protected, unprotected or {}, payload, signature]))


def test_key_id():
    assert cose.key_id(KEY) == KID
    assert cose.protected_map(KEY) == {1: -46, 4: KID}


def test_exact_bytes():
    assert cose.encode_sign1(cose.protected_map(KEY), PAYLOAD, SIGNATURE) == SIGNED
    assert signed() == SIGNED


def test_decode():
    sign1 = cose.decode_sign1(SIGNED, len(SIGNED))
    assert sign1.protected == PROTECTED
    assert sign1.alg == cose.ALG_HSS_LMS == -46
    assert sign1.kid == KID
    assert sign1.payload == PAYLOAD
    assert sign1.signature == SIGNATURE
    for data in (bytearray(SIGNED), memoryview(SIGNED)):
        assert cose.decode_sign1(data, 8192).signature == SIGNATURE


def test_to_be_signed():
    # RFC 9052 section 4.4: context, protected header, external data, payload.
    expected = b"\x84\x6aSignature1\x56" + PROTECTED + b"\x40\x47payload"
    assert cose.to_be_signed(PROTECTED, PAYLOAD) == expected
    assert cose.decode_sign1(SIGNED, 8192).to_be_signed() == expected


def test_size_cap():
    assert not refused(SIGNED, len(SIGNED))
    assert refused(SIGNED, len(SIGNED) - 1)


def test_every_truncation_is_refused():
    for size in range(len(SIGNED)):
        assert refused(SIGNED[:size]), size
    assert refused(SIGNED + b"\x00")


def test_other_headers_are_refused():
    for header in (
        {},
        {1: -46},
        {4: KID},
        {1: -7, 4: KID},
        {1: 46, 4: KID},
        {1: "HSS-LMS", 4: KID},
        {1: True, 4: KID},
        {1: -46, 4: KID[:15]},
        {1: -46, 4: KID + b"\x00"},
        {1: -46, 4: "k" * 16},
        {1: -46, 4: None},
        {1: -46, 5: KID},
        {1: -46, 2: [4], 4: KID},
        {1: -46, 4: [KID]},
        [1, -46, 4, KID],
        -46,
    ):
        assert refused(signed(protected=cbor.encode(header))), header
    # Not deterministic: the keys in the other order.
    assert refused(signed(protected=b"\xa2\x04\x50" + KID + b"\x01\x38\x2d"))
    # The header must be wrapped in a byte string.
    assert refused(signed(protected={1: -46, 4: KID}))
    assert refused(signed(protected=b""))


def test_unprotected_headers_are_refused():
    assert refused(signed(unprotected={4: KID}))
    assert refused(signed(unprotected={1: -46}))
    assert refused(signed(unprotected=[0]))
    assert refused(SIGNED.replace(b"\xa0\x47", b"\x80\x47"))


def test_other_members_are_refused():
    for other in (None, "text", 1, [], {}, True):
        assert refused(signed(payload=other)), other
        assert refused(signed(signature=other)), other


def test_other_structures_are_refused():
    members = [PROTECTED, {}, PAYLOAD, SIGNATURE]
    assert not refused(cbor.encode(Tag(18, members)))
    for other in (
        members,
        Tag(17, members),
        Tag(98, members),
        Tag(18, Tag(18, members)),
        Tag(18, members[:3]),
        Tag(18, members + [b""]),
        Tag(18, {0: 1}),
        Tag(18, PAYLOAD),
        PAYLOAD,
        [],
    ):
        assert refused(cbor.encode(other)), other


def test_nested_members_are_refused_without_being_built():
    assert refused(b"\xd2\x84" + b"\x81" * 8000)
    assert refused(b"\xd2\x84\x99\x1f\x40" + bytes(8000))


def test_a_detached_payload():
    data = cose.encode_sign1(cose.protected_map(KEY), None, SIGNATURE)
    assert data == SIGNED.replace(b"\xa0\x47payload", b"\xa0\xf6")
    sign1 = cose.decode_sign1(data, 8192, PAYLOAD)
    assert (sign1.payload, sign1.signature) == (PAYLOAD, SIGNATURE)
    assert sign1.to_be_signed() == cose.to_be_signed(PROTECTED, PAYLOAD)
    assert cose.decode_sign1(data, 8192, b"").payload == b""
    # Neither both payloads nor none.
    for here, elsewhere in ((PAYLOAD, PAYLOAD), (b"", b""), (b"", PAYLOAD), (PAYLOAD, b""), (None, None)):
        try:
            cose.decode_sign1(cose.encode_sign1(cose.protected_map(KEY), here, SIGNATURE), 8192, elsewhere)
            assert False, (here, elsewhere)
        except RemoteError:
            pass
