"""A seat entry: who holds which seat of a slice, under which term.

    seat 2 | term 4 | age in seconds 2 | descriptor 25 or 37, with a porter 41 or 53

Of two claims to one seat the higher term stands, then the least hash: every box
decides alike, whatever it heard first.
"""

from .compat import const
from .descriptor import unpack_at
from .errors import RemoteError
from .limits import ENTRIES_BYTES
from .wire.hashes import sha256

HEAD = const(8)
TERM_MOST = (1 << 32) - 1
# No honest claim is this far above the terms that a holder knows: a slice would
# have had to be filled this often behind its back.  What is further is a lie.
TERM_JUMP = 1 << 16
# Seats are compared on a circle of this many places, whatever the slice's size:
# boxes that differ about the size still agree about who comes after whom.
CIRCLE = const(65536)
# Cycles for which others may vouch for who does not answer us: longer than most cuts of the
# network, for who cannot reach a holder that lives grants its seat anew.
SILENT_PROBES = const(60)
# So many of them are over for whom we only heard of: liars tell of the dead to all who are new.
HEARSAY = const(50)


class SeatEntry:
    """seat: int; term: int; box: Descriptor; heard_ms: when it was last known good."""

    since_ms = 0  # of a neighbour: since when it is one

    def __init__(self, seat, term, box, heard_ms, silent=HEARSAY):
        self.seat = seat
        self.term = term
        self.box = box
        self.heard_ms = heard_ms
        self.misses = 0
        self.silent = silent  # cycles that we asked it in vain since its own word, whatever others say of it
        self.met = 0  # full exchanges with it
        self.seen = False  # counted as a change of the neighbourhood

    @property
    def id(self):
        """Identity of the holder."""
        return self.box.id

    def pack(self, now_ms):
        """Bytes, with the age as seen at now_ms."""
        # Rounded up: told to and fro, an entry must grow old, never young.
        age = min(65535, (max(0, now_ms - self.heard_ms) + 999) // 1000)
        return self.seat.to_bytes(2, "big") + self.term.to_bytes(4, "big") + age.to_bytes(2, "big") + self.box.pack()


def rank(slice_id, id):
    """The hash that orders boxes in a slice: the least takes seat 0, and ties."""
    return sha256(slice_id, id)[:8]


def beats(slice_id, term, id, other_term, other_id):
    """True if the claim (term, id) stands against (other_term, other_id)."""
    if term != other_term:
        return term > other_term
    return rank(slice_id, id) < rank(slice_id, other_id)


def ahead(seat, other):
    """How many places clockwise from seat the other seat is."""
    return (other - seat) % CIRCLE


def apart(seat, other):
    """How many places lie between two seats, the shorter way round."""
    way = (other - seat) % CIRCLE
    return min(way, CIRCLE - way)


def unpack_entries(data, most, now_ms, seen=None):
    """List of at most `most` SeatEntry that fill data; RemoteError otherwise.  seen: as for unpack_at."""
    out = []
    start = 0
    while start < len(data):
        if len(out) == most or len(data) - start < HEAD:
            raise RemoteError("seat entries")
        seat = int.from_bytes(data[start : start + 2], "big")
        term = int.from_bytes(data[start + 2 : start + 6], "big")
        age = int.from_bytes(data[start + 6 : start + 8], "big")
        box, start = unpack_at(data, start + HEAD, seen)
        out.append(SeatEntry(seat, term, box, now_ms - 1000 * age))
    return out


def pack_entries(entries, now_ms, most=ENTRIES_BYTES):
    """Seat entries one behind the other, as bytes: the first ones, no more than `most` bytes."""
    out = b""
    for entry in entries:
        packed = entry.pack(now_ms)
        if len(out) + len(packed) > most:
            break
        out += packed
    return out
