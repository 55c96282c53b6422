"""Peer sampling: a partial view kept random by shuffling it with others.

Cyclon (Voulgaris, Gavidia, van Steen, 2005) in the framework of Jelasity et al.
(TOCS 2007): the oldest link leaves the view each round, a few links are swapped
(push-pull), and the asker's own fresh one goes along.  So each box begins one
link to itself a round and each link lives as long, whence balanced in-degrees.
What differs:

- A question is repeated under the same exchange id and answered from a cache,
  so that a lost datagram neither kills a live link nor skews the swap.
- After a silent peer, for HEALING_ROUNDS, what comes in replaces the oldest
  links, and a hole is filled with the box that just answered; up to TIMEOUTS
  peers a round are tried.  Dead links leave nearly as fast as with Newscast.
- Partners (partners.py) are asked in turn, and the oldest link is dropped unasked.
  Links are asked while some are silent or places free, a partner then seldom.  So
  whom a box averages with, polls and remembers does not rest on what fills its view.
- A box behind NAT is never asked: it asks.  Its link leaves the view when oldest.

In-flight links are not sent twice, and no more is taken than was given, so the
number of links stays what it is, and a liar that pushes takes as many back.
"""

from .compat import const
from .contacts import Contacts
from .descriptor import DOOR, REACHABLE, Descriptor, pack_all, unpack_all
from .errors import RemoteError
from .limits import DOORS, QUESTIONS, SHUFFLE, SHUFFLE_ANSWERS, SWAPS, VIEW
from .partners import Partners
from .question import CONTACT, KEPT, LINK, TRIAL, Question
from .wire.messages import SHUFFLE as ASK
from .wire.messages import SHUFFLED as TOLD
from .wire.messages import pack

