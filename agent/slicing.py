"""Slices: who may sit, which slice a free box offers itself to, and who begins.

Seats do not search.  A box tests a slice's predicate on itself and, while it is
free, lets gossip carry its offer; a holder with vacancies takes the freshest
offer it has heard (grants.py).  Seat 0 begins: when no holder has been heard of
for a while, the candidate with the least hash(slice, box), found by an epidemic
minimum, takes it.  Once a ring stands, a later and smaller hash moves nothing.

Several slices that want the same boxes: a free box offers itself to the slice
that comes first for it (choice.py), and to the next ones only after PATIENCE
rounds in which the first has not taken it.  A holder never leaves for another
slice.  So what is free is divided in proportion to the seats wanted, and who
came first keeps what it has.

A slice may have a share of the fleet: the holder of seat 0 reckons its size
(sizes.py).  A slice may absorb others: their seats are seats of it, and what is
bound to them stays where it is.
"""

from .choice import preference
from .compat import const
from .errors import RemoteError
from .limits import ABSORBED, CANDIDATES_TOLD, SEAT_HINTS, SEATS_BYTES, SEATS_TOLD, SLICES_TOLD, VIEW
from .offers import Offers, unpack_offers
from .placement import first_seat
from .predicate import holds as predicate_holds
from .reshape import RESHAPE_MS, held
from .seat import TERM_JUMP, SeatEntry, pack_entries, rank, unpack_entries
from .sizes import Sizes
from .wire.messages import holds

# Rounds without word of a holder before the least candidate begins: in a fleet
# that fits a view, and in one that may have a million boxes.
ELECT_ROUNDS = const(6)
ELECT_ROUNDS_FULL = const(10)
# Exchanges to have heard about the slice by then; without any, so many times the rounds.
ELECT_HEARD = const(5)
ELECT_UNHEARD = const(5)
# An offer older than this many rounds, and than HINT_LEAST_MS, is dropped; a seat
# heard of, after as many slow rounds: others may be slow when we are fast.
HINT_ROUNDS = const(20)
HINT_LEAST_MS = const(15000)
# Rounds without fresh word after which the next to begin looks for the ring.
CHECK_ROUNDS = const(5)
# Rounds for which a slice without a ring, or with vacancies, keeps gossip fast.
EAGER_ROUNDS = const(60)
# Rounds for which a free box waits for a slice before it offers itself to the next.
PATIENCE = const(20)
# A holder stays while it is among so many times the share of a slice of the top.
TOP_SLACK = 1.25
# Without a slice nothing is due; a manifest makes it sooner.
IDLE_MS = const(600000)


class Slice:
    """What this box has heard of one slice."""

    def __init__(self, manifest, now_ms):
        self.manifest = manifest
        self.changed_ms = now_ms  # when this version of the manifest came
        self.seats = {}  # seat: SeatEntry
        self.offers = Offers(manifest.id)
        self.high_term = 0
        self.lonely_ms = now_ms  # since when no holder was heard of
        self.heard = 0  # exchanges about it since then
        self.void_ms = -(1 << 29)  # seats heard of until then are known to be empty
        self.offered_ms = now_ms  # since when we offer ourselves
        self.size = 1  # seats now, if the manifest gives a share
        self.version = 0

    @property
    def candidates(self):
        """{identity: offer} of the boxes that offer themselves."""
        return self.offers.table


