"""HSS/LMS beside another implementation: every parameter set, and damage."""

import hashlib

import pyhsslms.pyhsslms as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfence.agent.errors import RemoteError
from backfence.agent.wire import lms

TREES = {5: oracle.lms_sha256_m32_h5, 10: oracle.lms_sha256_m32_h10, 15: oracle.lms_sha256_m32_h15}
CHAINS = {4: oracle.lmots_sha256_n32_w4, 8: oracle.lmots_sha256_n32_w8}


def planted_tree(height, width, leaf, seed):
    """An LMS tree of one real leaf: (public key, function that signs with it).

    The siblings on the leaf's path are invented and the root follows from them,
    so a tree of 2**15 leaves costs as little as one of 2**5.
    """

    def h(*parts):
        return hashlib.sha256(b"".join(parts)).digest()

    identifier = h(seed, b"identifier")[:16]
    one_time = oracle.LmotsPrivateKey(identifier, oracle.u32(leaf), h(seed), CHAINS[width])
    number = leaf + (1 << height)
    node = h(identifier, oracle.u32(number), oracle.D_LEAF, one_time.publicKey().K)
    path = []
    while number > 1:
        sibling = h(seed, oracle.u32(number))
        pair = (sibling, node) if number & 1 else (node, sibling)
        node = h(identifier, oracle.u32(number // 2), oracle.D_INTR, *pair)
        path.append(sibling)
        number //= 2

    def sign(message):
        return oracle.u32(leaf) + one_time.sign(message) + TREES[height] + b"".join(path)

    return TREES[height] + CHAINS[width] + identifier + node, sign


def oracle_verify(key, message, signature):
    """The other implementation's opinion; its ValueError means malformed."""
    try:
        return bool(oracle.HssPublicKey.deserialize(key).verify(message, signature))
    except (ValueError, IndexError):
        return False


def our_verify(key, message, signature):
    try:
        return lms.verify(key, message, signature)
    except RemoteError:
        return False


@pytest.mark.parametrize("width", [4, 8])
@pytest.mark.parametrize("height", [5, 10, 15])
@pytest.mark.parametrize("side", ["first", "last"])
def test_each_parameter_set(height, width, side):
    leaf = 0 if side == "first" else (1 << height) - 1
    key, sign = planted_tree(height, width, leaf, b"seed")
    key = oracle.u32(1) + key
    signature = oracle.u32(0) + sign(b"message")
    assert oracle_verify(key, b"message", signature)
    assert lms.verify(key, b"message", signature)
    assert not lms.verify(key, b"massage", signature)


@pytest.mark.parametrize("upper", [(5, 8), (15, 4)])
@pytest.mark.parametrize("lower", [(10, 8), (5, 4)])
def test_two_levels_of_mixed_parameters(upper, lower):
    upper_key, upper_sign = planted_tree(*upper, 3, b"upper")
    lower_key, lower_sign = planted_tree(*lower, 7, b"lower")
    key = oracle.u32(2) + upper_key
    upper_signature = upper_sign(lower_key)
    signature = oracle.u32(1) + upper_signature + lower_key + lower_sign(b"message")
    assert oracle_verify(key, b"message", signature)
    assert lms.verify(key, b"message", signature)
    # The other lower tree is a good one, but the upper tree did not sign it.
    other_key, other_sign = planted_tree(*lower, 7, b"other")
    forged = oracle.u32(1) + upper_signature + other_key + other_sign(b"message")
    assert len(forged) == len(signature)
    assert not oracle_verify(key, b"message", forged)
    assert not lms.verify(key, b"message", forged)


def test_three_levels_are_refused():
    trees = [planted_tree(5, 8, 0, seed) for seed in (b"1", b"2", b"3")]
    (first, sign1), (second, sign2), (third, sign3) = trees
    key = oracle.u32(3) + first
    signature = oracle.u32(2) + sign1(second) + second + sign2(third) + third + sign3(b"message")
    assert oracle_verify(key, b"message", signature)
    with pytest.raises(RemoteError):
        lms.Verification(key, b"message", signature)


def test_signatures_of_a_whole_hss_key():
    private = oracle.HssPrivateKey(levels=2, lms_type=TREES[5], lmots_type=CHAINS[4])
    key = private.publicKey().serialize()
    for message in (b"", b"one", bytes(8192)):
        signature = private.sign(message)
        assert lms.verify(key, message, signature)
        assert not lms.verify(key, message + b"\x00", signature)


_UPPER, _upper_sign = planted_tree(5, 4, 1, b"damage 1")
_LOWER, _lower_sign = planted_tree(5, 4, 30, b"damage 2")
KEY = oracle.u32(2) + _UPPER
SIGNATURE = oracle.u32(1) + _upper_sign(_LOWER) + _LOWER + _lower_sign(b"message")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(SIGNATURE) - 1), st.integers(1, 255), st.booleans())
def test_damage_never_verifies_and_never_escapes(at, change, in_key):
    key, signature = bytearray(KEY), bytearray(SIGNATURE)
    if in_key:
        key[at % len(key)] ^= change
    else:
        signature[at] ^= change
    assert our_verify(KEY, b"message", SIGNATURE)
    assert not our_verify(bytes(key), b"message", bytes(signature))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.binary(max_size=200))
def test_garbage_never_verifies_and_never_escapes(key, signature):
    assert not our_verify(key, b"message", signature)
    assert not our_verify(KEY, b"message", signature)
    assert not our_verify(key, b"message", SIGNATURE)
