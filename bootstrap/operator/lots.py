"""The list of lots: who is in the fleet, by the roots that the operator signs.

There is one list, and each version is the whole of it.  Enrolling puts a lot on it;
a lot that is taken off has ended, and its boxes are in the fleet no more.
"""

import itertools
import time

from ...agent import limits
from . import manifests, revoke
from .errors import OperatorError

BOXES = 1 << limits.PATH_NODES
# Boxes of a lot that is replaced have so long to be on line once.
OVERLAP_S = 30 * manifests.DAY_S
# By so much may a box's clock be behind when a lot's time is over.
MARGIN_S = manifests.DAY_S
_STAGED = """CREATE TEMP TABLE staged (id BLOB, public BLOB, serial TEXT, address TEXT, home TEXT, before BLOB, line INTEGER)"""


def rows(fleet, now_s=None):
    """Returns the list's rows, [root, count, until], without lots whose time is over."""
    now_s = time.time() if now_s is None else now_s
    return [[lot.root, lot.count, lot.until] for lot in fleet.lots().values() if not lot.until or lot.until > now_s]


def enrol(fleet, numbered, problems):
    """Enrols boxes as one lot, signs the list that names it, and returns the lot's name.

    numbered: an iterable of (line, Box), read once and a few at a time.  OperatorError,
    and nothing has changed, if `problems` (factory.Problems) has a line, or gets one here.
    """
    before = rows(fleet)
    if len(before) >= limits.LOTS:
        raise OperatorError(
            f"a box believes in {limits.LOTS} lots and this fleet has as many",
            "Enrol more boxes at once, in fewer lots; `backfence lot replace` makes one of several.",
        )
    db = fleet.register.db
    db.execute("DROP TABLE IF EXISTS temp.staged")
    db.execute(_STAGED)
    with fleet.register.change():
        _stage(db, numbered)
        _check(fleet, db, problems)
        lot = fleet.register.next_lot()
        _succeed(db)
        db.execute(
            "INSERT OR REPLACE INTO boxes SELECT id, public, ?, ROW_NUMBER() OVER (ORDER BY id) - 1, "
            "serial, address, home, before FROM temp.staged ORDER BY id", (lot,))
        root, count = fleet.register.plant(lot)
        fleet.sign(manifests.lots_manifest(fleet, [*before, [root, count, 0]]))
    db.execute("DROP TABLE temp.staged")
    return lot


def _stage(db, numbered):
    counted = itertools.islice(numbered, BOXES + 1)
    db.executemany(
        "INSERT INTO temp.staged VALUES (?, ?, ?, ?, ?, ?, ?)",
        ((box.id, box.public, box.serial, box.address, box.home, box.before, line) for line, box in counted))
    db.execute("CREATE INDEX temp.staged_id ON staged (id)")


def _succeed(db):
    """What the operator knows of a box whose key is renewed goes over to the new one."""
    olds = "SELECT before FROM temp.staged WHERE before IS NOT NULL"
    db.execute(
        "UPDATE temp.staged AS new SET (serial, address, home) = "
        "(SELECT serial, address, home FROM boxes WHERE boxes.id = new.before) WHERE before IS NOT NULL")
    db.execute(f"UPDATE boxes SET serial = NULL, address = '', home = '' WHERE id IN ({olds})")


def _check(fleet, db, problems):
    """Whom the list names twice, and who is enrolled already."""
    for what, name in (("id", "key"), ("serial", "serial")):
        twice = db.execute(
            f"SELECT line, first FROM (SELECT line, MIN(line) OVER (PARTITION BY {what}) AS first "
            f"FROM temp.staged WHERE {what} IS NOT NULL) WHERE line > first")
        for line, first in twice:
            problems.add(line, f"the {name} of row {first} again")
        known = db.execute(
            f"SELECT line, lot, hex(boxes.id) FROM temp.staged JOIN boxes USING ({what})")
        listed = fleet.lots()
        for line, lot, id in known:
            if lot in listed:
                problems.add(line, f"this {name} is enrolled already, box {id.lower()} in {lot}")
    problems.raise_any()
    count = db.execute("SELECT COUNT(*) FROM temp.staged").fetchone()[0]
    if not count:
        raise OperatorError("there are no boxes to enrol")
    if count > BOXES:
        raise OperatorError(f"{problems.path}: more than {BOXES:,} boxes", "A lot holds as many; enrol them in several.")


