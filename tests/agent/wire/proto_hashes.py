"""SHA-256, HMAC (RFC 4231) and HKDF (RFC 5869) against their published vectors."""

from backfence.agent.errors import LocalError
from backfence.agent.wire import hashes

# RFC 4231 section 4: key, data, HMAC-SHA-256 (case 5 is cut to 128 bits there).
HMAC_CASES = (
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    (b"\x0c" * 20, b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        b"This is a test using a larger than block-size key and a larger than block-size data. "
        b"The key needs to be hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
)

# RFC 5869 appendix A, the SHA-256 cases: ikm, salt, info, output.
HKDF_CASES = (
    (
        b"\x0b" * 22,
        bytes(range(13)),
        bytes(range(0xF0, 0xFA)),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)),
        bytes(range(0x60, 0xB0)),
        bytes(range(0xB0, 0x100)),
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c6"
        "5e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    (
        b"\x0b" * 22,
        b"",
        b"",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
)


def test_sha256_joins_its_parts():
    # FIPS 180-2 appendix B.1
    abc = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    assert hashes.sha256(b"abc") == abc
    assert hashes.sha256(b"a", bytearray(b"b"), b"", memoryview(b"c")) == abc


def test_hmac_cases():
    for key, data, expected in HMAC_CASES:
        expected = bytes.fromhex(expected)
        assert hashes.hmac_sha256(key, data)[: len(expected)] == expected
        half = len(data) // 2
        assert hashes.hmac_sha256(key, data[:half], data[half:])[: len(expected)] == expected


def test_hmac_key_lengths_around_a_block():
    # A key of up to 64 bytes is padded with zeros, a longer one is hashed.
    assert hashes.hmac_sha256(b"k" * 63, b"x") == hashes.hmac_sha256(b"k" * 63 + b"\x00", b"x")
    assert hashes.hmac_sha256(b"k" * 65, b"x") == hashes.hmac_sha256(hashes.sha256(b"k" * 65), b"x")
    assert hashes.hmac_sha256(b"", b"") == hashes.hmac_sha256(bytes(64), b"")
    assert hashes.hmac_sha256(b"\x00k", b"") != hashes.hmac_sha256(b"k", b"")


def test_hkdf_cases():
    for ikm, salt, info, expected in HKDF_CASES:
        expected = bytes.fromhex(expected)
        assert hashes.hkdf(ikm, salt, info, len(expected)) == expected
        assert hashes.hkdf(ikm, salt, info, 10) == expected[:10]


def test_hkdf_length_cap():
    assert len(hashes.hkdf(b"k", b"", b"", hashes.MAX_HKDF)) == 8160
    for length in (0, -1, hashes.MAX_HKDF + 1):
        try:
            hashes.hkdf(b"k", b"", b"", length)
        except LocalError:
            continue
        assert False, length


def test_equal():
    assert hashes.equal(b"", b"")
    assert hashes.equal(b"abc", bytearray(b"abc"))
    assert not hashes.equal(b"abc", b"abd")
    assert not hashes.equal(b"bbc", b"abc")
    assert not hashes.equal(b"abc", b"ab")
    assert not hashes.equal(b"abc", b"abcd")
