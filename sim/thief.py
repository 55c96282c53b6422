"""A thief of the operator's signing key: he signs what he likes, at the broker and through a stolen box.

His words are genuine by the old key, above all sequence numbers of the operator's, and
dated ahead.  He remembers the hash of each, by which checkers know what is left of him.
"""

import copy
import hashlib

from ..agent.wire import cbor, cose, merkle
from ..bootstrap.operator import manifests
from .operator import Operator

PAUSE_MS = 1_000
# Above every number of the operator's.
SEQ = 1 << 50
AHEAD_S = 10 * 365 * 86_400
VALID_S = 20 * 365 * 86_400
# Of the fleet, whom he has revoked: a share, and as many as the list holds.
REVOKED_SHARE, REVOKED_MOST = 4, 256


class Stolen:
    """What the thief has of the fleet: its signing key as it was when he took it, and all that is public."""

    tenant, until, tag_at = "", None, 0

    def __init__(self, fleet):
        self.id = fleet.id
        self.operator = fleet.operator
        self.owner_public = fleet.owner_public
        self.topic = fleet.topic
        self._draw = fleet.draw
        self._signer = copy.deepcopy(fleet.signer)
        self._last = SEQ
        self.digests = set()  # of all that he signed

    def next_sequence(self, name):
        """A sequence number above all that were."""
        self._last += 1
        return self._last

    def sign(self, plan):
        """The COSE_Sign1 (bytes) of a Manifest under the stolen key."""
        data, protected = cbor.encode(plan.payload), cose.protected_map(self.operator)
        message = cose.to_be_signed(cbor.encode(protected), data)
        signed = cose.encode_sign1(protected, data, self._draw(lambda: self._signer.sign(message)))
        self.digests.add(hashlib.sha256(signed).digest())
        return signed


class Thief(Operator):
    """Pushes by the stolen key all the time, once it is told to begin.

    box: an enrolled box in his hands, which takes no root; victims: identities that he
    revokes, by default of a share of the boxes that are no doors.  lot: the id of a lot of his own.
    """

    def __init__(self, lab, box, victims=None):
        super().__init__(lab.world, lab.broker, Stolen(lab.fleet))
        self._lab = lab
        self.box = box
        others = [each.node.id for each in lab.world.live() if each is not box and not each.door]
        self.victims = victims or others[: min(REVOKED_MOST, len(others) // REVOKED_SHARE)]
        self._top = hashlib.sha256(b"a lot of the thief's").digest()
        self.lot = merkle.lot_id(self._top)
        self._turn = 0

    def begin(self):
        """From now on, something each second: a turn at the broker, a turn through his box."""
        node = self.box.node
        node.trust.take = lambda *_: None  # no root counts on a box of his
        self.box.liar = True  # and no checker counts on it
        self.world.after(PAUSE_MS, self._push)

    def _push(self):
        plan = self._next()
        signed = self.fleet.sign(plan)
        if self._turn % 2:
            self._publish(self.fleet.topic("manifest", plan.label), signed)
        elif self.box.live:
            self.box.tell(self.box.node.rumours.offer, signed)
        if self._turn % 7 == 0:
            self._publish(self.fleet.topic("manifest", "root-root"), cbor.encode([signed]))
        self._turn += 1
        self.world.after(PAUSE_MS, self._push)

    def _next(self):
        kind, issued = self._turn // 2 % 5, self.world.wall_s()
        if kind == 0:
            return manifests.slice_manifest(self.fleet, "edge", 3, valid_s=VALID_S, issued=issued)
        if kind == 1:
            return manifests.slice_manifest(self.fleet, "mine", 3, valid_s=VALID_S, issued=issued)
        if kind == 2:
            return manifests.revocation_manifest(self.fleet, self.victims, issued=issued)
        if kind == 3:
            rows = self._lab.fleet.rows + [[self._top, 1, 0]]
            return manifests.lots_manifest(self.fleet, rows, issued=issued)
        return manifests.slice_manifest(self.fleet, "late", 3, valid_s=VALID_S, issued=issued + AHEAD_S)

    def left_on(self, box):
        """What of the thief's a live box holds or goes by: names, [] if it is rid of him."""
        node, digests = box.node, self.fleet.digests
        rumours, trust = node.rumours, node.trust
        found = {
            "key": trust.keys.root.operator == self.fleet.operator,
            "manifest": any(manifest.digest in digests for manifest in rumours.manifests.values()),
            "floor": any(floor[2] in digests for floor in rumours.floors.values()),
            "revocation": any(id in node.revocation for id in self.victims),
            "lot": self.lot in trust.lots,
            "clock": node.wall_s() > box.wall_s() + 3600,
            "seat": node.ring.seat is not None and node.ring.manifest.digest in digests,
        }
        return [name for name in found if found[name]]

    def left(self, revoked=True):
        """A check: "" if no live box but his own has anything of him; revoked: those whom he revoked count too."""
        spared = [self.box.node.id] + ([] if revoked else self.victims)
        found = {box.number: self.left_on(box) for box in self.world.live() if box.node.id not in spared}
        found = {number: names for number, names in found.items() if names}
        return "%d boxes have something of his: %s" % (len(found), sorted(found.items())[:4]) if found else ""
