"""Signed manifests: what they may say, and the check that makes one count.

A manifest is a COSE_Sign1 whose payload is a CBOR map, or, of a firmware, a SUIT
envelope.  Until its signature, its form, its fleet and its expiry hold, nothing
of it is used.
"""

from .errors import RemoteError
from .limits import (
    ABSORBED,
    ARGUMENT_BYTES,
    ARGUMENTS,
    ATTEMPTS,
    BLOB_BYTES,
    INDEX_BLOBS,
    INDEX_ENTRIES,
    LOTS,
    MANIFEST_BYTES,
    PATH_NODES,
    REPLICAS,
    SEATS,
    TASKS,
)
from . import predicate, revocation
from .wire import cbor, cose, lms
from .wire.hashes import sha256

# How a SUIT envelope begins (wire/suit.py); a COSE_Sign1 begins otherwise.
ENVELOPE = b"\xd8\x6b"
TIME_MOST = (1 << 48) - 1
SEQ_MOST = (1 << 53) - 1
# All versions of the list of lots are one rumour.
LIST_NAME = "all"
_NAME_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"

_COMMON = ("kind", "fleet", "name", "seq", "issued", "expires", "end")
_FIELDS = {
    "slice": ("seats", "share", "where", "top", "absorbs", "from", "regions"),
    "query": ("where", "by", "top"),
    "workload": (
        "slice", "program", "program_size", "index", "tasks", "args",
        "replicas", "quorum", "limits", "deadline_s", "deterministic", "again",
    ),
    "lots": ("lots",),
    "seeds": ("contacts",),
    "revocation": ("boxes",),
    "rollout": ("firmware", "word"),
}
_OPTIONAL = ("end", "seats", "share", "where", "by", "top", "absorbs", "from", "again", "regions")


def manifest_id(kind, name):
    """The 16-byte id under which all versions of a manifest are one rumour."""
    return sha256(kind.encode() + b":" + name.encode())[:16]


class Manifest:
    """A verified manifest: id, hash of the signed bytes, and the payload's fields.

    authority: with what right its key signed it (trust.Keys.authority).
    """

    def __init__(self, fields, digest, size, authority):
        self.authority = authority
        self.fields = fields
        self.kind = fields["kind"]
        self.name = fields["name"]
        self.seq = fields["seq"]
        self.issued = fields["issued"]
        self.expires = fields["expires"]
        self.end = fields.get("end", False)
        self.id = manifest_id(self.kind, self.name)
        self.digest = digest
        self.size = size


def uint(fields, key, least, most):
    """The field's value; RemoteError unless it is a whole number from least to most."""
    value = fields[key]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RemoteError("manifest field " + key)
    return value


def _hash(value, key):
    if not isinstance(value, bytes) or len(value) != 32:
        raise RemoteError("manifest field " + key)


def is_name(value):
    """True for 1 to 32 letters a-z, digits and hyphens."""
    if not isinstance(value, str) or not 1 <= len(value) <= 32:
        return False
    for letter in value:
        if letter not in _NAME_LETTERS:
            return False
    return True


def _check_choice(fields):
    """Who is meant: a predicate, and a share of those by rank, both optional."""
    if "where" in fields:
        predicate.check(fields["where"])
    if "top" in fields:
        top = fields["top"]
        if not isinstance(top, list) or len(top) != 2 or not predicate.is_attribute(top[1]):
            raise RemoteError("manifest field top")
        uint({"top": top[0]}, "top", 1, 999)


def _check_slice(fields):
    if ("seats" in fields) == ("share" in fields):
        raise RemoteError("manifest field seats: either seats or share")
    if "seats" in fields:
        uint(fields, "seats", 1, SEATS)
    else:
        uint(fields, "share", 1, 1000)
    _check_choice(fields)
    absorbs = fields.get("absorbs", [])
    if not isinstance(absorbs, list) or len(absorbs) > ABSORBED:
        raise RemoteError("manifest field absorbs")
    for row in absorbs:
        if not isinstance(row, list) or len(row) != 3 or not is_name(row[0]) or row[0] == fields["name"]:
            raise RemoteError("manifest field absorbs")
        first = uint({"absorbs": row[1]}, "absorbs", 0, SEATS)
        uint({"absorbs": row[2]}, "absorbs", 1, fields.get("seats", 0) - first)
    if "from" in fields:
        row = fields["from"]
        if not isinstance(row, list) or len(row) != 2 or not is_name(row[0]) or row[0] == fields["name"]:
            raise RemoteError("manifest field from")
        uint({"from": row[1]}, "from", 0, SEATS)
    if "regions" in fields:
        from .regions import check  # few slices have them

        check(fields)


