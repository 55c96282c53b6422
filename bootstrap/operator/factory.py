"""A factory's list: the public keys of boxes that made their own, as CSV, read row by row.

    public_key,serial
    8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a,HB2-004711

`public_key` has 64 hexadecimal digits, an X25519 key (RFC 7748); `serial`, up to 64
printable letters, may be left out, whole or for a single row.  Columns may come in any
order, under their names; without names they are these two, in this order.  Empty lines
and lines that begin with # do not count.
"""

import csv

from .errors import OperatorError

COLUMNS = ("public_key", "serial")
SERIAL_LETTERS = 64
# A longer line is no row of a list.
LINE_LETTERS = 1000
# The prime of Curve25519.  A key that is not below it, or has its top bit set, is
# another spelling of a smaller one: one box would have two identities.
_PRIME = (1 << 255) - 19
# Points of small order, below the prime: the secret shared with them is zero (RFC 7748
# section 6.1; https://cr.yp.to/ecdh.html#validate has the list).
_ORDER_8 = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)
_LOW = {number.to_bytes(32, "little") for number in (0, 1, _PRIME - 1, *_ORDER_8)}


def wrong_key(public):
    """Returns what is wrong with a box's public key (bytes), or None."""
    if len(public) != 32:
        return "not a public key: 64 hexadecimal digits are"
    if public[31] & 0x80 or public[31] == 0x7F and int.from_bytes(public, "little") >= _PRIME:
        return "not the one way to write this key: it is not below 2^255 - 19"
    if public in _LOW:
        return "a point of small order, which nobody's private key leads to"
    return None


class Problems:
    """What is wrong with a list, row by row; the first few are told."""

    TOLD = 5

    def __init__(self, path):
        self.path = path
        self._found = {}

    def add(self, row, what):
        """A row (counted from 1, lines of the file) is wrong."""
        if len(self._found) < self.TOLD:
            self._found.setdefault(row, what)
        else:
            self._found.setdefault(row, "")

    def raise_any(self):
        """OperatorError if any row was wrong."""
        if self._found:
            told = sorted((row, what) for row, what in self._found.items() if what)
            more = len(self._found) - len(told)
            lines = "; ".join(f"row {row}: {what}" for row, what in told)
            raise OperatorError(
                f"{self.path}: {lines}" + (f"; and {more:,} more" if more else ""),
                "Nobody was enrolled. Put these rows right, or take them out. docs/cli.md has the form.",
            )


def read(path, problems):
    """Yields (row, public key, serial or None) of a list's good rows; the others go to `problems`."""
    with open(path, encoding="ascii", errors="replace", newline="") as file:
        lines = _Lines(file)
        columns = None
        try:
            for cells in csv.reader(lines, strict=True, skipinitialspace=True):
                cells = [cell.strip() for cell in cells]
                if not any(cells) or cells[0].startswith("#"):
                    continue
                if columns is None:
                    columns = _columns(path, cells)
                    if cells[0] in COLUMNS:
                        continue
                yield from _row(lines.number, cells, columns, problems)
        except csv.Error as error:
            problems.add(lines.number, f"not CSV: {error}")


class _Lines:
    """The lines of a file, counted; an overlong one ends the list."""

    def __init__(self, file):
        self._file = file
        self.number = 0

    def __iter__(self):
        return self

    def __next__(self):
        line = self._file.readline(LINE_LETTERS + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > LINE_LETTERS:
            raise csv.Error(f"a line has more than {LINE_LETTERS} letters")
        return line


def _columns(path, cells):
    if not any(cell in COLUMNS for cell in cells):
        return list(COLUMNS)
    wrong = [cell for cell in cells if cell not in COLUMNS]
    if wrong or COLUMNS[0] not in cells or len(set(cells)) < len(cells):
        raise OperatorError(
            f"{path}: the columns are {', '.join(cells)}", f"They may be {COLUMNS[0]} and {COLUMNS[1]}, no others.")
    return cells


def _row(number, cells, columns, problems):
    if len(cells) > len(columns):
        problems.add(number, f"{len(cells)} columns, and there are {len(columns)}")
        return
    row = dict(zip(columns, cells))
    try:
        public = bytes.fromhex(row.get("public_key", ""))
    except ValueError:
        public = b""
    serial = row.get("serial") or None
    wrong = wrong_key(public)
    if not wrong and serial and (len(serial) > SERIAL_LETTERS or not serial.isprintable() or "\ufffd" in serial):
        wrong = f"a serial has up to {SERIAL_LETTERS} printable ASCII letters"
    if wrong:
        problems.add(number, wrong)
    else:
        yield number, public, serial
