"""The record of the fleet's boxes and lots: one SQLite file, read a row at a time.

A change is one transaction, and the signed list of lots is a part of it: whatever
is cut off leaves the old record with the old list, or the new one with the new.
Beside it lots/ has what anybody may see: that list, and each lot's tree.
"""

import contextlib
import dataclasses
import hashlib
import os
import sqlite3

from ...agent import manifest
from ...agent.errors import LocalError
from ...agent.wire import cbor, cose
from .. import tree as trees
from . import files
from .errors import OperatorError

FILE = "boxes.db"
LABEL = f"lots-{manifest.LIST_NAME}"
_SCHEMA = """
CREATE TABLE boxes (
    id BLOB PRIMARY KEY, public BLOB NOT NULL, lot TEXT NOT NULL, place INTEGER NOT NULL,
    serial TEXT, address TEXT NOT NULL, home TEXT NOT NULL, before BLOB
) WITHOUT ROWID;
CREATE UNIQUE INDEX boxes_place ON boxes (lot, place);
CREATE UNIQUE INDEX boxes_serial ON boxes (serial) WHERE serial IS NOT NULL;
CREATE UNIQUE INDEX boxes_before ON boxes (before) WHERE before IS NOT NULL;
CREATE INDEX boxes_home ON boxes (home) WHERE home != '';
CREATE TABLE lots (name TEXT PRIMARY KEY, root BLOB NOT NULL, count INTEGER NOT NULL);
CREATE TABLE list (one INTEGER PRIMARY KEY CHECK (one = 1), signed BLOB NOT NULL);
PRAGMA user_version = 1;
"""
_COLUMNS = "id, public, lot, place, serial, address, home, before"


@dataclasses.dataclass
class Box:
    """id: 16 bytes; public: X25519 public key; lot, place: where its proof is; serial:
    the maker's, or None; address: host:port or ""; home: its home directory or "" when
    only the box itself has it; before: the identity that it had before its key was
    renewed, or None."""

    id: bytes
    public: bytes
    lot: str = ""
    place: int = 0
    serial: str | None = None
    address: str = ""
    home: str = ""
    before: bytes | None = None


@dataclasses.dataclass
class Lot:
    """A lot on the list: its name, root, number of boxes, and when it ends (Unix seconds, 0: it stays)."""

    name: str
    root: bytes
    count: int
    until: int


def box_id(public):
    """Returns a box's identity: the first 16 bytes of its key's SHA-256."""
    return hashlib.sha256(public).digest()[:16]


class Register:
    """The record in a fleet's directory; made when it is first opened."""

    def __init__(self, directory):
        self._folder = os.path.join(directory, "lots")
        path = os.path.join(directory, FILE)
        self.db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            if not self.db.execute("PRAGMA user_version").fetchone()[0]:
                self._make()
        except sqlite3.DatabaseError as error:
            raise OperatorError(f"{path} is damaged: {error}", "Restore that file from a backup.") from None
        self._publish()

    def _make(self):
        with self.change():
            # Another process may have been first.
            if not self.db.execute("PRAGMA user_version").fetchone()[0]:
                for statement in _SCHEMA.split(";"):
                    self.db.execute(statement)

    @contextlib.contextmanager
    def change(self):
        """All that happens inside counts when it ends, or nothing does."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            # Held by another process for a minute, or no room on the disk.
            raise OperatorError(f"{FILE} could not be changed: {error}", "Nothing has changed; try again.") from None
        self._publish()

    def keep_list(self, signed):
        """Takes a signed list of lots in place of the last."""
        self.db.execute("INSERT OR REPLACE INTO list VALUES (1, ?)", (signed,))
        if not self.db.in_transaction:
            self._publish()

    def signed_list(self):
        """Returns the signed list of lots, None before the first."""
        row = self._one("SELECT signed FROM list") if self._one("PRAGMA user_version")[0] else None
        return row and row[0]

    def _publish(self):
        """Puts the list where the controller has it from."""
        signed, path = self.signed_list(), self.list_path()
        if signed and not self.db.in_transaction and (not os.path.exists(path) or files.read(path) != signed):
            files.write_whole(path, signed)

    def list_path(self):
        """Returns the file of the signed list."""
        return os.path.join(self._folder, LABEL + ".cose")

    def tree_path(self, lot):
        """Returns the file of a lot's tree."""
        return os.path.join(self._folder, lot + trees.SUFFIX)

    def lots(self):
        """Returns {name: Lot} of the lots on the list."""
        signed = self.signed_list()
        if signed is None:
            return {}
        rows = cbor.decode(cose.decode_sign1(signed, len(signed)).payload)["lots"]
        names = {root: name for name, root in self.db.execute("SELECT name, root FROM lots")}
        return {names[root]: Lot(names[root], root, count, until) for root, count, until in rows}

    def first_id(self, id):
        """Returns the identity that a box had at first, before its keys were renewed."""
        while True:
            row = self._one("SELECT before FROM boxes WHERE id = ?", id)
            if row is None or row[0] is None:
                return id
            id = row[0]

    def successor(self, id):
        """Returns the identity that took a box's place when its key was renewed, or None."""
        row = self._one("SELECT id FROM boxes WHERE before = ?", id)
        return row and row[0]

    def renewed(self):
        """Returns the identities of lots on the list whose keys were renewed: they belong on the list of revoked boxes."""
        lots = list(self.lots())
        marks = ", ".join("?" * len(lots))
        return [id for id, in self.db.execute(
            f"SELECT id FROM boxes WHERE lot IN ({marks}) AND id IN (SELECT before FROM boxes) ORDER BY id", lots)]

    def next_lot(self):
        """Returns a name that no lot had yet."""
        return f"lot-{self._one('SELECT COUNT(*) FROM lots')[0] + 1}"

    def plant(self, lot):
        """Writes the tree of a lot's boxes, numbered already; returns its root and their count."""
        count = self._one("SELECT COUNT(*) FROM boxes WHERE lot = ?", lot)[0]
        keys = self.db.execute("SELECT public FROM boxes WHERE lot = ? ORDER BY place", (lot,))
        files.write_parts(self.tree_path(lot), trees.chunks((key for key, in keys), count))
        with self.tree(lot) as tree:
            root = tree.root
        self.db.execute("INSERT INTO lots VALUES (?, ?, ?)", (lot, root, count))
        return root, count

    def tree(self, lot):
        """Returns a lot's open Tree."""
        try:
            return trees.Tree(self.tree_path(lot))
        except (OSError, LocalError) as error:
            raise OperatorError(f"the tree of {lot}: {error}", "Restore lots/ and boxes.db from one backup.") from None

    def _one(self, query, *values):
        return self.db.execute(query, values).fetchone()


