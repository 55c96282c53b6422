"""Boxes' places in the lots, for who was enrolled anew: looked up, never computed.

    question  1C | identity 16 | zeros to 1,200 bytes
    answer    1D | lot 8 | leaf 4 | n 1 | n * node 32

The folder has what `backfence enrol` and `backfence lot` leave in the fleet's lots/:
the signed list of lots, and each lot's tree.  All of it is public, and a box checks
what it gets against the list.
"""

import os

from ...agent import limits
from ...agent.errors import LocalError, RemoteError
from ...agent.wire import cbor, cose, merkle
from .. import tree as trees

ASK, ANSWER = 0x1C, 0x1D
LIST = "lots-all.cose"
ID_BYTES = 16


class Places:
    """The lots in a folder; a changed list is taken up without a restart."""

    def __init__(self, folder):
        """LocalError if the folder has no list of lots, or lacks the tree of one on it."""
        self.folder = folder
        self._stamp = self._trees = None
        self.data = b""
        self.refresh()

    def refresh(self):
        """Takes up a changed list; returns a line to log, or None.  LocalError leaves the old one."""
        path = os.path.join(self.folder, LIST)
        try:
            found = os.stat(path)
            stamp = found.st_mtime_ns, found.st_ino, found.st_size
            if stamp == self._stamp:
                return None
            with open(path, "rb") as file:
                data = file.read(limits.MANIFEST_BYTES + 1)
            payload = cbor.decode(cose.decode_sign1(data, limits.MANIFEST_BYTES).payload)
            rows = [(root, count, until) for root, count, until in payload["lots"]]
        except OSError as error:
            raise LocalError(f"{path} cannot be read: {error.strerror}") from None
        except (RemoteError, KeyError, TypeError, ValueError):
            raise LocalError(f"{path} is not a signed list of lots") from None
        opened = self._open(rows)
        for tree in self._trees or ():
            tree.close()
        self._stamp, self.data, self._trees = stamp, data, opened
        return f"took up the list of {len(rows)} lots"

    def _open(self, rows):
        """The trees of the lots that stay, the newest first."""
        wanted = {root: count for root, count, until in rows if not until}
        found = {}
        for name in sorted(os.listdir(self.folder)):
            if name.endswith(trees.SUFFIX):
                tree = trees.Tree(os.path.join(self.folder, name))
                if tree.root in wanted and tree.root not in found:
                    found[tree.root] = tree
                else:
                    tree.close()
        if len(found) < len(wanted):
            raise LocalError(f"{self.folder} lacks the trees of {len(wanted) - len(found)} lots of its list")
        return list(found.values())

    def answer(self, question):
        """Returns the answer to one datagram (bytes), or None if it deserves none."""
        if len(question) != limits.DATAGRAM_BYTES or question[0] != ASK or any(question[1 + ID_BYTES:]):
            return None
        for tree in self._trees:
            place = tree.find(question[1:1 + ID_BYTES])
            if place is not None:
                path = tree.path(place)
                return b"".join((
                    bytes((ANSWER,)), merkle.lot_id(tree.root), place.to_bytes(4, "big"), bytes((len(path),)), *path))
        return None
