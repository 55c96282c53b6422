"""Enrolment: lots of boxes, and the files that make a box one of the fleet.

The public keys of a lot are the leaves of a Merkle tree (RFC 9162), in the order of
the boxes' identities; the operator signs the list of all lots' roots.  So each box
proves itself with a path of at most 640 bytes, and enrolling a million boxes costs
one signature.

A box that makes its own key sends in the public half; its trust.cbor and
agent.conf go back to it.  For a lab, whole homes are made here.
"""

import ipaddress
import os
import socket

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ...agent import config, trust
from ...agent.errors import LocalError
from ...agent.wire import cbor
from . import factory, files, lots
from .errors import OperatorError
from .register import Box, box_id

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
        boxes.append(Box(box_id(public), public, address=join_address(host, base_port + number), home=home))
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
    lots.enrol(fleet, enumerate(boxes, 1), factory.Problems("the boxes made here"))
    write_at_hand(fleet)
    known = fleet.boxes()
    return [known[box.id] for box in boxes]


def take(fleet, path, out=None, extra=None, broker=None):
    """Enrols boxes that made their own keys, from a factory's list (factory.py); returns their Lot.

    out: a directory in which each box gets ID/ with trust.cbor and agent.conf, to be
    carried to it.  OperatorError names the rows that are wrong; nobody is enrolled then.
    """
    text = conf("", broker, extra)
    problems = factory.Problems(path)
    rows = ((row, Box(box_id(public), public, serial=serial)) for row, public, serial in factory.read(path, problems))
    lot = lots.enrol(fleet, rows, problems)
    write_at_hand(fleet)
    if out:
        carry(fleet, fleet.boxes().of_lot(lot), out, text)
    return fleet.lots()[lot]


def carry(fleet, boxes, out, text=None):
    """Writes out/ID/trust.cbor for each Box, and agent.conf with `text`; returns how many boxes."""
    written = 0
    with Proofs(fleet) as proofs:
        for box in boxes:
            home = os.path.join(out, box.id.hex())
            os.makedirs(home, 0o700, exist_ok=True)
            if text is not None:
                files.write_whole(os.path.join(home, "agent.conf"), text.encode(), files.SECRET)
            files.write_whole(os.path.join(home, "trust.cbor"), proofs.trust(box))
            written += 1
    return written


def write_at_hand(fleet):
    """Writes trust.cbor of every box whose home is at hand; returns how many."""
    written = 0
    with Proofs(fleet) as proofs:
        for box in fleet.boxes().at_hand():
            files.write_whole(os.path.join(box.home, "trust.cbor"), proofs.trust(box))
            written += 1
    return written


class Proofs:
    """Boxes' trust.cbor, one after the other: `with Proofs(fleet) as proofs: proofs.trust(box)`."""

    def __init__(self, fleet):
        self._fleet = fleet
        self._signed = fleet.register.signed_list()
        self._trees = {}

    def trust(self, box):
        """Returns the bytes of a Box's trust.cbor."""
        if box.lot not in self._trees:
            self._trees[box.lot] = self._fleet.register.tree(box.lot)
        tree = self._trees[box.lot]
        if box.place >= tree.count or tree.key(box.place) != box.public:
            raise OperatorError(f"the tree of {box.lot} is another one's", "Restore lots/ and boxes.db from one backup.")
        return trust_file(self._fleet, self._signed, tree.root, box.place, tree.path(box.place))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for tree in self._trees.values():
            tree.close()


def trust_file(fleet, signed_list, root, place, path):
    """Returns the bytes of a trust.cbor; root: of the box's lot."""
    return cbor.encode({
        "root": fleet.root_state(), "owner": fleet.owner_public, "lots": signed_list,
        "lot": trust.lot_id(root), "index": place, "path": path,
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
