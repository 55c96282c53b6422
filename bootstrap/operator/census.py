"""A census: what a door published of the whole fleet, read and put into words.

A census is what gossip counted, under no signature: shown to people, with its
age, and used for nothing else.  docs/monitoring.md says what each figure means.
"""

import time

from ...agent import limits
from ...agent.errors import RemoteError
from ...agent.tenancy import tenant_of
from ...agent.wire import cbor
from . import push
from .manifests import BUILT_IN

DEPTH = 6
# More than a census of CENSUS_BYTES can hold.
ITEMS = 16_384
PERCENTILES = (5, 25, 50, 75, 95, 99)
WHOLE = 10_000  # a CDF's heights are in hundredths of a percent

_NUMBER = (int,)
_MAYBE = (int, type(None))
_SHAPE = {
    "door": (bytes,), "wall_s": _NUMBER, "epoch": _MAYBE, "age_s": _MAYBE, "quick": (bool,), "size": _MAYBE,
    "rounds_ms": _NUMBER, "slices": (dict,), "queries": (dict,), "versions": (dict,), "jobs": (dict,),
    "workloads": (dict,), "carrying": _NUMBER, "published": _NUMBER,
}
_SLICE = {"seats": _MAYBE, "filled": _MAYBE, "matching": _MAYBE, "heard": (list,), "candidates": _NUMBER}
_QUERY = {
    "count": _NUMBER, "attribute": (str, type(None)), "age_s": _NUMBER, "mean": _NUMBER, "sd": _NUMBER,
    "least": _NUMBER, "most": _NUMBER,
    "cdf": (list,), "top": (list, type(None)), "threshold": _MAYBE,
}
_WORKLOAD = {"seq": _NUMBER, "tasks": _NUMBER, "slice": (str,)}


def _is(value, kinds):
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)


def _row(value, shape):
    """The keys of `shape` from a map, cleaned; ValueError if one is missing or of another type."""
    if not isinstance(value, dict):
        raise ValueError
    out = {}
    for key, kinds in shape.items():
        if key not in value or not _is(value[key], kinds):
            raise ValueError
        out[key] = push.clean(value[key], 64) if isinstance(value[key], str) else value[key]
    return out


def _rows(value, shape):
    for name in value:
        if name not in BUILT_IN:
            tenant_of(name)  # RemoteError unless it is NAME or TENANT/NAME
    return {name: _row(row, shape) for name, row in sorted(value.items())}


def _counts(value):
    if not all(isinstance(name, str) and _is(count, _NUMBER) for name, count in value.items()):
        raise ValueError
    return {push.clean(name, 64): count for name, count in sorted(value.items())}


def _cdf(points):
    for point in points:
        if not isinstance(point, list) or len(point) != 2 or not all(_is(each, _NUMBER) for each in point):
            raise ValueError
    if points != sorted(points) or any(not 0 <= height <= WHOLE for _, height in points):
        raise ValueError
    if [height for _, height in points] != sorted(height for _, height in points):
        raise ValueError
    return points


def _heard(seats):
    for seat in seats:
        form = isinstance(seat, list) and len(seat) == 3
        if not form or not _is(seat[0], _NUMBER) or not _is(seat[1], _NUMBER) or not isinstance(seat[2], bytes):
            raise ValueError
    return [[seat, term, box.hex()] for seat, term, box in seats]


def read(payload):
    """Returns the census in a message's payload, JSON-able and in form, or None."""
    if len(payload) > limits.CENSUS_BYTES:
        return None
    try:
        told = cbor.decode(payload, DEPTH, ITEMS)
        census = _row(told, _SHAPE)
        census["slices"] = _rows(census["slices"], _SLICE)
        census["queries"] = _rows(census["queries"], _QUERY)
        census["workloads"] = _rows(census["workloads"], _WORKLOAD)
        census["versions"], census["jobs"] = _counts(census["versions"]), _counts(census["jobs"])
        for row in census["slices"].values():
            row["heard"] = _heard(row["heard"])
        for row in census["queries"].values():
            row["cdf"] = _cdf(row["cdf"])
            if row["top"] is not None and [type(part) for part in row["top"]] != [int, str]:
                raise ValueError
        left_out = told.get("left_out", [])
        census["left_out"] = [push.clean(part, 32) for part in left_out] if isinstance(left_out, list) else []
    except (RemoteError, ValueError):
        return None
    census["door"] = census["door"].hex()
    return census


