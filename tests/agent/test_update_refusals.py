"""What a box refuses of firmware, and why; what is then on its disk, and what runs.

Each row starts from a fleet that runs a confirmed image from a slot:

| what comes | who refuses it | counted as |
|---|---|---|
| a manifest under another operator's key | whoever reads it first; it is told to nobody | manifests_bad |
| one for another vendor, class, or processor | the box; it tells it on, for others may want it | updates_foreign |
| an older sequence number of the same name | whoever reads it | manifests_old |
| an older sequence number under another name | the box, by its floor | updates_refused |
| one that has expired | whoever reads it | manifests_expired |
| one that expires while its parts come | the box drops it | manifests_expired |
| an image larger than a slot | the box, before it fetches anything | updates_refused |
| an image with a part missing, or cut short | the box, at the index or the part | updates_broken |
| an image that is not the one signed | the box, when it has read it back | updates_broken |
| a part that is not what its hash says | the box; that sender is shunned | blobs_bad |
| any, while the disk refuses the slot | the box, which tries again later | updates_unwritten |
| any, while the disk refuses the record | the box, which tries again later | updates_unwritten |

After each: the record on the disk is as it was, to the byte; that slot holds what it held
and runs on, before and after a power cut; and the next good update is installed.
"""

import errno
import sys
from pathlib import Path

from backfence.agent import slots
from backfence.firmware_pkg import suit

sys.path.insert(0, str(Path(__file__).parent))
import updating  # noqa: E402
from updating import (  # noqa: E402
    DAY_S, IMAGE_BYTES, altered, confirmed, fleet, holds, image, plan, push, record, sequence_of, total,
)

FIRST = image("good 1")


def wrong_key(lab, other):
    """Signed by somebody else, and made to look as if it were ours."""
    made = plan(lab, other)
    stranger = fleet(1, seed=2).fleet
    assert stranger.operator != lab.fleet.operator
    signed = stranger.sign_firmware(made)
    lab.operator.push_firmware(made, signed.replace(kid(stranger), kid(lab.fleet)))


def kid(fleet):
    return updating.hashlib.sha256(fleet.operator).digest()[:16]


def wrong_vendor(lab, other):
    push(lab, other, vendor=suit.vendor_id("other.example"))


def wrong_class(lab, other):
    push(lab, other, klass=suit.class_id(updating.VENDOR, "homebox-2"))


def wrong_component(lab, other):
    push(lab, other, target="riscv64")


def older_sequence(lab, other):
    push(lab, other, age_s=DAY_S)


def older_sequence_of_another_name(lab, other):
    push(lab, other, target="amd64", age_s=DAY_S)


def expired(lab, other):
    made = plan(lab, other, valid_s=5)
    signed = lab.fleet.sign_firmware(made)
    lab.go(10_000)
    lab.operator.push_firmware(made, signed)


def expires_meanwhile(lab, other):
    made = plan(lab, other, valid_s=20)
    parts = sorted(made.blobs, key=lambda digest: len(made.blobs[digest]))
    made.blobs.pop(parts[-1])  # one part is not to be had
    lab.operator.push_firmware(made)
    lab.go(10_000)
    assert any(box.node.update.status()["fetching"] for box in lab.world.boxes)


def too_large(lab, _):
    push(lab, image("large", updating.SLOT_KB * 1024 + 1))


def part_missing(lab, other):
    made = plan(lab, other)
    index, blobs = suit.cut(other[: -IMAGE_BYTES % 32768 - 32768])
    was, _ = suit.cut(other)
    lab.operator.push_firmware(suit_with(made, was, index, blobs))


def part_short(lab, other):
    made = plan(lab, other)
    index, blobs = suit.cut(other[:-1])
    was, _ = suit.cut(other)
    lab.operator.push_firmware(suit_with(made, was, index, blobs))


def suit_with(made, was, index, blobs):
    """A plan that names another index."""
    made = altered(made, suit.index_uri(was).encode(), suit.index_uri(index).encode())
    return suit.Plan(made.manifest, made.digest, blobs)


def wrong_whole(lab, other):
    digest = updating.hashlib.sha256
    lab.operator.push_firmware(altered(plan(lab, other), digest(other).digest(), digest(FIRST + b"!").digest()))


def wrong_part(lab, other):
    """The door serves one part with a bit turned, for a while."""
    made = plan(lab, other)
    victim = sorted(made.blobs)[0]
    door = lab.world.boxes[0].node.store
    read = door.read

    def turned(digest, offset, count):
        data = read(digest, offset, count)
        return data[:-1] + bytes((data[-1] ^ 1,)) if digest == victim and data else data

    door.read = turned
    lab.operator.push_firmware(made)


def disk_full_for_the_slot(lab, other):
    for box in lab.world.boxes:
        refuse(box.disk, "write_at", slots.NAMES[slots.SLOT_A + slots.SLOT_B - box.running.slot])
    push(lab, other)


def disk_full_for_the_record(lab, other):
    for box in lab.world.boxes:
        refuse(box.disk, "write", "state-slots")
    push(lab, other)


def refuse(disk, method, name):
    """From now on the disk has no room for this file."""
    was = getattr(disk, method)

    def full(asked, *arguments):
        if asked == name:
            raise OSError(errno.ENOSPC, asked)
        was(asked, *arguments)

    setattr(disk, method, full)


