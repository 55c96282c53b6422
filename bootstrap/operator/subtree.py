"""A subtree of the signing key for a further machine: no state is ever copied.

The further machine makes a lower tree, whose secret stays with it, and asks; the machine
that has the upper tree signs the public half, by a leaf that it reserves as for a tree of
its own; the further machine takes that signature, and signs as the same HSS key with
leaves that nobody else has.  Both files that travel are JSON and hold no secret.
"""

import json
import os

import pyhsslms.pyhsslms as lms

from . import files, fleet
from .errors import OperatorError
from .signer import LMS_TYPES, LMOTS_TYPES, Signer, Tree

ASK_BYTES = 1 << 12
GRANT_BYTES = 1 << 20


def ask(directory, height=5, width=8):
    """Makes a tree in `directory`, new or a further machine's; returns the bytes of what is to be granted."""
    if height not in LMS_TYPES or width not in LMOTS_TYPES:
        raise OperatorError(f"a tree of height {height} and width {width} is not offered", "Use 5, 10 or 15, and 4 or 8.")
    place = os.path.join(directory, "signer")
    if not os.path.isdir(place):
        os.makedirs(place, 0o700)
    with files.Lock(os.path.join(place, "lock")):
        where = os.path.join(place, "state.json")
        if os.path.exists(where):
            state = files.read_json(where)
            if state["root"] is not None:
                raise OperatorError(f"{directory} has the upper tree itself", "It plants trees of its own; nothing is to be asked.")
        else:
            state = {
                "version": 1, "heights": [0, height], "width": width, "root": None, "root_next": 0, "lower": None,
                "lower_next": 0, "serial": 0, "place": Signer.place_of(place),
            }
        tree = Tree.create(place, height, width)
        state["asked"] = tree.identifier.hex()
        state.setdefault("id", state["asked"])
        files.write_json(where, state, files.SECRET)
    return _packed({"backfence": "subtree asked", "tree": tree.public().hex()})


def grant(owner, data):
    """Returns the bytes of the grant of what was asked (bytes), by the fleet.Fleet that has the upper tree."""
    public = _bytes(_unpacked(data, "subtree asked", ASK_BYTES), "tree")
    if len(public) != 56 or public[:4] not in LMS_TYPES.values() or public[4:8] not in LMOTS_TYPES.values():
        raise OperatorError("this asks for a tree that boxes do not know", "Make it with `backfence subtree ask`.")
    return _packed({
        "backfence": "subtree granted", "fleet": owner.id.hex(), "broker": owner.broker, "key": owner.operator.hex(),
        "tree": public.hex(), "link": owner.signer.sign_tree(public).hex(),
        "sequence": files.read_json(owner.path("sequence.json")),
        "roots": [signed.hex() for signed in owner.signed_roots()],
    })


def take(directory, data):
    """The further machine's directory may sign from now on; returns its fleet.Fleet."""
    granted = _unpacked(data, "subtree granted", GRANT_BYTES)
    key, public, link = (_bytes(granted, name) for name in ("key", "tree", "link"))
    place = os.path.join(directory, "signer")
    if not os.path.exists(os.path.join(place, "state.json")):
        raise OperatorError(f"nothing was asked from {directory}", "Begin with `backfence subtree ask`.")
    with files.Lock(os.path.join(place, "lock")):
        state = files.read_json(os.path.join(place, "state.json"))
        tree = public[8:24].hex()
        if tree not in (state.get("asked"), state["lower"]):
            raise OperatorError("this grants another tree than the one that was asked here last", "Take the grant of that.")
        known = os.path.join(place, "public")
        if os.path.exists(known) and files.read(known) != key:
            raise OperatorError("this is a grant of another fleet", "Each fleet has a directory of its own.")
        if not _holds(key, public, link):
            raise OperatorError("the grant's signature does not hold", "Have it made again with `backfence subtree grant`.")
        if tree != state["lower"]:  # else it was taken, and maybe cut short after that: its leaves go on
            Tree(place, public[8:24]).write_link(link)
            state.update({"lower": state.pop("asked"), "lower_next": 0, "serial": state["serial"] + 1})
            state["heights"] = [0, Tree(place, public[8:24]).height]
            files.write_json(os.path.join(place, "state.json"), state, files.SECRET)
        _make_fleet(directory, granted)
        files.write_whole(known, key)
    return fleet.Fleet(directory)


def _make_fleet(directory, granted):
    """The records of a fleet that are not there yet; numbers only rise."""
    for name in fleet.FOLDERS:
        if not os.path.isdir(os.path.join(directory, name)):
            files.make_directory(os.path.join(directory, name))
    for version, signed in enumerate(granted["roots"], 1):
        files.write_whole(os.path.join(directory, "roots", f"{version}.cose"), bytes.fromhex(signed))
    where = os.path.join(directory, "sequence.json")
    numbers = files.read_json(where) if os.path.exists(where) else {}
    for name, number in granted["sequence"].items():
        numbers[name] = max(number, numbers.get(name, 0))
    files.write_json(where, numbers)
    settings = {"version": 1, "fleet": granted["fleet"], "broker": granted["broker"]}
    files.write_json(os.path.join(directory, "fleet.json"), settings)


def _holds(key, public, link):
    try:
        return key[:4] == b"\0\0\0\2" and bool(lms.LmsPublicKey.deserialize(key[4:]).verify(public, link))
    except (ValueError, IndexError, KeyError, TypeError):
        return False


def _packed(fields):
    return (json.dumps(fields, indent=1, sort_keys=True) + "\n").encode()


def _unpacked(data, what, most):
    try:
        fields = json.loads(data) if len(data) <= most else None
    except ValueError:
        fields = None
    if not isinstance(fields, dict) or fields.get("backfence") != what:
        raise OperatorError(f"this is no {what.replace(' ', ' that was ')}", "`backfence subtree` makes such files.")
    return fields


def _bytes(fields, name):
    try:
        return bytes.fromhex(fields[name])
    except (KeyError, ValueError, TypeError):
        raise OperatorError(f"the file's {name} is no hexadecimal", "Have it made again.") from None
