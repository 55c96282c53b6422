"""Two slices become one, or one becomes two, without stopping what runs in them.

Merging A and B publishes A with all the seats: B's seat s becomes seat A.seats + s,
said by `absorbs`.  Splitting N seats off A publishes the new slice first, whose
`from` says which seats of A it takes over, and then A, smaller by N.  Each
function refuses what boxes could not do, before anything is signed.
"""

import time

from ...agent import limits
from . import choice, manifests, predicate
from .errors import OperatorError


def check_live(payload):
    """OperatorError unless the slice is live and has a fixed number of seats."""
    name = payload["name"]
    if payload.get("end") or payload["expires"] <= time.time():
        raise OperatorError(f"the slice {name!r} has ended", "See `backfence describe`.")
    if "seats" not in payload:
        raise OperatorError(
            f"the slice {name!r} is a share of the fleet, and its seats have no fixed number",
            "Push it with a number of seats first.",
        )


def check_whole(payload):
    """OperatorError if a slice's seats are kept for regions: they cannot be merged or split."""
    if "regions" in payload:
        raise OperatorError(
            f"the slice {payload['name']!r} keeps its seats for regions", "Push it without regions first."
        )


def absorber(fleet, name):
    """Returns the name of the live slice that has taken in slice `name`, or None."""
    for label in fleet.labels():
        if label.startswith("slice-"):
            payload = fleet.signed(label)[1]
            live = not payload.get("end") and payload["expires"] > time.time()
            if live and name in [row[0] for row in payload.get("absorbs", [])]:
                return payload["name"]
    return None


def check_free(fleet, name):
    """OperatorError if another slice has taken in slice `name`: it is none of its own any more."""
    holder = absorber(fleet, name)
    if holder:
        raise OperatorError(
            f"the slice {name!r} is a part of {holder!r}", f"Split {holder!r}, or choose another name."
        )


def merge(fleet, first, second):
    """Returns the Manifest of slice `first` with all of `second` taken in (two payloads)."""
    if first["name"] == second["name"]:
        raise OperatorError("a slice cannot be merged with itself", "Name two slices.")
    for payload in (first, second):
        check_live(payload)
        check_whole(payload)
        check_free(fleet, payload["name"])
    seats, more = first["seats"], second["seats"]
    if seats + more > limits.SEATS:
        raise OperatorError(f"together they have {seats + more:,} seats; a slice has at most {limits.SEATS:,}")
    # What the second has taken in before is named too: boxes look only here.
    carried = [[name, seats + at, count] for name, at, count in second.get("absorbs", [])]
    absorbs = first.get("absorbs", []) + [[second["name"], seats, more]] + carried
    if len(absorbs) > limits.ABSORBED:
        raise OperatorError(
            f"{first['name']!r} would be made of {len(absorbs) + 1} slices; {limits.ABSORBED + 1} are the most",
            "End what is not needed, or push a new slice.",
        )
    return manifests.next_manifest(
        fleet, first, seats=seats + more, absorbs=absorbs, where=_either(first, second),
        expires=max(first["expires"], second["expires"]),
    )


def _either(first, second):
    """The predicate of boxes that either slice takes; None for any box."""
    if first.get("top") != second.get("top"):
        raise OperatorError(
            "the two slices rank boxes differently",
            f"Push one of them with the other's: {choice.show(choice.of(first)) or 'any box'}; "
            f"{choice.show(choice.of(second)) or 'any box'}.",
        )
    mine, other = first.get("where"), second.get("where")
    if mine == other or mine is None or other is None:
        return mine if mine == other else None
    either = ["or", mine, other]
    depth, nodes = predicate.measure(either)
    if depth > limits.PREDICATE_DEPTH or nodes > limits.PREDICATE_NODES:
        raise OperatorError(
            "the two slices' predicates are too long to be joined", "Push both with the same predicate first."
        )
    return either


def split(fleet, payload, count, name):
    """Returns the Manifests (of the new slice, of the smaller old one); publish them in that order.

    count: how many seats the new slice `name` takes, the highest of the old one.
    A slice that was taken in is split off under its own name by its own seats.
    """
    check_live(payload)
    check_whole(payload)
    check_free(fleet, payload["name"])
    left = payload["seats"] - count
    back = [name, left, count] in payload.get("absorbs", [])
    if not back:
        check_free(fleet, name)
        if name == payload["name"] or _is_live(fleet, name):
            raise OperatorError(f"there is a slice {name!r} already", "Choose another name.")
    if count < 1 or left < 1:
        raise OperatorError(
            f"{payload['name']!r} has {payload['seats']:,} seats: {count:,} cannot leave it",
            f"Take from 1 to {payload['seats'] - 1:,}." if payload["seats"] > 1 else "A slice of one seat stays whole.",
        )
    stay, go = _parted(payload, left)
    # Later than the merger that it may undo, for boxes go by that.
    issued = max(int(time.time()), payload["issued"] + 1)
    new = manifests.slice_manifest(
        fleet, name, count, choice.show(choice.of(payload)), max(1, payload["expires"] - issued), issued,
        [row for row in go if row[0] != name], [payload["name"], left],
    )
    return new, manifests.next_manifest(fleet, payload, issued, seats=left, absorbs=stay or None)


def _parted(payload, left):
    """What the old slice and the new one have taken in, when the old keeps `left` seats."""
    stay, go = [], []
    for name, first, count in payload.get("absorbs", []):
        if first + count <= left:
            stay.append([name, first, count])
        elif first >= left:
            go.append([name, first - left, count])
        else:
            raise OperatorError(
                f"the cut goes through the seats of {name!r}, which {payload['name']!r} has taken in",
                f"Split off {payload['seats'] - first:,} seats, or {payload['seats'] - first - count:,}.",
            )
    return stay, go


def _is_live(fleet, name):
    if f"slice-{name}" not in fleet.labels():
        return False
    payload = fleet.signed(f"slice-{name}")[1]
    return not payload.get("end") and payload["expires"] > time.time()


def carried(fleet, name, seats):
    """Returns the `absorbs` that slice `name` keeps when it is pushed again with `seats` (an int or text).

    OperatorError if it would lose seats of a slice that it has taken in.
    """
    check_free(fleet, name)
    if not _is_live(fleet, name):
        return None
    absorbs = fleet.signed(f"slice-{name}")[1].get("absorbs")
    needed = max((first + count for _, first, count in absorbs or []), default=0)
    if absorbs and (not isinstance(seats, int) or seats < needed):
        raise OperatorError(
            f"the slice {name!r} has taken in {', '.join(row[0] for row in absorbs)} and needs {needed:,} seats",
            "Split those seats off first.",
        )
    return absorbs
