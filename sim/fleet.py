"""A fleet made from a seed: keys, enrolment, and manifests that are really signed.

Everything is what a real fleet has, at the smallest size: HSS trees of height 5
with W4 one-time signatures (a fraction of a second to make), one Merkle tree of
all boxes.  Only the boxes' X25519 ladder is replaced, by a table of the very
values that the ladder gives, so that a real settlement fits as well.
"""

import contextlib
import copy
import functools
import os
import random
import tempfile

import pyhsslms.pyhsslms as hss
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from ..agent import root as roots, trust, trust_file
from ..agent.errors import RemoteError
from ..agent.peers import Identity, identity_of
from ..agent.wire import cbor, cose, hashes, merkle
from ..bootstrap import tree
from ..bootstrap.controller import places
from ..bootstrap.operator import enrol, manifests
from ..firmware_pkg import suit
from .world import WALL_START_S

PORT = 7000
# Operators that a fleet's is drawn from: their keys take longest of all to make.
OPERATORS = 8
# Secrets kept for the other end's ladder, which comes soon after the first's.
SECRETS = 20_000


@contextlib.contextmanager
def _seeded(rng):
    """The signing library draws from `rng`, and not from the system, inside."""
    theirs = hss.randBytes
    hss.randBytes = rng.randbytes
    try:
        yield
    finally:
        hss.randBytes = theirs


@functools.lru_cache(OPERATORS)
def signer(number):
    """One operator's HSS key, unused: the same in every process."""
    with _seeded(random.Random("operator/%d" % number)):
        return hss.HssPrivateKey(2, hss.lms_sha256_m32_h5, hss.lmots_sha256_n32_w4)


@functools.lru_cache(1)
def _root_key():
    """The root key of every fleet, unused: the same in every process."""
    with _seeded(random.Random("root")):
        return hss.HssPrivateKey(1, hss.lms_sha256_m32_h5, hss.lmots_sha256_n32_w8)


class Member:
    """A box's keys and place: number, private, public (32 bytes each), id, packed address."""

    def __init__(self, number, private, address):
        self.number = number
        self.private = private
        self.public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
        self.id = identity_of(self.public)
        self.address = address


def address_of(number, v6=False):
    """A packed address for box `number`: 10.x.y.z, or 2001:db8::number."""
    if v6:
        return bytes.fromhex("20010db8") + bytes(8) + number.to_bytes(4, "big") + PORT.to_bytes(2, "big")
    return b"\x0a" + number.to_bytes(3, "big") + PORT.to_bytes(2, "big")


def _tree(leaves):
    """(root, [path of each leaf]) of the Merkle tree over `leaves`; wire/merkle.py hashes it anew for each path."""
    if len(leaves) == 1:
        return leaves[0], [[]]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, left_paths = _tree(leaves[:split])
    right, right_paths = _tree(leaves[split:])
    paths = [path + [right] for path in left_paths] + [path + [left] for path in right_paths]
    return hashes.sha256(b"\x01", left, right), paths


class _Done:
    """A ladder that has run already; the same shape as x25519.Ladder."""

    def __init__(self, result):
        self.result = result

    def step(self):
        """Nothing is left to do; a low-order point is refused here, as by the ladder."""
        if not any(self.result):
            raise RemoteError("low-order point")
        return True


