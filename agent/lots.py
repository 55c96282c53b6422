"""Lots: whose boxes belong to the fleet, by the operator's signed list; and our own place in one.

There is one list, and each version is the whole of it: the newest counts, also when
it has expired.  It comes in trust.cbor, and travels as a rumour like any manifest.  A
lot that is on it no more has ended, and so has one whose time is over: sessions with
its boxes end, and they must prove themselves anew.  List and proof are kept on flash.

A box whose fleet never changed its lots does without all this.

A lot that was replaced by another (its tree had too many revoked boxes) stays for a
while beside it.  Whoever is in it asks for its new place meanwhile (proof.py).
"""

from .compat import const
from .errors import RemoteError
from .limits import LOTS, PATH_NODES
from .manifest import check_lots
from .trust import by_id
from .wire import cbor
from .wire.messages import holds
from .wire.seal import Party

# With a lot whose time will be over, the clock is looked at this often.
LOOK_MS = const(60000)
# After the disk has refused the list.
AGAIN_MS = const(60000)
NEVER_MS = 1 << 60


class Lots:
    """node gives trust, identity, store, counters, peers, wall_s() and log()."""

    def __init__(self, node):
        self._node = node
        self._saved = True
        self.proof = None  # a proof.Proof while our own lot is ending or has ended
        self._resume()
        # With those whose time is over: a clock may be set back.
        self._listed = node.trust.lots
        self.due = node.now_ms

    def tick(self, now_ms):
        """Let lots end; see that the list is on flash, and our own place in it."""
        trust = self._node.trust
        wall_s = self._node.wall_s()
        trust.lots = {id: lot for id, lot in self._listed.items() if not lot[2] or lot[2] > wall_s}
        for peer in self._node.peers.table.values():
            if peer.lot not in trust.lots:
                self._node.peers.close(peer)
        self.due = NEVER_MS
        if not self._saved:
            self._saved = self._save()
            self._wake(NEVER_MS if self._saved else now_ms + AGAIN_MS)
        if any([lot[2] for lot in self._listed.values()]):
            self._wake(now_ms + LOOK_MS)
        if not self.stays():
            if self.proof is None:
                from .proof import Proof  # a lot is rarely replaced

                self.proof = Proof(self._node)
            self._wake(self.proof.tick(now_ms))
        else:
            self.proof = None

    def _wake(self, due):
        self.due = min(self.due, due)

    def stays(self):
        """True if our own lot is on the list, and no end of it is known."""
        lot = self._node.trust.lots.get(self._node.trust.lot)
        return bool(lot) and not lot[2]

    def on_manifest(self, manifest):
        """Take a verified list in place of the last."""
        if manifest.seq > self._node.trust.seq:
            self.replace(manifest.seq, by_id(manifest.fields["lots"]))

    def replace(self, seq, lots):
        """Take the list with that sequence number, {lot id: (root, count, until)}, in place of the last."""
        trust = self._node.trust
        trust.seq, trust.lots = seq, lots
        self._listed = trust.lots
        # The operator's word counts from now on, whether or not the disk takes it.
        self._saved = False
        self.due = self._node.now_ms
        if trust.lot not in trust.lots:
            self._node.log("error", "the operator ended this box's lot: without a place in another nobody answers it")

    def take(self, lot, leaf, path):
        """Our key's place in another lot, from anybody; False unless it holds and the lot stays."""
        trust = self._node.trust
        row = trust.lots.get(lot)
        party = Party(self._node.identity.public, 0, 0, lot, leaf, path)
        if not row or row[2] or not trust.enrolled(party):
            return False
        trust.lot, trust.leaf, trust.path = lot, leaf, path
        self._saved = False
        self.due = self._node.now_ms
        return True

    def receive(self, data, addr):
        """An answer of the controller to our question."""
        if self.proof:
            self.proof.receive(data, addr)
        else:
            self._node.counters.bump("proofs_bad")

    # -- on flash

    def _save(self):
        trust = self._node.trust
        rows = [list(self._listed[id]) for id in sorted(self._listed)]
        return self._node.store.save_state("lots", cbor.encode([trust.seq, rows, trust.lot, trust.leaf, trust.path]))

    def _resume(self):
        trust = self._node.trust
        data = self._node.store.load_state("lots")
        if data is None:
            return
        try:
            row = cbor.decode(data, 4, 8 + 4 * LOTS + PATH_NODES)
            if not holds(("U", "l", "8", "u", "l"), row) or not holds(("s",) * len(row[4]), row[4]):
                raise RemoteError("lots state")
            check_lots(row[1])
        except RemoteError:
            self._node.counters.bump("store_errors")
            return
        if row[0] > trust.seq:
            trust.seq, trust.lots = row[0], by_id(row[1])
        # Of two places the one that lasts: a new trust.cbor may have brought a better one.
        if not self.stays():
            self.take(row[2], row[3], row[4])
            self._saved = True
