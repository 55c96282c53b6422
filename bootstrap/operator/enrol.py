"""Enrolment: lots of boxes, and the files that make a box one of the fleet.

The public keys of a lot are the leaves of a Merkle tree (RFC 9162) whose root
the operator signs, so that each box proves itself with a path of at most 640
bytes, and enrolling a million boxes costs one signature.

A box that makes its own key sends in the public half; its trust.cbor and
agent.conf go back to it.  For a lab, whole homes are made here.
"""

import ipaddress
import os
import socket

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ...agent import config, limits
from ...agent.errors import LocalError
from ...agent.wire import cbor, hashes, merkle
from . import files, manifests
from .errors import OperatorError
from .fleet import Box, box_id

PORTS = 65536


def make(fleet, count, base_port, host="127.0.0.1", doors=1, broker=None, extra=None, homes=None):
    """Makes keys and homes of `count` boxes; see Fleet.enrol."""
    if count < 1 or not 0 < base_port <= PORTS - count:
        raise OperatorError(f"{count} boxes do not fit the ports from {base_port}", "Ports end at 65535.")
    if not 0 <= doors <= count:
        raise OperatorError(f"{doors} of {count} boxes cannot be doors")
    pack_address(join_address(host, base_port))
    homes = os.path.abspath(homes or fleet.path("homes"))
    os.makedirs(homes, 0o700, exist_ok=True)
    boxes, private = [], []
    for number in range(count):
        key = X25519PrivateKey.generate()
        public = key.public_key().public_bytes_raw()
        home = os.path.join(homes, f"box-{base_port + number}")
        if os.path.exists(home):
            raise OperatorError(f"{home} exists already", "Choose other ports, or another --homes.")
        boxes.append(Box(box_id(public), public, join_address(host, base_port + number), home, "", number))
        private.append(key.private_bytes_raw())
    texts = [
        conf(box.address, broker or fleet.broker if number < doors else None, extra)
        for number, box in enumerate(boxes)
    ]
    for box, key, text in zip(boxes, private, texts):
        files.make_directory(box.home)
        for name in ("state", "store"):
            os.mkdir(os.path.join(box.home, name), 0o700)
        files.write_whole(os.path.join(box.home, "box.key"), key, files.SECRET)
        files.write_whole(os.path.join(box.home, "agent.conf"), text.encode(), files.SECRET)
    enrol(fleet, boxes)
    return boxes


def take(fleet, publics, out, extra=None, broker=None):
    """Enrols boxes that made their own keys; returns a list of Box.

    publics: 32-byte public keys.  For each box, out/ID/ gets trust.cbor and
    agent.conf, to be carried to it.
    """
    known = fleet.boxes()
    boxes = []
    for public in publics:
        box = Box(box_id(public), public, "", os.path.abspath(os.path.join(out, box_id(public).hex())), "", 0)
        if len(public) != 32:
            raise OperatorError("a public key has 32 bytes, or 64 hexadecimal digits")
        if box.id in known or any(box.id == other.id for other in boxes):
            raise OperatorError(f"the box {box.id.hex()} is enrolled already", "Remove its key from the list.")
        boxes.append(box)
    text = conf("", broker, extra)
    for box in boxes:
        os.makedirs(box.home, 0o700, exist_ok=True)
        files.write_whole(os.path.join(box.home, "agent.conf"), text.encode(), files.SECRET)
    enrol(fleet, boxes)
    return boxes


def enrol(fleet, boxes):
    """Signs one lot for `boxes`, records them and writes their trust.cbor.

    A box's proof names every lot signed so far.  Boxes enrolled before learn
    of the new lot where their homes are at hand.
    """
    if not boxes:
        raise OperatorError("there are no boxes to enrol")
    if len(fleet.lots()) >= limits.LOTS:
        raise OperatorError(
            f"a box believes in {limits.LOTS} lots and this fleet has as many",
            "Enrol more boxes at once, in fewer lots.",
        )
    root, _ = tree([merkle.leaf(box.public) for box in boxes])
    name = f"{len(fleet.lots()) + 1}"
    manifest = manifests.lot_manifest(fleet, name, root, len(boxes))
    for index, box in enumerate(boxes):
        box.lot, box.index = manifest.label, index
    rows = [
        {"public": box.public.hex(), "address": box.address, "home": box.home, "index": box.index}
        for box in boxes
    ]
    # The record comes first: a signed lot whose boxes nobody knows is worse
    # than a record whose lot was never signed.
    files.write_json(fleet.path("boxes", manifest.label + ".json"), rows)
    fleet.sign(manifest)
    fleet.forget_cache()
    write_trust(fleet)


def write_trust(fleet):
    """Writes trust.cbor of every box whose home is at hand; returns how many."""
    lots = fleet.lots()
    members = {}
    for box in fleet.boxes().values():
        members.setdefault(box.lot, []).append(box)
    written = 0
    for lot, boxes in members.items():
        if lot not in lots:
            continue
        boxes.sort(key=lambda box: box.index)
        _, paths = tree([merkle.leaf(box.public) for box in boxes])
        for box in boxes:
            if box.home and os.path.isdir(box.home):
                data = trust(fleet, box, lots, paths[box.index])
                files.write_whole(os.path.join(box.home, "trust.cbor"), data)
                written += 1
    return written


def tree(leaves):
    """Returns (root, [path of each leaf]) of the Merkle tree over `leaves`.

    The same root and paths as wire.merkle, whose `path` hashes the whole lot
    for one leaf: this hashes it once for all of them.
    """
    if len(leaves) == 1:
        return leaves[0], [[]]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, left_paths = tree(leaves[:split])
    right, right_paths = tree(leaves[split:])
    paths = [path + [right] for path in left_paths] + [path + [left] for path in right_paths]
    return hashes.sha256(b"\x01", left, right), paths


def trust(fleet, box, lots, path):
    """Returns the bytes of a box's trust.cbor."""
    return cbor.encode({
        "fleet": fleet.id, "operator": fleet.operator, "owner": fleet.owner_public,
        "lot": lots[box.lot], "index": box.index, "path": path,
        "lots": [signed for name, signed in lots.items() if name != box.lot],
    })


def conf(address, broker, extra):
    """Returns the text of an agent.conf; OperatorError for what the agent would refuse."""
    lines = {}
    if address:
        lines["listen"] = address
    if broker:
        lines["door"], lines["broker"] = "1", broker
    lines.update({key: str(value) for key, value in (extra or {}).items()})
    text = "".join(f"{key} = {value}\n" for key, value in lines.items())
    try:
        config.parse(text)
    except LocalError as error:
        raise OperatorError(f"agent.conf would be wrong: {error}", "See docs/cli.md, `enrol --set`.") from None
    return text


def join_address(host, port):
    """Returns host:port, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def pack_address(text):
    """Returns host:port as the 6 or 18 bytes of a packed address."""
    try:
        host, port = config.check_address(text)
        return ipaddress.ip_address(host).packed + port.to_bytes(2, "big")
    except LocalError as error:
        raise OperatorError(str(error)) from None
    except ValueError:
        pass
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except OSError:
        raise OperatorError(f"{host} is not an address and no name either") from None
    return ipaddress.ip_address(address[0]).packed + port.to_bytes(2, "big")
