"""A descriptor: what boxes tell each other about a box, 25 or 37 bytes.

    identity 16 | flags 1 | age 2 | IPv4 4 or IPv6 16 | port 2 [ | porter 16 ]

Age counts the rounds since the box itself sent it out (Jelasity et al., TOCS
2007).  Key and enrolment proof are not in it: they travel once, in the hello.

An unspecified address (all zeros) is how a box speaks of itself that does not know
where others reach it: who hears it takes the address from which the sealed datagram
came.  So a box with a new address is known under it as soon as it speaks.

Of a box behind NAT that is to be reached all the same, the address is its porter's,
whose identity follows.  In memory such an address is a way (ways.py).
"""

import struct

from .compat import const
from .errors import RemoteError

REACHABLE = const(1)  # answers strangers; a box behind NAT does not
DOOR = const(2)  # holds a connection to the broker
V6 = const(4)
PORTER = const(8)  # the address is that of the porter, whose identity follows
KNOWN_FLAGS = const(15)
AGE_MOST = const(65535)
V4_BYTES = const(25)
V6_BYTES = const(37)
_ID_BYTES = const(16)
ADDRESS_MOST = const(18)  # a packed address; what is longer is a way
_HEAD = ">16sBH"


class Descriptor:
    """id: 16 bytes; addr: packed address, 6 or 18 bytes, or a way; age: rounds; flags: int."""

    __slots__ = ("id", "addr", "age", "flags")

    def __init__(self, id, addr, age=0, flags=REACHABLE):
        self.id = id
        self.addr = addr
        self.age = age
        self.flags = flags

    def copy(self):
        """The same descriptor again, free to age by itself."""
        return Descriptor(self.id, self.addr, self.age, self.flags)

    def pack(self):
        """25 or 37 bytes, 16 more by way of a porter."""
        addr = self.addr
        flags = self.flags & ~V6
        if len(addr) > ADDRESS_MOST:
            flags = flags & ~REACHABLE | PORTER
            addr = bytes(addr[: -2 * _ID_BYTES])
        if len(addr) == ADDRESS_MOST:
            flags |= V6
        age = self.age if self.age < AGE_MOST else AGE_MOST
        return struct.pack(_HEAD, self.id, flags, age) + addr + self.addr[len(addr) : -_ID_BYTES]


def unpack_at(data, start, seen=None, known=KNOWN_FLAGS):
    """(Descriptor, end offset) of the one that starts at data[start]; RemoteError.

    seen: the packed address that the data came from, which stands for an unspecified one;
    known: flags that may be set.
    """
    if len(data) - start < V4_BYTES:
        raise RemoteError("short descriptor")
    flags = data[start + 16]
    if flags & ~known:
        raise RemoteError("descriptor flags")
    end = start + (V6_BYTES if flags & V6 else V4_BYTES)
    if end > len(data):
        raise RemoteError("short descriptor")
    if not (data[end - 2] or data[end - 1]):
        raise RemoteError("descriptor port")
    link = Descriptor(data[start : start + 16], data[start + 19 : end])
    if flags & PORTER:
        if flags & REACHABLE or not any(link.addr[:-2]) or len(data) - end < _ID_BYTES:
            raise RemoteError("descriptor porter")
        link.addr += bytes(data[end : end + _ID_BYTES]) + link.id
        end += _ID_BYTES
    elif not any(link.addr[:-2]):
        if seen is None:
            raise RemoteError("descriptor address")
        link.addr = seen
    link.age = data[start + 17] << 8 | data[start + 18]
    link.flags = flags & ~(V6 | PORTER)
    return link, end


def pack_all(descriptors):
    """Descriptors one behind the other, as bytes."""
    return b"".join([descriptor.pack() for descriptor in descriptors])


def unpack_all(data, most, seen=None, ways=False):
    """List of at most `most` descriptors that fill data; RemoteError otherwise.

    seen: as for unpack_at; ways: porters are allowed.
    """
    out = []
    start = 0
    while start < len(data):
        if len(out) == most:
            raise RemoteError("too many descriptors")
        descriptor, start = unpack_at(data, start, seen)
        if len(descriptor.addr) > ADDRESS_MOST and not ways:
            raise RemoteError("a porter has no place here")
        out.append(descriptor)
    return out
