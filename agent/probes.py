"""Probes: how holders keep in touch, and how they find the dead.

Once a cycle (probe_ms) a holder exchanges entries with one near neighbour
(PROBE, ACK): each tells what is nearest to the other.  In a ring that has not
changed for a while only every fourth exchange is such a full one.  Besides, it
pings the two next holders on either side, another of the near in turn, and all
whom it suspects (PING, PONG: a few bytes).

Three unanswered cycles make a suspect (SWIM: Das, Gupta, Motivala 2002).  All
near neighbours are told (SUSPECT): whoever heard the suspect lately says so
(LIVES); the others begin to ask it at once.  So several that die together are found in the time of one, and all
neighbours know within eight cycles.  Five unanswered cycles are death.

Others vouch for who answers them and not us, and liars for the dead: after
SILENT_PROBES (seat.py) unanswered cycles in all hearsay helps nobody, and who is found
dead then comes back by its own word alone.
"""

from .compat import const
from .errors import RemoteError
from .limits import NEIGHBOURS, RING_TOLD, SEATS
from .links import for_partner
from .reshape import redirect
from .seat import TERM_JUMP, apart, pack_entries, unpack_entries
from .wire.messages import ACK, LIVES, PING, PONG, PROBE, SUSPECT

# From so many misses of one neighbour on all are asked every cycle: several may
# have died at once.
UNREST_MISSES = const(2)
SUSPECT_MISSES = const(3)
DEAD_MISSES = const(5)
# Who was heard within so many probes, lives.
LATELY_PROBES = const(2)
# A long link that does not answer so often is dropped.
FAR_MISSES = const(3)
# Neighbours next to us that are pinged every cycle, on either side.
CLOSE = const(2)
# In a steady ring, cycles between two full exchanges with neighbours, and between
# two with long links.
STEADY_CYCLES = const(4)
# Long links by lot that an exchange carries, so that all find theirs.
FAR_TOLD = const(3)


