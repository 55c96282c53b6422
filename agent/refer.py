"""Referrals: a box that cannot take one more stranger names him others.

Loaded only when that happens.  What is named is hearsay: each must prove itself.
"""

from .descriptor import V6_BYTES, Descriptor, pack_all, unpack_all
from .limits import REFERRED
from .wire import seal


def refer(node, hello, addr):
    """Answer a stranger's HELLO with boxes that he may greet instead; no longer than what he sent."""
    others = [
        p for p in node.peers.table.values() if p.current and p.flags & seal.FLAG_REACHABLE and p.seen != addr
    ]
    count = min(REFERRED, (len(hello) - seal.REFER_HEAD) // V6_BYTES)
    others = node.rng.sample(others, count)
    if others:
        named = pack_all([Descriptor(peer.id, peer.seen) for peer in others])
        node.transmit(seal.refer(hello, named), addr)


def referred(node, hail, data):
    """Whom we greet (a Hail) named others: end the greeting if we ask those instead.  RemoteError."""
    others = unpack_all(data[seal.REFER_HEAD :], REFERRED)
    if others and node.membership.referred(hail.id, others):
        del node.peers.hails[hail.id]
