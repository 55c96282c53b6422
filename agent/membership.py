"""Peer sampling: a partial view kept random by shuffling it with others.

Cyclon (Voulgaris, Gavidia, van Steen, 2005) in the framework of Jelasity et al.
(TOCS 2007): the oldest descriptor is picked (tail selection), a few are swapped
(push-pull), so in-degrees stay balanced.  Two changes:

- a question is repeated under the same exchange id and answered from a cache,
  so that a lost datagram neither kills a live link nor skews the swap;
- for some rounds after a silent peer was found, what comes in replaces the
  oldest descriptors, and up to TIMEOUTS peers a round are tried: dead links
  leave nearly as fast as with Newscast, and balance returns by itself.

A box behind NAT is never picked: it does the asking.
"""

from .compat import const
from .descriptor import DOOR, REACHABLE, Descriptor, pack_all, unpack_all
from .errors import RemoteError
from .limits import CONTACTS, DOORS, SHUFFLE, SHUFFLE_ANSWERS, VIEW
from .wire import cbor
from .wire.messages import SHUFFLE as ASK
from .wire.messages import SHUFFLED as TOLD
from .wire.messages import pack

RETRY_MS = const(800)
TRIES = const(4)
# Silent peers replaced within one round.
TIMEOUTS = const(3)
# Rounds for which incoming descriptors replace the oldest after a silence.
HEALING_ROUNDS = const(3)
# Every so many rounds an old contact is asked instead, to heal partitions.
CONTACT_ROUNDS = const(20)
# Rounds after which a door that was not heard of again is forgotten.
DOOR_ROUNDS = const(20)
# Rounds between two writes of the contacts to flash, and until the first: a box
# that restarts soon after it joined must not need the controller again.
SAVE_ROUNDS = const(720)
FIRST_SAVE_ROUNDS = const(8)


