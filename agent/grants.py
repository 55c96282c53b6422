"""Grants: how a ring's vacancies are filled.

A holder answers for the vacancies between itself and its successor.  It grants
the middle one to a candidate, who thereby answers for the second half: N seats
fill in O(log N) grants.  A grant is repeated to the same box until that answers,
sits there, or is dead; only then another box is asked, under a higher term.  So
a lost answer never gives one seat to two boxes for longer than it takes the two
to hear of each other.
"""

from .compat import const
from .errors import RemoteError
from .limits import RING_TOLD
from .placement import first_seat, step_of
from .seat import TERM_MOST, SeatEntry, pack_entries, unpack_entries
from .sessions import placed
from .wire.messages import ACCEPT, ANSWER, BUSY, GRANT, UNKNOWN

GRANT_TRIES = const(6)


class Grant:
    """A grant under way to one candidate."""

    def __init__(self, exchange, box, seat, term):
        self.exchange = exchange
        self.box = box
        self.seat = seat
        self.term = term
        self.tries = 0


def middle(seat, count, seats, holds, number=0, step=1):
    """The middle of the vacant seats after `seat`, None if there is none to give.

    count: seats from `seat` to the next holder; holds: [(low, high)] ranges in
    which nothing may be granted now; of seats for `step` regions in turn, those of
    the region `number`.
    """
    if not holds:
        way = count // 2
        way += (number - seat - way) % step
        way -= step if way >= count else 0
        return (seat + way) % seats if way > 0 else None
    free = []
    for way in range(1, count):
        place = (seat + way) % seats
        if place % step != number:
            continue
        for low, high in holds:
            if low <= place < high:
                break
        else:
            free.append(place)
    return free[len(free) // 2] if free else None


class Grants:
    """The grants of this box's seat, and the answers to those of others."""

    def __init__(self, node):
        self._node = node
        self.grant = None

    def clear(self):
        """Our seat has changed: what was under way is void."""
        self.grant = None

    def tick(self):
        """Repeat the grant under way, or begin one."""
        if self.grant:
            self._repeat()
        else:
            self.fill()

    def check(self):
        """The neighbourhood changed: a grant for a seat that is taken is void."""
        grant = self.grant
        if grant:
            for entry in self._node.ring.near.values():
                if entry.seat == grant.seat and entry.id != grant.box.id:
                    self.grant = None
                    return

    def fill(self):
        """Grant the middle of our vacancies to the freshest candidate, of those for its region where there are some."""
        node = self._node
        ring = node.ring
        if self.grant or node.now_ms < ring.refill_ms or ring.high_term >= TERM_MOST:
            return
        seat, count = ring.span()
        if count < 2:
            return
        holds, step = node.slicing.holds(ring.manifest.id), step_of(ring.manifest)
        for number, box in node.slicing.candidates(ring.manifest.id):
            if box.id in ring.near:
                node.slicing.spent(ring.manifest.id, box.id)
                continue
            place = middle(seat, count, ring.seats(), holds, number, step)
            if place is not None:
                ring.high_term += 1
                exchange = int.from_bytes(node.rng.bytes(4), "big")
                self.grant = Grant(exchange, box, place, ring.high_term)
                self._repeat()
                return
        node.slicing.hungry(ring.manifest.id)

    def _repeat(self):
        grant = self.grant
        node = self._node
        grant.tries += 1
        if grant.tries > GRANT_TRIES:
            node.counters.bump("grants_dead")
            self.grant = None
            node.dead(grant.box.id)
            return
        ring = node.ring
        entries = ring.probes.entries(grant.seat, grant.box.id, RING_TOLD - 1)
        node.send(
            grant.box.id, grant.box.addr, GRANT, grant.exchange, ring.manifest.id, ring.manifest.seq,
            grant.seat, grant.term, pack_entries(entries, node.now_ms), int(ring.claims.shaken()),
        )

    def on_grant(self, peer, message):
        """A holder grants us a seat: take it if we are free and may."""
        _, exchange, slice_id, seq, seat, term, packed, shaken = message
        node = self._node
        ring = node.ring
        slice = node.slicing.slices.get(slice_id)
        if shaken > 1:
            raise RemoteError("grant's flag")
        if slice is None or slice.manifest.seq < seq:
            code = UNKNOWN
        elif ring.slice_id == slice_id and ring.seat == seat and ring.term == term:
            code = ACCEPT
        elif (
            not node.slicing.offers(slice)
            or seat >= node.slicing.size(slice_id)
            or seat % step_of(slice.manifest) != first_seat(slice.manifest, node.attributes)
        ):
            code = BUSY
        else:
            entries = unpack_entries(packed, RING_TOLD, node.now_ms, peer.seen)
            if not entries or entries[0].id != peer.id:
                raise RemoteError("a granter tells of itself first")
            ring.take(slice.manifest, seat, term, entries)
            if shaken:
                ring.claims.shake()  # what was cut off grows again with holders that nobody was lost to
            code = ACCEPT
        node.send(peer.id, peer.addr, ANSWER, exchange, code)

    def on_answer(self, peer, message):
        """The candidate takes the seat, or will not."""
        _, exchange, code = message
        grant = self.grant
        node = self._node
        if node.ring.seat is None or not grant or grant.exchange != exchange or grant.box.id != peer.id:
            return
        if code not in (ACCEPT, BUSY, UNKNOWN):
            raise RemoteError("answer code")
        if code == ACCEPT:
            placed(peer, grant.box)
            self._accepted()
        else:
            self.grant = None
            node.slicing.spent(node.ring.manifest.id, peer.id)
            node.counters.bump("grants_refused")
        self.fill()

    def heard(self, id, seat, term):
        """A holder speaks; if it is our candidate in its seat, its answer was lost."""
        grant = self.grant
        if grant and grant.box.id == id:
            if (grant.seat, grant.term) == (seat, term):
                self._accepted()
            else:
                self.grant = None
                self._node.slicing.spent(self._node.ring.manifest.id, id)
            self.fill()  # its word may come before its answer, and a vacancy need not wait for our next cycle

    def _accepted(self):
        grant, self.grant = self.grant, None
        node = self._node
        node.slicing.spent(node.ring.manifest.id, grant.box.id)
        node.counters.bump("grants_made")
        node.ring.merge([SeatEntry(grant.seat, grant.term, grant.box, node.now_ms)])
        node.tasks.tell_progress(grant.box)
        node.tasks.on_seat()