class Probes:
    """Questions to holders of our ring, and the answers to theirs."""

    def __init__(self, node):
        self._node = node
        self._asked = {}  # exchange id: identity
        self._turn = 0

    def clear(self):
        """Our seat has changed: what was asked is void."""
        self._asked = {}

    # -- asking

    def tick(self, starved, ticks):
        """Count who has not answered, then ask again."""
        asked, self._asked = self._asked, {}
        if not starved:
            for id in sorted(set(asked.values())):
                self._missed(id)
        ring = self._node.ring
        order = ring.successors()
        if not order:
            self._seek()
            return
        pinged = order[:CLOSE] + order[-CLOSE:]
        others = order[CLOSE:-CLOSE]
        if others:
            self._turn += 1
            pinged.append(others[self._turn % len(others)])
        partner = None
        if not ring.steady() or ticks % STEADY_CYCLES == 0:
            partner = self._partner(order)
            self._probe(partner)
        if max([entry.misses for entry in order]) >= UNREST_MISSES:
            pinged = order
        for entry in order:
            if entry is not partner and (entry in pinged or entry.misses):
                self.ping(entry.id, entry.box.addr)
        far = list(ring.links.far.values())
        if far and ring.steady() and ticks % STEADY_CYCLES == 2:
            self._probe(far[ticks // STEADY_CYCLES % len(far)])

    def _seek(self):
        """Alone in the ring as far as we know: ask a long link, if there is one."""
        far = list(self._node.ring.links.far.values())
        if far:
            self._probe(self._node.rng.choice(far))

    def _partner(self, order):
        """Whom to exchange with: one of those we know least, by lot."""
        least = min([entry.met for entry in order])
        return self._node.rng.choice([entry for entry in order if entry.met == least])

    def entries(self, seat, id, most):
        """List of our SeatEntry and up to `most` others for the holder `id` of `seat`: near to it, and some far."""
        node = self._node
        ring = node.ring
        slice = node.slicing.slices.get(ring.manifest.id)
        known = ring.links.all()
        if slice and most == RING_TOLD - 1:
            fresh = ring.stale_before()
            known += [entry for entry in slice.seats.values() if entry.heard_ms >= fresh and entry.id != node.id]
        # The nearest first: what does not fit is left out.
        told = sorted(for_partner(known, seat, id, most - FAR_TOLD), key=lambda entry: apart(seat, entry.seat))
        far = [entry for entry in ring.links.far.values() if entry.id != id and entry not in told]
        return [ring.own_entry(ring.manifest.id)] + told + node.rng.sample(far, FAR_TOLD)

    def _packed(self, seat, id):
        most = 2 * NEIGHBOURS + FAR_TOLD if self._node.ring.steady() else RING_TOLD - 1
        return pack_entries(self.entries(seat, id, most), self._node.now_ms)

    def _exchange(self, id):
        exchange = int.from_bytes(self._node.rng.bytes(4), "big")
        self._asked[exchange] = id
        self._node.counters.bump("probes")
        return exchange

    def _probe(self, entry):
        node = self._node
        ring = node.ring
        entry.met += 1
        version, size = node.slicing.told_size(ring.manifest.id)
        node.send(
            entry.id, entry.box.addr, PROBE, self._exchange(entry.id), ring.manifest.id, ring.seat, ring.term,
            self._packed(entry.seat, entry.id), size, version,
        )

    def ping(self, id, addr):
        """Ask a holder for a sign of life."""
        ring = self._node.ring
        self._node.send(id, addr, PING, self._exchange(id), ring.manifest.id, ring.seat, ring.term)

    # -- silence

    def _missed(self, id):
        node = self._node
        ring = node.ring
        entry = ring.near.get(id)
        if not entry:
            for far in list(ring.links.far.values()):
                if far.id == id:
                    far.misses += 1
                    if far.misses >= FAR_MISSES:
                        ring.links.drop_far(id)
            return
        entry.misses += 1
        entry.silent += 1
        if entry.misses == SUSPECT_MISSES:
            node.counters.bump("ring_suspects")
            self._accuse(entry)
        if entry.misses >= DEAD_MISSES:
            node.counters.bump("ring_deaths")
            node.log("info", "seat %d of %s is dead" % (entry.seat, ring.manifest.name))
            node.dead(id)

    def _accuse(self, suspect):
        node = self._node
        for entry in node.ring.near.values():
            if entry is not suspect:
                node.send(entry.id, entry.box.addr, SUSPECT, node.ring.manifest.id, suspect.id)

    def on_suspect(self, peer, message):
        """A neighbour suspects a holder: one that we heard lately, or one to be asked now."""
        _, slice_id, id = message
        node = self._node
        ring = node.ring
        entry = ring.near.get(id) if ring.slice_id == slice_id and peer.id in ring.near else None
        if entry is None or entry.misses >= SUSPECT_MISSES:
            return
        if not entry.misses and node.now_ms - entry.heard_ms < LATELY_PROBES * node.config.probe_ms:
            node.send(peer.id, peer.addr, LIVES, slice_id, pack_entries([entry], node.now_ms))
            return
        entry.misses = max(entry.misses, SUSPECT_MISSES - 1)
        self.ping(id, entry.box.addr)

    def on_lives(self, peer, message):
        """A neighbour has heard whom we suspect."""
        _, slice_id, packed = message
        node = self._node
        ring = node.ring
        if ring.slice_id != slice_id or peer.id not in ring.near:
            return
        entries = unpack_entries(packed, 1, node.now_ms, peer.seen)
        entry = ring.near.get(entries[0].id) if entries else None
        # Only what is suspected, and only lately: old news revives nobody.
        if entry and entry.misses >= SUSPECT_MISSES:
            if node.now_ms - entries[0].heard_ms <= (LATELY_PROBES + 1) * node.config.probe_ms:
                ring.merge(entries)

    # -- answers

    def _claim(self, seat, term):
        """RemoteError if no honest holder of our slice could say that it sits there, under that term."""
        if seat >= SEATS or term > self._node.ring.high_term + TERM_JUMP:
            self._node.counters.bump("terms_refused")
            raise RemoteError("a claim out of reach")

    def _entries(self, peer, seat, term, packed):
        """The entries of a holder's message: its own first, then others.  RemoteError."""
        entries = unpack_entries(packed, RING_TOLD, self._node.now_ms, peer.seen)
        first = entries[0] if entries else None
        if not first or (first.id, first.seat, first.term) != (peer.id, seat, term):
            raise RemoteError("a holder tells of itself first")
        self._claim(seat, term)
        return entries

    def _hear(self, peer, entries):
        ring = self._node.ring
        ring.hear_direct(peer, entries[0].seat, entries[0].term, entries[0].box)
        if ring.seat is not None:
            ring.merge(entries[1:])

    def on_probe(self, peer, message):
        """Answer a holder of some slice: with our seat there, or none."""
        _, exchange, slice_id, seat, term, packed, size, version = message
        node = self._node
        ring = node.ring
        if ring.slice_id == slice_id:
            self._hear(peer, self._entries(peer, seat, term, packed))
            node.slicing.hear_size(slice_id, version, size)
        if ring.slice_id == slice_id:
            version, size = node.slicing.told_size(slice_id)
            node.send(
                peer.id, peer.addr, ACK, exchange, slice_id, ring.seat, ring.term,
                self._packed(seat, peer.id), size, version,
            )
        elif not redirect(node, peer, slice_id):
            node.send(peer.id, peer.addr, ACK, exchange, slice_id, None, 0, b"", 0, 0)

    def on_ping(self, peer, message):
        """The same without entries."""
        _, exchange, slice_id, seat, term = message
        node = self._node
        ring = node.ring
        if ring.slice_id == slice_id:
            self._claim(seat, term)
            ring.hear_direct(peer, seat, term)
        if ring.slice_id == slice_id:
            node.send(peer.id, peer.addr, PONG, exchange, slice_id, ring.seat, ring.term)
        elif not redirect(node, peer, slice_id):
            node.send(peer.id, peer.addr, PONG, exchange, slice_id, None, 0)

    def _is_asked(self, peer, exchange, slice_id):
        return self._asked.get(exchange) == peer.id and self._node.ring.slice_id == slice_id

    def _has_none(self, peer):
        """A box that we took for a holder says that it has no seat."""
        ring = self._node.ring
        entry = ring.near.get(peer.id)
        if ring.moving():
            # It lives, but has not moved yet.
            if entry:
                entry.misses = entry.silent = 0
                entry.heard_ms = self._node.now_ms
        else:
            ring.lose(peer.id, entry.term if entry else 0, False)

    def on_ack(self, peer, message):
        """A probed box answers with its seat, or says that it has none."""
        _, exchange, slice_id, seat, term, packed, size, version = message
        ring = self._node.ring
        if not self._is_asked(peer, exchange, slice_id):
            return
        # Before the question counts as answered: who answers nonsense has not answered.
        entries = self._entries(peer, seat, term, packed) if seat is not None else ()
        del self._asked[exchange]
        if seat is None:
            self._has_none(peer)
            return
        self._hear(peer, entries)
        if ring.seat is not None:
            self._node.slicing.hear_size(slice_id, version, size)
            ring.grants.fill()

    def on_pong(self, peer, message):
        """The same without entries."""
        _, exchange, slice_id, seat, term = message
        if not self._is_asked(peer, exchange, slice_id):
            return
        if seat is not None:
            self._claim(seat, term)
        del self._asked[exchange]
        if seat is None:
            self._has_none(peer)
        else:
            self._node.ring.hear_direct(peer, seat, term)
