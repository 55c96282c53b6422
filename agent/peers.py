"""Pairwise speech: greeting a box, pair keys, sealed datagrams.

A greeting is HAIL, COOKIE, HELLO, WELCOME (wire/seal.py has the bytes).  Nothing
is computed for a stranger before his cookie shows that he receives at his
address; then one X25519 ladder, within a token bucket, and only for a key that
its lot's Merkle proof shows to be enrolled.  The secret of two boxes never
changes, so a box that comes back is greeted without a ladder; nonces from both
sides make each session's keys new.

The answerer starts to use a new session when the first datagram has come in
under it; until then the old one, if any, stays in use.

When many join at once, a box that has no token left for an enrolled stranger
names him others that it speaks with (REFER), so joiners spread over those who
are in already.  What is named is hearsay: each must prove itself.

A session follows a box to wherever its next sealed datagram comes from.  A box that
is silent where it was, and is said to be elsewhere, is greeted there: only its
WELCOME moves the session.
"""

from .compat import const
from .errors import RemoteError
from .gate import Gate
from .hail import Hail
from .limits import DATAGRAM_BYTES, HAILS, PATH_NODES, PENDING
from .sessions import Peer, Sessions
from .wire import seal, x25519
from .wire.hashes import equal, sha256

HAIL_RETRY_MS = const(600)
HAIL_TRIES = const(5)


def identity_of(key):
    """The 16-byte identity of a box: a hash of its X25519 public key."""
    return sha256(key)[:16]


class Identity:
    """A box's own key pair and identity.  private, public: 32 bytes each."""

    def __init__(self, private, public=None):
        self.private = private
        self.public = public or x25519.public(private)
        self.id = identity_of(self.public)