def _check_query(fields):
    _check_choice(fields)
    if "by" in fields and not predicate.is_attribute(fields["by"]):
        raise RemoteError("manifest field by")


def _check_workload(fields):
    if not is_name(fields["slice"]) and "/" not in fields["name"]:
        raise RemoteError("manifest field slice")
    _hash(fields["program"], "program")
    uint(fields, "program_size", 8, BLOB_BYTES)
    tasks = uint(fields, "tasks", 1, TASKS)
    replicas = uint(fields, "replicas", 1, REPLICAS)
    if tasks * replicas > TASKS:
        raise RemoteError("manifest field tasks: too many with these replicas")
    # More than the replicas: the owner asks for the rest where it is needed.
    uint(fields, "quorum", 1, REPLICAS)
    if "again" in fields:
        from .workload import check_again  # of most there is but one version

        check_again(fields, ATTEMPTS)
    uint(fields, "deadline_s", 1, TIME_MOST)
    index = fields["index"]
    if not isinstance(index, list) or len(index) != (tasks + INDEX_ENTRIES - 1) // INDEX_ENTRIES:
        raise RemoteError("manifest field index")
    for entry in index[:INDEX_BLOBS]:
        _hash(entry, "index")
    args = fields["args"]
    if not isinstance(args, list) or len(args) > ARGUMENTS:
        raise RemoteError("manifest field args")
    for arg in args:
        if not isinstance(arg, str) or len(arg.encode()) > ARGUMENT_BYTES or "\0" in arg:
            raise RemoteError("manifest field args")
    limits = fields["limits"]
    # Keys may be ints too, so they are not sorted.
    if not isinstance(limits, dict) or len(limits) != 3:
        raise RemoteError("manifest field limits")
    for key in ("fuel", "pages", "output"):
        if key not in limits:
            raise RemoteError("manifest field limits")
    uint(limits, "fuel", 1, SEQ_MOST)
    uint(limits, "pages", 0, 65536)
    uint(limits, "output", 0, BLOB_BYTES)
    if not isinstance(fields["deterministic"], bool):
        raise RemoteError("manifest field deterministic")
    if fields["quorum"] > 1 and not fields["deterministic"]:
        raise RemoteError("manifest field quorum: needs deterministic")


def _check_one(fields, name):
    # One list, which only its successor ends.
    if fields["name"] != name or "end" in fields:
        raise RemoteError("manifest field name: there is one such list")


def _check_lots(fields):
    _check_one(fields, LIST_NAME)
    check_lots(fields["lots"])


def check_lots(rows):
    """RemoteError unless rows are 1 to LOTS rows of a list of lots: [root, count, until]."""
    if not isinstance(rows, list) or not 1 <= len(rows) <= LOTS:
        raise RemoteError("manifest field lots")
    for row in rows:
        if not isinstance(row, list) or len(row) != 3:
            raise RemoteError("manifest field lots")
        _hash(row[0], "lots")
        uint({"lots": row[1]}, "lots", 1, 1 << PATH_NODES)
        uint({"lots": row[2]}, "lots", 0, TIME_MOST)


def _check_seeds(fields):
    contacts = fields["contacts"]
    if not isinstance(contacts, list) or not 1 <= len(contacts) <= 16:
        raise RemoteError("manifest field contacts")
    for contact in contacts:
        if (
            not isinstance(contact, list)
            or len(contact) != 2
            or not isinstance(contact[0], bytes)
            or not isinstance(contact[1], bytes)
            or len(contact[0]) != 16
            or len(contact[1]) not in (6, 18)
            or contact[1][-2:] == b"\0\0"
        ):
            raise RemoteError("manifest field contacts")


def _check_revocation(fields):
    _check_one(fields, revocation.NAME)
    if not revocation.is_list(fields["boxes"]):
        raise RemoteError("manifest field boxes")


def _check_rollout(fields):
    uint(fields, "firmware", 1, TIME_MOST)
    if fields["word"] not in ("go", "pause", "halt"):
        raise RemoteError("manifest field word")


_CHECKS = {
    "slice": _check_slice, "query": _check_query, "workload": _check_workload, "lots": _check_lots, "seeds": _check_seeds,
    "revocation": _check_revocation, "rollout": _check_rollout,
}


