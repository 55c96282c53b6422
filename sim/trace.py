"""The trace of a run: one hash over everything that happened, in order.

Two runs of one seed must have the same hash; that is what makes a seed a bug
report.  Anything that depends on the host's clock, on the order of a set or on
hash randomisation shows up here as a different hash.
"""

import hashlib
import struct

# Events kept for a person to read when a run fails.  Enough to see what the
# last busy second did, small enough to print.
TAIL = 40

_DATAGRAM = struct.Struct(">cQII")


class Trace:
    """SHA-256 over (time, from, to, bytes) of datagrams, and over named events."""

    def __init__(self):
        self._sha = hashlib.sha256()
        self.datagrams = 0
        self.datagram_bytes = 0
        self.events = 0
        self._tail = []

    def datagram(self, at_ms, source, target, data):
        """Notes one delivered datagram; source and target are box numbers."""
        self.datagrams += 1
        self.datagram_bytes += len(data)
        self._sha.update(_DATAGRAM.pack(b"D", at_ms, source, target) + data)

    def event(self, at_ms, where, name, data=b""):
        """Notes one event: where (a box number or a word), its name, its bytes."""
        self.events += 1
        head = "%d %s %s %d\n" % (at_ms, where, name, len(data))
        self._sha.update(b"E" + head.encode() + data)
        self._tail.append((at_ms, where, name))
        if len(self._tail) > 2 * TAIL:
            del self._tail[:TAIL]

    def tail(self):
        """The last events as lines of text, oldest first."""
        return ["%10.3f s  %s  %s" % (at_ms / 1000, where, name) for at_ms, where, name in self._tail[-TAIL:]]

    def hash(self):
        """The hash so far, as hex text."""
        return self._sha.copy().hexdigest()
