"""What a box believes before it has spoken with anybody.

The operator's public keys, the fleet's list of enrolment lots, and this box's own
place in its lot: the content of trust.cbor.
"""

from .errors import RemoteError, UnknownKey
from .limits import MANIFEST_BYTES, PATH_NODES
from .manifest import Check
from .wire import cbor, cose, merkle
from .wire.hashes import sha256
from .wire.merkle import lot_id
from .wire.messages import holds

# What a key may sign: the operator's, everything.  A tenant's authority is the kid of
# his key (bytes): what is named TENANT/NAME, within the quota (tenants.py).
OPERATOR = "operator"

# Largest trust.cbor: the signed list of lots, a path and the keys.
TRUST_BYTES = MANIFEST_BYTES + 2048


def fleet_id(operator):
    """The 16-byte id of a fleet: a hash of its operator's HSS public key."""
    return sha256(b"backfence fleet", operator)[:16]


def by_id(rows):
    """{lot id: (root, count, until)} of the rows of a list of lots (manifest kind "lots")."""
    return {lot_id(row[0]): tuple(row) for row in rows}


class Keys:
    """The keys whose signatures count for a fleet (its id, 16 bytes).

    operator: HSS public key, 60 bytes.  tenants: tenants.Tenants, None before the first
    delegation.
    """

    def __init__(self, fleet, operator):
        self.fleet = fleet
        self.operator = operator
        self._operator_id = cose.key_id(operator)
        self.tenants = None

    def authority(self, kid):
        """(HSS public key, with what right it signs) of the key with this COSE kid.  UnknownKey."""
        if kid == self._operator_id:
            return self.operator, OPERATOR
        delegation = self.tenants and self.tenants.by_key(kid)
        if delegation:
            return delegation.fields["key"], kid
        raise UnknownKey("not signed by this fleet's operator" + (", nor by a tenant" if self.tenants else ""))


class Trust:
    """Anchors of a box.

    keys: Keys; owner: the operator's X25519 key for receipts, 32 bytes; lots:
    {lot id: (root, count, until)}, until in Unix seconds or 0; lot, leaf, path: this
    box's own proof; seq: of the list of lots.
    """

    def __init__(self, keys, owner, lots, lot, leaf, path, seq=0):
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

    def enrolled(self, party):
        """True if a party's Merkle proof holds against a lot of this fleet."""
        lot = self.lots.get(party.lot)
        return bool(lot) and merkle.verify(merkle.leaf(party.key), party.leaf, lot[1], party.path, lot[0])

    def check(self, signed):
        """The stepwise check (manifest.Check) of a signed manifest."""
        return Check(signed, self.keys)


def load(data):
    """Trust from the bytes of trust.cbor, its list's signature verified.

    RemoteError if anything in it does not hold.  Takes some 50 ms.
    """
    fields = cbor.decode(data, 4, 64 + PATH_NODES)
    wanted = ("fleet", "index", "lot", "lots", "operator", "owner", "path")
    if not isinstance(fields, dict) or len(fields) != len(wanted):
        raise RemoteError("trust file: fields")
    for key in wanted:
        if key not in fields:
            raise RemoteError("trust file: fields")
    operator, owner, path = fields["operator"], fields["owner"], fields["path"]
    if not isinstance(operator, bytes) or not isinstance(owner, bytes) or len(owner) != 32:
        raise RemoteError("trust file: keys")
    if fields["fleet"] != fleet_id(operator):
        raise RemoteError("trust file: fleet id is not that of the operator's key")
    if not holds(("8", "u", "l"), [fields["lot"], fields["index"], path]) or len(path) > PATH_NODES:
        raise RemoteError("trust file: path")
    if not holds(("s",) * len(path), path):
        raise RemoteError("trust file: path")
    if not isinstance(fields["lots"], bytes):
        raise RemoteError("trust file: lots")
    keys = Keys(fields["fleet"], operator)
    check = Check(fields["lots"], keys)
    while not check.step():
        pass
    if check.manifest.kind != "lots":
        raise RemoteError("trust file: lots")
    lots = by_id(check.manifest.fields["lots"])
    if fields["lot"] not in lots:
        raise RemoteError("trust file: lot")
    return Trust(keys, owner, lots, fields["lot"], fields["index"], path, check.manifest.seq)
