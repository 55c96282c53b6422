"""Floors: the highest sequence number seen of each manifest, kept on flash.

A floor outlives its manifest, or an older version that lives longer could come
back.  It remembers the body's hash too, so that a box that restarts can look
whether its store still has it.
"""

from .errors import RemoteError
from .limits import FLOORS
from .manifest import SEQ_MOST
from .wire import cbor
from .wire.messages import holds


def raise_to(floors, manifest):
    """Note a verified manifest in {id: [sequence, expires, hash]}; True if that changed it.

    At the cap the floor that expires first is dropped.
    """
    old = floors.get(manifest.id)
    row = [manifest.seq, max(manifest.expires, old[1] if old else 0), manifest.digest]
    if old == row:
        return False
    floors[manifest.id] = row
    if len(floors) > FLOORS:
        first = min(floors, key=lambda id: floors[id][1])
        del floors[first]
    return True


def save(store, floors):
    """Write them to flash, at once: a power cut must not lower one.  False if the disk refuses."""
    return store.save_state("floors", cbor.encode([[id] + floors[id] for id in sorted(floors)]))


def load(store):
    """{id: [sequence, expires, hash]} as saved; what cannot be read is counted."""
    floors = {}
    data = store.load_state("floors")
    if data is None:
        return floors
    try:
        rows = cbor.decode(data, 3, 5 * FLOORS + 1)
        for row in rows if isinstance(rows, list) else []:
            if not holds(("h", "U", "U", "s"), row) or row[1] > SEQ_MOST:
                raise RemoteError("floor")
            floors[row[0]] = row[1:]
    except RemoteError:
        store.counters.bump("store_errors")
    return floors
