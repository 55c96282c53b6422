"""Plain speech: what stands for greetings and sealed datagrams in large worlds.

    PLAIN    1F | sender's identity 16 | flags 1 | zeros 9 | body

A plain datagram is as long as the sealed one would be: the envelope's 27 bytes
hold the sender's identity in place of index, counter and tag.  Nobody is
greeted, nothing is tagged, no keys are kept; a lost message, a silent box and
every timeout above the envelope are what they are with sealed speech.
"""

from ..agent.errors import RemoteError
from ..agent.limits import PEERS
from ..agent.peers import Peers
from ..agent.wire import seal

PLAIN = 0x1F
_HEAD = bytes((PLAIN,))
_OVERHEAD = seal.SEALED_OVERHEAD
_FILL = bytes(seal.SEALED_OVERHEAD - 18)
# No timer of speech ever fires: further away than any run is long.
NEVER_MS = 1 << 50


class Speaker:
    """Who speaks with us: what the services read of a sessions.Peer."""

    __slots__ = ("id", "addr", "seen", "flags", "heard_ms", "current")
    sessions = ()
    unanswered = 0
    lot = None

    def __init__(self, id, speech):
        self.id = id
        self.current = speech


class Plain:
    """The interface of agent/peers.Peers, without keys.

    The table has who was heard last, longest silent first; without keys nobody
    is kept for being in use.
    """

    def __init__(self, node, identity, ladder, incarnation):
        self._node = node
        self.identity = identity
        flags = seal.FLAG_REACHABLE if node.config.reachable else 0
        self._head = _HEAD + identity.id + bytes((flags,)) + _FILL
        self.table = {}
        self.hails = {}
        self.due = NEVER_MS

    def send(self, id, addr, body):
        """Send body (bytes) to the box id; nothing is sent to ourselves."""
        if id != self.identity.id and not self._node.is_revoked(id):
            self._node.transmit(self.seal(body), addr)

    def seal(self, body):
        """What goes to whoever: the head and body."""
        return self._head + body

    def drop(self, id):
        """A box is revoked; whoever sends as it is dropped from then on."""
        self.table.pop(id, None)

    def close(self, peer):
        """A lot has ended; who is enrolled is not asked here."""

    def tick(self, now_ms):
        """Nothing is ever due."""

    def receive(self, data, addr, seen=None):
        """(Speaker, body) of a plain datagram; RemoteError if it is none."""
        if data[0] != PLAIN or len(data) < _OVERHEAD:
            raise RemoteError("unknown kind of datagram")
        id = data[1:17]
        if self._node.is_revoked(id):
            self._node.counters.bump("hello_revoked")
            return None
        table = self.table
        peer = table.pop(id, None)
        if peer is None:
            if len(table) >= PEERS:
                del table[next(iter(table))]
            peer = Speaker(id, self)
        table[id] = peer
        peer.addr = addr
        peer.seen = seen or addr
        peer.flags = data[17]
        peer.heard_ms = self._node.now_ms
        return peer, data[_OVERHEAD:]


SPEECH = {"sealed": Peers, "plain": Plain}
