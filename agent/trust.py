"""What a box believes before it has spoken with anybody.

The operator's public keys, the fleet's enrolment lots, and this box's own place
in its lot: the content of trust.cbor.
"""

from .errors import RemoteError, UnknownKey
from .limits import LOTS, PATH_NODES
from .manifest import Check
from .wire import cbor, cose, merkle
from .wire.hashes import sha256
from .wire.messages import holds

# What a key may sign: the operator's, everything.  A tenant's authority is the kid of
# his key (bytes): what is named TENANT/NAME, within the quota (tenants.py).
OPERATOR = "operator"

# Largest trust.cbor: LOTS signed lots with W4 signatures, and a path.
TRUST_BYTES = LOTS * 6000 + 4096


def fleet_id(operator):
    """The 16-byte id of a fleet: a hash of its operator's HSS public key."""
    return sha256(b"backfence fleet", operator)[:16]


def lot_id(root):
    """The 8-byte short id of a lot, as hellos carry it."""
    return sha256(b"backfence lot", root)[:8]


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

    keys: Keys; owner: the operator's X25519 key for
    receipts, 32 bytes; lots: {lot id: (root, count)}; lot, leaf, path: this
    box's own proof.
    """

    def __init__(self, keys, owner, lots, lot, leaf, path):
        self.keys = keys
        self.fleet = keys.fleet
        self.owner = owner
        self.lots = lots
        self.lot = lot
        self.leaf = leaf
        self.path = path

    def enrolled(self, party):
        """True if a party's Merkle proof holds against a lot of this fleet."""
        lot = self.lots.get(party.lot)
        return bool(lot) and merkle.verify(merkle.leaf(party.key), party.leaf, lot[1], party.path, lot[0])

    def check(self, signed):
        """The stepwise check (manifest.Check) of a signed manifest."""
        return Check(signed, self.keys)


def load(data):
    """Trust from the bytes of trust.cbor, its lots' signatures verified.

    RemoteError if anything in it does not hold.  Takes some 50 ms a lot.
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
    if not holds(("u",), [fields["index"]]) or not isinstance(path, list) or len(path) > PATH_NODES:
        raise RemoteError("trust file: path")
    if not holds(("s",) * len(path), path):
        raise RemoteError("trust file: path")
    if not isinstance(fields["lots"], list) or len(fields["lots"]) >= LOTS:
        raise RemoteError("trust file: lots")
    keys = Keys(fields["fleet"], operator)
    lots = {}
    own = None
    for signed in [fields["lot"]] + fields["lots"]:
        if not isinstance(signed, bytes):
            raise RemoteError("trust file: lots")
        check = Check(signed, keys)
        while not check.step():
            pass
        if check.manifest.kind != "lot":
            raise RemoteError("trust file: a lot is something else")
        root = check.manifest.fields["root"]
        lots[lot_id(root)] = (root, check.manifest.fields["count"])
        own = own or lot_id(root)
    return Trust(keys, owner, lots, own, fields["index"], path)
