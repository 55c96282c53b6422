"""The envelope: seven kinds of datagram, and how a sealed one is made.

    HAIL     10 | index a 4 | fleet 4 | nonce a 16
    COOKIE   11 | index a 4 | cookie 16 | welcome length 2
    HELLO    12 | index a 4 | fleet 4 | nonce a 16 | cookie 16 | party | padding
    WELCOME  13 | index a 4 | index b 4 | nonce b 16 | party | tag 16
    SEALED   14 | receiver's index 4 | counter 6 | body | tag 16
    RESET    15 | sender's index 4 | counter 6 | tag 16     (echoes a SEALED)
    REFER    16 | index a 4 | nonce a 16 | descriptors      (instead of a WELCOME)

    party    key 32 | flags 1 | incarnation 4 | lot 8 | leaf 4 | n 1 | n * node 32

Big-endian throughout.  A party is a box's key and its enrolment proof.  A HELLO
is padded to the length its WELCOME will have, so that no answer is longer than
its question.  Keys: HKDF-SHA256 (RFC 5869) over the X25519 secret, salted with
both nonces, bound to the whole HELLO and WELCOME.  Tags: HMAC-SHA256 truncated
to 128 bits (RFC 2104).  Bodies: AES-128-CTR where both boxes have it, under the
tag (encrypt, then MAC).
"""

from ..compat import const
from ..errors import LocalError, RemoteError
from ..limits import DATAGRAM_BYTES
from .hashes import equal, hkdf, hmac_sha256, sha256

try:
    from cryptolib import aes

    ENCRYPTS = True
except ImportError:  # CPython, and OpenWrt's micropython-nossl
    aes = None
    ENCRYPTS = False

HAIL = const(0x10)
COOKIE = const(0x11)
HELLO = const(0x12)
WELCOME = const(0x13)
SEALED = const(0x14)
RESET = const(0x15)
REFER = const(0x16)

