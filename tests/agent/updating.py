"""A small fleet in virtual time whose boxes have launchers, and firmware for it."""

import hashlib

import cbor2

from backfence.agent import slots
from backfence.firmware_pkg import suit
from backfence.sim.lab import Lab
from backfence.sim.launcher import Launcher

VENDOR = suit.vendor_id("isp.example")
CLASS = suit.class_id(VENDOR, "box")
DAY_S = 86400
# Three parts, the last of them short.
IMAGE_BYTES = 70_000
SLOT_KB = 256


def image(word, size=IMAGE_BYTES):
    """An image whose first word says what it does; see sim/launcher.py."""
    pattern = hashlib.sha512(word.encode()).digest()
    return (word.encode() + b" " + b"".join(pattern + bytes((n & 255, n >> 8)) for n in range(size // 66 + 1)))[:size]


def fleet(boxes=3, seed=1, components=("mpy6",), **settings):
    """A lab whose boxes have met; the first is a door."""
    settings = {"vendor": "isp.example", "slot_kb": str(SLOT_KB), "trial_s": "60", "round_ms": "5000",
                "busy_round_ms": "500", **settings}
    lab = Lab("update", boxes, seed, speech="plain", **settings)
    lab.boot(doors=1, spread_s=1)
    for box in lab.world.boxes:
        box.launcher = Launcher(components)
    lab.until("the boxes meet", lab.connected, 60)
    return lab


def plan(lab, data, target="mpy6", vendor=VENDOR, klass=CLASS, age_s=0, valid_s=DAY_S, waves=None):
    """An unsigned firmware whose sequence is the lab's time, less age_s."""
    sequence = lab.world.wall_s() - age_s
    return suit.manifest(data, target, vendor, klass, sequence, lab.world.wall_s() + valid_s, waves)


def altered(made, before, after):
    """A plan in which some bytes of the manifest are others, as its signer wants it."""
    assert made.manifest.count(before) >= 1
    body = made.manifest.replace(before, after)
    return suit.Plan(body, suit.suit_digest(cbor2.dumps(body, canonical=True)), made.blobs)


def sequence_of(made):
    """A plan's sequence number."""
    return cbor2.loads(made.manifest)[suit.SEQUENCE]


def push(lab, data, **how):
    """Sign and publish an image; its sequence."""
    made = plan(lab, data, **how)
    lab.operator.push_firmware(made)
    return sequence_of(made)


def record(box):
    """The record on a box's disk."""
    if box.disk.size("state-slots") < 0:
        return slots.Record()
    return slots.decode(box.disk.read("state-slots", 0, 999))


def confirmed(lab, sequence, boxes=None):
    """A check that the boxes run this confirmed firmware from a slot that holds it."""
    def check():
        for box in boxes or lab.world.boxes:
            said = record(box)
            row = said.rows[said.confirmed]
            if not box.live or not row or row.sequence != sequence or box.running.slot != said.confirmed or said.trial:
                return "box %d: %s" % (box.number, box.live and box.node.update.status())
        return ""

    return check


def holds(box, slot, data):
    """True if a slot's file is this image."""
    return bytes(box.disk.read(slots.NAMES[slot], 0, len(data) + 1)) == data


def total(lab, name):
    """A counter, summed over the live boxes."""
    return sum(box.node.counters[name] for box in lab.world.live())
