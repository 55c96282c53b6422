"""SHA-256 and what is built on it: HMAC (RFC 2104) and HKDF (RFC 5869)."""

from hashlib import sha256 as _sha256

from ..compat import const
from ..errors import LocalError

_BLOCK = const(64)
# RFC 5869: at most 255 blocks of output.
MAX_HKDF = const(255 * 32)

# The pads as numbers: one XOR of a 512-bit number instead of 64 of bytes.
_INNER = int.from_bytes(b"\x36" * _BLOCK, "big")
_OUTER = int.from_bytes(b"\x5c" * _BLOCK, "big")


def sha256(*parts):
    """Return the 32-byte SHA-256 of the parts (bytes-like) joined."""
    state = _sha256()
    for part in parts:
        state.update(part)
    return state.digest()


def hmac_sha256(key, *parts):
    """Return the 32-byte HMAC-SHA256 of the parts joined, under `key` (bytes)."""
    if len(key) > _BLOCK:
        key = _sha256(key).digest()
    number = int.from_bytes(key, "big") << 8 * (_BLOCK - len(key))
    state = _sha256((number ^ _INNER).to_bytes(_BLOCK, "big"))
    for part in parts:
        state.update(part)
    inner = state.digest()
    state = _sha256((number ^ _OUTER).to_bytes(_BLOCK, "big"))
    state.update(inner)
    return state.digest()


def hkdf(ikm, salt, info, length):
    """Return `length` bytes of HKDF-SHA256 (RFC 5869, extract then expand).

    An empty salt means 32 zero bytes.  Raises LocalError above MAX_HKDF bytes.
    """
    if not 0 < length <= MAX_HKDF:
        raise LocalError("hkdf: length must be 1 to %d bytes" % MAX_HKDF)
    key = hmac_sha256(salt, ikm)
    out = block = hmac_sha256(key, info, b"\x01")
    count = 1
    while len(out) < length:
        count += 1
        block = hmac_sha256(key, block, info, bytes((count,)))
        out += block
    return out[:length]


def equal(a, b):
    """Compare two byte strings in a time that depends on their length alone."""
    if len(a) != len(b):
        return False
    difference = 0
    for i in range(len(a)):
        difference |= a[i] ^ b[i]
    return difference == 0
