"""A firmware manifest: the SUIT envelope of draft-ietf-suit-manifest, in one exact form.

    107({2: << [<< [-16, digest] >>, << COSE_Sign1, payload detached >>] >>,
         3: << {1: 1, 2: sequence,
                3: << {2: [[component]], 4: << vendor, class, image digest and size >>},
                7: << the image matches >>,
                20: << fetch the image before a time, and the image matches >>} >>})

<< >> is CBOR in a byte string.  The signature is over the digest, and the digest
over the manifest with the head of its byte string.  The time is use-before of
draft-ietf-suit-update-management.  SUIT can say far more: this reader takes what
docs/wire.cddl spells out, and nothing else.  So there is no interpreter of
commands on a box, and what was understood is all that was signed.

The image comes in parts, each a blob; the URI names the blob with their hashes.  Waves
(../waves.py) are a parameter of our own, -1, beside it.
"""

from binascii import a2b_base64, b2a_base64

from ..compat import const
from ..errors import RemoteError
from . import cbor, cose
from .hashes import sha256

# An image has at most so many parts, so that their hashes are half a blob: 16 MB,
# more than any box of ours has flash for.
PARTS = const(512)
# A part is a blob as large as they come; the last may be shorter.
PART_BYTES = const(32768)
IMAGE_BYTES = PARTS * PART_BYTES
# A component's two names: "agent", and "mpy6" or a processor.
COMPONENT_BYTES = const(12)
ID_BYTES = const(16)

# Items in one byte string; the manifest, the largest, has eleven; with twelve waves the installation has 47.
_ITEMS = const(16)
_ITEMS_WAVES = const(48)
_TAG_ENVELOPE = const(107)
_AUTHENTICATION, _MANIFEST = 2, 3
_VERSION, _SEQUENCE, _COMMON, _VALIDATE, _INSTALL = 1, 2, 3, 7, 20
_COMPONENTS, _SHARED = 2, 4
_VENDOR, _CLASS, _DIGEST, _USE_BEFORE, _SIZE, _URI, _WAVES = 1, 2, 3, 4, 14, 21, -1
# Commands: set parameters, and then vendor and class match; then time is before
# use-before, fetch, image matches.  15: report all of it, 2: report a failure.
_SHARED_BEGIN, _SHARED_END = b"\x86\x14", b"\x01\x0f\x02\x0f"
_INSTALL_BEGIN, _INSTALL_END = b"\x88\x14", b"\x04\x0f\x15\x02\x03\x0f"
# A SUIT_Digest before its 32 bytes: [-16 (SHA-256), ...].
_DIGEST_BEGIN = b"\x82\x2f\x58\x20"
_VALIDATED = b"\x82\x03\x0f"
_URI_BEGIN = "ni:///sha-256;"  # RFC 6920
# RFC 9562 section 6.6: the namespace of DNS names.
_NAMESPACE_DNS = b"\x6b\xa7\xb8\x10\x9d\xad\x11\xd1\x80\xb4\x00\xc0\x4f\xd4\x30\xc8"


def vendor_id(domain):
    """The 16-byte id of a vendor, from its DNS name (str)."""
    return _uuid(_NAMESPACE_DNS, domain)


def class_id(vendor, name):
    """The 16-byte id of a class of boxes: its name (str) as its vendor (16 bytes) uses it."""
    return _uuid(vendor, name)


def _uuid(namespace, name):
    """A UUID of version 8 by SHA-256, as in RFC 9562 appendix B.2: some boxes have no SHA-1."""
    raw = bytearray(sha256(namespace, name.encode())[:ID_BYTES])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return bytes(raw)


def index_uri(digest):
    """The URI that names a blob by its SHA-256 (32 bytes)."""
    text = b2a_base64(digest).strip().decode()
    return _URI_BEGIN + text.rstrip("=").replace("+", "-").replace("/", "_")


def _index(uri):
    """The 32 bytes that a URI names; RemoteError unless index_uri() would write it so."""
    if isinstance(uri, str) and uri.startswith(_URI_BEGIN):
        text = uri[len(_URI_BEGIN) :].replace("-", "+").replace("_", "/") + "="
        try:
            digest = a2b_base64(text.encode())
        except ValueError:
            digest = b""
        if len(digest) == 32 and index_uri(digest) == uri:
            return digest
    raise RemoteError("suit: the URI does not name an index")


def _map(data, keys, depth, what, more=None):
    """dict with exactly these keys, and perhaps one more, from a byte string."""
    items = _ITEMS if more is None else _ITEMS_WAVES
    value = cbor.decode(data, depth, items) if isinstance(data, bytes) else None
    if not isinstance(value, dict) or len(value) - (more in value) != len(keys):
        raise RemoteError("suit: " + what)
    for key in keys:
        if key not in value:
            raise RemoteError("suit: " + what)
    return value


