"""Floors: the highest sequence number seen of each manifest, kept on flash.

A floor outlives its manifest, or an older version that lives longer could come
back.  It remembers the body's hash too, so that a box that restarts can look
whether its store still has it; and the kid of the tenant's key that signed, for
with another key its numbers begin anew.
"""

from .errors import RemoteError
from .limits import FLOORS
from .manifest import SEQ_MOST
from .trust import OPERATOR
from .wire import cbor
from .wire.messages import holds


def raise_to(floors, manifest):
    """Note a verified manifest in {id: [sequence, expires, hash, tenant's kid or b""]}; True if that changed it.

    At the cap places.spare() says which is dropped.
    """
    old = floors.get(manifest.id)
    kid = _kid(manifest.authority)
    row = [manifest.seq, max(manifest.expires, old[1] if old else 0), manifest.digest, kid]
    if old == row:
        return False
    floors[manifest.id] = row
    if len(floors) > FLOORS:
        from .places import spare

        del floors[spare(floors)]
    return True


def _kid(authority):
    return b"" if authority == OPERATOR else authority


def above(floor, seq, authority):
    """True if a floor, a row as above, forbids that sequence number under a manifest's authority."""
    return seq < floor[0] and floor[3] == _kid(authority)


def save(store, floors):
    """Write them to flash, at once: a power cut must not lower one.  False if the disk refuses."""
    return store.save_state("floors", cbor.encode([[id] + floors[id] for id in sorted(floors)]))


def load(store):
    """{id: [sequence, expires, hash, kid]} as saved; what cannot be read is counted."""
    floors = {}
    data = store.load_state("floors")
    if data is None:
        return floors
    try:
        rows = cbor.decode(data, 3, 6 * FLOORS + 1)
        for row in rows if isinstance(rows, list) else []:
            if not holds(("h", "U", "U", "s", "b"), row) or row[1] > SEQ_MOST or len(row[4]) not in (0, 16):
                raise RemoteError("floor")
            floors[row[0]] = row[1:]
    except RemoteError:
        store.counters.bump("store_errors")
    return floors
