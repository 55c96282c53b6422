"""Pair keys: the bounded table of boxes we can speak with, and their sessions.

A session is proven once a datagram has held under it (or its WELCOME has): only
then does the other end have the key and not merely a copy of a HELLO.  Unproven
sessions never push out proven ones.
"""

from .compat import const
from .descriptor import ADDRESS_MOST
from .limits import PEERS, SESSIONS
from .wire.seal import FLAG_REACHABLE

# The current one, and one spare: datagrams under it may still be on their way.
PROVEN = const(2)
# Sealed datagrams, and the time since a box was last heard, after which it may have moved.
MOVED_UNANSWERED = const(3)
MOVED_MS = const(1500)
# A NAT forgets us after 30 s of silence; later we need not try.
NAT_MS = const(25000)


def listens(peer, now_ms):
    """True if a Peer can be told something unasked: no NAT is before it, or one that still knows us."""
    return bool(peer.current and (peer.flags & FLAG_REACHABLE or now_ms - peer.heard_ms < NAT_MS))


def placed(peer, box):
    """The Descriptor of a Peer, put where the peer is seen, unless that is hidden: then it knows best itself."""
    if peer.flags & FLAG_REACHABLE:
        box.addr = peer.seen
    return box


class Peer:
    """A box we have spoken with: its address, secret and sessions."""

    lot = b""  # short id of the lot that it has shown itself to be of

    def __init__(self, id, addr, secret, flags, incarnation):
        self.id = id
        self.addr = addr  # where we send to: maybe a way
        self.seen = addr  # where its datagrams come from
        self.secret = secret
        self.flags = flags
        self.incarnation = incarnation
        self.lot = None  # in which it last proved itself
        self.current = None
        self.sessions = []  # oldest first
        self.heard_ms = 0
        self.unanswered = 0  # datagrams sealed for it since it was heard
        self.greeting = None  # (hash of their HELLO, WELCOME) until they spoke under it

    def heard(self, addr, now_ms, seen=None):
        """A datagram of the box itself came from addr; if that is a way, as its porter saw it: seen."""
        self.addr = addr
        self.seen = seen or addr
        self.heard_ms = now_ms
        self.unanswered = 0

    def best(self, addr, now_ms):
        """Where to send: where it was heard, unless its NAT has closed since and a way `addr` is told."""
        return addr if len(addr) > ADDRESS_MOST and now_ms - self.heard_ms > NAT_MS else self.addr

    def may_be_at(self, addr, now_ms):
        """True if the box is silent where it was, and said to be at addr."""
        silent = self.unanswered >= MOVED_UNANSWERED and now_ms - self.heard_ms >= MOVED_MS
        return silent and addr != self.addr


class Sessions:
    """Peers by identity, sessions by our index.

    node gives rng, counters and in_use(id).
    """

    def __init__(self, node):
        self._node = node
        self.table = {}  # identity: Peer
        self._indices = {}  # our index: (Peer, Session)

    def find(self, index):
        """(Peer, Session) of one of our indices, else None."""
        return self._indices.get(index)

    def new_index(self):
        """4 bytes that name no session of ours."""
        while True:
            index = self._node.rng.bytes(4)
            if index not in self._indices:
                return index

    def _victim(self):
        oldest = None
        for peer in self.table.values():
            if not self._node.in_use(peer.id) and (oldest is None or peer.heard_ms < oldest.heard_ms):
                oldest = peer
        return oldest

    def has_room(self):
        """True if add() would not refuse a newcomer; evicts nobody."""
        return len(self.table) < PEERS or self._victim() is not None

    def add(self, peer):
        """Take a newcomer, in place of the longest silent stranger; False if refused."""
        if len(self.table) >= PEERS:
            victim = self._victim()
            if victim is None:
                self._node.counters.bump("peers_full")
                return False
            self._node.counters.bump("peers_evicted")
            self.forget(victim.id)
        self.table[peer.id] = peer
        return True

    def forget(self, id):
        """Drop a box's keys."""
        peer = self.table.pop(id, None)
        if peer:
            self.close(peer)

    def close(self, peer):
        """End a box's sessions; its secret stays, should it greet anew."""
        for session in peer.sessions:
            self._indices.pop(session.our_index, None)
        peer.sessions = []
        peer.current = peer.greeting = None

    def attach(self, peer, session):
        """A new, unproven session; at the cap the oldest unproven one goes."""
        if len(peer.sessions) >= SESSIONS:
            unproven = [old for old in peer.sessions if not old.proven]
            spare = [old for old in peer.sessions if old is not peer.current]
            self._detach(peer, (unproven or spare)[0])
        peer.sessions.append(session)
        self._indices[session.our_index] = (peer, session)

    def promote(self, peer, session):
        """The session is proven, and the one to send under from now on."""
        session.proven = True
        peer.current = session
        peer.greeting = None
        proven = [old for old in peer.sessions if old.proven and old is not session]
        if len(proven) >= PROVEN:
            self._detach(peer, proven[0])

    def _detach(self, peer, session):
        peer.sessions.remove(session)
        self._indices.pop(session.our_index, None)
