"""Slices: who may sit, who offers to, and who begins.

Seats do not search.  A box tests a slice's predicate on itself and, while it is
free, lets gossip carry its offer; a holder with vacancies takes the freshest
offer it has heard (ring.py).  Seat 0 begins: when no holder has been heard of
for a while, the candidate with the least hash(slice, box), found by an epidemic
minimum, takes it.  Once a ring stands, a later and smaller hash moves nothing.
"""

from .compat import const
from .descriptor import unpack_at
from .errors import RemoteError
from .limits import CANDIDATES, CANDIDATES_TOLD, SEAT_HINTS, SEATS_TOLD, SLICES_TOLD
from .predicate import holds as predicate_holds
from .seat import TERM_MOST, SeatEntry, pack_entries, rank, unpack_entries
from .wire.messages import holds

# Rounds without word of a holder before the least candidate begins.
ELECT_ROUNDS = const(6)
# A hint older than this many rounds, and than HINT_LEAST_MS, is dropped.
HINT_ROUNDS = const(20)
HINT_LEAST_MS = const(15000)
# Without a slice nothing is due; a manifest makes it sooner.
IDLE_MS = const(600000)
# Rounds for which a slice without a ring keeps its candidates gossiping fast.
EAGER_ROUNDS = const(60)


class Slice:
    """What this box has heard of one slice."""

    def __init__(self, manifest, now_ms):
        self.manifest = manifest
        self.since_ms = now_ms
        self.seats = {}  # seat: SeatEntry
        self.candidates = {}  # identity: [Descriptor, heard_ms]
        self.high_term = 0
        self.lonely_ms = now_ms  # since when no holder was heard of


