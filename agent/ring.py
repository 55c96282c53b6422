"""The ring of seats: this box's seat, whom it knows of its ring, and reshaping.

Each holder keeps the NEIGHBOURS nearest holders on either side and some long
links (links.py).  Every exchange of entries keeps the nearest (T-Man), so rings
close over gaps, and two halves of a slice zip together by themselves.  probes.py
finds the dead, grants.py fills the vacancies, lookup.py finds a seat far away.

Seats lie on a circle of fixed size: vacancies are counted up to the slice's size
as this box knows it, and a holder beyond leaves after a grace.  Slices that are
merged or split: reshape.py.

Terms: of two claims to a seat the higher term stands (seat.py), but not against a
holder that nobody can have replaced (claims.py).  A holder's
idea of the highest term rises only by a holder's direct word and by the terms
of those it loses, and never by more than TERM_JUMP at once: one lie cannot use
the terms up.
"""

from .compat import const
from .descriptor import Descriptor
from .grants import Grants
from .limits import NEIGHBOURS, SEATS, TOMBSTONES
from .links import Links
from .placement import first_seat, step_of
from .probes import SUSPECT_MISSES, Probes
from .reshape import RESHAPE_MS, follow
from .seat import CIRCLE, SILENT_PROBES, TERM_JUMP, TERM_MOST, SeatEntry, ahead, beats
from .sessions import placed
from .wire.messages import LEAVE

# Probes to wait after a death before its seat is granted anew.
GRACE_PROBES = const(2)
# Entries not heard of for this many probes, or ENTRY_LEAST_MS, are dropped; ages
# are told in whole seconds, so short probes need the floor.
ENTRY_PROBES = const(12)
ENTRY_LEAST_MS = const(8000)
# Long links are asked after more rarely.
FAR_PROBES = const(120)
# After a change of the ring all exchanges are full ones for this many probes.
STEADY_PROBES = const(8)
# A holder beyond the slice's size waits so long for a manifest that moves it.
LAME_PROBES = const(5)
# Probes between two looks at whether we still are among the top.
RANK_PROBES = const(10)


