"""X25519 (RFC 7748) on big integers, in steps that leave time for datagrams.

Big-integer arithmetic is not constant in time.  Both cases of a key bit run
the same operations, and the starting coordinates are multiplied by a random
number (Coron 1999, third countermeasure), so that the numbers an attacker
could time are none that he chose.
"""

from ..compat import const
from ..errors import LocalError, RemoteError

KEY_BYTES = const(32)

# Key bits in one step, some 40 multiplications, and multiplications of the division at the
# end: 2 million instructions of a router's MIPS, 4 ms at 500 MHz (docs/cost.md).
_BITS_PER_STEP = const(4)
_MULTIPLICATIONS_PER_STEP = const(20)

_P = (1 << 255) - 19
_A24 = const(121665)
_BASE = b"\x09" + bytes(31)

# z**(p - 2) as the usual addition chain: square so many times, multiply with
# the numbered earlier result; each line's result gets the next number.  z is 0.
_INVERSION = (
    (1, None),  # 1: z**2
    (2, 0),  # 2: z**9, from line 1
    (0, 1),  # 3: z**11
    (1, 2),  # 4: z**(2**5 - 1), from line 3
    (5, 4),  # 5: z**(2**10 - 1)
    (10, 5),  # 6: z**(2**20 - 1)
    (20, 6),  # 7: z**(2**40 - 1)
    (10, 5),  # 8: z**(2**50 - 1)
    (50, 8),  # 9: z**(2**100 - 1)
    (100, 9),  # 10: z**(2**200 - 1)
    (50, 8),  # 11: z**(2**250 - 1)
    (5, 3),  # 12: z**(2**255 - 21)
)


def public(private):
    """Return the 32-byte public key of a 32-byte private key."""
    return shared(private, _BASE)


def shared(private, peer_public, blind=None):
    """Run a whole Ladder and return its 32-byte result.  Errors as Ladder's."""
    ladder = Ladder(private, peer_public, blind)
    while not ladder.step():
        pass
    return ladder.result


class Ladder:
    """One scalar multiplication, a few bits at a time.

    `private` and `peer_public` are 32 bytes; `blind` is 32 random bytes, new
    for each ladder, or None.  Call step() until it returns True; `result` then
    holds the 32 bytes that both sides share.  Raises RemoteError for a peer key
    of another length, and from the last step on for one of low order (an
    all-zero result, RFC 7748 section 6.1); LocalError for a bad key or blind
    of ours.
    """

    def __init__(self, private, peer_public, blind=None):
        if len(private) != KEY_BYTES or (blind is not None and len(blind) != KEY_BYTES):
            raise LocalError("x25519: private key and blind are 32 bytes each")
        if len(peer_public) != KEY_BYTES:
            raise RemoteError("x25519: a public key is 32 bytes")
        scalar = int.from_bytes(private, "little")
        # Section 5: clear the low 3 bits and the highest, set the one below it.
        scalar = (scalar >> 3 << 3) % (1 << 254) | 1 << 254
        u = int.from_bytes(peer_public, "little") % (1 << 255)
        r = int.from_bytes(blind, "little") % _P if blind else 1
        self.result = None
        self._steps = self._run(scalar, u, r or 1)

    def step(self):
        """Do one slice of the work; True when `result` is there."""
        if self.result is None:
            for _ in self._steps:
                return False
            if self.result is None:
                raise RemoteError("x25519: the peer's key has a low order")
        return True

    def _run(self, scalar, u, r):
        # Points (x : z) are multiples n and n + 1 of (u : 1).
        low = (r, 0)
        high = (u * r % _P, r)
        for first in range(254, -1, -_BITS_PER_STEP):
            bits = min(_BITS_PER_STEP, first + 1)
            window = scalar >> first + 1 - bits
            for bit in range(bits - 1, -1, -1):
                if window >> bit & 1:
                    high, low = _double_and_add(u, high, low)
                else:
                    low, high = _double_and_add(u, low, high)
            yield
        x, z = low
        known = [z]
        done = 0
        for squarings, factor in _INVERSION:
            for _ in range(squarings):
                z = z * z % _P
                done += 1
                if done % _MULTIPLICATIONS_PER_STEP == 0:
                    yield
            if factor is not None:
                z = z * known[factor] % _P
            known.append(z)
        result = (x * z % _P).to_bytes(KEY_BYTES, "little")
        if result != bytes(KEY_BYTES):
            self.result = result


def _double_and_add(u, p, q):
    """Return 2p and p + q, where q - p or p - q has the coordinate u (section 5)."""
    x, z = p
    plus = x + z
    minus = x - z
    x, z = q
    da = (x - z) * plus
    cb = (x + z) * minus
    x = da + cb
    z = da - cb
    x %= _P
    z %= _P
    q = (x * x % _P, z * z % _P * u % _P)
    x = plus * plus % _P
    z = minus * minus % _P
    plus = x - z
    return (x * z % _P, plus * (x + _A24 * plus) % _P), q
