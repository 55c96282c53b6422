"""UDP sockets and addresses, on both interpreters.

The core knows packed addresses: 6 bytes (IPv4) or 18 bytes (IPv6), the port
last, big-endian.  CPython's sockets take (host, port); MicroPython's take the
kernel's raw `struct sockaddr`, whose family field follows the machine's byte
order while port and address do not.
"""

import errno
import select
import socket
import sys

from ..compat import const
from ..errors import LocalError
from ..limits import DATAGRAM_BYTES

MICROPYTHON = sys.implementation.name == "micropython"

_V4 = const(6)
_V6 = const(18)
# A name that did not resolve is asked for again after this, then ever more rarely: the
# resolver blocks the whole agent.
RESOLVE_MS = const(10000)
RESOLVE_MOST_MS = const(300000)
# "Cannot assign requested address": MicroPython has no name for it, and MIPS another number
# than all others, but it follows EADDRINUSE everywhere.
_EADDRNOTAVAIL = errno.EADDRINUSE + 1
# ::ffff:0:0/96, an IPv4 address as an IPv6 socket sees it (RFC 4291 2.5.5.2).
_MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"


class NotYet(LocalError):
    """The network does not have this yet: the same may work later."""


def raw_sockaddr(packed, family, byteorder):
    """The kernel's sockaddr (Linux layout): 16 bytes for IPv4, 28 for IPv6.

    packed: address as the core knows it.  family: AF_INET or AF_INET6 (int).
    """
    head = family.to_bytes(2, byteorder) + packed[-2:]
    if len(packed) == _V4:
        return head + packed[:4] + b"\0\0\0\0\0\0\0\0"
    return head + b"\0\0\0\0" + packed[:16] + b"\0\0\0\0"


def packed_of_raw(raw):
    """The packed address in a raw sockaddr; None if it is of another family.

    The family is told by the length, which does not depend on byte order.
    """
    if len(raw) == 16:
        return bytes(raw[4:8]) + bytes(raw[2:4])
    if len(raw) == 28:
        address = bytes(raw[8:24])
        if address[:12] == _MAPPED:
            address = address[12:]
        return address + bytes(raw[2:4])
    return None


def pack(host, port):
    """Packed address of a numeric host; None if host is a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_pton(family, host) + port.to_bytes(2, "big")
        except (OSError, ValueError):
            pass
    return None


def resolve(text):
    """Packed address of `host:port` or `[v6]:port`.

    A name is looked up, which may block for as long as the resolver waits: for
    the start of the agent only.  NotYet if it cannot be resolved.
    """
    from ..config import check_address  # a box that stands resolves nothing

    host, port = check_address(text)
    packed = pack(host, port)
    if packed:
        return packed
    try:
        # The socket type is asked for because names otherwise come once a type.
        found = socket.getaddrinfo(host, port, 0, socket.SOCK_DGRAM)
    except OSError:
        raise NotYet("cannot resolve the name '" + host + "'")
    for entry in found:
        address = entry[-1]
        packed = packed_of_raw(address) if MICROPYTHON else pack(address[0], address[1])
        if packed:
            return packed
    raise LocalError("the name '" + host + "' has no IPv4 or IPv6 address")


def text_of(packed):
    """`host:port` of a packed address."""
    port = str(int.from_bytes(packed[-2:], "big"))
    if len(packed) == _V4:
        return ".".join([str(byte) for byte in packed[:4]]) + ":" + port
    return "[" + socket.inet_ntop(socket.AF_INET6, packed[:16]) + "]:" + port


def family_of(packed):
    """AF_INET or AF_INET6."""
    return socket.AF_INET if len(packed) == _V4 else socket.AF_INET6


def sockaddr(packed):
    """What this interpreter's connect, bind and sendto take."""
    if MICROPYTHON:
        return raw_sockaddr(packed, family_of(packed), sys.byteorder)
    if len(packed) == _V4:
        return (socket.inet_ntop(socket.AF_INET, packed[:4]), int.from_bytes(packed[4:], "big"))
    return (socket.inet_ntop(socket.AF_INET6, packed[:16]), int.from_bytes(packed[16:], "big"))


class Socket:
    """The agent's one UDP socket.

    listen: packed address.  An IPv6 wildcard also speaks IPv4, mapped.
    counters: an object with bump(name).  LocalError if the address is taken or may
    not be had, NotYet if it is not this box's.
    """

    def __init__(self, listen, poller, counters):
        self._v6 = len(listen) == _V6
        self._counters = counters
        try:
            self._socket = socket.socket(family_of(listen), socket.SOCK_DGRAM)
        except OSError as problem:
            raise LocalError("this box has no sockets for %s: %s" % (text_of(listen), problem))
        try:
            self._socket.setblocking(False)
            self._socket.bind(sockaddr(listen))
        except OSError as problem:
            self._socket.close()
            if problem.errno == _EADDRNOTAVAIL:
                raise NotYet(text_of(listen) + " is not an address of this box")
            why = {errno.EADDRINUSE: "it is in use", errno.EACCES: "permission denied"}.get(problem.errno, str(problem))
            raise LocalError("cannot listen on " + text_of(listen) + ": " + why)
        self.fileno = self._socket.fileno()
        poller.register(self.fileno, select.POLLIN)

    def receive(self):
        """(data, packed address) of a waiting datagram, None if there is none.

        A datagram over DATAGRAM_BYTES comes one byte longer than that, cut.
        """
        try:
            data, address = self._socket.recvfrom(DATAGRAM_BYTES + 1)
        except OSError as problem:
            if problem.errno != errno.EAGAIN:
                self._counters.bump("udp_receive_errors")
            return None
        if MICROPYTHON:
            return data, packed_of_raw(address)
        packed = pack(address[0].split("%")[0], address[1])
        if packed[:12] == _MAPPED:
            packed = packed[12:]
        return data, packed

    def send(self, data, packed):
        """Send one datagram, or drop it: "udp_send_errors" counts."""
        try:
            if self._v6:
                if len(packed) == _V4:
                    packed = _MAPPED + packed
            elif len(packed) == _V6:
                # An IPv4 socket has no way to an IPv6 peer.
                self._counters.bump("udp_no_route")
                return
            self._socket.sendto(data, sockaddr(packed))
        except OSError:
            self._counters.bump("udp_send_errors")

    def close(self):
        """Let the address go."""
        self._socket.close()
