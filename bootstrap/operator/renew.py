"""Renewal of a box's key: the new one is enrolled as the old one's successor, and the old one silenced.

The box asks (agent/edge/renew.py): both public keys, and for each a tag under its
secret with the owner's key.  So nobody else can have asked for it, and the box has
the new private key.
"""

import hmac

from ...agent import limits
from ...agent.edge import renew as box_renew
from ...agent.wire.hashes import hmac_sha256
from . import factory, lots, revoke
from .errors import OperatorError
from .register import Box, box_id

REQUEST_BYTES = 96


def read(fleet, text):
    """Returns (id of the old key, new public key) of a request in hexadecimal; OperatorError for one that does not hold."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != REQUEST_BYTES:
        raise OperatorError(
            f"{text[:16]}... is no request for a new key", "The box prints it: `-m backfence.agent.edge.renew --home DIR`.")
    old, new = data[:32], data[32:64]
    wrong = factory.wrong_key(new)
    if wrong:
        raise OperatorError(f"the new key is {wrong}", "Remove next.key from the box, and ask again.")
    for public, tag in ((old, data[64:80]), (new, data[80:])):
        if factory.wrong_key(public) or not hmac.compare_digest(_tag(fleet, public, old, new), tag):
            raise OperatorError("the request was not made by the box that it is for", "Have the box make it again.")
    return box_id(old), new


def _tag(fleet, public, old, new):
    return hmac_sha256(fleet.receipt_key(public), box_renew.DOMAIN, old, new)[:box_renew.TAG_BYTES]


def renew(fleet, texts):
    """Enrols the new keys as one lot, each in place of its old one; returns [(old id, new id)].

    OperatorError, and nobody is renewed, for a request that does not hold, of a box
    that is not enrolled, is revoked or was renewed before by another, or if the list of
    revoked boxes has no room for the old identities.  A request that was granted before
    is not refused: the command was cut short.  The caller signs the list of revoked
    boxes, silence(): until then the record alone says that the old keys are silenced.
    """
    pairs = [read(fleet, text) for text in texts]
    done = [(old, box_id(new)) for old, new in pairs if fleet.register.successor(old) == box_id(new)]
    pairs = [(old, new) for old, new in pairs if (old, box_id(new)) not in done]
    known, revoked = fleet.boxes(), fleet.revoked()
    for old, _ in pairs:
        later = fleet.register.successor(old)
        if later:
            raise OperatorError(f"box {old.hex()} was renewed already, by {later.hex()}", "Renew that one; should the old key still be believed: `backfence revoke`.")
        if old not in known:
            raise OperatorError(f"no box {old.hex()} is enrolled", "See `backfence describe`.")
        if old in revoked:
            raise OperatorError(f"box {old.hex()} is revoked: whoever has its key may have asked", "Enrol it anew.")
    if len({old for old, _ in pairs}) < len(pairs):
        raise OperatorError("two requests are for one box", "Take the later one.")
    if len([id for id in revoked if id in known]) + len(pairs) > limits.REVOKED:
        raise OperatorError("the list of revoked boxes has no room for the old keys", "First `backfence lot replace`.")
    boxes = [Box(box_id(new), new, before=old) for old, new in pairs]
    if boxes:
        lots.enrol(fleet, enumerate(boxes, 1), factory.Problems("the requests"))
    return done + [(box.before, box.id) for box in boxes]


def silence(fleet):
    """Returns the Manifest of the list of revoked boxes, with the old identities of all renewed boxes on it."""
    return revoke.changed(fleet, ())


def unfinished(fleet):
    """True if old keys that were renewed are not on the newest signed list of revoked boxes yet."""
    return bool(set(fleet.renewed()) - set(revoke.listed(fleet)))
