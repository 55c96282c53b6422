"""The ring of seats: this box's seat, its neighbours, grants, deaths.

Each holder keeps the NEIGHBOURS nearest holders on either side (T-Man, Jelasity,
Montresor, Babaoglu 2009): every probe exchanges lists and keeps the nearest, so
rings close over gaps and two halves of a slice zip together by themselves.

A holder is answerable for the vacancies between itself and its successor.  It
grants the middle one to a candidate, who thereby answers for the second half:
N seats fill in O(log N) grants.  A grant is repeated to the same box until that
answers or is dead, and every grant has a term above all terms known here, so of
two claims to a seat the later one stands (seat.py) and the other box leaves.

A dead seat is passed over at once and refilled after a short grace, in which a
stranded successor can make itself known.
"""

from .compat import const
from .errors import RemoteError
from .limits import NEIGHBOURS, TOMBSTONES
from .seat import TERM_MOST, SeatEntry, beats, pack_entries, unpack_entries
from .wire.messages import ACCEPT, ACK, ANSWER, BUSY, GRANT, LEAVE, PROBE, UNKNOWN

SUSPECT_MISSES = const(3)
DEAD_MISSES = const(5)
GRANT_TRIES = const(6)
# Probes to wait after a death before its seat is granted anew.
GRACE_PROBES = const(2)
# Entries not heard of for this many probes, or ENTRY_LEAST_MS, are dropped; ages
# are told in whole seconds, so short probes need the floor.
ENTRY_PROBES = const(12)
ENTRY_LEAST_MS = const(8000)
ENTRIES_TOLD = 2 * NEIGHBOURS + 1


class Grant:
    """A grant under way to one candidate."""

    def __init__(self, exchange, box, seat, term):
        self.exchange = exchange
        self.box = box
        self.seat = seat
        self.term = term
        self.tries = 0


