"""COSE_Sign1 beside cbor2, signed by another implementation, and under damage."""

import cbor2
import pyhsslms.pyhsslms as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from backfence.agent.errors import RemoteError
from backfence.agent.wire import cbor, cose, lms

KEY = bytes(60)
SIGNED = cose.encode_sign1(cose.protected_map(KEY), b"payload", b"signature")


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_same_structure_as_the_oracle(payload, signature):
    header = {1: -46, 4: cose.key_id(KEY)}
    protected = cbor2.dumps(header, canonical=True)
    expected = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))
    assert cose.encode_sign1(header, payload, signature) == expected
    sign1 = cose.decode_sign1(expected, len(expected))
    assert (sign1.protected, sign1.payload, sign1.signature) == (protected, payload, signature)
    assert sign1.to_be_signed() == cbor2.dumps(["Signature1", protected, b"", payload])


def test_sign_decode_verify():
    tree, chains = oracle.lms_sha256_m32_h5, oracle.lmots_sha256_n32_w4
    private = oracle.HssPrivateKey(levels=1, lms_type=tree, lmots_type=chains)
    key = private.publicKey().serialize()
    header = cose.protected_map(key)
    signature = private.sign(cose.to_be_signed(cbor.encode(header), b"payload"))
    sign1 = cose.decode_sign1(cose.encode_sign1(header, b"payload", signature), 8192)
    assert sign1.kid == cose.key_id(key)
    assert lms.verify(key, sign1.to_be_signed(), sign1.signature)
    other = cose.decode_sign1(cose.encode_sign1(header, b"another", signature), 8192)
    assert not lms.verify(key, other.to_be_signed(), other.signature)


def check_garbage(data):
    """Either the one form that encodes to `data` again, or RemoteError."""
    try:
        sign1 = cose.decode_sign1(data, 8192)
    except RemoteError:
        return
    assert cose.encode_sign1(cbor.decode(sign1.protected), sign1.payload, sign1.signature) == data


@settings(max_examples=500)
@given(st.binary(max_size=60))
def test_garbage(data):
    check_garbage(data)
    check_garbage(b"\xd2\x84" + data)
    check_garbage(SIGNED[:27] + data)


def test_every_byte_changed_to_every_value():
    for at in range(len(SIGNED)):
        for value in range(256):
            check_garbage(SIGNED[:at] + bytes((value,)) + SIGNED[at + 1 :])