def newest(censuses, doors):
    """Returns the census to believe of {door: census}, or None.

    The one with the highest epoch, then the latest; but a door that is offline
    only speaks when no other does: what it counted may be of long ago.
    """
    def rank(door):
        census = censuses[door]
        return doors.get(door) == "online", census["epoch"] or 0, census["wall_s"]

    return censuses[max(censuses, key=rank)] if censuses else None


def told_s(census, now_s=None):
    """Returns how many seconds ago the door said it, by both clocks."""
    return max(0, int(time.time() if now_s is None else now_s) - census["wall_s"])


def age_s(census, now_s=None, row=None):
    """Returns the seconds since its epoch, or that of a query's row, was complete; None before the first was."""
    counted = (row or census)["age_s"]
    return None if counted is None else counted + told_s(census, now_s)


def ago(seconds):
    """Returns "40 s", "12 min", "3.5 h" or "2.1 d"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} d"


def when(census, now_s=None):
    """Returns "epoch 12, complete 40 s ago; idle, counts in rounds of 60 s"."""
    pace = f"{'quick' if census['quick'] else 'idle'}, counts in rounds of {census['rounds_ms'] / 1000:g} s"
    if census["epoch"] is None or census["age_s"] is None:
        return f"no epoch is complete yet; {pace}"
    return f"epoch {census['epoch']}, complete {ago(age_s(census, now_s))} ago; {pace}"


def percentile(row, percent):
    """Returns a percentile of a query's answer, interpolated between the points of its CDF."""
    wanted = percent * WHOLE / 100
    value, height = row["least"], 0
    for next_value, next_height in [*row["cdf"], [row["most"], WHOLE]]:
        if wanted <= next_height:
            if next_height == height:
                return value
            return round(value + (next_value - value) * (wanted - height) / (next_height - height))
        value, height = max(value, next_value), next_height
    return row["most"]


def percentiles(row):
    """Returns {"p5": value, ...} of a query's answer; {} if it has no distribution."""
    if row["attribute"] is None or not row["count"]:
        return {}
    return {f"p{percent}": percentile(row, percent) for percent in PERCENTILES}


def filling(name, row):
    """Returns how a slice stands, in one sentence: by how much it is short, and why."""
    wanted, filled, matching = row["seats"], row["filled"], row["matching"]
    if wanted is None:
        return f"{name}: its share of the fleet is not counted yet, {len(row['heard'])} seats heard of"
    if filled is None:
        return f"{name}: {wanted:,} seats wanted, not counted yet, {len(row['heard'])} heard of"
    said = f"{name}: {filled:,} of {wanted:,} seats filled"
    if matching is None:
        return said
    said += ", 1 box matches" if matching == 1 else f", {matching:,} boxes match"
    if matching < wanted:
        return f"{said}: {wanted - matching:,} short of matching boxes"
    if filled < wanted:
        return f"{said}: {wanted - filled:,} more to fill, if they sit in no other slice"
    return said


def short_by(row):
    """Returns how many seats of a slice are not filled, or None if that was not counted."""
    return None if row["seats"] is None or row["filled"] is None else max(0, row["seats"] - row["filled"])


def view(census, now_s=None):
    """Returns a census for `--format json`: with ages as of now, percentiles, and what slices are short of."""
    slices = {
        name: {**row, "short": short_by(row), "says": filling(name, row)} for name, row in census["slices"].items()
    }
    queries = {
        name: {**row, "age_s": age_s(census, now_s, row), "percentiles": percentiles(row)}
        for name, row in census["queries"].items()
    }
    ages = {"age_s": age_s(census, now_s), "told_s": told_s(census, now_s)}
    return {**census, **ages, "slices": slices, "queries": queries}
