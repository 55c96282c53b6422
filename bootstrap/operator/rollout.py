"""A firmware's waves, and the operator's word about it while it goes round.

Which boxes are of which wave is known here as on every box: a hash of the image and of
the box's identity.  How far it has come is what the boxes count themselves, by two
standing queries that are published beside it.
"""

import collections
import math
import time

from ...agent import limits, waves as rule
from ...agent.errors import RemoteError
from . import census as censuses
from . import manifests
from .errors import OperatorError

# One in a hundred at first, then ten, half, and all.
WAVES = "1,10,50,100"
SOAK = "1h"
# A fleet of fewer boxes has too few in a hundredth to be asked.
BOXES_FOR_WAVES = 1000
POLLED = 20
# Of those polled so many must be good.
NEED = 0.8
# In the smallest wave are so many boxes for each that is polled: some are off, or behind a NAT.
SPARE = 3
GRACE_S = 86_400
STEPS = {"pause": "is paused", "go": "goes on", "halt": "is halted for good"}


def shares(text):
    """Returns the shares of waves, in ten thousandths, of percentages such as "1,10,50,100"."""
    try:
        found = [round(float(part.strip().removesuffix("%")) * 100) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or found[-1] != rule.WHOLE or sorted(set(found)) != found or found[0] < 1:
        raise OperatorError(f"{text!r} are not waves", f"Write rising percentages that end with 100, such as {WAVES}.")
    return found


def rows(chosen, regions=()):
    """Returns the rows of waves (agent/waves.py) of shares and an order of regions.

    The first share is of all regions; the others are taken region by region; the last
    wave is whoever is left.
    """
    first, *rest = chosen
    found = [[first, ""]] + [[share, region] for region in regions for share in rest]
    if not regions:
        found += [[share, ""] for share in rest]
    return found + ([[rule.WHOLE, ""]] if found[-1] != [rule.WHOLE, ""] else [])


def sizes(fleet, image, found):
    """Returns how many enrolled boxes stand in each wave, as far as the hash says; a list."""
    counts = collections.Counter(rule.place(image, id) for id in fleet.boxes())
    return [sum(count for place, count in counts.items() if place < share) for share, _ in found]


def plan(fleet, image, text, soak_s, regions=(), polled=None):
    """Returns the waves of an image (its SHA-256) as its manifest has them, None for all at once.

    text: percentages, or None: WAVES in a fleet that is large enough.  OperatorError
    if a wave would be too small to be asked.
    """
    if text is None:
        if len(fleet.boxes()) < BOXES_FOR_WAVES:
            return None
        text = WAVES
    chosen = shares(text)
    if len(chosen) == 1:
        if regions:
            raise OperatorError("an order of regions needs waves", f"Write --waves {WAVES}, too.")
        return None
    found = rows(chosen, regions)
    smallest = min(sizes(fleet, image, found))
    wanted = polled or max(1, min(POLLED, smallest // SPARE))
    if smallest < wanted:
        raise OperatorError(
            f"the smallest wave has {smallest} boxes, and {wanted} are to be polled of it",
            "Begin with a larger share, or poll fewer: --polled N.",
        )
    made = [found, wanted, math.ceil(NEED * wanted), soak_s]
    try:
        return rule.check(made)
    except RemoteError:
        raise OperatorError(
            f"no box takes such waves: {len(found)} of them, {wanted} polled, {soak_s:,} s of soak",
            f"There are at most {limits.WAVES} waves, {limits.WAVE_POLLED} polled, and 30 days.",
        ) from None


def describe(value):
    """Returns the lines that tell waves to a person; value as in a manifest, or None."""
    if not value:
        return ["has no waves: all its boxes take it at once"]
    found, polled, need, soak_s = value
    told = ", ".join(f"{share / 100:g} %" + (f" in {region}" if region else "") for share, region in found)
    liar = f"; one liar is {100 // polled} % of a poll" if polled < POLLED else ""
    return [f"goes in {len(found)} waves: {told}", f"each waits until {need} of {polled} boxes of the last ran it for {soak_s:,} s{liar}"]


def chosen(fleet, name=None):
    """Returns the payload of the firmware of that name, or of the only one that may still be installed."""
    labels = [label for label in fleet.labels() if label.startswith("firmware-")]
    if name:
        return fleet.signed(f"firmware-{name}")[1]
    live = [payload for payload in (fleet.signed(label)[1] for label in labels) if payload["expires"] > time.time()]
    if len(live) != 1:
        raise OperatorError(
            "no firmware is on its way" if not live else f"{len(live)} firmwares are on their way",
            "Sign one: `backfence firmware sign`." if not live else "Name one: " + ", ".join(row["name"] for row in live),
        )
    return live[0]


def word(fleet, payload):
    """Returns what the operator last said of a firmware: "go", "pause" or "halt"."""
    label = f"rollout-{payload['name']}"
    if label not in fleet.labels():
        return "go"
    said = fleet.signed(label)[1]
    return said["word"] if said["firmware"] == payload["seq"] else "go"


def spoken(fleet, payload, said):
    """Returns the Manifest of a word about a firmware; OperatorError after a halt, which is for good."""
    if word(fleet, payload) == "halt":
        raise OperatorError(
            f"firmware {payload['name']} {payload['seq']} is halted for good",
            "Sign the image again: a new sequence is a new rollout.",
        )
    valid_s = max(1, payload["expires"] + GRACE_S - int(time.time()))
    return manifests.rollout_manifest(fleet, payload["name"], payload["seq"], said, valid_s)


def queries(fleet, payload):
    """Returns the Manifests of the two queries by which boxes count who runs a firmware, and on whom it failed."""
    valid_s = max(1, payload["expires"] - int(time.time()))
    return [
        manifests.query_manifest(fleet, query_name(what, payload), f"count where {attribute} == {payload['seq']}", valid_s)
        for what, attribute in (("runs", "firmware"), ("back", "firmware_failed"))
    ]


def query_name(what, payload):
    """Returns the name of the query "runs" or "back" of a firmware."""
    return f"{what}-{payload['name']}"


def status(fleet, payload, census, now_s=None):
    """Returns how far a firmware has come, JSON-able.  census: as censuses.read() has it, or None."""
    value = payload.get("waves")
    counted = sizes(fleet, payload["image"], value[0]) if value else []
    asked = census["queries"] if census else {}
    found = {what: asked.get(query_name(what, payload)) for what in ("runs", "back")}
    oldest = max((censuses.age_s(census, now_s, row) for row in found.values() if row), default=None)
    return {
        "name": payload["name"], "sequence": payload["seq"], "expires": payload["expires"], "word": word(fleet, payload),
        "waves": [{"share": share / rule.WHOLE, "region": region, "boxes": count}
                  for (share, region), count in zip(value[0], counted)] if value else [],
        "polled": value[1] if value else None, "need": value[2] if value else None, "soak_s": value[3] if value else None,
        "size": census["size"] if census else None, "runs": found["runs"] and found["runs"]["count"],
        "failed": found["back"] and found["back"]["count"], "age_s": oldest,
    }


def reached(said):
    """Returns the number of the last wave that has begun, from 0, by how many run it; None if that is not known."""
    if said["runs"] is None or not said["waves"]:
        return None
    tried = said["runs"] + (said["failed"] or 0)
    return max((number + 1 for number, wave in enumerate(said["waves"][:-1]) if tried > 1.1 * wave["boxes"]), default=0)


def lines(said):
    """Returns the lines that tell a status() to a person."""
    out = [f"firmware {said['name']}, sequence {said['sequence']}: {STEPS[said['word']]}"]
    at = reached(said)
    for number, wave in enumerate(said["waves"]):
        where = f" in {wave['region']}" if wave["region"] else ""
        mark = " <- here, by how many run it" if number == at else ""
        out.append(f"wave {number}: {100 * wave['share']:g} %{where}, {wave['boxes']:,} boxes enrolled{mark}")
    if said["waves"]:
        out.append(f"each waits until {said['need']} of {said['polled']} polled ran it for {said['soak_s']:,} s")
    if said["runs"] is None:
        return [*out, "how many run it is not counted yet"]
    of = "" if said["size"] is None else f" of {said['size']:,}"
    failed = "not counted yet" if said["failed"] is None else f"{said['failed']:,}"
    return [*out, f"runs on {said['runs']:,}{of} boxes; failed on {failed}; counted {censuses.ago(said['age_s'])} ago"]
