"""The operator's words to the fleet: built, checked, read back.

A manifest is a CBOR map with text keys, signed as a whole (COSE_Sign1).  Each
kind has a function here that builds one and refuses what a box would refuse,
so that a person hears of a mistake before it is signed.

    plan = workload_manifest(fleet, "words", "edge", program, inputs)
    signed = fleet.sign(plan)
"""

import dataclasses
import hashlib
import re
import time

from ...agent import limits, manifest, revocation
from ...agent.errors import LocalError, RemoteError
from ...agent.wire import cbor
from . import choice
from .inputs import Blobs
from .errors import OperatorError
from .repetition import ATTEMPTS

NAME = re.compile(r"[a-z0-9-]{1,32}")
DAY_S = 86400
SLICE_VALID_S = 30 * DAY_S
# A question that nobody took back is forgotten after this time.
QUERY_VALID_S = 30 * DAY_S
# Attributes whose distribution boxes always count.
BUILT_IN = ("load", "mem_free", "availability")
# Kinds that are pushed; the others travel in files.
PUSHED = ("slice", "query", "workload", "firmware", "rollout", "revocation", "tenant", "lots")
# A time stamp raises boxes' clocks for good: it may be ahead of ours by what two
# machines' clocks may differ, and ours ahead of its last signature by a fleet's longest rest.
AHEAD_S = 300
LEAP_S = 400 * DAY_S
# Boxes of a lot are believed for as long as homes keep them.
LOT_VALID_S = 3650 * DAY_S
SEEDS_VALID_S = 365 * DAY_S
# A workload stays this long after its deadline, for stragglers' results.
WORKLOAD_GRACE_S = 3600
CONTACTS = 16
# Fuel enough for minutes on a slow box; pages are 64 KiB each.
FUEL = 1_000_000_000
PAGES = 16


@dataclasses.dataclass(frozen=True)
class Trusted:
    """How a workload's owner comes to trust results; no box is told.  verifier: bytes of a .wasm, or b"";
    checkers: boxes that run it before the owner does."""

    adaptive: bool = False
    attempts: int = ATTEMPTS
    verifier: bytes = b""
    checkers: int = 0


@dataclasses.dataclass
class Manifest:
    """payload: the CBOR map; blobs: {sha256: bytes} to publish beside it, a mapping;
    inputs: the sha256 of each task's input, in task order; sizes: their bytes;
    trusted: a workload's Trusted."""

    payload: dict
    blobs: Blobs = dataclasses.field(default_factory=Blobs)
    inputs: list = dataclasses.field(default_factory=list)
    sizes: list = dataclasses.field(default_factory=list)
    trusted: Trusted = Trusted()

    @property
    def label(self):
        """KIND-NAME, as in topics and file names."""
        return label(self.payload)


def label(payload):
    """Returns KIND-NAME of a manifest, such as `workload-words`."""
    return f"{payload['kind']}-{payload['name']}"


def _common(fleet, kind, name, valid_s, issued):
    if not NAME.fullmatch(name):
        raise OperatorError(
            f"{name!r} is not a name", "Use 1 to 32 small letters, digits and hyphens."
        )
    if valid_s <= 0:
        raise OperatorError("a manifest must be valid for at least a second")
    issued = int(time.time()) if issued is None else issued
    name = own(fleet, name)
    return {
        "kind": kind, "fleet": fleet.id, "name": name, "seq": fleet.next_sequence(f"{kind}-{name}"),
        "issued": issued, "expires": _until(fleet, issued + int(valid_s)),
    }


def own(fleet, name):
    """Returns a name as manifests of that fleet's directory have it: of a tenant's, TENANT/NAME."""
    return f"{fleet.tenant}/{name}" if fleet.tenant and "/" not in name else name


def _until(fleet, expires):
    return expires if fleet.until is None else min(expires, fleet.until)


def _within(what, value, least, most):
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise OperatorError(f"{what} is {value!r}; it must be from {least:,} to {most:,}")
    return value


def slice_manifest(
    fleet, name, seats, where=None, valid_s=SLICE_VALID_S, issued=None, absorbs=None, origin=None, regions=None,
):
    """Returns the Manifest of a slice.

    seats: how many boxes, an int, or their share of the fleet as text, "10 %".
    where: the text of a choice of boxes (choice.py), or None for any.  absorbs,
    origin: the fields "absorbs" and "from" of a slice that was merged or split.
    regions: names, for which seats are kept in turn, or None.
    """
    if isinstance(seats, str):
        rest = {"share": choice.parse_share(seats, "share")}
    else:
        rest = {"seats": _within("seats", seats, 1, limits.SEATS)}
    if where:
        rest.update(choice.of_slice(where).fields())
        _counted_name(name, "top" in rest)
    if regions:
        rest["regions"] = check_regions(list(regions), seats)
    if absorbs:
        rest["absorbs"] = absorbs
    if origin:
        rest["from"] = origin
    return Manifest({**_common(fleet, "slice", name, valid_s, issued), **rest})


