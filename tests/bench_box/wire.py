"""Who speaks with whom on loopback, as the kernel carries it: UDP over IPv4, seen by a packet socket.

Needs the right to open one (root).
"""

import contextlib
import socket
import struct

from backfence.bootstrap.operator.errors import OperatorError

ETH_P_ALL = 3
PACKET_OUTGOING = 4
UDP = 17
# What waits for read(): a small fleet's talk of some minutes.
BUFFER_BYTES = 1 << 22
# The headers of IP and UDP.
HEAD_BYTES = 128


class Wire:
    """Counts datagrams between ports from when it is entered; read() takes what came since."""

    def __init__(self):
        self._socket = None
        self._counts = {}  # (from, to): datagrams

    def __enter__(self):
        try:
            # Those that leave are seen by sockets for all protocols alone.
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        except PermissionError:
            raise OperatorError("the datagrams on loopback are counted by root alone") from None
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self._socket.bind(("lo", ETH_P_ALL))
        self._socket.setblocking(False)
        return self

    def __exit__(self, *_):
        self._socket.close()

    def read(self):
        """Count what is waiting."""
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, address = self._socket.recvfrom(HEAD_BYTES)
                # Loopback shows each twice, as it leaves and as it comes.
                if address[2] == PACKET_OUTGOING and packet[0] >> 4 == 4 and packet[9] == UDP:
                    ports = struct.unpack_from("!HH", packet, (packet[0] & 15) * 4)
                    self._counts[ports] = self._counts.get(ports, 0) + 1

    def forget(self):
        """Begin anew."""
        self.read()
        self._counts.clear()

    def datagrams(self, port):
        """(sent, got): datagrams from and to a port so far."""
        self.read()
        return (sum(count for ports, count in self._counts.items() if ports[0] == port),
                sum(count for ports, count in self._counts.items() if ports[1] == port))

    def partners(self, port):
        """How many ports have sent datagrams to this one and were sent some by it."""
        self.read()
        return sum(1 for ports in self._counts if ports[0] == port and ports[::-1] in self._counts)