def parse(payload):
    """dict of a manifest's fields, every one in form and range; RemoteError."""
    fields = cbor.decode(payload, 12, 2048)
    if not isinstance(fields, dict):
        raise RemoteError("manifest is not a map")
    kind = fields.get("kind")
    if kind == "tenant":
        from .tenancy import FIELDS as rest  # most fleets have no tenants
    elif isinstance(kind, str) and kind in _FIELDS:
        rest = _FIELDS[kind]
    else:
        raise RemoteError("manifest kind")
    wanted = _COMMON + rest
    for key in wanted:
        if key not in fields and key not in _OPTIONAL:
            raise RemoteError("manifest lacks " + key)
    for key in fields:
        if key not in wanted:
            raise RemoteError("manifest has an unknown field")
    name = fields["name"]
    tenants = kind == "tenant" or isinstance(name, str) and "/" in name
    if not tenants and not is_name(name):
        raise RemoteError("manifest field name")
    if not isinstance(fields["fleet"], bytes) or len(fields["fleet"]) != 16:
        raise RemoteError("manifest field fleet")
    if fields.get("end", True) is not True:
        raise RemoteError("manifest field end")
    uint(fields, "seq", 1, SEQ_MOST)
    uint(fields, "issued", 0, TIME_MOST)
    uint(fields, "expires", fields["issued"], TIME_MOST)
    if kind in _CHECKS:
        _CHECKS[kind](fields)
    if tenants:
        from .tenancy import check

        check(fields)
    return fields


def check_reach(authority, fields):
    """RemoteError if a key signs under a name that is not its own.

    A tenant's authority is the kid of his key (bytes); who owns a name shows in it.
    """
    if isinstance(authority, bytes) != ("/" in fields["name"]):
        raise RemoteError("signed by a key that may not sign it")


def firmware_name(component, class_id):
    """Name of a firmware's manifest: component ([str, str]) and the start of the class's id (16 bytes)."""
    return "-".join(component) + "-" + class_id[:4].hex()


def _firmware(fields):
    """The fields of a SUIT manifest, as every manifest has them; RemoteError."""
    # The sequence number is the time of signing: it raises a box's clock.
    uint(fields, "seq", 1, TIME_MOST)
    uint(fields, "expires", fields["seq"], TIME_MOST)
    fields["kind"] = "firmware"
    fields["name"] = firmware_name(fields["component"], fields["class"])
    fields["issued"] = fields["seq"]
    return fields


class Check:
    """The check of one signed manifest, in steps: form, fleet, key, signature.

    step() returns True when it has finished and .manifest is there; it raises
    RemoteError with the reason otherwise.  Expiry, sequence, and whether the key's
    authority goes so far are the caller's.
    """

    def __init__(self, data, keys):
        """data: signed bytes; keys: trust.Keys, which know a signature's key by its id."""
        self._data = data
        self._digest = sha256(data)
        self._keys = keys
        self._kid = None
        self._signature = None
        self._fields = None
        self.manifest = None

    def step(self):
        """One slice of the work; True when done."""
        if self._signature is None:
            sign1, key, authority = self._read()
            if key is None:
                return self._holds(authority)
            self._kid = sign1.kid
            self._signature = lms.Verification(key, sign1.to_be_signed(), sign1.signature)
            return False
        if not self._signature.step():
            return False
        if not self._signature.valid:
            raise RemoteError("signature does not hold")
        # Asked again: the key may have lost its authority between two steps.
        return self._holds(self._keys.authority(self._kid, self._digest)[1])

    def _holds(self, authority):
        self.manifest = Manifest(self._fields, self._digest, len(self._data), authority)
        return True

    def _read(self):
        """The cose.Sign1, all but its signature checked, its key and authority; sets the fields.

        The key is None for what the root keeps (trust.Keys.authority).
        """
        firmware = None
        if bytes(self._data[:2]) == ENVELOPE:
            from .wire import suit  # firmware is rare

            sign1, firmware = suit.decode(self._data, MANIFEST_BYTES)
        else:
            sign1 = cose.decode_sign1(self._data, MANIFEST_BYTES)
        key, authority = self._keys.authority(sign1.kid, self._digest)
        if firmware:
            # Which fleet is meant says the key alone.
            self._fields = _firmware(firmware)
        else:
            self._fields = parse(sign1.payload)
            if self._fields["fleet"] != self._keys.fleet:
                raise RemoteError("manifest of another fleet")
        check_reach(authority, self._fields)
        return sign1, key, authority
