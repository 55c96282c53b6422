"""Merkle tree hash and inclusion proofs (RFC 9162 section 2.1, first RFC 6962).

Leaves are hashed with a 0x00 in front and nodes with a 0x01, so that no node
can be passed off as a leaf.  `leaves` are leaf hashes: what leaf() returns.
"""

from ..compat import const
from ..errors import LocalError
from .hashes import equal, sha256

# A tree of 2**20 leaves: the largest lot.  A proof is then 640 bytes.
MAX_PATH = const(20)

_LEAF = b"\x00"
_NODE = b"\x01"


def leaf(data):
    """Return the 32-byte hash of one leaf's data."""
    return sha256(_LEAF, data)


def lot_id(root):
    """The 8-byte short id of the lot under a root, as hellos carry it."""
    return sha256(b"backfence lot", root)[:8]


def root(leaves):
    """Return the 32-byte root over a list of leaf hashes (MTH, section 2.1.1)."""
    if not leaves:
        return sha256()
    level = leaves
    while len(level) > 1:
        level = _parents(level)
    return bytes(level[0])


def path(leaves, index):
    """Return the proof for leaf `index`: sibling hashes from the leaf up.

    The same as PATH(index, D) of section 2.1.3.1, level by level.  Raises
    LocalError for an index outside the tree or a tree above 2**MAX_PATH leaves.
    """
    if not 0 <= index < len(leaves) or len(leaves) > 1 << MAX_PATH:
        raise LocalError("merkle: no leaf %d in a tree of %d" % (index, len(leaves)))
    nodes = []
    level = leaves
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            nodes.append(level[sibling])
        level = _parents(level)
        index >>= 1
    return nodes


def verify(leaf, index, count, path, root):
    """True if leaf hash `leaf` is number `index` of the `count` leaves under `root`.

    Section 2.1.3.2.  Never raises on well-typed input: `path` may be any list
    of byte strings, `index` and `count` any ints.
    """
    if not 0 <= index < count or len(path) > MAX_PATH:
        return False
    last = count - 1
    node = leaf
    for sibling in path:
        if last == 0 or len(sibling) != 32:
            return False
        if index & 1 or index == last:
            node = sha256(_NODE, sibling, node)
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            node = sha256(_NODE, node, sibling)
        index >>= 1
        last >>= 1
    return last == 0 and equal(node, root)


def _parents(level):
    """Hash a level in pairs; a last one without a partner moves up as it is."""
    parents = []
    for i in range(0, len(level) - 1, 2):
        parents.append(sha256(_NODE, level[i], level[i + 1]))
    if len(level) & 1:
        parents.append(level[-1])
    return parents
