"""The X25519 ladder by libsodium, where the interpreter has ffi and the box the library.

A hundred and fifty times faster than ours, and constant in time, so it needs no blind.
One call is the whole ladder and one step: 0.2 ms on x86-64.
"""

from ..errors import RemoteError
from ..wire.x25519 import KEY_BYTES

try:
    import ffi
except ImportError:  # CPython, the static executable, OpenWrt's micropython-nossl
    ffi = None

# Versions of the interface, newest first; what is used of it has been the same in all.
LIBRARIES = ("libsodium.so.26", "libsodium.so.23")
# RFC 7748 section 6.1: a private key, a public one, and the secret of both.
_PRIVATE = b"\x77\x07\x6d\x0a\x73\x18\xa5\x7d\x3c\x16\xc1\x72\x51\xb2\x66\x45\xdf\x4c\x2f\x87\xeb\xc0\x99\x2a\xb1\x77\xfb\xa5\x1d\xb9\x2c\x2a"
_PUBLIC = b"\xde\x9e\xdb\x7d\x7b\x7d\xc1\xb4\xd3\x5b\x61\xc2\xec\xe4\x35\x37\x3f\x83\x43\xc8\x5b\x78\x67\x4d\xad\xfc\x7e\x14\x6f\x88\x2b\x4f"
_SECRET = b"\x4a\x5d\x9d\x5b\xa4\xce\x2d\xe1\x72\x8e\x3b\xf4\x80\x35\x0f\x25\xe0\x7e\x21\xc9\x47\xd1\x9e\x33\x76\xf0\x9b\x3c\x1e\x16\x17\x42"


def ladder(libraries=LIBRARIES):
    """What computes secrets as x25519.Ladder does, None if no library here gets RFC 7748's right.

    libraries: file names, the first that works is taken.
    """
    for name in libraries if ffi else ():
        try:
            multiply = ffi.open(name).func("i", "crypto_scalarmult_curve25519", "ppp")
            found = Ladder(_PRIVATE, _PUBLIC, None, multiply)
            found.step()
        except (OSError, RemoteError):
            continue
        if found.result == _SECRET:
            return lambda private, public, blind: Ladder(private, public, blind, multiply)
    return None


class Ladder:
    """One scalar multiplication in one step; otherwise as x25519.Ladder, whose private keys are checked at the start."""

    def __init__(self, private, peer_public, blind, multiply):
        if len(peer_public) != KEY_BYTES:
            raise RemoteError("x25519: a public key is 32 bytes")
        self.result = None
        self._arguments = (bytearray(KEY_BYTES), private, peer_public)
        self._multiply = multiply

    def step(self):
        """Do it; True.  RemoteError for a peer's key of low order."""
        if self._multiply(*self._arguments) or not any(self._arguments[0]):
            raise RemoteError("x25519: the peer's key has a low order")
        self.result = bytes(self._arguments[0])
        return True