class Boxes:
    """The enrolled boxes, {id: Box}, those of lots on the list; read from the disk as they are asked for."""

    def __init__(self, register):
        self._register = register
        self.db = register.db

    def _rows(self, where="", values=(), columns=_COLUMNS):
        lots = list(self._register.lots())
        marks = ", ".join("?" * len(lots))
        return self.db.execute(f"SELECT {columns} FROM boxes WHERE lot IN ({marks}) {where}", (*lots, *values))

    def get(self, id, default=None):
        """Returns the Box with an identity, or `default`."""
        row = self.db.execute(f"SELECT {_COLUMNS} FROM boxes WHERE id = ?", (id,)).fetchone()
        return Box(*row) if row and row[2] in self._register.lots() else default

    def __getitem__(self, id):
        box = self.get(id)
        if box is None:
            raise KeyError(id)
        return box

    def __contains__(self, id):
        return self.get(id) is not None

    def __len__(self):
        return self._rows(columns="COUNT(*)").fetchone()[0]

    def __iter__(self):
        """Yields identities in order."""
        return (id for id, in self._rows("ORDER BY id", columns="id"))

    def values(self):
        """Yields each Box, in the order of their identities."""
        return (Box(*row) for row in self._rows("ORDER BY id"))

    def items(self):
        """Yields (id, Box), in that order."""
        return ((box.id, box) for box in self.values())

    def beginning(self, digits, most=2):
        """Returns at most `most` identities whose hexadecimal form begins with `digits`."""
        try:
            low = bytes.fromhex(digits.ljust(32, "0"))
            high = bytes.fromhex(digits.ljust(32, "f"))
        except ValueError:
            return []
        rows = self._rows("AND id BETWEEN ? AND ? ORDER BY id LIMIT ?", (low, high, most), "id")
        return [id for id, in rows] if len(low) == 16 else []

    def with_serial(self, serial):
        """Returns the Box with a maker's serial number, or None."""
        row = self._rows("AND serial = ?", (serial,)).fetchone()
        return row and Box(*row)

    def of_lot(self, lot):
        """Yields each Box of a lot in the order of its tree."""
        return (Box(*row) for row in self._rows("AND lot = ? ORDER BY place", (lot,)))

    def at_hand(self):
        """Yields each Box whose home is a directory here."""
        for row in self._rows("AND home != '' ORDER BY home"):
            if os.path.isdir(row[6]):
                yield Box(*row)

    def with_address(self, most):
        """Returns at most `most` Boxes whose address is known, in the order of their homes."""
        return [Box(*row) for row in self._rows("AND address != '' ORDER BY home LIMIT ?", (most,))]
