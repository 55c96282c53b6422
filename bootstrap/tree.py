"""A lot's tree in a file: each box's place in it is found without reading the rest.

    "BFLT" | count 4 | count * public key 32, by identity | nodes 32, level by level

The leaves' hashes are not kept: each follows from its key.  The first level kept is
that of their parents, the last one is the root (RFC 9162 section 2.1; the same tree
as agent/wire/merkle.py).  Nothing in the file is secret, and nobody needs to trust
it: a place proves itself against the root that the operator signed.
"""

import hashlib
import mmap
import os

from ..agent.errors import LocalError
from ..agent.wire import merkle

HASH = 32
HEAD = b"BFLT"
HEAD_BYTES = 8
SUFFIX = ".tree"
# Keys are written so many bytes at a time.
PIECE_BYTES = 1 << 16


def chunks(keys, count):
    """Yields the bytes of the file of `count` public keys, an iterable in the order of their identities.

    Holds one level of the tree, 32 bytes a box.
    """
    yield HEAD + count.to_bytes(4, "big")
    level, piece = bytearray(), bytearray()
    for key in keys:
        level += merkle.leaf(key)
        piece += key
        if len(piece) >= PIECE_BYTES:
            yield piece
            piece = bytearray()
    yield piece
    if len(level) != HASH * count:
        raise LocalError(f"{len(level) // HASH} keys for a tree of {count}")
    while len(level) > HASH:
        level = _parents(level)
        yield level


def _parents(level):
    """The level above; a last node without a partner moves up as it is."""
    sha256, out = hashlib.sha256, bytearray()
    whole = len(level) // (2 * HASH) * 2 * HASH
    for at in range(0, whole, 2 * HASH):
        out += sha256(b"\x01" + level[at:at + 2 * HASH]).digest()
    return out + level[whole:]


class Tree:
    """An open tree file.

        with Tree("lots/lot-1.tree") as tree:
            place = tree.find(identity)
            path = tree.path(place)
    """

    def __init__(self, path):
        """LocalError if the file is no tree; OSError if it cannot be read."""
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(HEAD_BYTES)
            self.count = int.from_bytes(head[4:], "big")
            self._levels, end = self._place_levels()
            if head[:4] != HEAD or not self.count or size != end:
                raise LocalError(f"{path} is not a whole tree of a lot")
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.root = self._node(len(self._levels), 0)

    def _place_levels(self):
        """[offset of each level above the leaves], and where the file ends."""
        at, width, levels = HEAD_BYTES + HASH * self.count, self.count, []
        while width > 1:
            width = (width + 1) // 2
            levels.append(at)
            at += HASH * width
        return levels, at

    def _node(self, level, number):
        if not level:
            return merkle.leaf(self.key(number))
        at = self._levels[level - 1] + HASH * number
        return self._data[at:at + HASH]

    def key(self, place):
        """The public key at a place."""
        at = HEAD_BYTES + HASH * place
        return self._data[at:at + HASH]

    def find(self, identity):
        """The place of the box with this identity (16 bytes), None if it is not in the lot."""
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            here = hashlib.sha256(self.key(middle)).digest()[:16]
            if here == identity:
                return middle
            if here < identity:
                low = middle + 1
            else:
                high = middle
        return None

    def path(self, place):
        """The proof of a place: the siblings' hashes from the leaf up, as merkle.path has it."""
        nodes, width = [], self.count
        for level in range(len(self._levels)):
            if place ^ 1 < width:
                nodes.append(self._node(level, place ^ 1))
            place, width = place // 2, (width + 1) // 2
        return nodes

    def close(self):
        """Gives the file back."""
        self._data.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