# what comes: (how, counter, what status.json says of the refusal)
ROWS = {
    "wrong key": (wrong_key, "manifests_bad", None),
    "wrong vendor": (wrong_vendor, "updates_foreign", "it is for another vendor's boxes"),
    "wrong class": (wrong_class, "updates_foreign", "it is for another class of boxes"),
    "wrong component": (wrong_component, "updates_foreign", "its component does not run on this box"),
    "older sequence": (older_sequence, "manifests_old", None),
    "older sequence of another name": (
        older_sequence_of_another_name, "updates_refused", "its sequence is not above that of what was confirmed"),
    "expired": (expired, "manifests_expired", None),
    "expires meanwhile": (expires_meanwhile, "manifests_expired", None),
    "too large": (too_large, "updates_refused", "its 262145 bytes are more than a slot holds"),
    "a part missing": (part_missing, "updates_broken", "its index has 64 bytes for 3 parts"),
    "a part cut short": (part_short, "updates_broken", "its part 2 has 4463 bytes"),
    "the wrong whole": (wrong_whole, "updates_broken", "the image is not what was signed"),
    "a wrong part": (wrong_part, "blobs_bad", None),
    "no room for the slot": (disk_full_for_the_slot, "updates_unwritten", "the disk refused the slot: error 28"),
    "no room for the record": (disk_full_for_the_record, "updates_unwritten", "the disk refused the record"),
}


def test_what_is_refused_changes_nothing():
    lab = fleet(2, components=("mpy6", "amd64"))
    good = push(lab, FIRST)
    lab.until("the first image", confirmed(lab, good), 300)
    runs, holding = slots.SLOT_A, FIRST
    for what in ROWS:
        refused(lab, what, runs, holding)
        # The next good one is installed.
        holding = image("good after " + what)
        good = push(lab, holding)
        lab.until("a good one after " + what, confirmed(lab, good), 600)
        runs = lab.world.boxes[1].running.slot
        assert holds(lab.world.boxes[1], runs, holding), what


def refused(lab, what, runs, holding):
    """One row: it is refused, and then this slot still runs and still holds this."""
    how, counter, said = ROWS[what]
    door, box = lab.world.boxes
    before = bytes(box.disk.read("state-slots", 0, 999))
    history = list(box.launcher.history)
    counted = total(lab, counter), box.node.counters[counter]
    how(lab, image("other, " + what))
    lab.until(what + " is refused", lambda: "" if total(lab, counter) > counted[0] else "not yet", 60)
    lab.go(15_000)
    assert bytes(box.disk.read("state-slots", 0, 999)) == before, what
    assert holds(box, runs, holding), what
    assert box.live and box.running.slot == runs and box.launcher.history == history, what
    if said:
        assert box.node.update.status()["refused"].endswith(said), (what, box.node.update.status())
        assert box.node.counters[counter] == counted[1] + 1, what
    elif what == "a wrong part":
        assert box.node.chunks.shunned(door.node.id)
        assert box.node.update.status()["fetching"]["written"] < 3
    else:
        assert box.node.update.status()["fetching"] is None, what
    for name in ("write", "write_at"):
        box.disk.__dict__.pop(name, None)
        door.disk.__dict__.pop(name, None)
    door.node.store.__dict__.pop("read", None)
    # The power goes: the same runs again.
    for one in (door, box):
        one.crash("torn")
        one.start()
    assert box.running.slot == runs, what
    lab.go(10_000)


def test_the_table_above_has_every_row():
    rows = [line.split("|") for line in __doc__.splitlines() if line.startswith("| ")]
    assert {row[3].strip() for row in rows[1:]} == {counter for _, counter, _ in ROWS.values()}


def test_what_was_refused_for_its_disk_is_installed_later():
    lab = fleet(2)
    for box in lab.world.boxes:
        refuse(box.disk, "write_at", "slot-a")
    sequence = push(lab, FIRST)
    lab.until("it is refused", lambda: "" if total(lab, "updates_unwritten") == 2 else "not yet", 60)
    for box in lab.world.boxes:
        del box.disk.write_at
        written = box.disk.written
    lab.go(500_000)
    # Each try writes flash, so there is time between them.
    assert box.disk.written < written + len(FIRST)
    lab.until("it is tried again", confirmed(lab, sequence), 300)
    assert sequence == record(box).floor


def test_a_newer_image_does_not_wait_for_the_next_try():
    lab = fleet(2)
    for box in lab.world.boxes:
        refuse(box.disk, "write", "state-slots")
    push(lab, FIRST)
    lab.until("it is refused", lambda: "" if total(lab, "updates_unwritten") == 2 else "not yet", 60)
    for box in lab.world.boxes:
        del box.disk.write
    sequence = push(lab, image("good 2"))
    lab.until("the newer", confirmed(lab, sequence), 120)


def test_a_broken_image_is_not_fetched_twice():
    lab = fleet(2)
    wrong_whole(lab, image("other"))
    lab.until("it is refused", lambda: "" if total(lab, "updates_broken") == 2 else "not yet", 60)
    written = lab.world.boxes[1].node.counters["slot_bytes"]
    lab.go(300_000)
    assert lab.world.boxes[1].node.counters["slot_bytes"] == written == IMAGE_BYTES
    assert sequence_of(plan(lab, FIRST)) > 0
