"""What a stranger must bring before any key work is done for him.

A cookie shows that he receives at his address; a token, of which there are a
burst and then a few a second, keeps the box free for its first job.  Whoever
finds no token is referred to other boxes.
"""

from .compat import const
from .limits import STRANGER_BURST, STRANGER_INTERVAL_MS
from .wire.hashes import equal, hmac_sha256

# Cookies hold for this long at least, twice this at most.
COOKIE_MS = const(30000)


class Gate:
    """Cookies and tokens; rng is the node's."""

    def __init__(self, rng, now_ms):
        self._rng = rng
        self._keys = [rng.bytes(32), rng.bytes(32)]
        self.due = now_ms + COOKIE_MS
        self._tokens = STRANGER_BURST
        self._token_ms = now_ms

    def tick(self, now_ms):
        """Change the cookie key when it is time."""
        if now_ms >= self.due:
            self._keys = [self._rng.bytes(32), self._keys[0]]
            self.due = now_ms + COOKIE_MS

    def cookie(self, addr, nonce):
        """16 bytes for whoever hails from a packed address with this nonce."""
        return hmac_sha256(self._keys[0], addr, nonce)[:16]

    def knows(self, cookie, addr, nonce):
        """True for a cookie we gave to that address a short while ago."""
        return equal(cookie, self.cookie(addr, nonce)) or equal(cookie, hmac_sha256(self._keys[1], addr, nonce)[:16])

    def token(self, now_ms):
        """Take a token; False if there is none."""
        passed = (now_ms - self._token_ms) // STRANGER_INTERVAL_MS
        if passed > 0:
            self._tokens = min(STRANGER_BURST, self._tokens + passed)
            self._token_ms += passed * STRANGER_INTERVAL_MS
        if self._tokens <= 0:
            return False
        self._tokens -= 1
        return True