TAG_BYTES = const(16)
NONCE_BYTES = const(16)
HAIL_BYTES = const(25)
COOKIE_BYTES = const(23)
RESET_BYTES = const(27)
REFER_HEAD = const(21)
HELLO_HEAD = const(41)
WELCOME_HEAD = const(25)
PARTY_FIXED = const(50)
SEALED_HEAD = const(11)
SEALED_OVERHEAD = const(27)
COUNTER_MOST = (1 << 48) - 1
# Counters this far behind the newest are refused unseen; UDP reorders little.
REPLAY_WINDOW = const(64)
_MODE_ECB = const(1)
_BLOCK = const(16)
# Nothing, and the numbers of a datagram's blocks.
_NUMBERS = [b""] + [i.to_bytes(4, "big") for i in range((DATAGRAM_BYTES + _BLOCK - 1) // _BLOCK)]

FLAG_ENCRYPTS = const(1)
FLAG_REACHABLE = const(2)


class Party:
    """One end of a handshake: its key, flags, incarnation and enrolment proof."""

    def __init__(self, key, flags, incarnation, lot, leaf, path):
        self.key = key
        self.flags = flags
        self.incarnation = incarnation
        self.lot = lot
        self.leaf = leaf
        self.path = path

    def pack(self):
        """PARTY_FIXED + 32 * len(path) bytes."""
        return (
            self.key
            + bytes((self.flags,))
            + self.incarnation.to_bytes(4, "big")
            + self.lot
            + self.leaf.to_bytes(4, "big")
            + bytes((len(self.path),))
            + b"".join(self.path)
        )


def unpack_party(data, start, most_nodes):
    """(Party, end offset) of the party at data[start]; RemoteError."""
    if len(data) - start < PARTY_FIXED:
        raise RemoteError("short party")
    count = data[start + 49]
    end = start + PARTY_FIXED + 32 * count
    if count > most_nodes or end > len(data):
        raise RemoteError("long enrolment path")
    path = [bytes(data[i : i + 32]) for i in range(start + PARTY_FIXED, end, 32)]
    return (
        Party(
            bytes(data[start : start + 32]),
            data[start + 32],
            int.from_bytes(data[start + 33 : start + 37], "big"),
            bytes(data[start + 37 : start + 45]),
            int.from_bytes(data[start + 45 : start + 49], "big"),
            path,
        ),
        end,
    )


class Keys:
    """The four keys of a session, seen from one end: in one string, as each of its own takes as much heap again."""

    def __init__(self, secret, hello, welcome_untagged, initiator):
        """secret: X25519 output; hello, welcome_untagged: the handshake's bytes."""
        salt = hello[9:25] + welcome_untagged[9:25]
        info = b"backfence session 1" + sha256(hello, welcome_untagged)
        okm = hkdf(secret, salt, info, 96)
        self._ours = okm if initiator else okm[32:64] + okm[:32] + okm[80:] + okm[64:80]

    @property
    def mac_out(self):
        """32 bytes, of the tags that this end makes."""
        return self._ours[:32]

    @property
    def mac_in(self):
        """32 bytes, of the other end's tags."""
        return self._ours[32:64]

    @property
    def cipher_out(self):
        """16 bytes, for AES."""
        return self._ours[64:80]

    @property
    def cipher_in(self):
        """16 bytes, of the other end."""
        return self._ours[80:]


def welcome_tag(keys, welcome_untagged, sending):
    """The 16-byte tag of a WELCOME, by its sender (sending) or its receiver."""
    return hmac_sha256(keys.mac_out if sending else keys.mac_in, b"welcome", welcome_untagged)[:TAG_BYTES]


def _crypt(key, counter, body):
    """AES-128 in counter mode (SP 800-38A), made of ECB: the unix port has no CTR.

    The block is 4 zero bytes, the 8-byte datagram counter and a 4-byte block
    number; a datagram counter never repeats under one key.
    """
    if not body:
        return body
    if len(body) > DATAGRAM_BYTES:
        raise LocalError("a body longer than a datagram")
    stream = aes(key, _MODE_ECB).encrypt(_blocks(counter, len(body)))
    # One XOR of two long numbers instead of a loop over bytes.
    mixed = int.from_bytes(stream[: len(body)], "big") ^ int.from_bytes(body, "big")
    return mixed.to_bytes(len(body), "big")


def _blocks(counter, size):
    """The counter blocks for size bytes: joined by what they have in common."""
    return (b"\x00\x00\x00\x00" + counter.to_bytes(8, "big")).join(_NUMBERS[: (size - 1) // _BLOCK + 2])


class Session:
    """Sealed speech with one box: its index for us, counters, replay window."""

    def __init__(self, keys, our_index, their_index, encrypted):
        self.keys = keys
        self.our_index = our_index
        self.their_index = their_index
        self.encrypted = encrypted
        self.proven = False  # the other end is known to have the keys
        self.sent = 0
        self.last_tag = b""
        self._newest = -1
        self._window = 0

    def seal(self, body):
        """The SEALED datagram that carries body (bytes)."""
        counter = self.sent
        if counter > COUNTER_MOST:
            raise RemoteError("session worn out")
        self.sent = counter + 1
        if self.encrypted:
            body = _crypt(self.keys.cipher_out, counter, body)
        head = bytes((SEALED,)) + self.their_index + counter.to_bytes(6, "big") + body
        self.last_tag = hmac_sha256(self.keys.mac_out, head)[:TAG_BYTES]
        return head + self.last_tag

    def authentic(self, data):
        """True if the tag of a SEALED datagram of this session holds."""
        view = memoryview(data)
        tag = hmac_sha256(self.keys.mac_in, view[: len(data) - TAG_BYTES])[:TAG_BYTES]
        return equal(tag, bytes(view[len(data) - TAG_BYTES :]))

    def open(self, data):
        """The body of an authentic SEALED datagram; None if its counter is spent."""
        counter = int.from_bytes(data[5:11], "big")
        if not self._fresh(counter):
            return None
        body = bytes(data[SEALED_HEAD : len(data) - TAG_BYTES])
        if self.encrypted:
            body = _crypt(self.keys.cipher_in, counter, body)
        return body

    def _fresh(self, counter):
        # The sliding window of RFC 4303, appendix A2.
        ahead = counter - self._newest
        if ahead > 0:
            self._window = (self._window << ahead | 1) & ((1 << REPLAY_WINDOW) - 1) if ahead < REPLAY_WINDOW else 1
            self._newest = counter
            return True
        bit = 1 << -ahead
        if -ahead >= REPLAY_WINDOW or self._window & bit:
            return False
        self._window |= bit
        return True


def hail(index, fleet, nonce):
    """HAIL datagram: asks for a cookie before any key work."""
    return bytes((HAIL,)) + index + fleet[:4] + nonce


def cookie(index, value, welcome_bytes):
    """COOKIE datagram: shorter than the HAIL it answers."""
    return bytes((COOKIE,)) + index + value + welcome_bytes.to_bytes(2, "big")


def hello(index, fleet, nonce, cookie_value, party, total_bytes):
    """HELLO datagram, zero-padded to total_bytes."""
    data = bytes((HELLO,)) + index + fleet[:4] + nonce + cookie_value + party.pack()
    return data + bytes(max(0, total_bytes - len(data)))


def welcome_untagged(their_index, our_index, nonce, party):
    """WELCOME datagram but for its tag."""
    return bytes((WELCOME,)) + their_index + our_index + nonce + party.pack()


def reset(sealed):
    """RESET datagram for a SEALED one whose index is unknown; no longer than it."""
    return bytes((RESET,)) + sealed[1:11] + sealed[len(sealed) - TAG_BYTES :]


def refer(hello, named):
    """REFER datagram for a HELLO that is not answered now; named: packed descriptors, to be no longer than it."""
    return bytes((REFER,)) + hello[1:5] + hello[9:25] + named