class Ring:
    """This box's seat, if it has one.  seat is None or an int."""

    def __init__(self, node):
        self._node = node
        self.manifest = None
        self.seat = None
        self.term = 0
        self.near = {}  # identity: SeatEntry
        self.grant = None
        self.high_term = 0
        self._gone = []  # [(identity, term)]: left, or not holders any more
        self._exchanges = {}  # exchange id: identity probed
        self._refill_ms = 0
        self._rival = None
        self.due = node.now_ms + 60000

    # -- the seat

    @property
    def slice_id(self):
        """Id of the slice in which this box sits, None if in none."""
        return self.manifest.id if self.seat is not None else None

    def seats(self):
        """Seats of the slice."""
        return self.manifest.fields["seats"]

    def own_entry(self, slice_id):
        """Our SeatEntry if we sit in that slice, else None."""
        if self.seat is None or self.manifest.id != slice_id:
            return None
        return SeatEntry(self.seat, self.term, self._node.descriptor(), self._node.now_ms)

    def take(self, manifest, seat, term, entries):
        """Sit down; entries are the SeatEntry of those around."""
        self.manifest, self.seat, self.term = manifest, seat, term
        self.near, self._exchanges, self.grant, self._rival = {}, {}, None, None
        self._gone = []
        self.high_term = term
        self.merge(entries)
        node = self._node
        self._refill_ms = node.now_ms
        self.due = node.now_ms
        node.counters.bump("seats_taken")
        node.log("info", "took seat %d of %s, term %d" % (seat, manifest.name, term))
        node.on_seat()
        node.news()

    def leave(self, counter="seats_left"):
        """Stand up, telling the neighbours, who pass over the seat at once."""
        if self.seat is None:
            return
        node = self._node
        for entry in self.near.values():
            node.send(entry.id, entry.box.addr, LEAVE, self.manifest.id, self.seat, self.term)
        node.counters.bump(counter)
        node.log("info", "left seat %d of %s" % (self.seat, self.manifest.name))
        self.seat, self.near, self.grant, self._rival = None, {}, None, None
        node.on_seat()

    def on_manifest(self, manifest):
        """Our slice's manifest changed, ended, shrank below our seat or shut us out."""
        if self.seat is None or manifest.id != self.manifest.id:
            return
        # Attributes vary: an unchanged predicate held when we sat down.
        shut = manifest.fields.get("where") != self.manifest.fields.get("where")
        shut = shut and not self._node.slicing.matches(manifest)
        self.manifest = manifest
        if manifest.end or shut or self.seat >= self.seats():
            self.leave()
            return
        for entry in list(self.near.values()):
            if entry.seat >= self.seats():
                del self.near[entry.id]

    def on_expired(self, manifest):
        """Our slice has expired."""
        if self.seat is not None and manifest.id == self.manifest.id:
            self.leave()

    # -- neighbours

    def _ahead(self, entry):
        return (entry.seat - self.seat) % self.seats()

    def successors(self):
        """SeatEntry of the neighbours, nearest clockwise first."""
        return sorted(self.near.values(), key=self._ahead)

    def successor(self):
        """The next holder clockwise, None if we know of no other."""
        return min(self.near.values(), key=self._ahead) if self.near else None

    def predecessor(self):
        """The next holder counter-clockwise, None if we know of no other."""
        return max(self.near.values(), key=self._ahead) if self.near else None

    def span(self):
        """(seat, count): ours and the vacant seats after it that we answer for."""
        after = self.successor()
        return self.seat, self._ahead(after) if after else self.seats()

    def merge(self, entries):
        """Take SeatEntry heard of; keep the nearest on either side."""
        node = self._node
        limit = self._stale_before()
        for entry in entries:
            if entry.id == node.id or entry.heard_ms < limit or entry.seat >= self.seats():
                continue
            if node.is_tombstoned(entry.id) or (entry.id, entry.term) in self._gone:
                continue
            self.high_term = max(self.high_term, entry.term)
            if entry.seat == self.seat:
                self._rival = entry
                continue
            known = self.near.get(entry.id)
            if known is None:
                self._add(entry)
            elif entry.term >= known.term:
                if entry.heard_ms > known.heard_ms:
                    # Another heard it since we asked: it is not dead yet.
                    known.heard_ms = entry.heard_ms
                    known.misses = min(known.misses, SUSPECT_MISSES - 1)
                known.seat, known.term = entry.seat, entry.term
        self._trim()

    def _stale_before(self):
        return self._node.now_ms - max(ENTRY_LEAST_MS, ENTRY_PROBES * self._node.config.probe_ms)

    def _add(self, entry):
        for other in list(self.near.values()):
            if other.seat == entry.seat:
                if beats(self.manifest.id, other.term, other.id, entry.term, entry.id):
                    return
                del self.near[other.id]
        self.near[entry.id] = SeatEntry(entry.seat, entry.term, entry.box, entry.heard_ms)

    def _trim(self):
        if len(self.near) > 2 * NEIGHBOURS:
            order = self.successors()
            self.near = {}
            for entry in order[:NEIGHBOURS] + order[-NEIGHBOURS:]:
                self.near[entry.id] = entry

    def _lose(self, id, term):
        """A neighbour is gone: the ring closes over it now."""
        entry = self.near.pop(id, None)
        self._gone.append((id, term))
        if len(self._gone) > TOMBSTONES:
            self._gone.pop(0)
        if entry:
            self.high_term = max(self.high_term, entry.term)
            self._refill_ms = self._node.now_ms + GRACE_PROBES * self._node.config.probe_ms
            self._node.slicing.forget(id)
            self._node.on_seat()
            self._node.news()

    # -- probes

    def tick(self, now_ms):
        """Probe the ring; fill vacancies."""
        if self.seat is None:
            self.due = now_ms + 60000
            return
        # A box that was starved itself must not blame others for it (Lifeguard:
        # Dadgar, Phillips, Currey 2018).
        starved = now_ms - self.due > self._node.config.probe_ms // 2
        self.due = now_ms + self._node.rng.jitter(self._node.config.probe_ms)
        slice = self._node.slicing.slices.get(self.manifest.id)
        if slice:
            self.merge(slice.seats.values())
            self.high_term = max(self.high_term, slice.high_term)
        for id in list(self._exchanges.values()):
            if not starved:
                self._missed(id)
        self._exchanges = {}
        for entry in list(self.near.values()):
            if entry.heard_ms < self._stale_before():
                self._lose(entry.id, entry.term)
        for entry in self._to_probe():
            self._probe(entry.id, entry.box.addr)
        if self._rival:
            self._probe(self._rival.id, self._rival.box.addr)
            self._rival = None
        if self.grant:
            self._repeat_grant()
        else:
            self.fill()

    def _to_probe(self):
        if not self.near:
            return []
        order = self.successors()
        chosen = [order[0]]
        if len(order) > 1:
            chosen.append(order[-1])
        if len(order) > 2:
            chosen.append(self._node.rng.choice(order[1:-1]))
        return chosen

    def _entries(self):
        return pack_entries([self.own_entry(self.manifest.id)] + list(self.near.values()), self._node.now_ms)

    def _probe(self, id, addr):
        node = self._node
        exchange = int.from_bytes(node.rng.bytes(4), "big")
        self._exchanges[exchange] = id
        node.counters.bump("probes")
        node.send(id, addr, PROBE, exchange, self.manifest.id, self.seat, self.term, self._entries())

    def _missed(self, id):
        entry = self.near.get(id)
        if not entry:
            return
        entry.misses += 1
        if entry.misses == SUSPECT_MISSES:
            self._node.counters.bump("ring_suspects")
        if entry.misses >= DEAD_MISSES:
            self._node.counters.bump("ring_deaths")
            self._node.log("info", "seat %d of %s is dead" % (entry.seat, self.manifest.name))
            self._node.dead(id)

    def dead(self, id):
        """The node found a box dead or unreachable."""
        entry = self.near.get(id) if self.seat is not None else None
        if entry:
            self._lose(id, entry.term)

    def _hear(self, peer, seat, term, packed):
        """Entries of a message that came from a holder of our slice itself."""
        now_ms = self._node.now_ms
        entries = unpack_entries(packed, ENTRIES_TOLD, now_ms)
        if not entries or entries[0].id != peer.id or entries[0].seat != seat or entries[0].term != term:
            raise RemoteError("a holder tells of itself first")
        entries[0].box.addr = peer.addr
        entries[0].heard_ms = now_ms
        self._gone = [row for row in self._gone if row[0] != peer.id]
        if seat == self.seat and seat < self.seats():
            # Only the rival itself, heard directly, can make us leave.
            self.high_term = max(self.high_term, term)
            if beats(self.manifest.id, term, peer.id, self.term, self._node.id):
                self.leave("seats_lost")
                return
            entries = entries[1:]
        elif peer.id in self.near:
            self.near[peer.id].misses = 0
        self.merge(entries)

    def on_probe(self, peer, message):
        """Answer a holder of some slice: with our seat there, or none."""
        _, exchange, slice_id, seat, term, packed = message
        node = self._node
        if self.slice_id == slice_id:
            self._hear(peer, seat, term, packed)
        if self.slice_id == slice_id:
            node.send(peer.id, peer.addr, ACK, exchange, slice_id, self.seat, self.term, self._entries())
        else:
            node.send(peer.id, peer.addr, ACK, exchange, slice_id, None, 0, b"")

    def on_ack(self, peer, message):
        """A probed box answers with its seat, or says that it has none."""
        _, exchange, slice_id, seat, term, packed = message
        if self._exchanges.get(exchange) != peer.id or self.slice_id != slice_id:
            return
        del self._exchanges[exchange]
        if seat is None:
            entry = self.near.get(peer.id)
            self._lose(peer.id, entry.term if entry else term)
            return
        self._hear(peer, seat, term, packed)
        if self.seat is not None and not self.grant:
            self.fill()

    def on_leave(self, peer, message):
        """A neighbour stands up."""
        _, slice_id, _, term = message
        if self.slice_id == slice_id and peer.id in self.near:
            self._lose(peer.id, term)

    # -- grants

    def fill(self):
        """Grant the middle of our vacancies to the freshest candidate."""
        node = self._node
        _, count = self.span()
        if count < 2 or self.grant or node.now_ms < self._refill_ms or self.high_term >= TERM_MOST:
            return
        box = node.slicing.candidate(self.manifest.id)
        if box is None:
            return
        if box.id in self.near:
            node.slicing.spent(self.manifest.id, box.id)
            return
        seat = (self.seat + count // 2) % self.seats()
        self.high_term += 1
        exchange = int.from_bytes(node.rng.bytes(4), "big")
        self.grant = Grant(exchange, box, seat, self.high_term)
        self._repeat_grant()

    def _repeat_grant(self):
        grant = self.grant
        node = self._node
        grant.tries += 1
        if grant.tries > GRANT_TRIES:
            node.counters.bump("grants_dead")
            self.grant = None
            node.dead(grant.box.id)
            return
        node.send(
            grant.box.id, grant.box.addr, GRANT, grant.exchange, self.manifest.id, self.manifest.seq,
            grant.seat, grant.term, self._entries(),
        )

    def on_grant(self, peer, message):
        """A holder grants us a seat: take it if we are free and may."""
        _, exchange, slice_id, seq, seat, term, packed = message
        node = self._node
        slice = node.slicing.slices.get(slice_id)
        if slice is None or slice.manifest.seq < seq:
            code = UNKNOWN
        elif self.slice_id == slice_id and self.seat == seat and self.term == term:
            code = ACCEPT
        elif not node.slicing.offers(slice) or seat >= slice.manifest.fields["seats"]:
            code = BUSY
        else:
            entries = unpack_entries(packed, ENTRIES_TOLD, node.now_ms)
            if not entries or entries[0].id != peer.id:
                raise RemoteError("a granter tells of itself first")
            self.take(slice.manifest, seat, term, entries)
            code = ACCEPT
        node.send(peer.id, peer.addr, ANSWER, exchange, code)

    def on_answer(self, peer, message):
        """The candidate takes the seat, or will not."""
        _, exchange, code = message
        grant = self.grant
        if self.seat is None or not grant or grant.exchange != exchange or grant.box.id != peer.id:
            return
        if code not in (ACCEPT, BUSY, UNKNOWN):
            raise RemoteError("answer code")
        self.grant = None
        node = self._node
        node.slicing.spent(self.manifest.id, peer.id)
        if code == ACCEPT:
            node.counters.bump("grants_made")
            grant.box.addr = peer.addr
            self.merge([SeatEntry(grant.seat, grant.term, grant.box, node.now_ms)])
            node.tasks.tell_progress(grant.box)
            node.on_seat()
        else:
            node.counters.bump("grants_refused")
        self.fill()
