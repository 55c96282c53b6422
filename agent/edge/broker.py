"""The socket under the MQTT client: non-blocking TCP, one step a turn.

Nothing here waits: connecting, reading and writing each take what the kernel
gives now, and the poller says when there is more.
"""

import errno
import select
import socket

from ..backoff import Backoff
from ..compat import const
from ..errors import LocalError, RemoteError
from . import mqtt, udp

# Read at once: what a turn of the loop handles before it looks at datagrams.
_READ_BYTES = const(4096)
# Written in one turn: a result in one go, and gossip does not wait for two.
_WRITE_BYTES = const(49152)

_BROKEN = select.POLLERR | select.POLLHUP
_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ETIMEDOUT: "connection timed out",
    errno.EHOSTUNREACH: "no route to the broker",
    errno.ECONNRESET: "connection reset",
}


def _reason(problem):
    return _REASONS.get(problem.errno, "socket error %s" % problem.errno)


class Link:
    """Pumps bytes between a client and the broker at `host:port` (address).

    poller: select.poll(); the link registers its own socket there.  tls: what wraps
    connected sockets (tls_socket.make), None for plain TCP.
    """

    def __init__(self, client, address, poller, tls=None):
        self.client = client
        self._tls = tls
        self._more = False  # TLS may hold bytes that no poller sees
        self.fileno = -1
        self._address_text = address
        self._address = None
        self._resolve_ms = 0
        self._pauses = Backoff(client.rng, udp.RESOLVE_MS, udp.RESOLVE_MOST_MS)
        self._poller = poller
        self._socket = None
        self._read_into = None
        self._flags = 0
        self._buffer = bytearray(_READ_BYTES)
        self._view = memoryview(self._buffer)

    def deadline(self):
        """When pump() must be called though nothing came (ms)."""
        if self._more:
            return 0
        due = self.client.deadline()
        return max(due, self._resolve_ms) if self._address is None else due

    def resolve(self, now_ms):
        """Look the broker's name up, if that has not succeeded yet; may block.

        Raises LocalError, and then the name is left alone for a while.
        """
        if self._address is None:
            self._resolve_ms = now_ms + self._pauses.next_ms()
            self._address = udp.resolve(self._address_text)

    def pump(self, ready, now_ms):
        """One turn.  ready: poll's events for our socket, 0 for none.

        Take client.events() after it.
        """
        client = self.client
        try:
            if self._socket is None:
                if client.wants_connection(now_ms) and (self._address or now_ms >= self._resolve_ms):
                    self._open(now_ms)
                return
            if ready and client.state == mqtt.OPENING:
                # Refused connections show at the first read.
                if self._tls and not ready & _BROKEN:
                    self._socket = self._tls.wrap(self._socket)
                    self._read_into = self._socket.recv_into
                client.opened(now_ms)
            if (ready & (select.POLLIN | _BROKEN) or self._more) and not client.congested():
                self._read(now_ms)
            if now_ms >= client.deadline():
                client.handle_timer(now_ms)
            self._watch(self._write(now_ms))
        except (RemoteError, LocalError) as problem:
            self._lose(str(problem), now_ms)
        except OSError as problem:
            self._lose(_reason(problem), now_ms)

    def close(self, why, now_ms):
        """Drop the connection without a farewell, so that the last will is told."""
        if self._socket is not None:
            self._lose(why, now_ms)

    def _open(self, now_ms):
        self.client.opening(now_ms)
        self.resolve(now_ms)
        self._socket = socket.socket(udp.family_of(self._address), socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._read_into = getattr(self._socket, "recv_into", None) or self._socket.readinto
        self.fileno = self._socket.fileno()
        self._flags = select.POLLIN | select.POLLOUT
        self._poller.register(self.fileno, self._flags)
        try:
            self._socket.connect(udp.sockaddr(self._address))
        except OSError as problem:
            if problem.errno != errno.EINPROGRESS:
                raise

    def _read(self, now_ms):
        self._more = False
        try:
            count = self._read_into(self._buffer)
        except OSError as problem:
            if problem.errno == errno.EAGAIN:
                return
            raise
        if count is None:  # MicroPython's word for EAGAIN
            return
        if not count:
            raise RemoteError("closed by the broker")
        self._more = self._tls is not None and count == _READ_BYTES
        self.client.receive(self._view[:count], now_ms)

    def _write(self, now_ms):
        """Write what the kernel takes; True if more waits."""
        budget = _WRITE_BYTES
        while budget > 0:
            piece = self.client.output(now_ms)
            if piece is None:
                return False
            try:
                count = self._socket.send(piece)
            except OSError as problem:
                if problem.errno == errno.EAGAIN:
                    return True
                raise
            if count is None:  # TLS waits for the broker, or for room
                return True
            self.client.sent(count, now_ms)
            budget -= count
        return True

    def _watch(self, more):
        """Tell the poller what we wait for, when that changed."""
        flags = 0 if self.client.congested() else select.POLLIN
        if self._tls and self.client.state != mqtt.OPENING and self._socket.handshaking:
            more = False  # what holds our bytes up is the broker's turn in the handshake
        if more or self.client.state == mqtt.OPENING:
            flags |= select.POLLOUT
        if flags != self._flags:
            self._flags = flags
            self._poller.modify(self.fileno, flags)

    def _lose(self, why, now_ms):
        if self._socket is not None:
            self._poller.unregister(self.fileno)
            self._socket.close()
            self._socket = None
            self._more = False
            self.fileno = -1
        self.client.lost(why, now_ms)