def replace(fleet, names=(), without=(), overlap_s=OVERLAP_S, now_s=None):
    """Enrols the honest boxes of some lots anew, as one lot; returns (new name, replaced names).

    names: lots that stay so far; by default those with a revoked box.  without:
    identities that are left out too.  The old lots stay on the list for overlap_s, in
    which their boxes ask for their new places; who is left out is silent from then on.
    """
    now_s = int(time.time() if now_s is None else now_s)
    listed, known = fleet.lots(), fleet.boxes()
    gone = {*revoke.due(fleet), *without}
    found = {known[id].lot for id in gone if id in known}
    names = sorted(names or {name for name in found if not listed[name].until})
    for name in names:
        if name not in listed or listed[name].until:
            raise OperatorError(f"{name} is no lot that stays", "See `backfence lot list`.")
    if not names:
        raise OperatorError("no lot has a revoked box", "Name the lots to be replaced by one: `backfence lot list`.")
    ends = {listed[name].root for name in names}
    before = [[root, count, now_s + overlap_s if root in ends else until] for root, count, until in rows(fleet, now_s)]
    if len(before) >= limits.LOTS:
        raise OperatorError(
            f"the list has {limits.LOTS} lots already", "Wait until a replaced one has ended, or end one: `backfence lot end`.")
    db, marks = fleet.register.db, ", ".join("?" * len(names))
    db.execute("DROP TABLE IF EXISTS temp.left_out")
    db.execute("CREATE TEMP TABLE left_out (id BLOB PRIMARY KEY)")
    with fleet.register.change():
        db.executemany("INSERT INTO temp.left_out VALUES (?)", ((id,) for id in gone))
        chosen = f"lot IN ({marks}) AND id NOT IN (SELECT id FROM temp.left_out)"
        count = db.execute(f"SELECT COUNT(*) FROM boxes WHERE {chosen}", names).fetchone()[0]
        if not 0 < count <= BOXES:
            hint = "Replace fewer lots at once." if count else "End them: `backfence lot end`."
            raise OperatorError(f"{count:,} boxes would remain; a lot has 1 to {BOXES:,}", hint)
        new = fleet.register.next_lot()
        db.execute(
            f"UPDATE boxes SET lot = ?, place = moved.place FROM (SELECT id AS mover, ROW_NUMBER() OVER (ORDER BY id) - 1 "
            f"AS place FROM boxes WHERE {chosen}) AS moved WHERE id = mover", (new, *names))
        root, count = fleet.register.plant(new)
        fleet.sign(manifests.lots_manifest(fleet, [*before, [root, count, 0]], issued=now_s))
    db.execute("DROP TABLE temp.left_out")
    return new, names


def end(fleet, name, now_s=None):
    """Takes a lot off the list: all its boxes are silent from then on.  Returns whether its time was over already."""
    now_s = time.time() if now_s is None else now_s
    listed = fleet.lots()
    if name not in listed:
        raise OperatorError(f"{name} is no lot of this fleet's list", "See `backfence lot list`.")
    rest = [row for row in rows(fleet, now_s) if row[0] != listed[name].root]
    if not any(not until for _, _, until in rest):
        raise OperatorError(f"{name} is the last lot that stays: the fleet would end", "Enrol boxes in another lot first.")
    fleet.sign(manifests.lots_manifest(fleet, rest))
    return bool(listed[name].until) and listed[name].until + MARGIN_S < now_s
