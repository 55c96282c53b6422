"""Whom a box believes: the root in force, the fleet's enrolment lots, its own place in its lot.

trust_file.py has how that is read at the start, root.py how one root follows another.
"""

from .errors import UnknownKey
from .manifest import Check, manifest_id
from .wire import cose, merkle
from .wire.merkle import lot_id

# What a key may sign: the operator's, everything but roots.  A tenant's authority is the
# kid of his key (bytes): what is named TENANT/NAME, within the quota (tenants.py).
OPERATOR = "operator"
# All chains of roots are one rumour.
ROOT_ID = manifest_id("root", "root")


def by_id(rows):
    """{lot id: (root, count, until)} of the rows of a list of lots (manifest kind "lots")."""
    return {lot_id(row[0]): tuple(row) for row in rows}


class Root:
    """Who may sign, by one version of the root.

    keys: HSS public keys (60 bytes each), `threshold` of which sign the next root;
    operator: the HSS public key that signs all else; kept: SHA-256 of each manifest
    that an earlier operator's key signed and that counts, packed and sorted;
    issued, expires: unix seconds; digest: SHA-256 of the document's payload.
    """

    def __init__(self, version, keys, threshold, operator, kept=b"", issued=0, expires=0, digest=b""):
        self.version = version
        self.keys = keys
        self.threshold = threshold
        self.operator = operator
        self.kept = kept
        self.issued = issued
        self.expires = expires
        self.digest = digest


class Keys:
    """The keys whose signatures count for a fleet (its id, 16 bytes), by its root.

    tenants: tenants.Tenants, None before the first delegation.
    """

    def __init__(self, fleet, root):
        self.fleet = fleet
        self.tenants = None
        self.follow(root)

    def follow(self, root):
        """This Root is in force from now on."""
        self.root = root
        self._operator_id = cose.key_id(root.operator)

    def keeps(self, digest):
        """True for the SHA-256 of a manifest that counts whoever signed it: the root says so."""
        at = self.root.kept.find(digest) if digest else -1
        return at >= 0 and at % 32 == 0

    def authority(self, kid, digest=b""):
        """(HSS public key, with what right it signs) of the key with this COSE kid.  UnknownKey.

        digest: SHA-256 of the signed bytes.  The key is None if the root keeps those:
        then it has vouched for them, and there is no signature to check.
        """
        if self.keeps(digest):
            return None, OPERATOR
        if kid == self._operator_id:
            return self.root.operator, OPERATOR
        delegation = self.tenants and self.tenants.by_key(kid)
        if delegation:
            return delegation.fields["key"], kid
        raise UnknownKey("not signed by this fleet's operator" + (", nor by a tenant" if self.tenants else ""))


class Trust:
    """Anchors of a box.

    keys: Keys; owner: the operator's X25519 key for receipts, 32 bytes; lots:
    {lot id: (root, count, until)}, until in Unix seconds or 0; lot, leaf, path: this
    box's own proof; seq: of the list of lots; chain: the signed roots, as rumours carry
    them, or b""; first: the lots of trust.cbor.
    """

    chain = b""
    unsaved = None  # the root in force, while the disk refuses it

    def __init__(self, keys, owner, lots, lot, leaf, path, seq=0):
        self.first = lots
        self.keys = keys
        self.fleet = keys.fleet
        self.owner = owner
        self.lots = lots
        self.lot = lot
        self.leaf = leaf
        self.path = path
        self.seq = seq

    def changes(self):
        """True if a lot on the list will end."""
        return any([lot[2] for lot in self.lots.values()])

    def resume(self, node):
        """Let the root count that the box had in force before it started."""
        saved = node.store.load_state("root")
        if saved is not None or self.keys.root.version > 1:
            from . import root  # most boxes have the first one, and need no room for this

            root.restore(node, saved)

    def take(self, node, manifest, chain):
        """As root.take, which is loaded for it."""
        from . import root

        return root.take(node, manifest, chain)

    def save(self, store):
        """Write the root in force to flash, if it is not there yet; what the disk refuses is tried again by and by."""
        if self.unsaved and store.save_state("root", self.unsaved):
            self.unsaved = None

    def enrolled(self, party):
        """True if a party's Merkle proof holds against a lot of this fleet."""
        lot = self.lots.get(party.lot)
        return bool(lot) and merkle.verify(merkle.leaf(party.key), party.leaf, lot[1], party.path, lot[0])

    def places(self):
        """Boxes that the fleet's lots have places for: it cannot be larger."""
        return sum([lot[1] for lot in self.lots.values()])

    def check(self, signed):
        """The stepwise check of a signed manifest (manifest.Check) or a chain of roots (root.Check)."""
        if signed and signed[0] >> 5 == 4:  # a CBOR array
            from . import root  # rare

            return root.Check(signed, self.keys)
        return Check(signed, self.keys)