class Membership:
    """The view: {identity: Descriptor}, at most VIEW of them, never ourselves."""

    def __init__(self, node):
        self._node = node
        self.view = {}
        self.doors = {}  # identity: Descriptor of a box with a broker connection
        self.contacts = []  # Descriptors remembered from earlier
        self.rounds = 0
        self._save_round = FIRST_SAVE_ROUNDS
        self._asked = None  # (exchange id, peer, sent ids, tries)
        self._retry_ms = 0
        self._timeouts = 0
        self._healing = 0
        self._answers = []  # [(peer id, exchange id, answer bytes)]
        self.due = node.now_ms + node.rng.below(node.config.busy_round_ms)
        self._round_ms = self.due
        self._load()

    # -- the outside

    def join(self, contacts):
        """Take Descriptors to begin with; only what the view has room for."""
        for contact in contacts:
            self._insert(contact, [])
            self._remember(contact)
        if self.contacts:
            self._save()
        self._node.news()

    def reachable(self):
        """List of the view's Descriptors that answer strangers."""
        return [d for d in self.view.values() if d.flags & REACHABLE]

    def some(self, count):
        """Up to count random reachable Descriptors of the view."""
        return self._node.rng.sample(self.reachable(), count)

    def drop(self, id):
        """Forget a box that does not answer."""
        self.view.pop(id, None)
        self.doors.pop(id, None)

    def find(self, id):
        """Descriptor of a box in the view or among the doors, else None."""
        return self.view.get(id) or self.doors.get(id)

    def door_list(self):
        """Descriptors of the doors known, freshest first."""
        return sorted(self.doors.values(), key=lambda d: d.age)

    # -- rounds

    def tick(self, now_ms):
        """Repeat an unanswered question, or begin a round."""
        if self._asked and now_ms >= self._retry_ms:
            self._again(now_ms)
        if now_ms >= self._round_ms:
            self._round_ms = now_ms + self._node.rng.jitter(self._node.round_ms())
            if not self._asked:
                self._round()
        self.due = min(self._round_ms, self._retry_ms) if self._asked else self._round_ms

    def hurry(self):
        """Let the next round come no later than a busy round from now."""
        soon = self._node.now_ms + self._node.rng.jitter(self._node.config.busy_round_ms)
        if soon < self._round_ms:
            self._round_ms = soon
            self.due = min(self.due, soon)

    def _round(self):
        self.rounds += 1
        self._timeouts = 0
        if self._healing:
            self._healing -= 1
        for descriptor in self.view.values():
            descriptor.age += 1
        for door in list(self.doors.values()):
            door.age += 1
            if door.age > DOOR_ROUNDS:
                del self.doors[door.id]
        if self.contacts and self.rounds >= self._save_round:
            self._save_round = self.rounds + SAVE_ROUNDS
            self._save()
        if self.contacts and (not self.view or self.rounds % CONTACT_ROUNDS == 0):
            self._ask(self._node.rng.choice(self.contacts))
        else:
            self._ask_oldest()

    def _ask_oldest(self):
        # Ties are broken by lot: in a small fleet most ages are equal, and the
        # order of a dict would let some boxes speak with each other only.
        oldest = []
        for descriptor in self.reachable():
            if not oldest or descriptor.age > oldest[0].age:
                oldest = [descriptor]
            elif descriptor.age == oldest[0].age:
                oldest.append(descriptor)
        if oldest:
            self._ask(self._node.rng.choice(oldest))

    def _ask(self, peer):
        node = self._node
        self.view.pop(peer.id, None)
        sample = node.rng.sample(list(self.view.values()), SHUFFLE - 1)
        exchange = int.from_bytes(node.rng.bytes(4), "big")
        message = self._message(ASK, exchange, [node.descriptor()] + sample)
        self._asked = (exchange, peer, [d.id for d in sample], message)
        self._tries = 1
        self._retry_ms = node.now_ms + node.rng.jitter(RETRY_MS)
        node.counters.bump("shuffles")
        node.send_packed(peer.id, peer.addr, message)

    def _again(self, now_ms):
        _, peer, _, message = self._asked
        if self._tries < TRIES:
            self._tries += 1
            self._retry_ms = now_ms + self._node.rng.jitter(RETRY_MS << (self._tries - 1))
            self._node.counters.bump("shuffle_retries")
            self._node.send_packed(peer.id, peer.addr, message)
            return
        self._asked = None
        self._node.counters.bump("shuffle_timeouts")
        self._node.silent(peer.id)
        self._healing = HEALING_ROUNDS
        self._timeouts += 1
        if self._timeouts < TIMEOUTS:
            self._ask_oldest()

    def _message(self, kind, exchange, descriptors):
        node = self._node
        doors = self.door_list()[:2]
        if node.is_door():
            doors = [node.descriptor()] + doors[:1]
        return pack(kind, exchange, pack_all(descriptors), node.rumours.digest(), pack_all(doors), node.slicing.tell())

    # -- answers

    def on_ask(self, peer, message):
        """Answer a shuffle; a repeated question gets the same answer."""
        _, exchange, packed, digest, doors, slices = message
        for id, asked, answer in self._answers:
            if id == peer.id and asked == exchange:
                self._node.send_packed(peer.id, peer.addr, answer)
                return
        theirs = unpack_all(packed, SHUFFLE)
        if not theirs or theirs[0].id != peer.id:
            raise RemoteError("a shuffle begins with its sender")
        self._hear(doors, slices)
        sample = self._node.rng.sample([d for d in self.view.values() if d.id != peer.id], SHUFFLE)
        answer = self._message(TOLD, exchange, sample)
        self._answers.append((peer.id, exchange, answer))
        if len(self._answers) > SHUFFLE_ANSWERS:
            self._answers.pop(0)
        self._node.send_packed(peer.id, peer.addr, answer)
        self._node.counters.bump("shuffles_answered")
        self._merge(theirs, [d.id for d in sample])
        self._node.rumours.compare(peer, digest)

    def on_told(self, peer, message):
        """Take the answer to our shuffle."""
        _, exchange, packed, digest, doors, slices = message
        if not self._asked or self._asked[0] != exchange or self._asked[1].id != peer.id:
            return
        theirs = unpack_all(packed, SHUFFLE)
        self._hear(doors, slices)
        _, asked, sent, _ = self._asked
        self._asked = None
        self._merge(theirs, sent)
        asked.age = 0
        asked.addr = peer.addr
        if len(self.view) < VIEW:
            self._insert(asked, [])
        self._remember(asked)
        self._node.rumours.compare(peer, digest)
        self._node.aggregate.exchange(peer)

    def _hear(self, doors, slices):
        doors = unpack_all(doors, 2)
        self._node.slicing.hear(slices)
        for door in doors:
            self._hear_door(door)

    def _hear_door(self, door):
        if not door.flags & DOOR or door.id == self._node.id or door.age > DOOR_ROUNDS:
            return
        known = self.doors.get(door.id)
        if known is None or door.age < known.age:
            self.doors[door.id] = door
        if len(self.doors) > DOORS:
            oldest = self.door_list()[-1]
            del self.doors[oldest.id]

    def _merge(self, incoming, sent):
        replaceable = [id for id in sent if id in self.view]
        for descriptor in incoming:
            self._insert(descriptor, replaceable)

    def _insert(self, descriptor, replaceable):
        """Take a descriptor: into a free place, else for one we sent away.

        While healing it replaces the oldest instead, if that is older.
        """
        id = descriptor.id
        if id == self._node.id or self._node.is_tombstoned(id):
            return
        known = self.view.get(id)
        if known:
            if descriptor.age < known.age:
                known.age = descriptor.age
                known.addr = descriptor.addr
                known.flags = descriptor.flags
            return
        if len(self.view) >= VIEW:
            if self._healing:
                oldest = max(self.view.values(), key=lambda d: d.age)
                if oldest.age < descriptor.age:
                    return
                out = oldest.id
            elif replaceable:
                out = replaceable.pop()
            else:
                return
            if out in replaceable:
                replaceable.remove(out)
            self.view.pop(out, None)
        self.view[id] = descriptor

    # -- memory of old contacts

    def _remember(self, descriptor):
        if not descriptor.flags & REACHABLE or descriptor.id == self._node.id:
            return
        for contact in self.contacts:
            if contact.id == descriptor.id:
                contact.addr = descriptor.addr
                return
        if len(self.contacts) < CONTACTS:
            self.contacts.append(descriptor.copy())
        elif self._node.rng.below(CONTACT_ROUNDS) == 0:
            self.contacts[self._node.rng.below(CONTACTS)] = descriptor.copy()

    def _save(self):
        self._node.store.save_state("contacts", cbor.encode(pack_all(self.contacts)))

    def _load(self):
        data = self._node.store.load_state("contacts")
        if data is None:
            return
        try:
            packed = cbor.decode(data, 1, 1)
            self.contacts = unpack_all(packed, CONTACTS) if isinstance(packed, bytes) else []
        except RemoteError:
            self._node.counters.bump("store_errors")