class Fleet:
    """Keys of one operator and `count` boxes, all from `rng` (random.Random).

    It has what an operator's fleet directory has for building and settling
    manifests: id, operator, owner_public, next_sequence, receipt_key, topic.
    """

    tenant, until, tag_at = "", None, 0

    def __init__(self, rng, count, v6_share=0.0):
        self._rng = rng
        self._secrets = {}
        self._numbers = {}
        # Public key -> private key.
        self._privates = {}
        self.members = []
        for number in range(count):
            member = Member(number, rng.randbytes(32), address_of(number, rng.random() < v6_share))
            self.members.append(member)
            self._privates[member.public] = member.private
        self._owner = X25519PrivateKey.from_private_bytes(rng.randbytes(32))
        self.owner_public = self._owner.public_key().public_bytes_raw()
        # A copy: a signer counts its leaves.
        self._place = rng.randrange(OPERATORS)
        self.signer = copy.deepcopy(signer(self._place))
        self.operator = self.signer.publicKey().serialize()
        self.id = trust_file.fleet_id(self.operator)
        self._root_key = copy.deepcopy(_root_key())
        self.root = trust.Root(1, [self._root_key.publicKey().serialize()], 1, self.operator, digest=bytes(32))
        self.chain = []  # the signed roots after the first
        self.keys = trust.Keys(self.id, self.root)
        leaves = [merkle.leaf(member.public) for member in self.members]
        root, self._paths = _tree(leaves)
        self._root = root
        self.list = self.sign(manifests.lots_manifest(self, [[root, count, 0]], issued=WALL_START_S))
        self._trust = None
        self.rows = [[root, count, 0]]  # of the list of lots
        self.places = None  # the controller's Places, once a lot was replaced

    def replace(self, members, until):
        """The first lot's honest members in a lot of their own; (old lot's id, new lot's id).  The old one ends at `until`."""
        members = sorted(members, key=lambda member: member.id)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "new" + tree.SUFFIX)
            with open(path, "wb") as file:
                file.writelines(tree.chunks((member.public for member in members), len(members)))
            with tree.Tree(path) as made:
                self.rows = [[self._root, len(self.members), until], [made.root, made.count, 0]]
            with open(os.path.join(folder, places.LIST), "wb") as file:
                file.write(self.sign(manifests.lots_manifest(self, self.rows, issued=WALL_START_S)))
            self.places = places.Places(folder)
        return tuple(merkle.lot_id(root) for root, _, _ in self.rows)

    def rotate(self, kept, issued, valid_s):
        """Another operator's key, by a root that keeps the manifests with these SHA-256; the chain (bytes) for boxes."""
        self._place = (self._place + 1) % OPERATORS
        self.signer = copy.deepcopy(signer(self._place))
        self.operator = self.signer.publicKey().serialize()
        old = self.root
        root = trust.Root(
            old.version + 1, old.keys, 1, self.operator, b"".join(sorted(kept)), issued, issued + valid_s)
        body, protected = roots.payload(self.id, root), cbor.encode(cose.protected_map(old.keys[0]))
        signature = self.draw(lambda: self._root_key.sign(roots.to_be_signed(protected, body)))
        self.root = root
        self.chain.append(roots.encode(body, [(protected, signature)]))
        return roots.join(self.chain)

    def first_id(self, id):
        """The identity itself: no key is renewed here."""
        return id

    def boxes(self):
        """{id: Member} of every enrolled box."""
        return {member.id: member for member in self.members}

    def next_sequence(self, name):
        """The next sequence number of KIND-NAME."""
        self._numbers[name] = self._numbers.get(name, 0) + 1
        return self._numbers[name]

    def topic(self, *parts):
        """An MQTT topic of this fleet."""
        return "/".join(("backfence", self.id.hex()) + parts)

    def sign(self, manifest):
        """The COSE_Sign1 (bytes) of a Manifest or a payload map, under a real HSS signature."""
        data = cbor.encode(getattr(manifest, "payload", manifest))
        protected = cose.protected_map(self.operator)
        return cose.encode_sign1(protected, data, self._signature(cose.to_be_signed(cbor.encode(protected), data)))

    def sign_firmware(self, plan):
        """The SUIT envelope (bytes) of a firmware_pkg.suit.Plan, under a real HSS signature."""
        protected = cose.protected_map(self.operator)
        return suit.envelope(plan, protected, self._signature(suit.sign_structure(plan.digest, protected)))

    def _signature(self, message):
        return self.draw(lambda: self.signer.sign(message))

    def draw(self, made):
        """What made() returns, its random bytes drawn from this fleet's stream."""
        with _seeded(self._rng):
            return made()

    def root_state(self):
        """The root in force as trust.cbor has it (bytes)."""
        return trust_file.encode(self.root, self.id, b"")

    def trust_file(self, number):
        """The bytes of a box's trust.cbor."""
        return enrol.trust_file(self, self.list, self._root, number, self._paths[number])

    def trust(self, number):
        """A box's Trust.  The list of lots is verified once for all boxes: it is the same bytes."""
        if self._trust is None:
            self._trust = trust_file.load(self.trust_file(0))
        first = self._trust
        return trust.Trust(
            trust.Keys(self.id, first.keys.root), first.owner, dict(first.lots), first.lot, number, self._paths[number],
            first.seq)

    def identity(self, number):
        """A box's Identity."""
        member = self.members[number]
        return Identity(member.private, member.public)

    def ladder(self, private, peer_public, blind=None):
        """A ladder for the agent: its result comes from a table."""
        return _Done(self.secret(private, bytes(peer_public)))

    def secret(self, private, peer_public):
        """The X25519 secret of two keys, computed once for both ends."""
        other = self._privates.get(peer_public)
        key = (min(private, other), max(private, other)) if other else (private, peer_public)
        if key not in self._secrets:
            if len(self._secrets) >= SECRETS:
                self._secrets.clear()
            try:
                peer = X25519PublicKey.from_public_bytes(peer_public)
                self._secrets[key] = X25519PrivateKey.from_private_bytes(private).exchange(peer)
            except ValueError:
                self._secrets[key] = bytes(32)
        return self._secrets[key]

    def receipt_key(self, public):
        """The key of a box's receipts, from the owner's side."""
        secret = self._owner.exchange(X25519PublicKey.from_public_bytes(public))
        return hashes.hkdf(secret, self.id, b"backfence receipt", 32)
