"""HMAC, HKDF and Merkle trees beside other implementations."""

import hashlib
import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from backfence.agent.wire import hashes, merkle

short = st.binary(max_size=200)


@given(short, st.lists(short, max_size=4))
def test_hmac_as_the_oracle(key, parts):
    assert hashes.hmac_sha256(key, *parts) == hmac.digest(key, b"".join(parts), "sha256")
    assert hashes.sha256(*parts) == hashlib.sha256(b"".join(parts)).digest()


@given(short, short, short, st.integers(1, 300))
def test_hkdf_as_the_oracle(ikm, salt, info, length):
    expected = HKDF(SHA256(), length, salt, info).derive(ikm)
    assert hashes.hkdf(ikm, salt, info, length) == expected


@given(short, short)
def test_equal(a, b):
    assert hashes.equal(a, b) == (a == b)
    assert hashes.equal(a, bytes(bytearray(a)))


def split(count):
    """The largest power of two below `count` (RFC 9162 section 2.1.1)."""
    return 1 << (count - 1).bit_length() - 1


def recursive_root(data):
    """MTH of section 2.1.1, word for word."""
    if not data:
        return hashlib.sha256().digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = split(len(data))
    return hashlib.sha256(b"\x01" + recursive_root(data[:k]) + recursive_root(data[k:])).digest()


def recursive_path(m, data):
    """PATH of section 2.1.3.1, word for word."""
    if len(data) == 1:
        return []
    k = split(len(data))
    if m < k:
        return recursive_path(m, data[:k]) + [recursive_root(data[k:])]
    return recursive_path(m - k, data[k:]) + [recursive_root(data[:k])]


@given(st.lists(st.binary(max_size=5), min_size=1, max_size=70), st.data())
def test_merkle_as_the_recursive_definition(data, draw):
    leaves = [merkle.leaf(item) for item in data]
    index = draw.draw(st.integers(0, len(data) - 1))
    root, path = recursive_root(data), recursive_path(index, data)
    assert merkle.root(leaves) == root
    assert merkle.path(leaves, index) == path
    assert merkle.verify(leaves[index], index, len(data), path, root)


@given(
    st.integers(-2, 1 << 40),
    st.integers(-2, 1 << 40),
    st.lists(st.binary(max_size=40), max_size=25),
    st.binary(max_size=40),
)
def test_garbage_proofs_are_false(index, count, path, root):
    assert merkle.verify(b"\x11" * 32, index, count, path, root) is False