class Slicing:
    """Gossip about slices, the offers of candidates, and the first seat."""

    def __init__(self, node):
        self._node = node
        self.slices = {}  # slice id: Slice
        self.sizes = Sizes(node, self)
        self._turn = 0
        self._prefer = None  # ids of the slices we match, ours to offer to first
        self.due = node.now_ms + node.config.busy_round_ms

    # -- manifests

    def on_manifest(self, manifest):
        """A verified slice manifest, new or changed."""
        now_ms = self._node.now_ms
        known = self.slices.get(manifest.id)
        self._prefer = None
        if manifest.end:
            self.slices.pop(manifest.id, None)
        elif known:
            known.manifest = manifest
            known.changed_ms = now_ms
        else:
            self.slices[manifest.id] = Slice(manifest, now_ms)
        self.due = min(self.due, now_ms + self._node.config.busy_round_ms)
        if self._node.porter:
            self._node.porter.due = now_ms

    def on_expired(self, manifest):
        """A slice manifest that has expired."""
        self._prefer = None
        self.slices.pop(manifest.id, None)

    def by_name(self, name):
        """The Slice of that name, else None."""
        for slice in self.slices.values():
            if slice.manifest.name == name:
                return slice
        return None

    # -- merged and split slices

    def absorber(self, name):
        """[slice, first seat, count] if the slice of that name has been merged into another, else None."""
        own = self.by_name(name)
        for slice in self.slices.values():
            for row in slice.manifest.fields.get("absorbs", ()):
                if row[0] != name or slice is own:
                    continue
                # Split off again by a later word: it stands for itself.
                again = own and own.manifest.fields.get("from")
                if again and again[0] == slice.manifest.name and own.manifest.issued > slice.manifest.issued:
                    continue
                return [slice, row[1], row[2]]
        return None

    def where_is(self, name):
        """(id, first, count): the ring in which the seats 0..count-1 of a slice are seats first...

        For a slice that was merged into another this is a part of the other's
        ring.  None if there is no such slice.
        """
        first, count = 0, None
        for _ in range(ABSORBED + 1):
            row = self.absorber(name)
            if row is None:
                break
            name = row[0].manifest.name
            first += row[1]
            count = row[2] if count is None else min(count, row[2])
        slice = self.by_name(name)
        if slice is None:
            return None
        return slice.manifest.id, first, count or self.size(slice.manifest.id)

    def holds(self, slice_id):
        """[(low, high)]: seats of a slice that others are moving to or from just now."""
        slice = self.slices.get(slice_id)
        return held(self, slice, self._node.now_ms) if slice else []

    # -- sizes

    def size(self, slice_id):
        """Seats that a slice has now, as far as this box knows."""
        return self.sizes.size(self.slices.get(slice_id))

    def told_size(self, slice_id):
        """(version, size) to tell of a slice with a share, else (0, 0)."""
        return self.sizes.told(self.slices.get(slice_id))

    def hear_size(self, slice_id, version, size):
        """What another says of the size of a slice with a share."""
        self.sizes.hear(self.slices.get(slice_id), version, size)

    # -- who may sit, and where

    def matches(self, manifest):
        """True if this box may sit in the slice of that manifest."""
        where, attributes = manifest.fields.get("where"), self._node.attributes
        if where is not None and not predicate_holds(where, attributes) or first_seat(manifest, attributes) is None:
            return False
        return "top" not in manifest.fields or bool(self._node.aggregate.in_top(manifest))

    def keeps(self, manifest):
        """True if this box may stay in a slice of the top: a little below it is enough."""
        # Unknown is no reason to leave.
        return self._node.aggregate.in_top(manifest, TOP_SLACK) is not False

    def on_free(self):
        """We have stood up: our offers begin anew."""
        for slice in self.slices.values():
            slice.offered_ms = self._node.now_ms
        self._node.news()

    def offers(self, slice):
        """True if this box offers itself to the slice now."""
        node = self._node
        if node.ring.seat is not None or not node.available or node.leaving is not None:
            return False
        if self._prefer is None:
            self._prefer = self._preferred()
        if slice.manifest.id not in self._prefer or not self.matches(slice.manifest):
            return False
        patience_ms = PATIENCE * self._node.config.busy_round_ms
        for id in self._prefer:
            if id == slice.manifest.id:
                return True
            if self._node.now_ms - self.slices[id].offered_ms < patience_ms:
                return False
        return False

    def _preferred(self):
        """Ids of the slices that we match, in the order in which we offer ourselves."""
        wanted = []
        for slice in self.slices.values():
            manifest = slice.manifest
            if not self.absorber(manifest.name) and self.matches(manifest):
                wanted.append((preference(manifest.id, self._node.id, self.size(manifest.id)), manifest.id))
        return [id for _, id in sorted(wanted)]

    # -- gossip

    def _offer_ms(self):
        return max(HINT_LEAST_MS, HINT_ROUNDS * self._node.round_ms())

    def _hint_ms(self):
        return max(HINT_LEAST_MS, HINT_ROUNDS * self._node.config.round_ms)

    def tell(self):
        """What a shuffle carries of slices: [[id, seats, candidates, size, version], ...]."""
        out = []
        # Whom no grant can reach offers itself to nobody.
        porter = self._node.porter
        reached = porter is None or porter.way
        ids = sorted(self.slices)
        for i in range(min(SLICES_TOLD, len(ids))):
            slice = self.slices[ids[(self._turn + i) % len(ids)]]
            version, size = self.sizes.told(slice)
            own = first_seat(slice.manifest, self._node.attributes) if reached and self.offers(slice) else None
            offers = slice.offers.tell(self._node, own)
            out.append([slice.manifest.id, self._tell_seats(slice), offers, size, version])
        self._turn += SLICES_TOLD
        return out

    def _tell_seats(self, slice):
        node = self._node
        own = node.ring.own_entry(slice.manifest.id)
        entries = [own] if own else []
        others = [entry for entry in slice.seats.values() if entry.id != node.id]
        # The lowest seat always goes along: it shows that the slice has begun.
        if others:
            entries.append(min(others, key=lambda entry: entry.seat))
        for entry in node.rng.sample(others, SEATS_TOLD):
            if entry not in entries and len(entries) < SEATS_TOLD:
                entries.append(entry)
        return pack_entries(entries, node.now_ms, SEATS_BYTES)

    def hear(self, told, seen):
        """Take what a shuffle from the address `seen` carried; slices we do not know are passed over."""
        if len(told) > SLICES_TOLD:
            raise RemoteError("too many slices")
        now_ms = self._node.now_ms
        heard = []
        for row in told:
            if not holds(("h", "b", "b", "u", "u"), row):
                raise RemoteError("slice gossip")
            seats = unpack_entries(row[1], SEATS_TOLD, now_ms, seen)
            heard.append((row, seats, unpack_offers(row[2], CANDIDATES_TOLD, now_ms, seen)))
        for row, seats, offers in heard:
            slice = self.slices.get(row[0])
            if slice:
                slice.heard += 1
                self.sizes.hear(slice, row[4], row[3])
                for entry in seats:
                    self.hear_seat(slice, entry)
                for box, heard_ms in offers:
                    self._hear_candidate(slice, box, heard_ms)

    def hear_seat(self, slice, entry):
        """Keep a SeatEntry that is fresh and better than what we know."""
        node = self._node
        fresh = node.now_ms - entry.heard_ms < self._hint_ms()
        fresh = fresh and entry.heard_ms > slice.void_ms
        if not fresh or entry.seat >= self.sizes.most(slice) or node.is_tombstoned(entry.id):
            node.counters.bump("hints_dropped")
            return
        if slice.high_term and entry.term > slice.high_term + TERM_JUMP:
            node.counters.bump("terms_refused")
            return
        slice.high_term = max(slice.high_term, entry.term)
        slice.offers.drop(entry.id)
        if entry.id == node.id:
            return
        known = slice.seats.get(entry.seat)
        if known and (known.term, known.heard_ms) > (entry.term, entry.heard_ms):
            # Much fresher word is of another holder since: a ring that began anew.
            if entry.heard_ms - known.heard_ms < HINT_LEAST_MS:
                return
        if not slice.seats and slice.manifest.id != node.ring.slice_id:
            node.news()  # it has begun: offers must travel fast once more
        slice.seats[entry.seat] = SeatEntry(entry.seat, entry.term, entry.box, entry.heard_ms)
        if len(slice.seats) > SEAT_HINTS:
            node.counters.bump("hints_dropped")
            stalest = min(slice.seats, key=lambda seat: slice.seats[seat].heard_ms)
            del slice.seats[stalest]

    def _hear_candidate(self, slice, box, heard_ms):
        node = self._node
        if box.id == node.id or node.is_tombstoned(box.id) or node.now_ms - heard_ms >= self._offer_ms():
            return
        for entry in slice.seats.values():
            if entry.id == box.id and entry.heard_ms >= heard_ms:
                return
        if not slice.offers.hear(box, heard_ms):
            node.counters.bump("hints_dropped")

    def candidates(self, slice_id):
        """[(number of its region, Descriptor)] of the candidates, the freshest first."""
        slice = self.slices.get(slice_id)
        return slice.offers.fresh() if slice else []

    def spent(self, slice_id, id):
        """A candidate that sits, is busy or does not answer is one no more."""
        slice = self.slices.get(slice_id)
        if slice:
            slice.offers.drop(id)

    def hungry(self, slice_id):
        """A holder of that slice has vacancies and knows no candidate."""
        slice = self.slices.get(slice_id)
        if slice and self._node.now_ms - slice.changed_ms < EAGER_ROUNDS * self._node.config.busy_round_ms:
            self._node.news()

    def forget(self, id):
        """A box that was found dead."""
        for slice in self.slices.values():
            slice.offers.drop(id)
            for entry in list(slice.seats.values()):
                if entry.id == id:
                    del slice.seats[entry.seat]

    # -- the first seat

    def tick(self, now_ms):
        """Drop stale hints; begin a slice if it is ours to begin."""
        self.due = now_ms + (self._node.rng.jitter(self._node.round_ms()) if self.slices else IDLE_MS)
        # Attributes and ranks vary.
        self._prefer = None
        limit = now_ms - self._hint_ms()
        for slice in list(self.slices.values()):
            for entry in list(slice.seats.values()):
                if entry.heard_ms < limit:
                    del slice.seats[entry.seat]
            slice.offers.expire(now_ms - self._offer_ms())
            self.sizes.decide(slice)
            if not self.matches(slice.manifest):
                slice.offered_ms = now_ms
            offers = self.offers(slice)
            if slice.seats or not offers:
                slice.lonely_ms, slice.heard = now_ms, 0
                if offers and self._first(slice):
                    self._check(slice, now_ms)
            else:
                self._consider_beginning(slice, now_ms)

    def _first(self, slice):
        """True if of all who offer themselves we would begin the slice."""
        least = slice.offers.least()
        return least is None or rank(slice.manifest.id, self._node.id) < least

    def _check(self, slice, now_ms):
        """All may have died at once: look for the ring if there was no word of it for long."""
        freshest = max([entry.heard_ms for entry in slice.seats.values()])
        if now_ms - freshest < max(HINT_LEAST_MS, CHECK_ROUNDS * self._node.round_ms()):
            return

        def done(entry, hops):
            if entry is None:
                slice.void_ms = self.due = self._node.now_ms
                slice.seats = {}
            else:
                self.hear_seat(slice, entry)

        if not self._node.lookup.asking:
            self._node.lookup.find(0, done, slice.manifest.id)

    def _consider_beginning(self, slice, now_ms):
        node = self._node
        lonely_ms = now_ms - slice.lonely_ms
        if lonely_ms < EAGER_ROUNDS * node.config.busy_round_ms:
            node.news()
        if "from" in slice.manifest.fields and lonely_ms < RESHAPE_MS:
            return
        rounds = ELECT_ROUNDS
        if node.membership.view or node.membership.contacts:
            if len(node.membership.view) >= VIEW:
                rounds = ELECT_ROUNDS_FULL
            # Greetings may take longer than rounds: without word there is no minimum.
            if slice.heard < ELECT_HEARD:
                rounds *= ELECT_UNHEARD
        if lonely_ms >= rounds * node.round_ms() and self._first(slice):
            # The least of all terms: if there is a ring after all, it stays.
            node.ring.take(slice.manifest, first_seat(slice.manifest, node.attributes), 0, [])
