"""Old contacts: boxes remembered for a restart, and against partitions.

Two memories of boxes that answered us.  The recent ones serve a restart: their
addresses still hold.  The old ones are a uniform sample of all that ever left
the recent (reservoir sampling, Vitter 1985): after a partition as long as the
whole time before it, half of them are still from before, so the two sides find
each other again even if every view was renewed meanwhile.  Nobody is forgotten
for being silent.
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
    """node gives id, rng, store and counters."""

    def __init__(self, node):
        self._node = node
        self._recent = []  # Descriptors, the newest last
        self._old = []
        self._count = 0  # how many ever left the recent
        self._load()

    def all(self):
        """List of the Descriptors remembered."""
        return self._recent + self._old

    def choose(self):
        """One Descriptor at random, a recent or an old one as often; None if there is none."""
        return self._node.rng.choice(self.all()) if self._recent else None

    def met(self, descriptor):
        """Remember a box that can be asked again; its new address if it is known."""
        if not descriptor.flags & REACHABLE or descriptor.id == self._node.id:
            return
        for contact in self.all():
            if contact.id == descriptor.id:
                contact.addr = descriptor.addr
                return
        self._recent.append(descriptor.copy())
        if len(self._recent) > RECENT:
            self._age(self._recent.pop(0))

    def _age(self, contact):
        self._count += 1
        if len(self._old) < OLD:
            self._old.append(contact)
            return
        place = self._node.rng.below(self._count)
        if place < OLD:
            self._old[place] = contact

    def save(self):
        """Write them to flash."""
        rows = [self._count, pack_all(self._recent), pack_all(self._old)]
        self._node.store.save_state("contacts", cbor.encode(rows))

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