class Peers:
    """Greetings, and sealed speech with whom we have greeted.

    node gives rng, counters, work, trust, transmit(datagram, addr), in_use(id),
    is_revoked(id), unreachable(id) and membership.  ladder(private, public, blind) gives a computation
    with step() and result.
    """

    def __init__(self, node, identity, ladder, incarnation):
        self._node = node
        self.identity = identity
        self._ladder = ladder
        self._incarnation = incarnation
        self._sessions = Sessions(node)
        self.table = self._sessions.table  # identity: Peer
        self.hails = {}  # identity: Hail
        self._answering = {}  # identity: hash of the HELLO being worked on
        self.gate = Gate(node.rng, node.now_ms)
        self.due = self.gate.due

    # -- sending

    def send(self, id, addr, body):
        """Seal body (bytes) for the box id, greeting it first if need be."""
        peer = self.table.get(id)
        if peer and peer.current:
            self._node.transmit(peer.current.seal(body), peer.best(addr, self._node.now_ms))
            peer.unanswered += 1
            if peer.may_be_at(addr, self._node.now_ms) and id not in self.hails:
                self._begin(id, addr, True)
            return
        hail = self.hails.get(id)
        if hail is None:
            if id == self.identity.id:
                return
            hail = self._begin(id, addr)
            if hail is None:
                return
        hail.turn(addr)
        if body in hail.pending:
            return  # a question repeated while the greeting runs
        if len(hail.pending) >= PENDING:
            self._node.counters.bump("pending_full")
            return
        hail.pending.append(body)

    def drop(self, id):
        """A box is revoked: its keys go, and a greeting under way ends."""
        self._sessions.forget(id)
        self.hails.pop(id, None)

    def close(self, peer):
        """A box's lot has ended: so do its sessions."""
        self._sessions.close(peer)

    def _begin(self, id, addr, moved=False):
        node = self._node
        full = len(self.hails) >= HAILS
        if full or node.is_revoked(id):
            node.counters.bump("hails_full" if full else "hello_revoked")
            return None
        hail = Hail(id, addr, self._sessions.new_index(), node.rng.bytes(seal.NONCE_BYTES), node.now_ms, moved)
        self.hails[id] = hail
        self._retry(hail)
        return hail

    def _retry(self, hail):
        hail.tries += 1
        hail.due = self._node.now_ms + self._node.rng.jitter(HAIL_RETRY_MS)
        self.due = min(self.due, hail.due)
        if not hail.thinking:
            fleet = self._node.trust.fleet
            self._node.transmit(hail.hello or seal.hail(hail.index, fleet, hail.nonce), hail.addr)

    def tick(self, now_ms):
        """Repeat or give up greetings; change the cookie key."""
        for hail in list(self.hails.values()):
            if now_ms < hail.due:
                continue
            if self._spoke(hail):
                self._end(hail)
            elif hail.tries >= HAIL_TRIES and not hail.thinking:
                # Whom we think about has answered: ladders that wait for each other on a
                # slow box would all be thrown away, and begun again for ever.
                del self.hails[hail.id]
                self._node.counters.bump("peers_unreachable")
                if not hail.moved:
                    self._node.unreachable(hail.id)
            else:
                if hail.tries == 3 and not hail.thinking:
                    hail.hello = None  # the cookie may have aged out
                self._retry(hail)
        self.gate.tick(now_ms)
        self.due = self.gate.due
        for hail in self.hails.values():
            self.due = min(self.due, hail.due)

    def _spoke(self, hail):
        """True if whom we greet has greeted us, or spoken, meanwhile."""
        peer = self.table.get(hail.id)
        return bool(peer and peer.current and not (hail.moved and peer.unanswered))

    # -- receiving

    def receive(self, data, addr, seen=None):
        """(Peer, body) of a sealed datagram that holds, else None.  seen: as in Peer.heard.

        Greetings are dealt with here.  RemoteError if the bytes are no datagram of ours.
        """
        kind = data[0]
        if kind == seal.SEALED:
            return self._on_sealed(data, addr, seen)
        if kind == seal.HAIL:
            self._on_hail(data, addr)
        elif kind == seal.COOKIE:
            self._on_cookie(data)
        elif kind == seal.HELLO:
            self._on_hello(data, addr)
        elif kind == seal.WELCOME:
            self._on_welcome(data, addr)
        elif kind == seal.RESET:
            self._on_reset(data)
        elif kind == seal.REFER:
            self._on_refer(data)
        else:
            raise RemoteError("unknown kind of datagram")
        return None

    def _on_sealed(self, data, addr, seen):
        if len(data) < seal.SEALED_OVERHEAD:
            raise RemoteError("short datagram")
        found = self._sessions.find(bytes(data[1:5]))
        if not found:
            self._node.counters.bump("seal_unknown")
            self._node.transmit(seal.reset(data), addr)
            return None
        peer, session = found
        if not session.authentic(data):
            self._node.counters.bump("seal_bad")
            return None
        body = session.open(data)
        if body is None:
            self._node.counters.bump("seal_replayed")
            return None
        if session is not peer.current:
            self._sessions.promote(peer, session)
        peer.heard(addr, self._node.now_ms, seen)
        return peer, body

    def _on_hail(self, data, addr):
        if len(data) != seal.HAIL_BYTES or data[5:9] != self._node.trust.fleet[:4]:
            raise RemoteError("hail of another fleet")
        length = self._welcome_bytes()
        self._node.transmit(seal.cookie(bytes(data[1:5]), self.gate.cookie(addr, data[9:25]), length), addr)

    def _on_cookie(self, data):
        if len(data) != seal.COOKIE_BYTES:
            raise RemoteError("cookie length")
        hail = self._hail_of(data)
        if hail is None or hail.hello:
            return
        total = int.from_bytes(data[21:23], "big")
        if total > DATAGRAM_BYTES:
            raise RemoteError("welcome would not fit a datagram")
        fleet = self._node.trust.fleet
        hail.hello = seal.hello(hail.index, fleet, hail.nonce, bytes(data[5:21]), self._party(), total)
        self._node.transmit(hail.hello, hail.addr)

    def _on_hello(self, data, addr):
        counters = self._node.counters
        if len(data) < seal.HELLO_HEAD or data[5:9] != self._node.trust.fleet[:4]:
            raise RemoteError("hello of another fleet")
        if not self.gate.knows(bytes(data[25:41]), addr, bytes(data[9:25])):
            counters.bump("cookie_bad")
            return
        if len(data) < self._welcome_bytes():
            raise RemoteError("a hello shorter than its answer")
        party, _ = seal.unpack_party(data, seal.HELLO_HEAD, PATH_NODES)
        id = self._admit(party)
        asked = sha256(data)  # all of it: the keys of its WELCOME are bound to every byte
        peer = self.table.get(id)
        if peer and peer.greeting and peer.greeting[0] == asked:
            self._node.transmit(peer.greeting[1], addr)
            return
        if self._answering.get(id) == asked:
            return
        hello = bytes(data)
        if peer:
            self._answer(party, id, hello, addr, peer.secret)
            return
        if not self._sessions.has_room():
            counters.bump("peers_full")
            return self._refer(hello, addr)
        if not self.gate.token(self._node.now_ms):
            counters.bump("strangers_limited")
            return self._refer(hello, addr)

        def done(ladder, error):
            self._answering.pop(id, None)
            if error:
                counters.bump("hello_bad")
            else:
                self._answer(party, id, hello, addr, ladder.result)

        if self._think(party.key, done):
            self._answering[id] = asked

    def _refer(self, hello, addr):
        from .refer import refer  # only when many join at once

        refer(self._node, hello, addr)

    def _on_refer(self, data):
        hail = self._hail_of(data)
        if hail and hail.hello and data[5:21] == hail.nonce:
            from .refer import referred

            referred(self._node, hail, data)

    def _answer(self, party, id, hello, addr, secret):
        node = self._node
        untagged = seal.welcome_untagged(
            hello[1:5], self._sessions.new_index(), node.rng.bytes(seal.NONCE_BYTES), self._party()
        )
        keys = seal.Keys(secret, hello, untagged, False)
        session = self._session(keys, untagged[5:9], untagged[1:5], party)
        peer = self._peer(party, id, addr, secret)
        if peer is None:
            return
        # Not used for sending yet: whoever sent this HELLO may only have copied a
        # key and its proof.  The first datagram that holds under it promotes it.
        self._sessions.attach(peer, session)
        welcome = untagged + seal.welcome_tag(keys, untagged, True)
        peer.greeting = (sha256(hello), welcome)
        node.transmit(welcome, addr)

    def _on_welcome(self, data, addr):
        hail = self._hail_of(data)
        if hail is None or hail.hello is None or hail.thinking:
            return
        party, end = seal.unpack_party(data, seal.WELCOME_HEAD, PATH_NODES)
        if end + seal.TAG_BYTES != len(data):
            raise RemoteError("welcome length")
        if self._admit(party) != hail.id:
            raise RemoteError("another box answered")
        data = bytes(data)
        peer = self.table.get(hail.id)
        hail.secret = peer.secret if peer else hail.secret
        if hail.secret:
            self._finish(hail, data, addr, party, hail.secret)
            return

        def done(ladder, error):
            hail.thinking = False
            if error:
                self._node.counters.bump("hello_bad")
            elif self.hails.get(hail.id) is hail:
                hail.secret = ladder.result
                self._finish(hail, data, addr, party, hail.secret)

        hail.thinking = self._think(party.key, done)

    def _finish(self, hail, data, addr, party, secret):
        untagged = data[: len(data) - seal.TAG_BYTES]
        keys = seal.Keys(secret, hail.hello, untagged, True)
        if not equal(seal.welcome_tag(keys, untagged, False), data[len(untagged) :]):
            self._node.counters.bump("hello_bad")
            return
        peer = self._peer(party, hail.id, addr, secret)
        if peer is None:
            return
        session = self._session(keys, hail.index, data[5:9], party)
        self._sessions.attach(peer, session)
        self._sessions.promote(peer, session)
        peer.heard(addr, self._node.now_ms)
        self._node.counters.bump("hellos")
        self._end(hail)

    def _end(self, hail):
        del self.hails[hail.id]
        for body in hail.pending:
            self.send(hail.id, hail.addr, body)

    def _on_reset(self, data):
        # Only an echo of our latest datagram counts: nobody off the path has it.
        if len(data) != seal.RESET_BYTES:
            raise RemoteError("reset length")
        for peer in self.table.values():
            session = peer.current
            if session and session.their_index == data[1:5] and session.last_tag == data[11:27]:
                self._node.counters.bump("resets")
                peer.current = None
                if peer.id not in self.hails:
                    self._begin(peer.id, peer.addr)
                return

    # -- helpers

    def _party(self):
        trust = self._node.trust
        flags = (seal.FLAG_ENCRYPTS if seal.ENCRYPTS else 0) | (seal.FLAG_REACHABLE if self._node.config.reachable else 0)
        return seal.Party(self.identity.public, flags, self._incarnation, trust.lot, trust.leaf, trust.path)

    def _welcome_bytes(self):
        return seal.WELCOME_HEAD + len(self._party().pack()) + seal.TAG_BYTES

    def _admit(self, party):
        """The identity of an enrolled party; RemoteError if it is none of ours."""
        id = identity_of(party.key)
        if id == self.identity.id:
            raise RemoteError("our own hello")
        if self._node.is_revoked(id):
            self._node.counters.bump("hello_revoked")
            self._node.seeds.doubt()
            raise RemoteError("revoked")
        if not self._node.trust.enrolled(party):
            if party.lot not in self._node.trust.lots:
                self._node.seeds.doubt()
            raise RemoteError("not enrolled")
        if self._node.config.require_encryption and not party.flags & seal.FLAG_ENCRYPTS:
            self._node.counters.bump("hello_unencrypted")
            raise RemoteError("speaks without encryption")
        return id

    def _think(self, key, done):
        return self._node.work.add(self._ladder(self.identity.private, key, self._node.rng.bytes(32)), done)

    def _session(self, keys, ours, theirs, party):
        return seal.Session(keys, ours, theirs, bool(seal.ENCRYPTS and party.flags & seal.FLAG_ENCRYPTS))

    def _peer(self, party, id, addr, secret):
        peer = self.table.get(id)
        if peer is None:
            peer = Peer(id, addr, secret, party.flags, party.incarnation)
            # It may have been revoked, or its lot have ended, while its key was computed.
            gone = self._node.is_revoked(id) or party.lot not in self._node.trust.lots
            if gone or not self._sessions.add(peer):
                return None
        peer.flags = party.flags
        own = self._node.trust.lot
        peer.lot = own if party.lot == own else party.lot  # one copy of what most have
        peer.incarnation = party.incarnation
        peer.heard_ms = self._node.now_ms
        return peer

    def _hail_of(self, data):
        found = [hail for hail in self.hails.values() if hail.index == data[1:5]]
        return found[0] if found else None
