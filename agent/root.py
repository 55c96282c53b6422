"""Roots: how the keys of a fleet are replaced, version by version (the rules of TUF, 5.3).

A root is a COSE_Sign (RFC 9052, 4.1) whose payload names the root keys, how many of
them must sign, the operator's key, and what an earlier operator's key signed that goes
on counting.  Version n + 1 counts if enough of version n's root keys have signed it and
enough of its own; versions are taken one by one.  A chain, the newest few roots in
order, is one rumour: who slept through some takes them from it.

With a new operator's key all that the old one signed stops: live manifests, the
list of revoked boxes, lots, floors and the clock's floor, which a thief may have raised.
What the root keeps stays as it is.
"""

from . import revocation, slots, strange, trust_file
from .errors import RemoteError
from .limits import BLOB_BYTES, MANIFEST_BYTES, ROOT_KEYS, ROOTS
from .manifest import LIST_NAME, TIME_MOST, Manifest, manifest_id
from .trust import OPERATOR, ROOT_ID, Root
from .wire import cbor, cose, lms
from .wire.hashes import sha256
from .wire.messages import holds

TAG_SIGN = 98
_FIELDS = ("expires", "fleet", "issued", "kept", "keys", "kind", "operator", "threshold", "version")


class Document:
    """A decoded root: .root, .fleet, .signed (its bytes), .signatures as (protected, kid, signature)."""

    def __init__(self, signed):
        """RemoteError for anything but the one form; no signature is checked here."""
        if len(signed) > MANIFEST_BYTES:
            raise RemoteError("root: larger than %d bytes" % MANIFEST_BYTES)
        tagged = cbor.decode(signed, 5, 8 + 4 * 2 * ROOT_KEYS)
        members = tagged.value if isinstance(tagged, cbor.Tag) and tagged.number == TAG_SIGN else None
        if not isinstance(members, list) or len(members) != 4 or members[0] != b"" or members[1] != {}:
            raise RemoteError("root: not a COSE_Sign")
        if not holds(("b", "l"), members[2:]) or not 0 < len(members[3]) <= 2 * ROOT_KEYS:
            raise RemoteError("root: payload and signatures")
        self.signed = signed
        self.payload = members[2]
        self.signatures = []
        for row in members[3]:
            if not isinstance(row, list) or len(row) != 3 or row[1] != {} or not holds(("b", "b"), [row[0], row[2]]):
                raise RemoteError("root: signature")
            self.signatures.append((row[0], cose.key_id_of(row[0]), row[2]))
        fields = cbor.decode(self.payload, 2, 24 + ROOT_KEYS)
        if not isinstance(fields, dict) or len(fields) != len(_FIELDS):
            raise RemoteError("root: fields")
        for key in _FIELDS:
            if key not in fields:
                raise RemoteError("root: fields")
        if fields["kind"] != "root" or not holds(("h",), [fields["fleet"]]):
            raise RemoteError("root: kind and fleet")
        self.fleet = fields["fleet"]
        self.root = Root(fields["version"], fields["keys"], fields["threshold"], fields["operator"], fields["kept"],
                         fields["issued"], fields["expires"], sha256(self.payload))
        trust_file.check(self.root)


def payload(fleet, root):
    """The payload (bytes) of a root's document; fleet: 16 bytes."""
    fields = {"kind": "root", "fleet": fleet}
    for key in _FIELDS:
        if key not in fields:
            fields[key] = getattr(root, key)
    return cbor.encode(fields)


def to_be_signed(protected, body):
    """The Sig_structure (RFC 9052, 4.4) of one signature over a payload; protected: bytes."""
    return cbor.encode(["Signature", b"", protected, b"", body])


def encode(body, signatures):
    """The bytes of a document; signatures: (protected header's bytes, signature) each."""
    rows = [[protected, {}, signature] for protected, signature in signatures]
    return cbor.encode(cbor.Tag(TAG_SIGN, [b"", {}, body, rows]))


def split(chain):
    """The signed roots (bytes) of a chain, oldest first.  RemoteError."""
    rows = cbor.decode(chain, 1, ROOTS + 1) if len(chain) <= BLOB_BYTES else None
    if not isinstance(rows, list) or not holds(("b",) * len(rows), rows) or not rows:
        raise RemoteError("root: not a chain")
    return rows


def join(documents):
    """The chain (bytes) of signed roots, oldest first: as many of the newest as may be."""
    documents = documents[-ROOTS:]
    while True:
        chain = cbor.encode(documents)
        if len(chain) <= BLOB_BYTES:
            return chain
        documents = documents[1:]


def verify(document, previous):
    """Generator: yields between slices of the check that enough keys of `previous` (a Root) and its own signed."""
    keys = {}
    for key in previous.keys + document.root.keys:
        keys[cose.key_id(key)] = key
    kids = [kid for _, kid, _ in document.signatures]
    for at, kid in enumerate(kids):
        if kid not in keys or kid in kids[:at]:
            raise RemoteError("root: signed by a key that is no root key, or twice")
    for root, whose in ((previous, "the root before"), (document.root, "its own")):
        count = len([key for key in root.keys if cose.key_id(key) in kids])
        if count < root.threshold:
            raise RemoteError("root: signed by %d keys of %s, which wants %d" % (count, whose, root.threshold))
    for protected, kid, signature in document.signatures:
        verification = lms.Verification(keys[kid], to_be_signed(protected, document.payload), signature)
        while not verification.step():
            yield
        if not verification.valid:
            raise RemoteError("root: signature does not hold")
        yield


