"""Ways: how datagrams reach a box behind a NAT.

A box that nobody can ask first (hidden) keeps a porter: a box that can be reached,
at which it knocks, so that its NAT lets the porter's word in (porter.py).  Who has
something for the hidden box hands the datagram, sealed as it is, to its porter
(FORWARD), who passes it on (FORWARDED).  A way is the packed address of that: the
porter's address, the porter's identity, the box's identity.  It stands wherever an
address does, so greetings, grants and probes need not know of it.

A porter keeps no list: it passes on to whom it has heard within NAT_MS, one datagram
for one, and only so many bytes a second.  What it passes it cannot read or alter.

Two boxes that speak by way of a porter tell from what it says where each other's NAT
lets datagrams out, and knock there now and then.  If both NATs let that in, their
sessions follow (as after any change of address), and the porter has done its part.

This module is loaded when the first such datagram comes or goes.
"""

from .compat import const
from .descriptor import ADDRESS_MOST
from .errors import RemoteError
from .limits import PEERS
from .sessions import listens
from .wire.messages import FORWARD, FORWARDED, KNOCK, pack

# A datagram that a porter passes on: what is left of one after both envelopes.
# Longer ones are not sent: "forwards_dropped".
FORWARDED_BYTES = const(1112)
# Bytes that a porter passes on within a second, and of those for one box: what its
# ring costs a hidden holder in unrest, at a probe a second.  The rest is dropped as
# loss would: "forwards_limited".
FORWARD_BYTES = const(32768)
FORWARD_PER_PEER = const(8192)
_SECOND_MS = const(1000)
_ID = const(16)


class Ways:
    """What this box sends by way of porters, and passes on as one."""

    def __init__(self, node):
        self._node = node
        self._sending = False
        self._passed = {}  # identity: bytes passed on for it within this second
        self._passed_ms = node.now_ms
        self._heard = {}  # identity: datagrams of it that came by a porter

    def take(self, peer, message):
        """A KNOCK, FORWARD or FORWARDED."""
        kind = message[0]
        if kind == KNOCK:
            self._on_knock(peer, message)
        elif len(peer.addr) > ADDRESS_MOST:
            # It came within what was forwarded to us.  One porter between two boxes: no chains, and no loops.
            raise RemoteError("forwarded twice")
        elif kind == FORWARD:
            self._on_forward(peer, message)
        else:
            self._on_forwarded(peer, message)

    def send(self, data, way):
        """Hand a datagram to the porter of the box that it is for."""
        node = self._node
        porter, id = way[-2 * _ID : -_ID], way[-_ID:]
        peer = node.peers.table.get(node.id if porter == node.id else porter)
        if porter == node.id:
            self._pass(id, data, None)
        elif self._sending or len(data) > FORWARDED_BYTES or peer and len(peer.addr) > ADDRESS_MOST:
            node.counters.bump("forwards_dropped")
        else:
            self._sending = True
            try:
                node.send(porter, way[: -2 * _ID], FORWARD, id, data)
            finally:
                self._sending = False

    def _pass(self, id, data, source):
        """Pass data on to a box that keeps us as its porter; source: Peer, None for ourselves."""
        node = self._node
        peer = node.peers.table.get(id)
        if peer is None or not listens(peer, node.now_ms) or len(peer.addr) > ADDRESS_MOST:
            node.counters.bump("forwards_dropped")
        elif source is None:
            node.transmit(data, peer.addr)
        else:
            node.counters.bump("forwards")
            node.send(id, peer.addr, FORWARDED, source.id, source.addr, data)

    def _on_forward(self, peer, message):
        _, id, data = message
        if len(data) > FORWARDED_BYTES:
            raise RemoteError("too long to be forwarded")
        passed = self._passed
        if not 0 <= self._node.now_ms - self._passed_ms < _SECOND_MS:
            passed.clear()
            self._passed_ms = self._node.now_ms
        count = passed.get(peer.id, 0) + len(data)
        if count > FORWARD_PER_PEER or sum(passed.values()) + len(data) > FORWARD_BYTES or len(passed) > PEERS:
            self._node.counters.bump("forwards_limited")
            return
        passed[peer.id] = count
        self._pass(id, data, peer)

    def _on_forwarded(self, peer, message):
        _, source, seen, data = message
        if len(seen) not in (6, ADDRESS_MOST) or len(data) < 6:
            raise RemoteError("forwarded")
        found = self._node.take(data, peer.addr + peer.id + source, seen)
        if found and found.id == source:
            self._try_straight(found)

    def _try_straight(self, peer):
        """Knock where a box's NAT lets its word out, ever more rarely."""
        heard = self._heard
        count = heard.pop(peer.id, 0) + 1
        if len(heard) >= PEERS:
            del heard[next(iter(heard))]
        heard[peer.id] = count
        if peer.current and len(peer.addr) > ADDRESS_MOST and not count & (count - 1):
            self._node.transmit(peer.current.seal(pack(KNOCK, 1)), peer.seen)

    def _on_knock(self, peer, message):
        if message[1] > 1:
            raise RemoteError("knock")
        if message[1]:
            self._node.send(peer.id, peer.addr, KNOCK, 0)
        elif self._node.porter:
            self._node.porter.answered(peer)
