"""First contacts: the signed seed list, asked of the controller in pieces.

    question  1A | offset 2 | what 1 | zeros to 1,200 bytes
    answer    1B | offset 2 | whole size 2 | up to 1,024 bytes

Asked for only while nobody is known, for ever, with growing pauses of which half is
random.  Who remembers boxes from earlier tries those first: after a blackout the
whole fleet comes up at once, and hardly anybody needs the controller.
Nothing in an answer counts before the operator's signature over the whole list
holds; then the contacts are greeted like any other box.

Who slept while lots or the operator's key were replaced is believed by nobody, nor
would believe: so the list of lots and the chain of roots are asked for in turn with the
contacts; and alone, if somebody is refused for a lot that is not on our list, or because
he is revoked.  Sleepers may have found each other; a thief of the operator's key may
have revoked every door, by which the root that ends his power would have come.
"""

from .backoff import Backoff
from .compat import const
from .descriptor import Descriptor
from .limits import BLOB_BYTES, CHUNK_BYTES, DATAGRAM_BYTES, MANIFEST_BYTES

ASK_KIND = const(0x1A)
SEEDS_KIND = const(0x1B)
PROOF_KIND = const(0x1D)
FROM_CONTROLLER = (SEEDS_KIND, PROOF_KIND)
# What a question is for.
CONTACT_LIST = const(0)
LOT_LIST = const(1)
ROOT_CHAIN = const(2)
HEAD = const(5)
# The first question of a box that remembers nobody comes within this.
FIRST_MS = const(1000)
# The longest pause: a controller that is back after a week is found within it.
MOST_MS = const(60000)
# A box with old contacts has tried five of them by then, and asks within as long again.
CONTACTS_MS = const(20000)
# Its longest pause: contacts are tried every minute meanwhile, and of a large fleet
# that lost its network each box has some.
CONTACTS_MOST_MS = const(600000)
# Between two looks at whether anybody is known; alone() makes it sooner.
IDLE_MS = const(600000)
# Questions for one piece before all is asked anew; and questions of one doubt.
TRIES = const(4)
# After one doubt there is no other for so long: what makes us doubt is anybody's word.
DOUBT_MS = const(600000)


class Seeds:
    """Asks the controller at a packed address (or None) while nobody is known."""

    def __init__(self, node, controller):
        self._node = node
        self.controller = controller
        self._data = b""
        self._what = LOT_LIST
        self._turn = ROOT_CHAIN  # which of the two lists we asked for last
        self._doubts = 0  # how often to ask yet whether our lots and root are the newest
        self._doubt_ms = node.now_ms
        self._checking = False
        self._tries = 0
        self._pauses = None  # a Backoff while alone
        self.due = node.now_ms + IDLE_MS
        self.alone()

    def tick(self, now_ms):
        """Ask again if still alone, or in doubt."""
        if not self.controller or not self._wants() or self._checking:
            if not self._checking:
                # What came of a list before we met somebody is for nothing.
                self._pauses, self._tries, self._data = None, 0, b""
            self.due = now_ms + (FIRST_MS if self._checking else IDLE_MS)
            return
        if self._pauses is None:
            self._begin()
        # The next piece again: to begin anew for each lost one would take for
        # ever where many are lost.  A list that changed meanwhile fails its
        # signature, or has no such piece: then from the start.
        self._tries += 1
        if self._data and self._tries <= TRIES:
            self.due = now_ms + self._node.rng.jitter(FIRST_MS)
        else:
            self._tries, self._data = 0, b""
            if self._what != CONTACT_LIST and self._node.membership.alone():
                self._what = CONTACT_LIST
            else:
                self._what = self._turn = LOT_LIST + ROOT_CHAIN - self._turn
            self._doubts = max(0, self._doubts - 1)
            self.due = now_ms + self._pauses.next_ms()
        self._ask()

    def alone(self):
        """Nobody is known (any more): ask before long."""
        if self.controller and self._pauses is None:
            self.due = min(self.due, self._node.now_ms + self._begin())

    def _wants(self):
        return self._doubts > 0 or self._node.membership.alone()

    def doubt(self):
        """Ask, a few times, whether our lots and root are the newest."""
        now_ms = self._node.now_ms
        if self.controller and now_ms >= self._doubt_ms:
            self._doubt_ms = now_ms + DOUBT_MS
            self._doubts = TRIES
            if self._pauses is None:
                self.due = min(self.due, now_ms + self._begin())

    def _begin(self):
        """Begin to be alone; how long to wait before the first question (ms)."""
        rng = self._node.rng
        remembers = bool(self._node.membership.contacts)
        self._pauses = Backoff(rng, 2 * FIRST_MS, CONTACTS_MOST_MS if remembers else MOST_MS)
        return CONTACTS_MS + rng.below(CONTACTS_MS) if remembers else rng.below(FIRST_MS)

    def _ask(self):
        head = bytes((ASK_KIND,)) + len(self._data).to_bytes(2, "big") + bytes((self._what,))
        self._node.counters.bump("seeds_asked")
        self._node.transmit(head + bytes(DATAGRAM_BYTES - len(head)), self.controller)

    def receive(self, data, addr):
        """One piece of the list; pieces out of order are dropped."""
        if data[0] == PROOF_KIND:
            if self._node.lots:
                self._node.lots.receive(data, addr)
            return
        unasked = self._checking or not self._wants()
        if not self.controller or addr != self.controller or len(data) <= HEAD or unasked:
            self._node.counters.bump("seeds_bad")
            return
        offset = int.from_bytes(data[1:3], "big")
        size = int.from_bytes(data[3:5], "big")
        piece = bytes(data[HEAD:])
        if offset != len(self._data):
            return
        if size > (BLOB_BYTES if self._what == ROOT_CHAIN else MANIFEST_BYTES) or len(piece) > CHUNK_BYTES or offset + len(piece) > size:
            self._node.counters.bump("seeds_bad")
            return
        self._data += piece
        self._tries = 0
        if len(self._data) < size:
            self.due = min(self.due, self._node.now_ms + FIRST_MS)
            self._ask()
            return
        signed, self._data = self._data, b""
        if self._what != CONTACT_LIST:
            self._doubts = 2 * (self._doubts > 1)  # to ask for the other list too
            self._node.rumours.offer(signed)
            return
        self._checking = self._node.work.add(self._node.trust.check(signed), self._checked)

    def _checked(self, check, error):
        self._checking = False
        if error or check.manifest.kind != "seeds" or check.manifest.expires <= self._node.wall_s():
            self._node.counters.bump("seeds_bad")
            self._node.log("error", "seed list refused: %s" % (error or "expired, or not a seed list"))
            return
        self._node.wall.raise_floor(check.manifest.issued)
        contacts = [Descriptor(id, addr) for id, addr in check.manifest.fields["contacts"]]
        self._node.membership.join(self._node.rng.sample(contacts, len(contacts)))
