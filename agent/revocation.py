"""Revocation: enrolled boxes whose word counts no more, by the operator's signed list.

There is one list, and each version is the whole of it: the newest counts.  It
travels as a rumour like any manifest.  Whoever takes it drops the keys and links
of those it names, answers none of their greetings, greets none of them, and
takes nobody's hearsay of them; so a stolen box is alone a few rounds later.

The list is kept on flash, or a box that restarts would believe a revoked
neighbour until the rumour reached it again.  Nobody acts on being named himself:
should the list be mended, its own greeting is how a box hears of that.
"""

from .compat import const
from .limits import REVOKED

ID_BYTES = const(16)
# All versions of the list are one rumour.
NAME = "boxes"
# Boxes of the list that every service forgets in one turn: a millisecond of a slow box.
TURN = const(8)
# After the disk has refused the list.
AGAIN_MS = const(60000)
NEVER_MS = 1 << 60


class Revocation:
    """node gives id, store and counters, and drop_revoked(id)."""

    def __init__(self, node):
        self._node = node
        # Packed, not a set: 4 KiB at the cap instead of 20.
        self.packed = self._load()
        self._saved = True
        self._at = 0  # how much of the list every service has forgotten
        self.due = node.now_ms

    def __len__(self):
        return len(self.packed) // ID_BYTES

    def __contains__(self, id):
        packed = self.packed
        low, high = 0, len(packed) // ID_BYTES
        while low < high:
            middle = low + high >> 1
            here = packed[middle * ID_BYTES : (middle + 1) * ID_BYTES]
            if here == id:
                return True
            if here < id:
                low = middle + 1
            else:
                high = middle
        return False

    def tick(self, now_ms):
        """Let every service forget the next few boxes of the list; then see that it is on flash."""
        end = min(self._at + TURN * ID_BYTES, len(self.packed))
        for at in range(self._at, end, ID_BYTES):
            self._node.drop_revoked(self.packed[at : at + ID_BYTES])
        self._at = end
        self.due = now_ms
        if end == len(self.packed):
            self._saved = self._saved or self._node.store.save_state("revoked", self.packed)
            self.due = NEVER_MS if self._saved else now_ms + AGAIN_MS

    def on_manifest(self, manifest):
        """Take a verified list in place of the last."""
        self.replace(manifest.fields["boxes"])

    def replace(self, packed):
        """Take a list, packed, in place of the last."""
        if packed == self.packed:
            return
        self.packed = packed
        # The operator's word counts from now on, whether or not the disk takes it.
        self._saved = False
        self._at = 0
        self.due = self._node.now_ms
        if self._node.id in self:
            self._node.log("error", "the operator revoked this box: nobody answers it any more")

    def on_expired(self, manifest):
        """An expired list counts until there is a newer one."""

    def _load(self):
        packed = self._node.store.load_state("revoked")
        if packed is None or is_list(packed):
            return packed or b""
        self._node.counters.bump("store_errors")
        return b""


def is_list(packed):
    """True for at most REVOKED identities of 16 bytes, one behind the other, each above the one before."""
    if not isinstance(packed, bytes) or len(packed) % ID_BYTES or len(packed) > REVOKED * ID_BYTES:
        return False
    for at in range(ID_BYTES, len(packed), ID_BYTES):
        if packed[at - ID_BYTES : at] >= packed[at : at + ID_BYTES]:
            return False
    return True
