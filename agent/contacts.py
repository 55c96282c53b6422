"""Old contacts: boxes remembered for a restart, and against partitions.

Two memories of boxes that answered us.  The recent ones serve a restart: their
addresses still hold.  The old ones are a sample of all that ever left the recent
(reservoir sampling, Vitter 1985), uniform over time, for one in an idle round is
considered, however fast rounds go: after a partition as long as the whole time
before it, half of them are still from before, so the two sides find each other
again even if every view was renewed meanwhile.  Nobody is forgotten for being
silent.
"""

from .compat import const
from .descriptor import REACHABLE, pack_all, unpack_all
from .errors import RemoteError
from .limits import CONTACTS
from .wire import cbor
from .wire.messages import holds

RECENT = const(4)
OLD = CONTACTS - RECENT


class Contacts:
    """node gives id, now_ms, config, rng, store, counters and is_revoked(id)."""

    def __init__(self, node):
        self._node = node
        self._recent = []  # Descriptors, the newest last
        self._old = []
        self._count = 0  # how many were considered for the old
        self._aged_ms = node.now_ms
        self._load()

    def all(self):
        """List of the Descriptors remembered."""
        return self._recent + self._old

    def choose(self, view):
        """One Descriptor at random, None if there is none.

        With a view, one of the old ones that is not in it, as far as there are
        any: who is there is on our side of every partition.
        """
        strange = [contact for contact in self._old if contact.id not in view] if view else []
        return self._node.rng.choice(strange or self.all()) if self._recent else None

    def met(self, descriptor):
        """Remember a box that can be asked again; its new address if it is known."""
        id = descriptor.id
        if not descriptor.flags & REACHABLE or id == self._node.id or self._node.is_revoked(id):
            return
        for contact in self.all():
            if contact.id == id:
                contact.addr = descriptor.addr
                return
        self._recent.append(descriptor.copy())
        if len(self._recent) > RECENT:
            self._age(self._recent.pop(0))

    def _age(self, contact):
        node = self._node
        if len(self._old) < OLD:
            self._count += 1
            self._old.append(contact)
            return
        if node.now_ms - self._aged_ms < node.config.round_ms:
            return
        self._aged_ms = node.now_ms
        self._count += 1
        place = node.rng.below(self._count)
        if place < OLD:
            self._old[place] = contact

    def forget(self, id):
        """A revoked box is no contact any more."""
        self._recent = [contact for contact in self._recent if contact.id != id]
        self._old = [contact for contact in self._old if contact.id != id]

    def save(self):
        """Write them to flash; False if the disk refuses."""
        rows = [self._count, pack_all(self._recent), pack_all(self._old)]
        return self._node.store.save_state("contacts", cbor.encode(rows))

    def _load(self):
        data = self._node.store.load_state("contacts")
        if data is None:
            return
        try:
            rows = cbor.decode(data, 2, 8)
            if not holds(("U", "b", "b"), rows):
                raise RemoteError("contacts")
            recent, old = unpack_all(rows[1], RECENT), unpack_all(rows[2], OLD)
            self._count, self._recent, self._old = rows[0], recent, old
        except RemoteError:
            self._node.counters.bump("store_errors")
