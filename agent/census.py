"""The census: what a door tells operators of the whole fleet, from gossip alone.

Size, percentiles, versions and what slices lack were counted by all boxes in
the last complete epoch (aggregate.py); seats and candidates heard of are what
gossip brought past this door.  Nobody is asked, and a reader learns how old each
figure is.  Each door has a retained topic of its own; it clears it when it leaves
in good order, so that an old census does not outlive its door for ever.
"""

from .compat import const
from .limits import CENSUS_BYTES
from .wire import cbor

# Pauses between two: while something changes, and to show that we are there.
CHANGED_MS = const(2000)
STEADY_MS = const(60000)


class Census:
    """One door's census, and when it is published."""

    def __init__(self, node, root):
        """root: the fleet's topic, with a slash at its end."""
        self._node = node
        self.topic = root + "census/" + node.id.hex()
        self._said_ms = None  # when the last one went out
        self._said = None  # what it was, as far as a change of it is news
        self._looked_ms = 0  # when that was last looked at
        self._left = False

    def renew(self):
        """The broker is there (again): say it soon, whatever it has."""
        self._said_ms = None

    def tick(self, now_ms):
        """Publish if it is due: for news after a short pause, else now and then."""
        if self._left:
            return
        due = self._said_ms is None or now_ms - self._said_ms >= STEADY_MS
        # A look costs far more than a tick, so it has the same pause as a census.
        if not due and now_ms - self._looked_ms < CHANGED_MS:
            return
        state = self._state(now_ms)
        if state == self._said and not due:
            self._looked_ms = now_ms
        elif self._node.event(("publish", self.topic, encode(self.map()), True, None)):
            self._said_ms = self._looked_ms = now_ms
            self._said = state

    def _state(self, now_ms):
        """What makes a census worth publishing before its time:
        an epoch was completed, a manifest came, a slice grew or filled."""
        node = self._node
        age_ms = node.aggregate.age_ms()
        return (
            None if age_ms is None else now_ms - age_ms,
            node.busy(),
            sorted((manifest.id, manifest.seq) for manifest in node.rumours.manifests.values()),
            sorted((slice.manifest.id, node.slicing.size(slice.manifest.id), len(self._heard(slice)))
                   for slice in node.slicing.slices.values()),
        )

    def leave(self):
        """Take it back: an empty retained message."""
        self._left = True
        self._node.event(("publish", self.topic, b"", True, None))

    def map(self):
        """dict as docs/wire.cddl has it."""
        node = self._node
        census = node.aggregate.report()
        counted = census["slices"]
        # What another slice has taken in is counted there.
        census["slices"] = {
            slice.manifest.name: self._slice(slice, counted)
            for slice in node.slicing.slices.values()
            if not node.slicing.absorber(slice.manifest.name)
        }
        census["workloads"] = {
            manifest.name: {
                "seq": manifest.seq,
                "tasks": manifest.fields["tasks"],
                "slice": manifest.fields["slice"],
            }
            for manifest in node.rumours.of_kind("workload")
        }
        census["door"] = node.id
        census["wall_s"] = node.wall_s()
        census["carrying"] = len(node.door.carried)
        census["published"] = node.counters["door_published"]
        return census

    def _heard(self, slice):
        """{seat: SeatEntry} of one slice, our own seat too."""
        holders = {entry.seat: entry for entry in slice.seats.values()}
        own = self._node.ring.own_entry(slice.manifest.id)
        if own:
            holders[own.seat] = own
        return holders

    def _slice(self, slice, counted):
        holders = self._heard(slice)
        row = counted.get(slice.manifest.name, {})
        return {
            "seats": self._node.slicing.size(slice.manifest.id),
            "filled": row.get("filled"),
            "matching": row.get("matching"),
            "heard": [[seat, holders[seat].term, holders[seat].id] for seat in sorted(holders)],
            "candidates": len(slice.candidates),
        }


def encode(census):
    """Bytes of a census, at most CENSUS_BYTES.

    What does not fit is left out in this order: seats heard of, workloads, every
    second point of the distributions, all of them, versions, then queries and
    slices; "left_out" names the parts.
    """
    left_out = []
    for part, cut in _CUTS:
        data = cbor.encode(census)
        if len(data) <= CENSUS_BYTES:
            return data
        census = cut(census)
        left_out.append(part)
        census["left_out"] = left_out
    return cbor.encode(census)


def _without(key):
    """A cut that empties a map of the census."""

    def cut(census):
        return _changed(census, key, {})

    return cut


def _changed(census, key, value):
    out = dict(census)
    out[key] = value
    return out


def _rows(key, field, change):
    """A cut that changes one field in each row of a map."""

    def cut(census):
        rows = census[key]
        return _changed(census, key, {name: _changed(rows[name], field, change(rows[name][field])) for name in rows})

    return cut


_CUTS = (
    ("heard", _rows("slices", "heard", lambda heard: [])),
    ("workloads", _without("workloads")),
    ("half of cdf", _rows("queries", "cdf", lambda cdf: cdf[1::2])),
    ("cdf", _rows("queries", "cdf", lambda cdf: [])),
    ("versions", _without("versions")),
    ("queries", _without("queries")),
    ("slices", _without("slices")),
)
