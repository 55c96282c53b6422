"""Does one piece of speech so many times: what speech.py counts.

    speech_pieces.py PIECE TIMES
"""

import sys

from backfence.agent.config import Config
from backfence.agent.counting import Counters
from backfence.agent.peers import Identity, Peers
from backfence.agent.rng import Rng
from backfence.agent.trust import Trust, lot_id
from backfence.agent.wire import merkle, seal, x25519
from backfence.agent.wire.hashes import sha256
from backfence.agent.work import Work

# A shuffle's length on IPv4.
BODY = bytes(190)
# Steps of a ladder that take bits of the key; the rest divide.
BIT_STEPS = 64
LIBRARY = "libsodium.so.23"
# Boxes of the lot: the proof has twelve hashes.
LOT = 4096
PRIVATE, PEER, BLIND = sha256(b"private"), x25519.public(sha256(b"other")), sha256(b"blind")


class Keys:
    """Stands for trust.Keys: nobody signs anything here."""

    fleet = bytes(16)


class Box:
    """What Peers asks of a node, without one: speech alone is counted."""

    def __init__(self, number, trust):
        self.now_ms = 0
        self.rng = Rng(b"box %d" % number)
        self.counters = Counters()
        self.work = Work(self.counters)
        self.config = Config()
        self.trust = trust
        self.sent = []
        self.addr = bytes((10, 0, 0, number, 0x1B, 0x58))
        self.peers = Peers(self, Identity(sha256(b"box %d" % number)), x25519.Ladder, 1)

    def transmit(self, data, addr):
        """Queue a datagram."""
        self.sent.append(data)

    def in_use(self, id):
        """Nobody is a friend."""
        return False

    def is_revoked(self, id):
        """Nobody is revoked."""
        return False


def boxes():
    """Two boxes of one lot."""
    publics = [x25519.public(sha256(b"box %d" % number)) for number in range(2)]
    leaves = [merkle.leaf(public) for public in publics] + [sha256(b"leaf %d" % i) for i in range(LOT - 2)]
    root = merkle.root(leaves)
    lots = {lot_id(root): (root, LOT)}
    return [Box(i, Trust(Keys, bytes(32), lots, lot_id(root), i, merkle.path(leaves, i))) for i in range(2)]


def greeting(pair):
    """One box tells another, which it does not know, something."""
    one, other = pair
    for box in pair:
        for id in list(box.peers.table):
            box.peers.drop(id)
    one.now_ms += 1000000
    other.now_ms += 1000000
    one.peers.tick(one.now_ms)
    other.peers.tick(other.now_ms)
    one.peers.send(other.peers.identity.id, other.addr, BODY)
    heard = False
    while not heard:
        for box, to in ((one, other), (other, one)):
            sent, box.sent = box.sent, []
            for data in sent:
                heard = bool(to.peers.receive(data, box.addr)) or heard
            while to.work.step():
                pass


def ladder(steps):
    """The first steps of a ladder."""
    made = x25519.Ladder(PRIVATE, PEER, BLIND)
    for _ in range(steps):
        if made.step():
            break


def sessions(encrypted):
    """Both ends of a session."""
    keys = [seal.Keys(bytes(32), bytes(64), bytes(64), first) for first in (True, False)]
    return [seal.Session(key, b"aaaa", b"aaaa", encrypted) for key in keys]


def take(session, data):
    """What peers.py does to a datagram of a known session."""
    return session.open(data) if session.authentic(data) else None


def main(piece, times):
    """Do it."""
    encrypted = not piece.startswith("plain") and seal.ENCRYPTS
    ours, theirs = sessions(encrypted)
    pair = boxes() if piece == "greeting" else None
    sealed = [ours.seal(BODY) for _ in range(1000)] if piece in ("open", "plain-open") else []
    forged = ours.seal(BODY)[:-1] + b"?"
    library = None
    if piece == "library":
        import ffi  # the agent does without: docs/cost.md says why

        library = ffi.open(LIBRARY).func("i", "crypto_scalarmult_curve25519", "ppp")
    for number in range(times):
        if piece == "greeting":
            greeting(pair)
        elif piece == "ladder":
            ladder(100)
        elif piece == "bits":
            ladder(BIT_STEPS)
        elif piece in ("seal", "plain-seal"):
            ours.seal(BODY)
        elif piece == "forged":
            assert take(theirs, forged) is None
        elif piece == "library":
            assert library(bytearray(32), PRIVATE, PEER) == 0
        else:
            assert take(theirs, sealed[number]) == BODY


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
