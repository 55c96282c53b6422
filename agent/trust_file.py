"""trust.cbor: what a box believes before it has spoken with anybody; and the root it keeps on flash.

Loaded at the start, and when a root is replaced.
"""

from .errors import RemoteError
from .limits import BLOB_BYTES, KEPT, MANIFEST_BYTES, PATH_NODES, ROOT_KEYS
from .manifest import Check
from .trust import Keys, Root, Trust, by_id
from .wire import cbor
from .wire.hashes import sha256
from .wire.messages import holds

KEY_BYTES = 60
# Largest trust.cbor: the signed list of lots, a path, a root and its chain.
TRUST_BYTES = MANIFEST_BYTES + 4096 + BLOB_BYTES
_FIELDS = ("chain", "digest", "expires", "fleet", "issued", "keys", "kept", "operator", "settled", "threshold", "version")


def fleet_id(first):
    """The 16-byte id of a fleet, for ever: a hash of its first root, encoded without the id (bytes)."""
    return sha256(b"backfence fleet", first)[:16]


def check(root):
    """RemoteError unless keys, threshold and what is kept have their form."""
    keys = root.keys
    if not holds(("u", "U", "U"), [root.version, root.issued, root.expires]) or not root.version:
        raise RemoteError("root: version and times")
    if not isinstance(keys, list) or not 0 < len(keys) <= ROOT_KEYS:
        raise RemoteError("root: keys")
    for at, key in enumerate(keys + [root.operator]):
        # The operator's key signs no roots, and root keys nothing else.
        if not isinstance(key, bytes) or len(key) != KEY_BYTES or key in keys[:at]:
            raise RemoteError("root: keys")
    if not holds(("u",), [root.threshold]) or not 0 < root.threshold <= len(keys):
        raise RemoteError("root: threshold")
    kept = root.kept
    if not isinstance(kept, bytes) or len(kept) % 32 or len(kept) > 32 * KEPT:
        raise RemoteError("root: kept")


def encode(root, fleet, chain, settled=True):
    """The bytes of state "root", and of the same map in trust.cbor; chain: as rumours carry it, or b""."""
    fields = {"chain": chain, "fleet": fleet, "settled": settled}
    for key in _FIELDS:
        if key not in fields:
            fields[key] = getattr(root, key)
    return cbor.encode(fields)


def decode(data):
    """(Root, fleet's id, chain, settled) from encode()'s bytes.  RemoteError."""
    fields = cbor.decode(data, 2, 32 + ROOT_KEYS)
    if not isinstance(fields, dict) or len(fields) != len(_FIELDS):
        raise RemoteError("root: fields")
    for key in _FIELDS:
        if key not in fields:
            raise RemoteError("root: fields")
    root = Root(fields["version"], fields["keys"], fields["threshold"], fields["operator"], fields["kept"],
                fields["issued"], fields["expires"], fields["digest"])
    check(root)
    if not holds(("h",), [fields["fleet"]]) or not holds(("s",), [root.digest]):
        raise RemoteError("root: fleet and digest")
    if not isinstance(fields["chain"], bytes) or len(fields["chain"]) > BLOB_BYTES:
        raise RemoteError("root: chain")
    return root, fields["fleet"], fields["chain"], fields["settled"] is True


def load(data):
    """Trust from the bytes of trust.cbor, its list's signature verified.

    RemoteError if anything in it does not hold.  Takes some 50 ms.
    """
    fields = cbor.decode(data, 4, 64 + PATH_NODES)
    wanted = ("index", "lot", "lots", "owner", "path", "root")
    if not isinstance(fields, dict) or len(fields) != len(wanted):
        raise RemoteError("trust file: fields")
    for key in wanted:
        if key not in fields:
            raise RemoteError("trust file: fields")
    owner, path = fields["owner"], fields["path"]
    if not isinstance(fields["root"], bytes) or not isinstance(owner, bytes) or len(owner) != 32:
        raise RemoteError("trust file: keys")
    root, fleet, chain, _ = decode(fields["root"])
    if not holds(("8", "u", "l"), [fields["lot"], fields["index"], path]) or len(path) > PATH_NODES:
        raise RemoteError("trust file: path")
    if not holds(("s",) * len(path), path):
        raise RemoteError("trust file: path")
    if not isinstance(fields["lots"], bytes):
        raise RemoteError("trust file: lots")
    keys = Keys(fleet, root)
    check = Check(fields["lots"], keys)
    while not check.step():
        pass
    if check.manifest.kind != "lots":
        raise RemoteError("trust file: lots")
    lots = by_id(check.manifest.fields["lots"])
    if fields["lot"] not in lots:
        raise RemoteError("trust file: lot")
    trust = Trust(keys, owner, lots, fields["lot"], fields["index"], path, check.manifest.seq)
    if chain:
        trust.chain = chain
    return trust