class Slicing:
    """Gossip about slices, the offers of candidates, and the first seat."""

    def __init__(self, node):
        self._node = node
        self.slices = {}  # slice id: Slice
        self._turn = 0
        self.due = node.now_ms + node.config.busy_round_ms

    # -- manifests

    def on_manifest(self, manifest):
        """A verified slice manifest, new or changed."""
        known = self.slices.get(manifest.id)
        if manifest.end:
            self.slices.pop(manifest.id, None)
        elif known:
            known.manifest = manifest
        else:
            self.slices[manifest.id] = Slice(manifest, self._node.now_ms)
        self.due = min(self.due, self._node.now_ms + self._node.config.busy_round_ms)

    def on_expired(self, manifest):
        """A slice manifest that has expired."""
        self.slices.pop(manifest.id, None)

    def by_name(self, name):
        """The Slice of that name, else None."""
        for slice in self.slices.values():
            if slice.manifest.name == name:
                return slice
        return None

    def matches(self, manifest):
        """True if this box may sit in the slice of that manifest."""
        where = manifest.fields.get("where")
        return where is None or predicate_holds(where, self._node.attributes)

    def offers(self, slice):
        """True if this box offers itself to the slice now."""
        return self._node.ring.seat is None and self._node.available and self.matches(slice.manifest)

    # -- gossip

    def _hint_ms(self):
        return max(HINT_LEAST_MS, HINT_ROUNDS * self._node.round_ms())

    def tell(self):
        """What a shuffle carries of slices: [[id, seats, candidates], ...]."""
        out = []
        ids = sorted(self.slices)
        for i in range(min(SLICES_TOLD, len(ids))):
            slice = self.slices[ids[(self._turn + i) % len(ids)]]
            out.append([slice.manifest.id, self._tell_seats(slice), self._tell_candidates(slice)])
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
        return pack_entries(entries, node.now_ms)

    def _tell_candidates(self, slice):
        node = self._node
        rows = sorted(slice.candidates.values(), key=lambda row: rank(slice.manifest.id, row[0].id))
        rows = rows[:1] + node.rng.sample(rows[1:], CANDIDATES_TOLD - 1)
        if self.offers(slice):
            rows = [[node.descriptor(), node.now_ms]] + rows[: CANDIDATES_TOLD - 1]
        out = b""
        for box, heard_ms in rows:
            out += min(65535, (node.now_ms - heard_ms + 999) // 1000).to_bytes(2, "big") + box.pack()
        return out

    def hear(self, told):
        """Take what a shuffle carried; slices we do not know are passed over."""
        if len(told) > SLICES_TOLD:
            raise RemoteError("too many slices")
        heard = []
        for row in told:
            if not holds(("h", "b", "b"), row):
                raise RemoteError("slice gossip")
            seats = unpack_entries(row[1], SEATS_TOLD, self._node.now_ms)
            heard.append((row[0], seats, self._unpack_candidates(row[2])))
        for id, seats, candidates in heard:
            slice = self.slices.get(id)
            if slice:
                for entry in seats:
                    self.hear_seat(slice, entry)
                for box, heard_ms in candidates:
                    self._hear_candidate(slice, box, heard_ms)

    def _unpack_candidates(self, data):
        out = []
        start = 0
        while start < len(data):
            if len(out) == CANDIDATES_TOLD or len(data) - start < 2:
                raise RemoteError("candidates")
            age = data[start] << 8 | data[start + 1]
            box, start = unpack_at(data, start + 2)
            out.append((box, self._node.now_ms - 1000 * age))
        return out

    def hear_seat(self, slice, entry):
        """Keep a SeatEntry that is fresh and better than what we know."""
        node = self._node
        fresh = node.now_ms - entry.heard_ms < self._hint_ms()
        if not fresh or entry.seat >= slice.manifest.fields["seats"] or node.is_tombstoned(entry.id):
            node.counters.bump("hints_dropped")
            return
        slice.high_term = max(slice.high_term, entry.term)
        slice.candidates.pop(entry.id, None)
        if entry.id == node.id:
            return
        known = slice.seats.get(entry.seat)
        if known and (known.term, known.heard_ms) > (entry.term, entry.heard_ms):
            return
        slice.seats[entry.seat] = SeatEntry(entry.seat, entry.term, entry.box, entry.heard_ms)
        if len(slice.seats) > SEAT_HINTS:
            node.counters.bump("hints_dropped")
            stalest = min(slice.seats, key=lambda seat: slice.seats[seat].heard_ms)
            del slice.seats[stalest]

    def _hear_candidate(self, slice, box, heard_ms):
        node = self._node
        if box.id == node.id or node.is_tombstoned(box.id) or node.now_ms - heard_ms >= self._hint_ms():
            return
        for entry in slice.seats.values():
            if entry.id == box.id and entry.heard_ms >= heard_ms:
                return
        known = slice.candidates.get(box.id)
        if known and known[1] >= heard_ms:
            return
        slice.candidates[box.id] = [box, heard_ms]
        if len(slice.candidates) > CANDIDATES:
            # The least hash stays, for the election; of the rest the stalest goes.
            rows = sorted(slice.candidates.values(), key=lambda row: rank(slice.manifest.id, row[0].id))
            stalest = min(rows[1:], key=lambda row: row[1])
            del slice.candidates[stalest[0].id]
            node.counters.bump("hints_dropped")

    def candidate(self, slice_id):
        """The Descriptor of the freshest candidate, else None."""
        slice = self.slices.get(slice_id)
        best = None
        for row in slice.candidates.values() if slice else []:
            if best is None or row[1] > best[1]:
                best = row
        return best[0] if best else None

    def spent(self, slice_id, id):
        """A candidate that sits, is busy or does not answer is one no more."""
        slice = self.slices.get(slice_id)
        if slice:
            slice.candidates.pop(id, None)

    def forget(self, id):
        """A box that was found dead."""
        for slice in self.slices.values():
            slice.candidates.pop(id, None)
            for entry in list(slice.seats.values()):
                if entry.id == id:
                    del slice.seats[entry.seat]

    # -- the first seat

    def tick(self, now_ms):
        """Drop stale hints; begin a slice if it is ours to begin."""
        self.due = now_ms + (self._node.rng.jitter(self._node.round_ms()) if self.slices else IDLE_MS)
        limit = now_ms - self._hint_ms()
        for slice in self.slices.values():
            for entry in list(slice.seats.values()):
                if entry.heard_ms < limit:
                    del slice.seats[entry.seat]
            for id in list(slice.candidates):
                if slice.candidates[id][1] < limit:
                    del slice.candidates[id]
            if slice.seats or self._node.ring.own_entry(slice.manifest.id):
                slice.lonely_ms = now_ms
            elif self.offers(slice):
                self._consider_beginning(slice, now_ms)

    def _consider_beginning(self, slice, now_ms):
        round_ms = self._node.round_ms()
        if now_ms - slice.lonely_ms < EAGER_ROUNDS * self._node.config.busy_round_ms:
            self._node.news()
        if now_ms - slice.lonely_ms < ELECT_ROUNDS * round_ms:
            return
        mine = rank(slice.manifest.id, self._node.id)
        for id in slice.candidates:
            if rank(slice.manifest.id, id) < mine:
                return
        self._node.ring.take(slice.manifest, 0, min(TERM_MOST, slice.high_term + 1), [])
