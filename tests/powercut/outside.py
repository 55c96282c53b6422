"""What is on the disk after a power cut, read from outside, and what must hold of it.

Nothing of the agent reads here: e2fsck replays the journal of a copy, debugfs takes the
files out, cbor2 reads the record.
"""

import dataclasses
import hashlib
import io
import shutil
import subprocess
from pathlib import Path

import cbor2

PACKAGED = 0
TRIAL_STARTS = 3
SLOTS = {1: "slot-a", 2: "slot-b"}
PART_BYTES = 32768
# e2fsck -p: clean, or mended without a question.
GOOD = (0, 1)


class Broken(Exception):
    """A power cut left what must never be; the text says what."""


@dataclasses.dataclass
class Row:
    """A slot's image as the record has it."""

    kind: int
    size: int
    digest: bytes
    sequence: int
    good: bool


@dataclasses.dataclass
class Contents:
    """The files of a box.  record: None if there is none yet; slots: {number: bytes}."""

    confirmed: int
    trial: int
    starts: int
    crashes: int
    floor: int
    failed: list
    rows: dict
    slots: dict
    floors: dict

    def chosen(self):
        """The slot that the launcher must start now."""
        return self.trial if self.trial and self.starts < TRIAL_STARTS else self.confirmed


def read(medium, work):
    """Contents of a disk's medium (bytes); Broken if it has no sound file system or record."""
    folder = Path(work) / "outside"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    copy = folder / "copy.img"
    copy.write_bytes(medium)
    check = subprocess.run(["e2fsck", "-f", "-p", copy], capture_output=True, text=True)
    if check.returncode not in GOOD:
        raise Broken(f"e2fsck: {check.stdout.strip()[-300:]}")
    subprocess.run(["debugfs", "-R", f"rdump /backfence {folder}", copy], check=True, capture_output=True)
    home = folder / "backfence"
    slots = {number: _file(home / "slots" / name) for number, name in SLOTS.items()}
    floors = {row[0]: row[1] for row in _decode(home / "state/state-floors", [])}
    fields = _decode(home / "state/state-slots", [1, 0, 0, 0, 0, 0, [], [[], []], False])
    rows = {number: Row(*row) if row else None for number, row in zip(SLOTS, fields[7])}
    return Contents(*fields[1:7], rows, slots, floors)


def _file(path):
    return path.read_bytes() if path.exists() else b""


def _decode(path, missing):
    """The value in a file of CBOR; Broken if the file is there and is not whole."""
    data = _file(path)
    if not path.exists():
        return missing
    try:
        stream = io.BytesIO(data)
        value = cbor2.load(stream)
    except (cbor2.CBORDecodeError, EOFError) as error:
        raise Broken(f"{path.name} ({len(data)} bytes) is not whole: {error}") from None
    if stream.tell() != len(data) or not isinstance(value, list):
        raise Broken(f"{path.name} ({len(data)} bytes) is not whole")
    return value


class History:
    """What was on a box's disk before, and must still be true.

    known: {digest: world.Firmware} of all images that were ever published for the box.
    """

    def __init__(self):
        self.known = {}
        self.floor = 0
        self.confirmed = 0  # its sequence
        self.floors = {}

    def check(self, contents, told_floor):
        """Raises Broken unless the disk's contents are old or new, whole, and never back.

        told_floor: the highest sequence that the agent called confirmed before the cut.
        """
        for what, slot in (("confirmed", contents.confirmed), ("on trial", contents.trial)):
            if slot:
                self._whole(contents, slot, what)
        if contents.floor < max(self.floor, told_floor):
            raise Broken(f"the floor is {contents.floor} and was {max(self.floor, told_floor)}")
        sequence = contents.rows[contents.confirmed].sequence if contents.confirmed else 0
        if sequence < max(self.confirmed, told_floor):
            raise Broken(f"confirmed is {sequence or 'nothing'} and was {max(self.confirmed, told_floor)}")
        for name, lowest in self.floors.items():
            if contents.floors.get(name, 0) < lowest:
                raise Broken(f"the floor of manifest {name.hex()} is {contents.floors.get(name)} and was {lowest}")
        self.floor, self.confirmed, self.floors = contents.floor, sequence, contents.floors

    def _whole(self, contents, slot, what):
        row, data = contents.rows[slot], contents.slots[slot]
        name = f"{SLOTS[slot]}, {what},"
        if row is None:
            raise Broken(f"{name} has no row in the record")
        if len(data) != row.size or hashlib.sha256(data).digest() != row.digest:
            raise Broken(f"{name} is not whole: {_same(data, self.known.get(row.digest))}")
        firmware = self.known.get(row.digest)
        if firmware is None or firmware.data != data or firmware.sequence != row.sequence:
            raise Broken(f"{name} is nothing that was ever published")


def _same(data, firmware):
    if firmware is None:
        return f"{len(data)} bytes of nothing that was published"
    right = sum(a == b for a, b in zip(data, firmware.data))
    return f"{right} of {len(firmware.data)} bytes are right"


def phase(contents, firmware, running):
    """Where in its update to `firmware` the box was when its power was cut.

    running: False if the agent had not begun to turn.
    """
    if firmware is None:
        return "at rest" if running else "starting"
    row = contents.rows.get(contents.confirmed)
    if row and row.digest == firmware.digest:
        return "confirmed" if running else "starting"
    row = contents.rows.get(contents.trial)
    if row and row.digest == firmware.digest:
        return "trial" if contents.starts else "installed"
    if not running:
        return "starting"
    for slot, data in contents.slots.items():
        if data == firmware.data and slot != contents.confirmed:
            return "image whole"
        if slot != contents.confirmed and any(
            part and part == firmware.data[at:at + PART_BYTES]
            for at in range(0, len(firmware.data), PART_BYTES)
            for part in [data[at:at + PART_BYTES]]
        ):
            return "writing the slot"
    return "fetching"
