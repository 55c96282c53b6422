"""Lookup: finding the holder of a seat along the ring, in O(log N) hops.

Each holder passes the question to the one it knows that is nearest to the seat,
over its long links (links.py); that one confirms at once, or another is asked.
Who holds the seat, or sits nearest to it if it is vacant, answers the asker
directly.
"""

from .compat import const
from .descriptor import unpack_all
from .errors import RemoteError
from .limits import LOOKUPS, SEATS
from .seat import apart, pack_entries, unpack_entries
from .sessions import placed
from .wire.messages import FIND, FOUND, PASSED

PASS_MS = const(400)
# Others tried when one does not confirm.
PASS_TRIES = const(4)
ANSWER_MS = const(3000)
ASK_TRIES = const(3)
HOPS_MOST = const(32)
IDLE_MS = const(600000)


class Passing:
    """A question that was passed on and is not yet confirmed."""

    def __init__(self, message, due_ms):
        self.message = message
        self.tried = []
        self.due_ms = due_ms


class Asking:
    """A question of our own: done(SeatEntry or None, hops) is called once."""

    def __init__(self, slice_id, seat, done):
        self.slice_id = slice_id
        self.seat = seat
        self.done = done
        self.tries = 0
        self.due_ms = 0


class Lookup:
    """Questions asked here, and questions passed on."""

    def __init__(self, node):
        self._node = node
        self.asking = {}  # exchange id: Asking
        self.passing = {}  # exchange id: Passing
        self.due = node.now_ms + IDLE_MS

    def find(self, seat, done, slice_id=None):
        """Look for the holder of a seat of our slice, or of one that we heard of.

        done(entry, hops) is called once: SeatEntry of the holder, or of who
        sits nearest if the seat is vacant; None if nobody answers.  False if
        too many lookups are under way.
        """
        node = self._node
        if len(self.asking) >= LOOKUPS or not 0 <= seat < SEATS:
            node.counters.bump("lookups_dropped")
            return False
        asking = Asking(slice_id or node.ring.slice_id, seat, done)
        self._ask(int.from_bytes(node.rng.bytes(4), "big"), asking)
        return True

    def _ask(self, exchange, asking):
        node = self._node
        asking.tries += 1
        asking.due_ms = node.now_ms + ANSWER_MS
        self.asking[exchange] = asking
        self.due = min(self.due, asking.due_ms)
        message = [FIND, exchange, asking.slice_id, asking.seat, 0, node.located().pack()]
        if node.ring.slice_id == asking.slice_id:
            self._forward(Passing(message, 0))
            return
        slice = node.slicing.slices.get(asking.slice_id)
        if slice and slice.seats:
            # Not of that ring ourselves: begin with a holder we heard of.
            entry = node.rng.choice(list(slice.seats.values()))
            node.send(entry.id, entry.box.addr, *message)

    def on_find(self, peer, message):
        """Answer a question about a seat, or pass it on."""
        _, exchange, slice_id, seat, hops, origin = message
        askers = unpack_all(origin, 1, peer.seen, True)
        if len(askers) != 1 or hops > HOPS_MOST or seat >= SEATS:
            raise RemoteError("find")
        origin = askers[0].pack()
        node = self._node
        if node.ring.slice_id != slice_id:
            return
        if exchange not in self.passing and len(self.passing) >= LOOKUPS:
            node.counters.bump("lookups_dropped")
            return
        node.send(peer.id, peer.addr, PASSED, exchange)
        self._forward(Passing([FIND, exchange, slice_id, seat, hops, origin], 0))

    def _forward(self, passing):
        node = self._node
        _, exchange, slice_id, seat, hops, origin = passing.message
        self.passing.pop(exchange, None)
        ring = node.ring
        if ring.slice_id != slice_id:
            return
        best, least = None, apart(ring.seat, seat)
        for entry in ring.links.all():
            way = apart(entry.seat, seat)
            if way < least and entry.id not in passing.tried and entry.misses < 2:
                best, least = entry, way
        if best is None:
            asker = unpack_all(origin, 1, node.address, True)[0]
            entry = ring.own_entry(slice_id)
            if asker.id == node.id:
                self._found(exchange, hops, entry)
            else:
                node.send(asker.id, asker.addr, FOUND, exchange, slice_id, hops, pack_entries([entry], node.now_ms))
            return
        passing.tried.append(best.id)
        passing.due_ms = node.now_ms + PASS_MS
        self.passing[exchange] = passing
        self.due = min(self.due, passing.due_ms)
        node.send(best.id, best.box.addr, FIND, exchange, slice_id, seat, hops + 1, origin)

    def on_passed(self, peer, message):
        """Who we passed a question to has it."""
        passing = self.passing.get(message[1])
        if passing and passing.tried[-1] == peer.id:
            del self.passing[message[1]]

    def on_found(self, peer, message):
        """An answer to a question of ours."""
        _, exchange, slice_id, hops, packed = message
        entries = unpack_entries(packed, 1, self._node.now_ms, peer.seen)
        if len(entries) != 1 or entries[0].id != peer.id:
            raise RemoteError("a holder answers for itself")
        asking = self.asking.get(exchange)
        if asking and asking.slice_id == slice_id:
            placed(peer, entries[0].box)
            self._found(exchange, hops, entries[0])

    def _found(self, exchange, hops, entry):
        asking = self.asking.pop(exchange, None)
        if asking:
            asking.done(entry, hops)

    def tick(self, now_ms):
        """Ask another where one has not confirmed; ask again where nobody answered."""
        for exchange in list(self.passing):
            passing = self.passing[exchange]
            if now_ms >= passing.due_ms:
                # No long link any more; of a neighbour the probes decide.
                self._node.ring.links.drop_far(passing.tried[-1])
                if len(passing.tried) >= PASS_TRIES:
                    del self.passing[exchange]
                    self._node.counters.bump("lookups_dropped")
                else:
                    self._forward(passing)
        for exchange in list(self.asking):
            asking = self.asking[exchange]
            if now_ms >= asking.due_ms:
                del self.asking[exchange]
                if asking.tries < ASK_TRIES:
                    self._ask(int.from_bytes(self._node.rng.bytes(4), "big"), asking)
                else:
                    asking.done(None, 0)
        waits = [row.due_ms for row in self.passing.values()] + [row.due_ms for row in self.asking.values()]
        self.due = min(waits) if waits else now_ms + IDLE_MS