# 5 tries, 3.5 s: at 20 % loss each way one live peer in 160 is taken for dead.
RETRY_MS = const(700)
TRIES = const(5)
_ANSWER_MS = const(10000)  # the last repeat comes within this: answers need not be kept longer
# Silent peers replaced within one round.
TIMEOUTS = const(3)
# Rounds for which incoming links replace the oldest after a silence.
HEALING_ROUNDS = const(2)
# Rounds of asking links that one silent link costs, and the most: all must be tried.
CALM_ROUNDS = const(6)
CALM_MOST = const(30)
LINK_TURNS = const(7)  # of 8 rounds; in the eighth a partner is asked too: views may be full of lies
# No link lives longer: that of a box which vanished is gone from every view by
# then.  In steady state the oldest is 24 rounds old (at c = 20, 10^4 boxes).
LIFE_ROUNDS = const(64)
# A link counts as fresher than another to the same box by more than this, rounds.
AGE_SLACK = const(2)
CONTACT_ROUNDS = const(20)  # in one of so many an old contact is asked, to heal partitions
REFERRALS = const(6)  # times that a busy contact may send us on to others, in one round
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
        self.remembered = Contacts(node)
        self.rounds = 0
        self.partners = Partners(node.rng)
        self._save_round = FIRST_SAVE_ROUNDS
        self._questions = {}  # exchange id: Question
        self._timeouts = self._referrals = self._healing = self._calm = 0
        self._lonely = 0  # rounds in a row that began with nobody known
        self._answers = []  # [(peer id, exchange id, answer bytes, when)]
        self._swapped = []  # ids that swapped links with us in this round
        self.due = node.now_ms + node.rng.below(node.config.busy_round_ms)
        self._round_ms = self.due

    # -- the outside

    def shed(self):  # memory ran out: a repeated question is answered afresh
        self._answers.clear()

    @property
    def contacts(self):
        """List of the Descriptors remembered from earlier."""
        return self.remembered.all()

    def alone(self):
        """True while no box is known that might answer; old contacts are tried, but may be gone."""
        return not self.view and not [q for q in self._questions.values() if q.how != CONTACT]

    def join(self, contacts):
        """Take Descriptors to begin with; only what the view has room for."""
        for contact in contacts:
            self._insert(contact, [])
            self.remembered.met(contact)
        if contacts:
            self.remembered.save()
        self._node.news()

    def reachable(self):
        """List of the view's Descriptors that answer strangers."""
        return [d for d in self.view.values() if d.flags & REACHABLE]

    def some(self, count):
        """Up to count random Descriptors to rely on: partners, or without enough of them reachable links of the view."""
        return self.partners.some(count) if self.partners.enough() else self._node.rng.sample(self.reachable(), count)

    def drop(self, id):
        """Forget a box that does not answer."""
        self.view.pop(id, None)
        self.doors.pop(id, None)
        self.partners.drop(id)

    def find(self, id):
        """Descriptor of a box in the view or among the doors, else None."""
        return self.view.get(id) or self.doors.get(id)

    def door_list(self):
        """Descriptors of the doors known, freshest first."""
        return sorted(self.doors.values(), key=lambda d: d.age)

    # -- rounds

    def tick(self, now_ms):
        """Repeat unanswered questions, and begin a round when it is time."""
        for question in list(self._questions.values()):
            if now_ms >= question.due:
                self._again(question, now_ms)
        if now_ms >= self._round_ms:
            self._round()
            self._round_ms = now_ms + self._node.rng.jitter(self._pause_ms())
        self._reckon()

    def hurry(self):
        """Let the next round come no later than a busy round from now."""
        soon = self._node.now_ms + self._node.rng.jitter(self._node.config.busy_round_ms)
        if soon < self._round_ms:
            self._round_ms = soon
            self.due = min(self.due, soon)

    def _pause_ms(self):
        # While nobody is known (after a blackout, say) contacts are tried fast
        # at first, then ever more slowly.
        pause_ms = self._node.round_ms()
        if self._lonely:
            pause_ms = min(pause_ms, self._node.config.busy_round_ms << min(self._lonely, 10))
        return pause_ms

    def _reckon(self):
        self.due = self._round_ms
        for question in self._questions.values():
            if question.due < self.due:
                self.due = question.due

    def _round(self):
        self._node.tombstones.sweep(self._node.now_ms)
        self.rounds += 1
        self._timeouts, self._referrals, self._swapped = 0, 0, []
        self._answers = [row for row in self._answers if self._node.now_ms - row[3] <= _ANSWER_MS]
        self._healing = max(0, self._healing - 1)
        self._calm = max(0, self._calm - 1)
        for link in list(self.view.values()):
            link.age += 1
            if link.age > LIFE_ROUNDS:
                del self.view[link.id]
        for door in list(self.doors.values()):
            door.age += 1
            if door.age > DOOR_ROUNDS:
                del self.doors[door.id]
        contact = self.remembered.choose(self.view)
        if contact and self.rounds >= self._save_round:
            self._save_round = self.rounds + (SAVE_ROUNDS if self.remembered.save() else FIRST_SAVE_ROUNDS)
        self._lonely = 0 if self.view else self._lonely + 1
        if contact and (self._lonely or self._node.rng.below(CONTACT_ROUNDS) == 0):
            self._begin(False, contact)
        else:
            self._begin(False)

    def _begin(self, links_only, contact=None):
        """Ask somebody, if there is anybody to ask: one link leaves, our own goes out."""
        if len(self._questions) >= QUESTIONS:
            return
        full = len(self.view) >= VIEW
        links = self.reachable()
        tries = links and (self._calm or not full)
        besides = not (links_only or contact or self.rounds & LINK_TURNS) and len(self._questions) < QUESTIONS - 1
        if tries and besides:
            self._ask(*self.partners.whom())
        if contact or not links or not tries and not links_only and self.partners.ready():
            if full:
                del self.view[self._oldest(self.view.values()).id]
            self._ask(*((contact, CONTACT) if contact else self.partners.whom()))
            return
        oldest = self._oldest(self.view.values() if full else links)
        del self.view[oldest.id]
        if oldest.flags & REACHABLE:
            self._ask(oldest, LINK)
        else:
            self._ask(self._node.rng.choice(links), KEPT)

    def _oldest(self, links):
        # Ties are broken by lot: in a small fleet most ages are equal, and the
        # order of a dict would let some boxes speak with each other only.
        oldest = []
        for link in links:
            if not oldest or link.age > oldest[0].age:
                oldest = [link]
            elif link.age == oldest[0].age:
                oldest.append(link)
        return oldest[0] if len(oldest) == 1 else self._node.rng.choice(oldest)

    def _ask(self, peer, how):
        if peer is None:
            return
        node = self._node
        sample = self._sample(peer.id, SHUFFLE - 1)
        exchange = int.from_bytes(node.rng.bytes(4), "big")
        message = self._message(ASK, exchange, [node.descriptor()] + sample)
        due = node.now_ms + node.rng.jitter(RETRY_MS)
        question = Question(exchange, peer, how, [link.id for link in sample], message, due)
        self._questions[exchange] = question
        self.due = min(self.due, due)
        node.counters.bump("shuffles")
        node.send_packed(peer.id, peer.addr, message)

    def _sample(self, peer_id, count):
        """Links to give: none to the peer itself, none that another may be taking."""
        out = [peer_id]
        for question in self._questions.values():
            out += question.sent
        return self._node.rng.sample([d for d in self.view.values() if d.id not in out], count)

    def _again(self, question, now_ms):
        if question.tries >= TRIES:
            self._missed(question, True)
            return
        question.tries += 1
        question.due = now_ms + self._node.rng.jitter(RETRY_MS)
        self._node.counters.bump("shuffle_retries")
        self._node.send_packed(question.peer.id, question.peer.addr, question.message)

    def _missed(self, question, silent):
        """No answer came: the next one, within the round's limit."""
        del self._questions[question.exchange]
        self._timeouts += 1
        self._node.counters.bump("shuffle_timeouts")
        # An old contact is retried some day, for ever.
        if silent and question.how != CONTACT:
            self._node.silent(question.peer.id)
        if question.how in (LINK, KEPT):
            self._healing = HEALING_ROUNDS
            self._calm = min(CALM_MOST, self._calm + CALM_ROUNDS)
        if self._timeouts + len(self._questions) < TIMEOUTS:
            self._begin(question.how != TRIAL)

    def unreachable(self, id):
        """A greeting was given up: whom we asked has not heard us."""
        for question in list(self._questions.values()):
            if question.peer.id == id:
                self._missed(question, False)
        self._reckon()

    def referred(self, id, others):
        """A box too busy to greet us named other Descriptors; True if we ask one of those instead."""
        for question in list(self._questions.values()):
            if question.peer.id == id and self._referrals < REFERRALS:
                del self._questions[question.exchange]
                self._referrals += 1
                for other in others:
                    if len(self.view) < VIEW:
                        self._insert(other, [])
                self._begin(True)
                self._reckon()
                return True
        return False

    def _message(self, kind, exchange, links):
        node = self._node
        doors = [node.descriptor()] if node.is_door() else node.rng.sample(list(self.doors.values()), 1)
        doors += self.partners.some(1)
        return pack(kind, exchange, pack_all(links), node.rumours.digest(), pack_all(doors), node.slicing.tell())

    # -- answers

    def on_ask(self, peer, message):
        """Answer a shuffle; a repeated question gets the same answer."""
        _, exchange, packed, digest, doors, slices = message
        for id, asked, answer, _ in self._answers:
            if id == peer.id and asked == exchange:
                self._node.send_packed(peer.id, peer.addr, answer)
                return
        theirs = unpack_all(packed, SHUFFLE, peer.seen)
        if not theirs or theirs[0].id != peer.id:
            raise RemoteError("a shuffle begins with its sender")
        self._hear(peer, doors, slices)
        if theirs[0].flags & REACHABLE and self.partners.enough():
            self.partners.keep(Descriptor(peer.id, peer.seen))
        sample = self._sample(peer.id, SHUFFLE)
        answer = self._message(TOLD, exchange, sample)
        self._answers = self._answers[1 - SHUFFLE_ANSWERS :] + [(peer.id, exchange, answer, self._node.now_ms)]
        self._node.send_packed(peer.id, peer.addr, answer)
        self._node.counters.bump("shuffles_answered")
        # One swap a peer and round, and a few in all: whoever asks more often
        # is answered, and fills free places at most.
        if peer.id in self._swapped or len(self._swapped) >= SWAPS:
            self._node.counters.bump("swaps_limited")
            sample = []
        else:
            self._swapped.append(peer.id)
        self._merge(theirs, [link.id for link in sample])
        self._node.rumours.compare(peer, digest)

    def on_told(self, peer, message):
        """Take the answer to our shuffle."""
        _, exchange, packed, digest, doors, slices = message
        question = self._questions.get(exchange)
        if question is None or question.peer.id != peer.id:
            return
        theirs = unpack_all(packed, SHUFFLE, peer.seen)
        self._hear(peer, doors, slices)
        del self._questions[exchange]
        if self._lonely:
            self._lonely = 0
            self._node.news()
        replaceable = self._merge(theirs, question.sent)
        asked = question.peer.copy()
        asked.age = 0
        asked.addr = peer.seen
        link = question.how == LINK and self.partners.enough()
        if not link:
            self.remembered.met(asked)
        self.partners.keep(asked.copy())
        if self._healing or len(self.view) < VIEW:
            self._insert(asked, replaceable)
        self._reckon()
        self._node.rumours.compare(peer, digest)
        self._node.answered(peer, self.partners.next() if link else peer)

    def _hear(self, peer, doors, slices):
        doors = unpack_all(doors, 2, peer.seen)
        self._node.slicing.hear(slices, peer.seen)
        for door in doors:
            self._named(door)
            self._hear_door(door)

    def _hear_door(self, door):
        if not door.flags & DOOR or door.age > DOOR_ROUNDS or door.id == self._node.id or self._node.is_revoked(door.id):
            return
        known = self.doors.get(door.id)
        if known is None or door.age < known.age:
            self.doors[door.id] = door
        if len(self.doors) > DOORS:
            oldest = self.door_list()[-1]
            del self.doors[oldest.id]

    def _merge(self, incoming, sent):
        replaceable = [id for id in sent if id in self.view]
        for link in incoming:
            self._insert(link, replaceable)
            self._named(link)
        return replaceable

    def _named(self, link):
        if link.id != self._node.id and not self._node.is_tombstoned(link.id):
            self.partners.hear(link)

    def _insert(self, link, replaceable):
        """Take a link: into a free place, else for one of those we sent away.

        While healing the oldest goes instead, if it is older.
        """
        id = link.id
        if id == self._node.id or link.age > LIFE_ROUNDS or self._node.is_tombstoned(id):
            return
        known = self.view.get(id)
        if known:
            # Not for less: boxes do not count rounds in step, and copies that
            # set each other back would hardly age.
            if link.age + AGE_SLACK < known.age:
                known.age = link.age
                known.addr = link.addr
                known.flags = link.flags
            return
        if len(self.view) >= VIEW:
            if not replaceable:
                return
            out = replaceable[-1]
            if self._healing:
                oldest = self._oldest(self.view.values())
                if oldest.age < link.age:
                    return
                out = oldest.id
            if out in replaceable:
                replaceable.remove(out)
            else:
                replaceable.pop()
            del self.view[out]
        self.view[id] = link