def check_regions(regions, seats):
    """Returns a slice's regions (list); OperatorError unless as many seats (an int) can be kept for each."""
    _within("the number of regions", len(regions), 2, limits.REGIONS)
    if len(set(regions)) < len(regions) or not all(isinstance(each, str) and 1 <= len(each) <= 32 for each in regions):
        raise OperatorError("regions are different names of 1 to 32 characters", "Write what the boxes' agent.conf says.")
    if not isinstance(seats, int):
        raise OperatorError("a share of the fleet has no regions", "Give a number of seats.")
    if seats % len(regions):
        raise OperatorError(
            f"{seats:,} seats cannot be shared out to {len(regions)} regions alike", f"Give a multiple of {len(regions)}."
        )
    return regions


def query_manifest(fleet, name, asked, valid_s=QUERY_VALID_S, issued=None):
    """Returns the Manifest of a standing query; asked: the text of a choice (choice.py)."""
    rest = choice.parse(asked).fields()
    _counted_name(name, True)
    return Manifest({**_common(fleet, "query", name, valid_s, issued), **rest})


def rollout_manifest(fleet, name, sequence, word, valid_s, issued=None):
    """Returns the Manifest of the operator's word about the firmware of that name and sequence.

    word: "go", "pause" or "halt".
    """
    return Manifest({**_common(fleet, "rollout", name, valid_s, issued), "firmware": sequence, "word": word})


def _counted_name(name, counted):
    """A census names what is counted for every fleet, queries and ranked slices alike."""
    if counted and name in BUILT_IN:
        raise OperatorError(f"{name!r} is counted in every fleet already", "Choose another name.")


def next_manifest(fleet, payload, issued=None, **changes):
    """Returns the Manifest that comes after `payload`, changed; a change to None leaves the field out."""
    issued = int(time.time()) if issued is None else issued
    following = {**payload, "seq": fleet.next_sequence(label(payload)), "issued": issued, **changes}
    return Manifest({key: value for key, value in following.items() if value is not None})


