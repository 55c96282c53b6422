"""The list of revoked boxes: the newest one that this fleet signed is the list."""

from ...agent import limits, revocation
from . import manifests
from .errors import OperatorError

# Of an identity, the fewest that name a box.
DIGITS = 8
LABEL = f"revocation-{revocation.NAME}"


def listed(fleet):
    """Returns the identities (16 bytes each) on the newest signed list, in order; [] before the first."""
    if LABEL not in fleet.labels():
        return []
    packed = fleet.signed(LABEL)[1]["boxes"]
    return [packed[at:at + revocation.ID_BYTES] for at in range(0, len(packed), revocation.ID_BYTES)]


def due(fleet):
    """Returns the set of the identities that belong on the list: those on it, and old ones of boxes whose keys are renewed.

    The record of a renewal is written first, and whatever cuts it off is made good by
    the next list that is signed.
    """
    return {*listed(fleet), *fleet.renewed()}


def changed(fleet, texts, undo=False):
    """Returns the Manifest of the list with boxes added, or taken off (undo).

    texts: identities in hexadecimal, whole or their first digits.
    OperatorError for a box that is not enrolled, is on the list (undo: is not, or has
    another key now), or has no room.
    """
    # Whose lot has ended is silent by that.
    before = [id for id in listed(fleet) if id in fleet.boxes()]
    known = before if undo else fleet.boxes()
    ids = {find(known, text, "on the list" if undo else "enrolled") for text in texts}
    twice = sorted(ids.intersection(before))
    if twice and not undo:
        raise OperatorError(f"box {twice[0].hex()} is revoked already", "See `backfence revoke`.")
    renewed = set(fleet.renewed())
    if undo and ids & renewed:
        raise OperatorError(f"box {min(ids & renewed).hex()} has another key now", "That one is believed; see `backfence renew`.")
    after = sorted(renewed.union(set(before) - ids if undo else ids.union(before)))
    if len(after) > limits.REVOKED:
        raise OperatorError(
            f"{len(after)} boxes would be revoked; a fleet's list has room for {limits.REVOKED}",
            "Replace the lots that they are in, then end those: `backfence lot replace`.",
        )
    return manifests.revocation_manifest(fleet, after)


def find(known, text, what):
    """Returns the one identity (bytes) that begins with some hexadecimal digits, or has a serial; OperatorError.

    known: a list of identities, or register.Boxes, which know serials too.
    """
    digits = text.lower()
    # A slip of a finger in fewer digits might name another box.
    found = []
    if len(digits) >= DIGITS:
        found = known.beginning(digits) if hasattr(known, "beginning") else [id for id in known if id.hex().startswith(digits)]
    if not found and hasattr(known, "with_serial"):
        found = [box.id for box in (known.with_serial(text),) if box]
    if len(found) == 1:
        return found[0]
    if found:
        raise OperatorError(f"several boxes that are {what} begin with {text}", "Write more of its digits.")
    raise OperatorError(
        f"no box {text} is {what}", f"Write its ID: 32 hexadecimal digits, or at least the first {DIGITS}.")
