"""Plain speech: what stands for greetings and sealed datagrams in large worlds.

    PLAIN    1F | sender's identity 16 | zeros 10 | body

A plain datagram is as long as the sealed one would be: the envelope's 27 bytes
hold the sender's identity in place of index, counter and tag.  Nobody is
greeted, nothing is tagged, no keys are kept; a lost message, a silent box and
every timeout above the envelope are what they are with sealed speech.
"""

from ..agent.errors import RemoteError
from ..agent.sessions import Peer
from ..agent.wire import seal

PLAIN = 0x1F
_HEAD = bytes((PLAIN,))
_FILL = bytes(seal.SEALED_OVERHEAD - 17)
# No timer of speech ever fires: further away than any run is long.
NEVER_MS = 1 << 50


class Plain:
    """The interface of agent/peers.Peers, without keys."""

    def __init__(self, node, identity, ladder, incarnation):
        self._node = node
        self.identity = identity
        self._head = _HEAD + identity.id + _FILL
        self.table = {}
        self.hails = {}
        self.due = NEVER_MS

    def send(self, id, addr, body):
        """Send body (bytes) to the box id; nothing is sent to ourselves."""
        if id != self.identity.id:
            self._node.transmit(self._head + body, addr)

    def tick(self, now_ms):
        """Nothing is ever due."""

    def receive(self, data, addr):
        """(Peer, body) of a plain datagram; RemoteError if it is none."""
        if data[0] != PLAIN or len(data) < seal.SEALED_OVERHEAD:
            raise RemoteError("unknown kind of datagram")
        return Peer(data[1:17], None, addr, None, 0, 0), data[seal.SEALED_OVERHEAD :]


SPEECH = {"sealed": None, "plain": Plain}
