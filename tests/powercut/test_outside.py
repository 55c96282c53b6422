"""The judge of a disk after a power cut: it takes what is whole, and nothing else."""

import hashlib
import subprocess

import cbor2
import outside
import pytest
from outside import Broken, History


class Image:
    """As much of world.Firmware as the judge looks at."""

    def __init__(self, number):
        self.number = number
        self.data = hashlib.sha256(b"%d" % number).digest() * 4096
        self.sequence = 1000 + number
        self.digest = hashlib.sha256(self.data).digest()


ONE, TWO = Image(1), Image(2)


def row(image, good):
    return [1, len(image.data), image.digest, image.sequence, good]


@pytest.fixture
def medium(tmp_path):
    """make(record, slots, floors) gives the bytes of a disk with these files."""

    def make(record, slots, floors=()):
        root = tmp_path / "root/backfence"
        for name in ("state", "slots"):
            (root / name).mkdir(parents=True, exist_ok=True)
        (root / "state/state-slots").write_bytes(record if isinstance(record, bytes) else cbor2.dumps(record))
        (root / "state/state-floors").write_bytes(cbor2.dumps(list(floors)))
        for name, data in slots.items():
            (root / "slots" / name).write_bytes(data)
        image = tmp_path / "disk.img"
        with image.open("wb") as file:
            file.truncate(4 << 20)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tmp_path / "root", image], check=True, capture_output=True)
        return image.read_bytes()

    return make


def history():
    made = History()
    made.known = {image.digest: image for image in (ONE, TWO)}
    return made


def record(confirmed=1, trial=0, starts=0, floor=1001, rows=None):
    return [1, confirmed, trial, starts, 0, floor, [], rows or [row(ONE, True), row(TWO, False)], True]


BOTH = {"slot-a": ONE.data, "slot-b": TWO.data}


def test_a_whole_disk_is_taken_and_says_what_must_run(medium, tmp_path):
    contents = outside.read(medium(record(trial=2, starts=1), BOTH, [[b"x" * 16, 7, 99, b"h"]]), tmp_path)
    history().check(contents, 1001)
    assert contents.chosen() == 2 and contents.floors == {b"x" * 16: 7}
    assert outside.phase(contents, TWO, True) == "trial"
    contents = outside.read(medium(record(trial=2, starts=3), BOTH), tmp_path)
    assert contents.chosen() == 1


@pytest.mark.parametrize("what, made, told", [
    ("a torn slot", (record(trial=2), {**BOTH, "slot-b": TWO.data[:-512] + bytes(512)}), 0),
    ("a short slot", (record(), {**BOTH, "slot-a": ONE.data[:-1]}), 0),
    ("a missing slot", (record(), {"slot-b": TWO.data}), 0),
    ("another image under a right hash", (record(rows=[row(Image(3), True), []]), {"slot-a": Image(3).data}), 0),
    ("a floor below what was told", (record(), BOTH), 1002),
    ("nothing confirmed any more", (record(confirmed=0, floor=1001), BOTH), 1001),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_not_whole_or_went_back_is_refused(medium, tmp_path, what, made, told):
    contents = outside.read(medium(*made), tmp_path)
    with pytest.raises(Broken):
        history().check(contents, told)


def test_a_floor_of_a_manifest_never_goes_back(medium, tmp_path):
    judge = history()
    judge.check(outside.read(medium(record(), BOTH, [[b"x" * 16, 7, 99, b"h"]]), tmp_path), 0)
    with pytest.raises(Broken):
        judge.check(outside.read(medium(record(), BOTH, [[b"x" * 16, 6, 99, b"h"]]), tmp_path), 0)


def test_a_record_that_is_cut_short_is_refused(medium, tmp_path):
    for bad in (b"", cbor2.dumps(record())[:-1], cbor2.dumps(record()) + b"\0"):
        with pytest.raises(Broken):
            outside.read(medium(bad, BOTH), tmp_path)


def test_a_damaged_file_system_is_refused(medium, tmp_path):
    data = bytearray(medium(record(), BOTH))
    data[1024:1024 + (1 << 20)] = bytes(1 << 20)
    with pytest.raises(Broken, match="e2fsck"):
        outside.read(bytes(data), tmp_path)


def test_the_phase_of_a_cut_is_read_from_the_disk(medium, tmp_path):
    def phase(made, running=True, slots=BOTH):
        return outside.phase(outside.read(medium(made, slots), tmp_path), TWO, running)

    nothing = [row(ONE, True), []]
    part = {"slot-a": ONE.data, "slot-b": TWO.data[:outside.PART_BYTES] + bytes(99)}
    assert phase(record(rows=nothing), slots={"slot-a": ONE.data, "slot-b": b""}) == "fetching"
    assert phase(record(rows=nothing), slots=part) == "writing the slot"
    assert phase(record(rows=nothing)) == "image whole"
    assert phase(record(rows=nothing), running=False) == "starting"
    assert phase(record(trial=2)) == "installed"
    assert phase(record(trial=2, starts=1)) == "trial"
    assert phase(record(confirmed=2, rows=[row(ONE, True), row(TWO, True)])) == "confirmed"
