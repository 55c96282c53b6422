"""Our place in a new lot, asked of the controller while our old lot is ending or has ended.

    question  1C | identity 16 | zeros to 1,200 bytes
    answer    1D | lot 8 | leaf 4 | n 1 | n * node 32

A place is public, and nothing in an answer counts unless it leads from our key to a
root on the operator's signed list; so anybody may answer.  Who is not in the new lot
asks in vain, ever more rarely.
"""

from .backoff import Backoff
from .compat import const
from .limits import DATAGRAM_BYTES, PATH_NODES

ASK_KIND = const(0x1C)
HEAD = const(14)
# All boxes of a lot learn within seconds that it is replaced; their first questions
# come within this, a million in half an hour.
FIRST_MS = const(1800000)
# Whose lot has ended is alone, and comes by himself: his first question comes within this.
ENDED_MS = const(2000)
MOST_MS = const(3600000)


class Proof:
    """Asks until lots.take() has a place that holds."""

    def __init__(self, node):
        self._node = node
        self._ended = node.trust.lot not in node.trust.lots
        self._begin()

    def _begin(self):
        first = ENDED_MS if self._ended else FIRST_MS
        self._pauses = Backoff(self._node.rng, first, MOST_MS)
        self._ask_ms = self._node.now_ms + self._node.rng.below(first)

    def tick(self, now_ms):
        """Ask if it is time; when to be called again."""
        ended = self._node.trust.lot not in self._node.trust.lots
        if ended != self._ended:
            self._ended = ended
            self._begin()
        if now_ms >= self._ask_ms:
            self._ask_ms = now_ms + self._pauses.next_ms()
            if self._node.seeds.controller:
                self._node.counters.bump("proofs_asked")
                head = bytes((ASK_KIND,)) + self._node.id
                self._node.transmit(head + bytes(DATAGRAM_BYTES - len(head)), self._node.seeds.controller)
        return self._ask_ms

    def receive(self, data, addr):
        """The controller's answer."""
        count = data[13] if len(data) >= HEAD else PATH_NODES + 1
        good = addr == self._node.seeds.controller and count <= PATH_NODES and len(data) == HEAD + 32 * count
        if good:
            path = [bytes(data[at : at + 32]) for at in range(HEAD, len(data), 32)]
            good = self._node.lots.take(bytes(data[1:9]), int.from_bytes(data[9:13], "big"), path)
        if not good:
            self._node.counters.bump("proofs_bad")