class Check:
    """The check of a chain of roots, in steps like manifest.Check.

    keys: trust.Keys.  At the end .manifest is there, with .root (the newest Root), .base
    (the Root it follows) and .documents (the signed roots after that).
    """

    def __init__(self, chain, keys):
        self._chain = chain
        self._keys = keys
        self._steps = self._run()
        self.manifest = None

    def step(self):
        """One slice of the work; True when done."""
        for _ in self._steps:
            return False
        return True

    def _run(self):
        base = self._keys.root
        documents = [Document(signed) for signed in split(self._chain)]
        first, newest = documents[0].root.version, documents[-1].root
        for at, document in enumerate(documents):
            if document.fleet != self._keys.fleet or document.root.version != first + at:
                raise RemoteError("root: of another fleet, or versions that are not in order")
        if newest.version < base.version:
            raise RemoteError("root: version %d is in force, above this" % base.version)
        if newest.version == base.version and newest.digest != base.digest:
            raise RemoteError("root: another version %d is in force: a fork" % base.version)
        if first > base.version + 1:
            raise RemoteError("root: version %d is in force, and none follows it here" % base.version)
        previous, new = base, []
        for document in documents:
            if document.root.version > base.version:
                yield from verify(document, previous)
                previous = document.root
                new.append(document.signed)
        if base is not self._keys.root:
            raise RemoteError("root: another was taken meanwhile")
        fields = {"kind": "root", "name": "root", "seq": newest.version, "issued": newest.issued, "expires": newest.expires}
        self.manifest = Manifest(fields, sha256(self._chain), len(self._chain), OPERATOR)
        self.manifest.root, self.manifest.base, self.manifest.documents = newest, base, new


def take(node, manifest, chain):
    """Put the newest root of a verified chain (its Manifest, its bytes) in force.

    The chain (bytes) to keep and tell on, None if there is nothing new in it.  After it
    the manifest stands for those bytes.
    """
    keys = node.trust.keys
    if manifest.base is not keys.root or not manifest.documents:
        return None
    known = node.rumours.manifests.get(ROOT_ID)
    before = node.store.get(known.digest) if known else None
    chain = join((split(before) if before else []) + manifest.documents)
    replaced = manifest.root.operator != keys.root.operator
    keys.follow(manifest.root)
    node.log("warning", "root %d is in force%s" % (manifest.seq, ", with another operator's key" if replaced else ""))
    if replaced:
        # Settled only when all that follows is on flash too: a restart in between does it again.
        save(node, chain, False)
        withdraw(node)
        node.wall.rewind(keys.root.issued)
    save(node, chain, True)
    _stands_for(manifest, chain)
    return chain


def _stands_for(manifest, chain):
    manifest.digest, manifest.size = sha256(chain), len(chain)
    # Boxes that slept need it after its time too: it goes when the next one comes.
    manifest.expires = TIME_MOST
    del manifest.base, manifest.documents


def save(node, chain, settled):
    """Have the root in force on flash."""
    node.trust.unsaved = trust_file.encode(node.trust.keys.root, node.trust.fleet, chain, settled)
    node.trust.save(node.store)


def withdraw(node):
    """End what an earlier operator's key signed and the root does not keep: manifests, floors, revocations."""
    rumours, keys = node.rumours, node.trust.keys
    listed = rumours.floors.get(manifest_id("revocation", revocation.NAME))
    if not listed or not keys.keeps(listed[2]):
        node.revocation.replace(b"")
        node.revocation.tick(node.now_ms)  # on flash before the floor goes that says whose it was
    listed = rumours.floors.get(manifest_id("lots", LIST_NAME))
    if node.lots and not (listed and keys.keeps(listed[2])):
        # Until the genuine list comes: a box that believes no lot would never hear of it.
        node.lots.replace(0, node.trust.first)
        node.lots.tick(node.now_ms)
    for manifest in list(rumours.manifests.values()):
        if manifest.authority == OPERATOR and manifest.kind != "root" and not keys.keeps(manifest.digest):
            if manifest.kind == "firmware":
                _end_trial(node.update, manifest)
            rumours.drop(manifest, True)
    for id in list(rumours.floors):
        _, _, digest, tenant = rumours.floors[id]
        if id not in rumours.manifests and not tenant and not keys.keeps(digest):
            del rumours.floors[id]
    rumours.save_floors()
    strange.resume(rumours.wanted)
    rumours.resume(b"")


def _end_trial(update, manifest):
    row = update.record.rows[update.record.trial]
    if update.on_trial() and (row.digest, row.sequence) == (manifest.fields["image"], manifest.seq):
        update.end(slots.UNPROVEN, "the key that signed firmware %d counts no more" % manifest.seq)


def restore(node, saved):
    """At the start: the newer root of trust.cbor and of flash (bytes or None) is in force, and told on."""
    keys, chain = node.trust.keys, node.trust.chain
    node.trust.chain = b""
    settled = False
    if saved is not None:
        try:
            root, fleet, theirs, done = trust_file.decode(saved)
            if fleet == keys.fleet and root.version >= keys.root.version:
                settled, chain = done, theirs
                keys.follow(root)
        except RemoteError:
            node.counters.bump("store_errors")
    if keys.root.version == 1:
        return
    if not settled:
        withdraw(node)
        node.wall.rewind(keys.root.issued)
        save(node, chain, True)
    if chain and node.store.put(chain, True):
        root = keys.root
        fields = {"kind": "root", "name": "root", "seq": root.version, "issued": root.issued, "expires": root.expires}
        manifest = Manifest(fields, b"", 0, OPERATOR)
        manifest.base = manifest.documents = None
        _stands_for(manifest, chain)
        node.rumours.manifests[ROOT_ID] = manifest