def workload_manifest(
    fleet, name, slice, program, inputs, args=(), replicas=1, quorum=1, fuel=FUEL, pages=PAGES,
    output=limits.BLOB_BYTES, deadline_s=3600, deterministic=True, valid_s=None, issued=None, adaptive=False,
    attempts=ATTEMPTS, verifier=b"", checkers=0,
):
    """Returns the Manifest of a workload, its program and inputs among the blobs.

    slice: name of the slice that does it; program: bytes of a .wasm; inputs:
    bytes or an inputs.Piece for each task, of at most 32,768 bytes.  adaptive: the
    quorum is asked for where it is needed, and one replica at first; attempts: replicas
    of a task, at most (repetition.py); verifier: bytes of a .wasm, or b"" (verifier.py);
    checkers: boxes that run it before the owner does (checking.py).
    """
    if not NAME.fullmatch(slice):
        raise OperatorError(f"{slice!r} is not the name of a slice")
    if program[:4] != b"\0asm":
        raise OperatorError(
            "the program is not WebAssembly", "Compile it with clang --target=wasm32-wasi (see docs)."
        )
    _within("the program's size in bytes", len(program), 8, limits.BLOB_BYTES)
    _within("replicas", replicas, 1, limits.REPLICAS)
    _within("the number of tasks", len(inputs), 1, limits.TASKS // replicas)
    if adaptive:
        _within("replicas of an adaptive workload", replicas, 1, 1)
    _within("quorum", quorum, 2 if adaptive else 1, limits.REPLICAS if adaptive else replicas)
    if quorum > 1 and not deterministic:
        raise OperatorError(
            "a quorum needs deterministic runs: only then can results be compared",
            "Set deterministic = true, or quorum = 1.",
        )
    check_arguments(args)
    hashes, blobs = _blobs(program, inputs)
    sizes = [len(data) for data in inputs]
    rest = {
        "slice": own(fleet, slice), "program": hashlib.sha256(program).digest(), "program_size": len(program),
        "index": _index(hashes, blobs), "tasks": len(inputs), "args": list(args),
        "replicas": replicas, "quorum": quorum,
        "limits": job_limits(fuel, pages, output),
        "deadline_s": _within("the deadline in seconds", deadline_s, 1, 366 * DAY_S),
        "deterministic": bool(deterministic),
    }
    valid_s = deadline_s + WORKLOAD_GRACE_S if valid_s is None else valid_s
    _within("attempts", attempts, replicas, limits.ATTEMPTS)
    _within("checkers", checkers, 0, limits.REPLICAS)
    if checkers and not verifier:
        raise OperatorError("checkers need a verifier to run", "Name one, or leave checkers out.")
    trusted = Trusted(adaptive, attempts, verifier, checkers)
    return Manifest({**_common(fleet, "workload", name, valid_s, issued), **rest}, blobs, hashes, sizes, trusted)


def job_limits(fuel=FUEL, pages=PAGES, output=limits.BLOB_BYTES):
    """Returns {"fuel", "pages", "output"} of a task; OperatorError if one is out of range."""
    return {
        "fuel": _within("fuel", fuel, 1, manifest.SEQ_MOST),
        "pages": _within("pages", pages, 0, 65536),
        "output": _within("output", output, 0, limits.BLOB_BYTES),
    }


def check_arguments(args):
    """OperatorError if a manifest cannot carry these arguments (list of str)."""
    _within("the number of arguments", len(args), 0, limits.ARGUMENTS)
    for arg in args:
        _within(f"the size of argument {arg!r}", len(arg.encode()), 0, limits.ARGUMENT_BYTES)


def _blobs(program, inputs):
    """Returns (hash of each input, Blobs of program and inputs)."""
    blobs, hashes = Blobs(), []
    blobs.add(program)
    for number, data in enumerate(inputs):
        _within(f"the size of task {number}'s input", len(data), 0, limits.BLOB_BYTES)
        hashes.append(blobs.add(data))
    return hashes, blobs


def _index(hashes, blobs):
    """Adds the index blobs, 1,024 hashes each; returns their hashes."""
    return [
        blobs.add(b"".join(hashes[start:start + limits.INDEX_ENTRIES]))
        for start in range(0, len(hashes), limits.INDEX_ENTRIES)
    ]


def lots_manifest(fleet, rows, valid_s=LOT_VALID_S, issued=None):
    """Returns the Manifest of the list of lots: rows of [root, count, until], at most limits.LOTS.

    until: Unix seconds at which a lot ends, 0 for one that stays.
    """
    return Manifest({**_common(fleet, "lots", manifest.LIST_NAME, valid_s, issued), "lots": [list(row) for row in rows]})


def seeds_manifest(fleet, contacts, name="seeds", valid_s=SEEDS_VALID_S, issued=None):
    """Returns the Manifest of first contacts: (id, packed address) of at most 16 boxes."""
    _within("the number of contacts", len(contacts), 1, CONTACTS)
    rest = {"contacts": [[bytes(id), bytes(address)] for id, address in contacts]}
    return Manifest({**_common(fleet, "seeds", name, valid_s, issued), **rest})


def revocation_manifest(fleet, ids, valid_s=LOT_VALID_S, issued=None):
    """Returns the Manifest of the list of revoked boxes: identities of 16 bytes, at most limits.REVOKED."""
    return Manifest({
        **_common(fleet, "revocation", revocation.NAME, valid_s, issued), "boxes": b"".join(sorted(ids)),
    })


def tenant_manifest(fleet, name, key, owner, quota, valid_s, issued=None):
    """Returns the Manifest of a delegation: a tenant's HSS and X25519 keys, and his quota, a dict (delegations.py)."""
    return Manifest({**_common(fleet, "tenant", name, valid_s, issued), "key": key, "owner": owner, **quota})


def end_manifest(fleet, payload, issued=None):
    """Returns the Manifest which ends a slice or a query, or cancels a workload, for good."""
    issued = int(time.time()) if issued is None else issued
    # It lives as long as what it ends could, or an old copy would come back.
    expires = _until(fleet, max(payload["expires"], issued + WORKLOAD_GRACE_S))
    return next_manifest(fleet, payload, issued, expires=expires, end=True)


def asked_again(fleet, payload, first, numbers, issued=None):
    """Returns the Manifest of the same workload that asks one more box for some of its tasks.

    first: the number of that replica, as many boxes further round the ring; numbers: of the tasks.
    """
    issued = int(time.time()) if issued is None else issued
    asked = bytearray((payload["tasks"] + 7) // 8)
    for number in numbers:
        asked[number >> 3] |= 1 << (number & 7)
    return next_manifest(
        fleet, payload, issued, replicas=1,
        again=[_within("the replica's number", first, 1, limits.ATTEMPTS - 1), bytes(asked)],
        # The deadline is counted from `issued`: what is left of it is left.
        deadline_s=max(payload["issued"] + payload["deadline_s"] - issued, 1),
    )


def read(signed, keys, now_s=None):
    """Returns the payload of a signed manifest, after the very check of a box.

    signed: bytes; keys: agent.trust.Keys of the fleet.  OperatorError for
    one that is truncated, unsigned, tampered with, another fleet's or expired.
    """
    check = manifest.Check(signed, keys)
    try:
        while not check.step():
            pass
    except RemoteError as error:
        raise OperatorError(
            f"this is not a signed manifest of this fleet: {error}",
            "Make it again with `backfence sign`, in the fleet's own directory.",
        ) from None
    payload = check.manifest.fields
    if payload["expires"] <= (time.time() if now_s is None else now_s):
        raise OperatorError(f"the manifest {label(payload)} has expired", "Sign it again.")
    return payload


def encode(payload):
    """Returns the payload's CBOR; OperatorError for what a box would refuse."""
    try:
        data = cbor.encode(payload)
        manifest.parse(data)
    except (LocalError, RemoteError) as error:
        raise OperatorError(f"a box would refuse the manifest: {error}") from None
    return data
