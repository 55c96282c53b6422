"""The SUIT envelope that tells a fleet of a firmware: encoded here, signed by who holds the key.

The form is docs/wire.cddl's, after draft-ietf-suit-manifest-37 and
draft-ietf-suit-update-management-14.  A box reads it with agent/wire/suit.py, which
shares no code with this file.

    plan = manifest(image, "mpy6", vendor_id("isp.example"), class_id(vendor, "homebox-2"), sequence, expires)
    to_sign = sign_structure(plan.digest, protected)
    signed = envelope(plan, protected, signature)
"""

import base64
import dataclasses
import hashlib
import uuid

import cbor2

TAG_ENVELOPE = 107
TAG_SIGN1 = 18
ALG_SHA_256 = -16
# Keys of the maps, and commands, which share numbers with the parameters they look at.
AUTHENTICATION, MANIFEST = 2, 3
VERSION, SEQUENCE, COMMON, VALIDATE, INSTALL = 1, 2, 3, 7, 20
COMPONENTS, SHARED_SEQUENCE = 2, 4
VENDOR, CLASS, IMAGE_DIGEST, USE_BEFORE, IMAGE_SIZE, URI = 1, 2, 3, 4, 14, 21
# A parameter of our own: the waves in which boxes take it.
WAVES = -1
IMAGE_MATCH, OVERRIDE_PARAMETERS, FETCH = 3, 20, 21
# What is reported of a command: success and failure with all there is, or failure alone.
REPORT_ALL, REPORT_FAILURE = 15, 2

PART_BYTES = 32768
PARTS = 512
IMAGE_BYTES = PARTS * PART_BYTES


@dataclasses.dataclass
class Plan:
    """An unsigned envelope: `manifest` and `digest` are CBOR; `blobs` is {sha256: bytes},
    the image's parts and their index, to publish beside it."""

    manifest: bytes
    digest: bytes
    blobs: dict


def vendor_id(domain):
    """Returns the 16-byte id of a vendor, from its DNS name."""
    return _uuid(uuid.NAMESPACE_DNS.bytes, domain)


def class_id(vendor, name):
    """Returns the 16-byte id of a class of boxes: its name as its vendor (16 bytes) uses it."""
    return _uuid(vendor, name)


def _uuid(namespace, name):
    """A UUID of version 8 by SHA-256 (RFC 9562, appendix B.2).

    The draft asks for version 3, 4 or 5, which need MD5, SHA-1 or a list of
    random ids; some boxes have only SHA-256.
    """
    number = int.from_bytes(hashlib.sha256(namespace + name.encode()).digest()[:16], "big")
    number = number & ~(0xF << 76) & ~(3 << 62) | 8 << 76 | 2 << 62
    return uuid.UUID(int=number).bytes


def index_uri(digest):
    """Returns the RFC 6920 URI of the blob with this SHA-256 (32 bytes)."""
    return "ni:///sha-256;" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def cut(image):
    """Returns (SHA-256 of the index blob, {sha256: bytes} of parts and index) of an image's bytes."""
    if not 1 <= len(image) <= IMAGE_BYTES:
        raise ValueError(f"an image has 1 to {IMAGE_BYTES:,} bytes, not {len(image):,}")
    blobs, index = {}, b""
    for start in range(0, len(image), PART_BYTES):
        part = image[start:start + PART_BYTES]
        digest = hashlib.sha256(part).digest()
        blobs[digest] = part
        index += digest
    digest = hashlib.sha256(index).digest()
    return digest, {**blobs, digest: index}


def _wrapped(value):
    """CBOR in CBOR: the bytes that become a byte string."""
    return cbor2.dumps(value, canonical=True)


def suit_digest(data):
    """Returns the CBOR of the SUIT_Digest of some bytes."""
    return _wrapped([ALG_SHA_256, hashlib.sha256(data).digest()])


def manifest(image, target, vendor, klass, sequence, expires, waves=None):
    """Returns the Plan for an image (bytes) that boxes of a class may install.

    target: "mpy6" or a processor; vendor, klass: 16 bytes each; sequence and
    expires: unix seconds of the signing, and before which it may be installed.
    waves: None, or [rows, polled, need, soak_s] as docs/wire.cddl has it.
    """
    index, blobs = cut(image)
    shared = [
        OVERRIDE_PARAMETERS,
        {VENDOR: vendor, CLASS: klass, IMAGE_DIGEST: suit_digest(image), IMAGE_SIZE: len(image)},
        VENDOR, REPORT_ALL,
        CLASS, REPORT_ALL,
    ]
    install = [
        OVERRIDE_PARAMETERS, {USE_BEFORE: expires, URI: index_uri(index), **({WAVES: waves} if waves else {})},
        USE_BEFORE, REPORT_ALL,
        FETCH, REPORT_FAILURE,
        IMAGE_MATCH, REPORT_ALL,
    ]
    body = _wrapped({
        VERSION: 1,
        SEQUENCE: sequence,
        COMMON: _wrapped({COMPONENTS: [[b"agent", target.encode()]], SHARED_SEQUENCE: _wrapped(shared)}),
        VALIDATE: _wrapped([IMAGE_MATCH, REPORT_ALL]),
        INSTALL: _wrapped(install),
    })
    # The digest is over the manifest as it stands in the envelope: with its byte string's head.
    return Plan(body, suit_digest(_wrapped(body)), blobs)


def sign_structure(digest, protected):
    """Returns the bytes to sign (RFC 9052 section 4.4); the payload, detached, is the digest."""
    return _wrapped(["Signature1", _wrapped(protected), b"", digest])


def envelope(plan, protected, signature):
    """Returns the signed envelope.  protected: the COSE header map; signature: over sign_structure()."""
    block = cbor2.CBORTag(TAG_SIGN1, [_wrapped(protected), {}, None, signature])
    members = {AUTHENTICATION: _wrapped([plan.digest, _wrapped(block)]), MANIFEST: plan.manifest}
    return _wrapped(cbor2.CBORTag(TAG_ENVELOPE, members))