class Ring:
    """This box's seat, if it has one.  seat is None or an int."""

    def __init__(self, node):
        self._node = node
        self.manifest = self.seat = None
        self.term = self.high_term = 0
        self.links = Links()
        self.grants = Grants(node)
        self.probes = Probes(node)
        self.claims = None  # claims.Claims, since we first sat down
        self._gone = []  # [(identity, term)]: left, or not holders any more
        self.refill_ms = self._ticks = 0
        self._rival = self._lame_ms = None
        self.moved_ms = None
        self.due = node.now_ms + 60000

    # -- the seat

    @property
    def near(self):
        """{identity: SeatEntry} of the nearest holders on both sides."""
        return self.links.near

    @property
    def grant(self):
        """The grant under way, else None."""
        return self.grants.grant

    @property
    def slice_id(self):
        """Id of the slice in which this box sits, None if in none."""
        return self.manifest.id if self.seat is not None else None

    def seats(self):
        """Seats of the slice, as far as this box knows."""
        return self._node.slicing.size(self.manifest.id)

    def own_entry(self, slice_id):
        """Our SeatEntry if we sit in that slice, else None."""
        if self.slice_id != slice_id or self.seat is None:
            return None
        return SeatEntry(self.seat, self.term, self._node.located(), self._node.now_ms)

    def sit(self, manifest, seat):
        """Sit on a seat of that manifest's slice, knowing nobody there."""
        node = self._node
        self.manifest, self.seat = manifest, seat
        self.links.clear()
        self.probes.clear()
        self.grants.clear()
        if self.claims is None:
            from .claims import Claims  # most boxes have no seat

            self.claims = Claims(node)
        self.claims.sat()
        self._rival = self._lame_ms = None
        self._gone = []
        self.links.changed_ms = node.now_ms
        self.due = node.now_ms

    def take(self, manifest, seat, term, entries):
        """Sit down; entries are the SeatEntry of those around."""
        node = self._node
        self.sit(manifest, seat)
        self.term = self.high_term = term
        self.moved_ms = None
        self.refill_ms = node.now_ms
        self.merge(entries)
        node.counters.bump("seats_taken")
        node.log("info", "took seat %d of %s, term %d" % (seat, manifest.name, term))
        node.tasks.on_seat()
        node.news()

    def leave(self, counter="seats_left"):
        """Stand up, telling the neighbours, who pass over the seat at once."""
        if self.seat is None:
            return
        node = self._node
        self.tell_leave(self.near.values())
        node.counters.bump(counter)
        node.log("info", "left seat %d of %s" % (self.seat, self.manifest.name))
        self.seat, self._rival = None, None
        self.links.clear()
        self.grants.clear()
        node.tasks.on_seat()
        node.slicing.on_free()

    def tell_leave(self, entries):
        """Tell the holders of these SeatEntry that we leave our seat."""
        for entry in entries:
            self._node.send(entry.id, entry.box.addr, LEAVE, self.manifest.id, self.seat, self.term)

    # -- manifests

    def on_manifest(self, manifest):
        """A slice's manifest came: ours changed, ended or shuts us out, or one that takes us over."""
        if self.seat is None or follow(self._node, manifest):
            return
        self._node.tasks.on_seat()
        if manifest.id != self.manifest.id:
            return
        # Attributes vary: an unchanged predicate held when we sat down.
        fields, before = manifest.fields, self.manifest.fields
        shut = any([fields.get(key) != before.get(key) for key in ("where", "top", "regions")])
        moved = self.seat % step_of(manifest) != first_seat(manifest, self._node.attributes)
        shut = shut and (moved or not self._node.slicing.matches(manifest))
        self.manifest = manifest
        if manifest.end or shut:
            self.leave()
            return
        self.due = min(self.due, self._node.now_ms + self._node.config.probe_ms)

    def on_expired(self, manifest):
        """Our slice has expired, or one in which we sat."""
        if self.manifest and manifest.id == self.manifest.id:
            self.leave()
            self.manifest = None

    def moving(self):
        """True for a while after a move: neighbours may not have moved yet."""
        return self.moved_ms is not None and self._node.now_ms - self.moved_ms < RESHAPE_MS

    # -- neighbours

    def successors(self):
        """SeatEntry of the neighbours, nearest clockwise first."""
        return sorted(self.near.values(), key=lambda entry: (entry.seat - self.seat) % CIRCLE)

    def successor(self):
        """The next holder clockwise, None if we know of no other."""
        return min(self.near.values(), key=lambda entry: ahead(self.seat, entry.seat)) if self.near else None

    def predecessor(self):
        """The next holder counter-clockwise, None if we know of no other."""
        return max(self.near.values(), key=lambda entry: ahead(self.seat, entry.seat)) if self.near else None

    def span(self, step=1):
        """(seat, count): ours and the vacant seats after it that we answer for; step: as if each step-th were all."""
        seats = self.seats()
        if self.seat >= seats:
            return self.seat, 1
        lame = 0
        for entry in self.successors():
            # Who sits beyond the size is about to leave.
            way = (entry.seat - self.seat) % seats if entry.seat < seats else 1
            if entry.seat < seats and not way % step:
                return self.seat, way
            lame += 1
            if lame == NEIGHBOURS:
                return self.seat, way  # and hides who sits after it
        return self.seat, seats

    def vacancies(self):
        """Vacant seats that we answer for; over all holders: what the slice lacks."""
        return self.span()[1] - 1 if self.seat is not None else 0

    def merge(self, entries):
        """Take SeatEntry heard of; keep the nearest on either side."""
        node = self._node
        limit, reach = self.stale_before(), self.high_term + TERM_JUMP
        inner, outer = self._edges()
        added = False
        for entry in entries:
            id = entry.id
            if id == node.id or entry.seat >= SEATS:
                continue
            if entry.term > reach:
                node.counters.bump("terms_refused")
                continue
            if entry.heard_ms < limit:
                if not node.is_tombstoned(id):
                    self.links.keep(entry, self.seat, self._far_stale())
                continue
            known = self.near.get(id)
            if known and known.silent >= SILENT_PROBES:
                continue
            if known is None or known.seat != entry.seat:
                if node.is_tombstoned(id) or (id, entry.term) in self._gone or (id, TERM_MOST) in self._gone:
                    continue
                if entry.seat == self.seat:
                    self._rival = entry
                elif known is None:
                    if inner < (entry.seat - self.seat) % CIRCLE < outer:
                        self.links.keep(entry, self.seat, self._far_stale())
                        continue
                    self._add(entry)
                    added = True
                elif entry.term > known.term:
                    entry.silent = known.silent
                    del self.near[id]
                    self._add(entry)
                    added = True
            elif entry.term >= known.term:
                if entry.heard_ms > known.heard_ms:
                    # Another heard it since we asked: it is not dead yet, but may have moved.
                    if known.misses:
                        known.box.addr = entry.box.addr
                    known.heard_ms = entry.heard_ms
                    known.misses = min(known.misses, SUSPECT_MISSES - 1)
                known.term = entry.term
        if added:
            self._trim()

    def _edges(self):
        """(inner, outer): with full tables, who sits further than inner and before outer is not near."""
        if len(self.near) < 2 * NEIGHBOURS:
            return CIRCLE, 0
        ways = sorted([(entry.seat - self.seat) % CIRCLE for entry in self.near.values()])
        return ways[NEIGHBOURS - 1], ways[NEIGHBOURS]

    def _far_stale(self):
        return self._node.now_ms - FAR_PROBES * self._node.config.probe_ms

    def stale_before(self):
        """Entries heard of before this are dropped."""
        probe_ms = self._node.config.probe_ms
        return self._node.now_ms - max(ENTRY_LEAST_MS, ENTRY_PROBES * probe_ms)

    def _add(self, entry):
        for other in list(self.near.values()):
            if other.seat == entry.seat:
                if beats(self.manifest.id, other.term, other.id, entry.term, entry.id) or self.claims.stands(other):
                    return
                del self.near[other.id]
        self.near[entry.id] = SeatEntry(entry.seat, entry.term, entry.box, entry.heard_ms, entry.silent)
        self.near[entry.id].since_ms = self._node.now_ms

    def _trim(self):
        self.links.trim(self.seat, self._far_stale())
        for entry in self.near.values():
            if not entry.seen:
                entry.seen = True
                self.links.changed_ms = self._node.now_ms
        self.grants.check()

    def lose(self, id, term, silent=True):
        """A neighbour is gone, silently or by its own word: the ring closes over it now."""
        self.links.drop_far(id)
        entry = self.near.pop(id, None)
        # Whom others kept alive for us comes back by its own word alone.
        term = TERM_MOST if entry and entry.silent >= SILENT_PROBES else term
        self._gone = self._gone[1 - TOMBSTONES :] + [(id, term)]
        if entry:
            node = self._node
            if silent:
                self.claims.lost(entry, len(self.near))
            self.high_term = max(self.high_term, entry.term)
            self.refill_ms = max(self.refill_ms, node.now_ms + GRACE_PROBES * node.config.probe_ms)
            self.links.changed_ms = node.now_ms
            self.merge([far for far in self.links.far.values() if far.heard_ms >= self.stale_before()])
            node.slicing.forget(id)
            node.tasks.on_seat()
            node.news()

    def dead(self, id):
        """The node found a box dead or unreachable."""
        if self.seat is None:
            return
        if id in self.near:
            self.lose(id, self.near[id].term)
        self.links.drop_far(id)

    def steady(self):
        """True if the neighbourhood has not changed for a while."""
        return self._node.now_ms - self.links.changed_ms > STEADY_PROBES * self._node.config.probe_ms

    # -- what holders say

    def hear_direct(self, peer, seat, term, told=None):
        """A holder of our slice says where it sits, within reach (probes.py).  May make us leave.

        told: its own Descriptor, if it came along.
        """
        node = self._node
        self._gone = [row for row in self._gone if row[0] != peer.id]
        if seat == self.seat:
            # Only the rival itself, heard directly, can make us leave.
            if beats(self.manifest.id, term, peer.id, self.term, node.id) and not self.claims.stays(term):
                self.high_term = max(self.high_term, term)
                self.leave("seats_lost")
            return
        self.high_term = max(self.high_term, term)
        known = self.near.get(peer.id)
        if known and known.seat == seat:
            known.box = placed(peer, told or known.box)
            known.heard_ms = node.now_ms
            known.term = max(term, known.term)
            known.misses = known.silent = 0
        else:
            self.near.pop(peer.id, None)
            self.merge([SeatEntry(seat, term, placed(peer, told or Descriptor(peer.id, peer.addr)), node.now_ms, 0)])
        for far in self.links.far.values():
            if far.id == peer.id:
                far.heard_ms = node.now_ms
                far.misses = 0
        self.grants.heard(peer.id, seat, term)

    def on_leave(self, peer, message):
        """A neighbour stands up."""
        _, slice_id, _, term = message
        if self.slice_id == slice_id and peer.id in self.near:
            self.lose(peer.id, term, False)

    # -- time

    def tick(self, now_ms):
        """Probe the ring; fill vacancies."""
        if self.seat is None:
            self.due = now_ms + 60000
            return
        # A box that was starved itself must not blame others for it (Lifeguard:
        # Dadgar, Phillips, Currey 2018).
        probe_ms = self._node.config.probe_ms
        starved = now_ms - self.due > probe_ms // 2
        self.due = now_ms + self._node.rng.jitter(probe_ms)
        self._ticks += 1
        if self._lame(now_ms) or self._outranked():
            return
        slice = self._node.slicing.slices.get(self.manifest.id)
        if slice and (self._ticks % 4 == 0 or not self.steady()):
            self.merge(slice.seats.values())
        self.probes.tick(starved, self._ticks)
        for entry in list(self.near.values()):
            if entry.heard_ms < self.stale_before():
                self.lose(entry.id, entry.term)
        if self._rival:
            self.probes.ping(self._rival.id, self._rival.box.addr)
            self._rival = None
        self.grants.tick()

    def _lame(self, now_ms):
        """Leave if our seat lies beyond the size and no manifest has moved us in time."""
        if self.seat < self.seats():
            self._lame_ms = None
            return False
        if self._lame_ms is None:
            self._lame_ms = now_ms
        for slice in self._node.slicing.slices.values():
            if follow(self._node, slice.manifest):
                return True
        if now_ms - self._lame_ms < LAME_PROBES * self._node.config.probe_ms:
            return False
        self.leave()
        return True

    def _outranked(self):
        """Leave a slice of the top when we are clearly not of them any more."""
        if "top" not in self.manifest.fields or self._ticks % RANK_PROBES:
            return False
        if self._node.slicing.keeps(self.manifest):
            return False
        self.leave()
        return True
