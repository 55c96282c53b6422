"""Whom a box tells of a manifest that it has just taken: many, unless many told it."""

from .limits import RUMOUR_FANOUT, RUMOUR_FEEDBACK, RUMOUR_LEAST, RUMOUR_LISTENERS
from .sessions import listens
from .wire.messages import HAVE, pack


def entry_of(manifest):
    """What a rumour says of a manifest: [id, sequence, hash, size]."""
    return [manifest.id, manifest.seq, manifest.digest, manifest.size]


def tell(node, manifest, entry):
    """Tell others of a Manifest; entry: the wanted.Entry by which it came, None if it was pushed here."""
    tellers = [source[0] for source in entry.sources] if entry else []
    count = max(RUMOUR_LEAST, RUMOUR_FANOUT - RUMOUR_FEEDBACK * max(0, len(tellers) - 1))
    if entry and entry.quiet:
        count = RUMOUR_LEAST
    message = pack(HAVE, [entry_of(manifest)])
    for box in node.rng.sample(listeners(node, tellers), count):
        node.counters.bump("rumours_told")
        node.send_packed(box.id, box.addr, message)


def listeners(node, tellers):
    """Boxes last heard whose session stands; of the view if there are none."""
    near = [peer for peer in node.peers.table.values() if listens(peer, node.now_ms)]
    near = sorted(near, key=lambda peer: -peer.heard_ms)[:RUMOUR_LISTENERS] or node.membership.reachable()
    return [box for box in near if box.id not in tellers and not node.is_tombstoned(box.id)]
