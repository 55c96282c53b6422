"""HSS/LMS signature verification (RFC 8554) with SHA-256, in steps.

A signature shows, for each level, a hash chain end for every digit of a
message's hash; the chains' tops hash to a leaf, and the leaf and its path to
the tree's root.  The top tree's root is in the public key; a tree signs the
public key of the tree below, the lowest one the message.

Parameters: n = m = 32, W4 or W8 chains, trees of height 5, 10 or 15, at most
two levels.  All of a signature is checked for form before the first hash.
"""

from hashlib import sha256 as _sha256

from ..compat import const
from ..errors import RemoteError
from .hashes import equal, sha256

# Two levels of 2**15 leaves: 10**9 signatures, and 2 * 34 chains to check.
MAX_LEVELS = const(2)
PUBLIC_BYTES = const(60)

# Chain hashes in one step: 0.1 ms on x86-64 MicroPython, 4 ms on a router
# forty times slower.
_HASHES_PER_STEP = const(64)

_N = const(32)
_LMS_PUBLIC_BYTES = const(56)

# Typecodes (sections 4.1 and 5.1): tree height, and bits of a chain's digit
# with the number of digits p and the shift of the checksum ls.
_HEIGHTS = {5: 5, 6: 10, 7: 15}
_CHAINS = {3: (4, 67, 4), 4: (8, 34, 0)}

# Domain separators of section 3.1.
_D_PBLC = b"\x80\x80"
_D_MESG = b"\x81\x81"
_D_LEAF = b"\x82\x82"
_D_INTR = b"\x83\x83"


def verify(public_key, message, signature):
    """True if `signature` by HSS key `public_key` (60 bytes) is over `message`.

    Runs a whole Verification.  Raises RemoteError where it does.
    """
    verification = Verification(public_key, message, signature)
    while not verification.step():
        pass
    return verification.valid


class Verification:
    """One HSS verification (section 6.3), a few dozen hashes at a time.

    Call step() until it returns True; `valid` then tells.  The arguments are
    bytes-like and kept until then.  The constructor raises RemoteError for a
    key or signature that is malformed or has parameters not in use here.
    """

    def __init__(self, public_key, message, signature):
        key = memoryview(public_key)
        levels = _u32(key, 0) if len(key) == PUBLIC_BYTES else 0
        if not 1 <= levels <= MAX_LEVELS:
            raise RemoteError("lms: not a public key of one or two levels")
        signature = memoryview(signature)
        if len(signature) < 4 or _u32(signature, 0) != levels - 1:
            raise RemoteError("lms: the signature has another number of levels")
        key = key[4:]
        trees = []
        at = 4
        for _ in range(levels - 1):
            tree = _Tree(key, signature[at:])
            at += tree.size
            key = signature[at : at + _LMS_PUBLIC_BYTES]
            at += _LMS_PUBLIC_BYTES
            trees.append((tree, key))
        tree = _Tree(key, signature[at:])
        if at + tree.size != len(signature):
            raise RemoteError("lms: the signature has another length")
        trees.append((tree, message))
        self.valid = False
        self._steps = self._run(trees)

    def step(self):
        """Do one slice of the work; True when `valid` is final."""
        for _ in self._steps:
            return False
        return True

    def _run(self, trees):
        for tree, message in trees:
            if not (yield from tree.verify(message)):
                return
        self.valid = True


class _Tree:
    """One LMS signature and the key it should verify under (section 5.4.2).

    `key` is 56 bytes; `signature` may be longer than this one's `size`.
    """

    def __init__(self, key, signature):
        if len(key) != _LMS_PUBLIC_BYTES or len(signature) < 8:
            raise RemoteError("lms: the signature is cut short")
        tree_type = _u32(key, 0)
        chain_type = _u32(key, 4)
        if tree_type not in _HEIGHTS or chain_type not in _CHAINS:
            raise RemoteError("lms: parameters not in use")
        self.height = _HEIGHTS[tree_type]
        self.width, self.digits, self.shift = _CHAINS[chain_type]
        # q, type, C, chains | type, path
        self._path_at = 8 + _N + self.digits * _N
        self.size = self._path_at + 4 + self.height * _N
        if len(signature) < self.size:
            raise RemoteError("lms: the signature is cut short")
        if _u32(signature, 4) != chain_type or _u32(signature, self._path_at) != tree_type:
            raise RemoteError("lms: the signature and its key differ in type")
        self.leaf = _u32(signature, 0)
        if self.leaf >> self.height:
            raise RemoteError("lms: no such leaf")
        self._identifier = key[8:24]
        self._root = key[24:]
        self._signature = signature

    def verify(self, message):
        """Generator: yields between slices, returns True if the root is met."""
        signature = self._signature
        identifier = bytes(self._identifier)
        leaf = signature[:4]
        digest = sha256(identifier, leaf, _D_MESG, signature[8 : 8 + _N], message)
        node = yield from self._one_time_key(identifier, leaf, digest)
        number = self.leaf + (1 << self.height)
        node = sha256(identifier, number.to_bytes(4, "big"), _D_LEAF, node)
        at = self._path_at + 4
        while number > 1:
            sibling = signature[at : at + _N]
            at += _N
            parent = (number >> 1).to_bytes(4, "big")
            if number & 1:
                node = sha256(identifier, parent, _D_INTR, sibling, node)
            else:
                node = sha256(identifier, parent, _D_INTR, node, sibling)
            number >>= 1
        return equal(node, self._root)

    def _one_time_key(self, identifier, leaf, digest):
        """Generator: the candidate key Kc of section 4.6, algorithm 4b.

        The hot loop of the file.  One buffer holds the input of every chain
        hash, I || q || i || j || tmp (55 bytes, one SHA-256 block), and only
        the digests come and go.
        """
        buffer = bytearray(23 + _N)
        buffer[:16] = identifier
        buffer[16:20] = leaf
        top = (1 << self.width) - 1
        key = _sha256(identifier)
        key.update(leaf)
        key.update(_D_PBLC)
        left = _HASHES_PER_STEP
        at = 8 + _N
        for i, digit in enumerate(_digits(digest, self.width, self.shift)):
            buffer[21] = i
            buffer[23:] = self._signature[at : at + _N]
            at += _N
            while digit < top:
                stop = min(top, digit + left)
                left -= stop - digit
                for j in range(digit, stop):
                    buffer[22] = j
                    buffer[23:] = _sha256(buffer).digest()
                digit = stop
                if not left:
                    left = _HASHES_PER_STEP
                    yield
            key.update(buffer[23:])
        return key.digest()


def _digits(digest, width, shift):
    """The digits of a 32-byte hash, then of its checksum (sections 3.1.3, 4.4)."""
    digits = list(digest) if width == 8 else _nibbles(digest)
    checksum = len(digits) * ((1 << width) - 1) - sum(digits)
    tail = (checksum << shift).to_bytes(2, "big")
    if width == 8:
        return digits + list(tail)
    return digits + _nibbles(tail)[:3]


def _nibbles(data):
    nibbles = []
    for byte in data:
        nibbles.append(byte >> 4)
        nibbles.append(byte & 15)
    return nibbles


def _u32(data, at):
    return int.from_bytes(data[at : at + 4], "big")
