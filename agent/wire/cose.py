"""COSE_Sign1 (RFC 9052 section 4.2) with one algorithm: HSS/LMS (RFC 8778).

18([protected, {}, payload, signature]), where the protected header is exactly
{1: -46, 4: kid}: the algorithm, and which key.  Nothing unsigned is carried.
A detached payload (section 4.1) is null here and stands elsewhere.
"""

from ..compat import const
from ..errors import RemoteError
from . import cbor
from .hashes import sha256

ALG_HSS_LMS = const(-46)
KID_BYTES = const(16)

_TAG_SIGN1 = const(18)
_ALG = const(1)
_KID = const(4)
# Sign1: the tag, its array, four members.  Header: a map of two pairs.
_SIGN1_DEPTH = const(3)
_SIGN1_ITEMS = const(6)
_HEADER_ITEMS = const(5)


def key_id(public_key):
    """Return the 16-byte kid of an HSS public key: the start of its SHA-256."""
    return sha256(public_key)[:KID_BYTES]


def protected_map(public_key):
    """Return the protected header (a dict) for signatures of an HSS key."""
    return {_ALG: ALG_HSS_LMS, _KID: key_id(public_key)}


def encode_sign1(protected_map, payload, signature):
    """Return COSE_Sign1 bytes.

    `protected_map` is a dict as protected_map() makes it; `payload` and
    `signature` are bytes, the signature over
    to_be_signed(cbor.encode(protected_map), payload).  None for a detached payload.
    """
    return cbor.encode(cbor.Tag(_TAG_SIGN1, [cbor.encode(protected_map), {}, payload, signature]))


def to_be_signed(protected_bytes, payload):
    """Return the Sig_structure (section 4.4) that is signed, as bytes."""
    return cbor.encode(["Signature1", protected_bytes, b"", payload])


def key_id_of(protected):
    """Return the kid of a protected header's bytes.  RemoteError for anything but the one form."""
    header = cbor.decode(protected, 1, _HEADER_ITEMS)
    if not isinstance(header, dict) or len(header) != 2 or header.get(_ALG) != ALG_HSS_LMS:
        raise RemoteError("cose: the algorithm is not HSS-LMS")
    kid = header.get(_KID)
    if not isinstance(kid, bytes) or len(kid) != KID_BYTES:
        raise RemoteError("cose: the key id is not 16 bytes")
    return kid


def decode_sign1(data, max_bytes, detached=None):
    """Return the Sign1 that `data` encodes.  The signature is not checked here.

    `detached`: the payload (bytes) if it stands elsewhere; then there must be none here.
    Raises RemoteError above `max_bytes` and for anything but the one form above.
    """
    if len(data) > max_bytes:
        raise RemoteError("cose: larger than %d bytes" % max_bytes)
    tagged = cbor.decode(data, _SIGN1_DEPTH, _SIGN1_ITEMS)
    if not isinstance(tagged, cbor.Tag) or tagged.number != _TAG_SIGN1:
        raise RemoteError("cose: not a COSE_Sign1")
    members = tagged.value
    if not isinstance(members, list) or len(members) != 4 or members[1] != {}:
        raise RemoteError("cose: not a COSE_Sign1 without unprotected headers")
    protected, _, payload, signature = members
    if detached is not None:
        if payload is not None:
            raise RemoteError("cose: the payload must be detached")
        payload = detached
    for member in (protected, payload, signature):
        if not isinstance(member, bytes):
            raise RemoteError("cose: header, payload and signature must be byte strings")
    return Sign1(protected, key_id_of(protected), payload, signature)


class Sign1:
    """A decoded COSE_Sign1: `protected`, `kid`, `payload`, `signature`, all bytes."""

    alg = ALG_HSS_LMS

    def __init__(self, protected, kid, payload, signature):
        self.protected = protected
        self.kid = kid
        self.payload = payload
        self.signature = signature

    def to_be_signed(self):
        """Return the bytes that the signature is over."""
        return to_be_signed(self.protected, self.payload)