def _commands(data, begin, end, keys, what, more=None):
    """The parameters (dict with these keys, and perhaps one more) of a sequence of commands that is else as it must be."""
    if not isinstance(data, bytes) or not data.startswith(begin) or not data.endswith(end):
        raise RemoteError("suit: the commands of " + what)
    return _map(data[len(begin) : len(data) - len(end)], keys, 1 if more is None else 4, "the parameters of " + what, more)


def _digest(data):
    """The 32 bytes of a SUIT_Digest in a byte string, of SHA-256."""
    if not isinstance(data, bytes) or len(data) != len(_DIGEST_BEGIN) + 32 or not data.startswith(_DIGEST_BEGIN):
        raise RemoteError("suit: a digest is not SHA-256's")
    return data[len(_DIGEST_BEGIN) :]


def _uint(value, what):
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise RemoteError("suit: " + what)
    return value


def _id(value, what):
    if not isinstance(value, bytes) or len(value) != ID_BYTES:
        raise RemoteError("suit: " + what)
    return value


def _component(components):
    """[str, str] of the one component: "agent", and letters and digits."""
    if not isinstance(components, list) or len(components) != 1 or not isinstance(components[0], list):
        raise RemoteError("suit: not one component")
    parts = components[0]
    if len(parts) != 2 or not isinstance(parts[0], bytes) or not isinstance(parts[1], bytes) or parts[0] != b"agent":
        raise RemoteError("suit: the component is not an agent")
    if not 1 <= len(parts[1]) <= COMPONENT_BYTES:
        raise RemoteError("suit: the component's length")
    for letter in parts[1]:
        if not (0x61 <= letter <= 0x7A or 0x30 <= letter <= 0x39):
            raise RemoteError("suit: the component is not letters a-z and digits")
    return ["agent", parts[1].decode()]


def parse(data):
    """dict of a SUIT_Manifest's fields; RemoteError for anything but the one form.

    seq, expires (unix seconds, any uint); component: [str, str]; vendor, class:
    16 bytes; image: SHA-256; size: 1 to IMAGE_BYTES; index: SHA-256 of the blob
    that holds the hashes of the parts; waves, if there are any: as waves.check() takes them.
    """
    manifest = _map(data, (_VERSION, _SEQUENCE, _COMMON, _VALIDATE, _INSTALL), 1, "the manifest's members")
    if manifest[_VERSION] is True or manifest[_VERSION] != 1:
        raise RemoteError("suit: another version of manifests")
    if not isinstance(manifest[_VALIDATE], bytes) or manifest[_VALIDATE] != _VALIDATED:
        raise RemoteError("suit: the commands of validation")
    common = _map(manifest[_COMMON], (_COMPONENTS, _SHARED), 3, "the common members")
    shared = _commands(
        common[_SHARED], _SHARED_BEGIN, _SHARED_END, (_VENDOR, _CLASS, _DIGEST, _SIZE), "the shared sequence"
    )
    install = _commands(manifest[_INSTALL], _INSTALL_BEGIN, _INSTALL_END, (_USE_BEFORE, _URI), "installation", _WAVES)
    size = _uint(shared[_SIZE], "the image's size")
    if not 1 <= size <= IMAGE_BYTES:
        raise RemoteError("suit: the image's size")
    fields = {
        "seq": _uint(manifest[_SEQUENCE], "the sequence number"),
        "expires": _uint(install[_USE_BEFORE], "the time of use-before"),
        "component": _component(common[_COMPONENTS]),
        "vendor": _id(shared[_VENDOR], "the vendor's id"),
        "class": _id(shared[_CLASS], "the class's id"),
        "image": _digest(shared[_DIGEST]),
        "size": size,
        "index": _index(install[_URI]),
    }
    if _WAVES in install:
        from ..waves import check  # whoever takes a firmware without waves needs no room for it

        fields["waves"] = check(install[_WAVES])
    return fields


def decode(data, max_bytes):
    """(cose.Sign1, fields as of parse()) of an envelope; the signature is not checked here.

    The digest is.  RemoteError above `max_bytes`, and for anything but the one form.
    """
    if len(data) > max_bytes:
        raise RemoteError("suit: larger than %d bytes" % max_bytes)
    envelope = cbor.decode(data, 2, _ITEMS)
    if not isinstance(envelope, cbor.Tag) or envelope.number != _TAG_ENVELOPE:
        raise RemoteError("suit: not an envelope")
    members = envelope.value
    if not isinstance(members, dict) or len(members) != 2 or _AUTHENTICATION not in members or _MANIFEST not in members:
        raise RemoteError("suit: the envelope's members")
    for key in members:
        if not isinstance(members[key], bytes):
            raise RemoteError("suit: the envelope's members")
    blocks = cbor.decode(members[_AUTHENTICATION], 1, _ITEMS)
    if not isinstance(blocks, list) or len(blocks) != 2 or not isinstance(blocks[1], bytes):
        raise RemoteError("suit: not a digest and one signature")
    if _digest(blocks[0]) != sha256(cbor.encode(members[_MANIFEST])):
        raise RemoteError("suit: the digest is not the manifest's")
    return cose.decode_sign1(blocks[1], max_bytes, blocks[0]), parse(members[_MANIFEST])
