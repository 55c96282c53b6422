"""Elastic slices: more or fewer seats while work runs, by a number or by what is open.

A slice that grows by one seat takes about one open task in N + 1 from the others, and
nothing else moves: jump consistent hash (agent/placement.py).  Who asks for seats is the
owner of the work, for only he settles and so knows what is open.  Each step is a manifest
and takes a one-time signature: `Policy` takes few.
"""

import time

from ...agent import limits
from . import delegations, manifests, reshape
from .errors import OperatorError
from .task import OPEN

# Between two steps, at least.
STEP_S = 60
# Seats are given up once so much smaller a slice would have done for so long.
WORTH, IDLE_S = 0.75, 300


class Policy:
    """One seat for every `per_seat` open tasks, from `least` to `most` seats, as many for each of `regions`."""

    def __init__(self, per_seat, least, most, regions=1):
        if per_seat < 1:
            raise OperatorError("a seat for 0 open tasks is none", "Give --backlog 1 or more.")
        if not 1 <= least <= most:
            raise OperatorError(f"there is no number of seats from {least:,} to {most:,}", "Give 1 <= --min <= --max.")
        self.per_seat, self.least, self.most = per_seat, least + -least % regions, most - most % regions
        if self.least > self.most:
            raise OperatorError(
                f"no number of seats from {least:,} to {most:,} can be shared out to {regions} regions alike", "Give a larger --max."
            )
        self._regions = regions
        self._stepped_s = None
        self._low = None  # (since when a much smaller slice would do, the most seats wanted since)

    def wanted(self, tasks):
        """Returns the seats for so many open tasks."""
        seats = -(-tasks // self.per_seat)
        return min(self.most, max(self.least, seats + -seats % self._regions))

    def step(self, now_s, tasks, seats):
        """Returns how many seats a slice of `seats` is to have from now on, or None if it stays as it is."""
        wanted = self.wanted(tasks)
        if wanted > WORTH * seats:
            self._low = None
        else:
            since_s, most = self._low or (now_s, wanted)
            self._low = since_s, max(most, wanted)
        chosen = None
        if wanted > seats or seats > self.most:
            chosen = wanted
        elif self._low and now_s - self._low[0] >= IDLE_S:
            chosen = self._low[1]
        if chosen is None or self._stepped_s is not None and now_s - self._stepped_s < STEP_S:
            return None
        self._stepped_s, self._low = now_s, None
        return chosen


def live_workloads(fleet, names):
    """Returns the payloads of this fleet's live workloads in slices of these names, as far as it signed them."""
    found = [fleet.signed(label)[1] for label in fleet.labels() if label.startswith("workload-")]
    return [payload for payload in found if payload["slice"] in names and delegations.live(payload)]


def names(payload):
    """Returns the names of the slices that a slice's seats stand for: its own, and those it has taken in."""
    return [payload["name"], *(row[0] for row in payload.get("absorbs", []))]


def scaled(fleet, payload, seats):
    """Returns the Manifest of a live slice (its payload) with so many seats; OperatorError."""
    reshape.check_live(payload)
    reshape.carried(fleet, payload["name"], seats)
    if not 1 <= seats <= limits.SEATS:
        raise OperatorError(f"a slice has from 1 to {limits.SEATS:,} seats, not {seats:,}")
    if "regions" in payload:
        manifests.check_regions(payload["regions"], seats)
    for work in live_workloads(fleet, names(payload)):
        if work["replicas"] > seats:
            raise OperatorError(
                f"the workload {work['name']!r} has {work['replicas']} replicas of each task, and a box does one of them",
                f"Leave {work['replicas']} seats, or cancel it.",
            )
    return manifests.next_manifest(fleet, payload, seats=seats)


def most_seats(fleet, payload):
    """Returns how many seats a slice may have: of a tenant, what his other slices leave of the quota."""
    if not fleet.tenant:
        return limits.SEATS
    others = [fleet.signed(label)[1] for label in fleet.labels() if label.startswith("slice-")]
    used = sum(other["seats"] for other in others if other["name"] != payload["name"] and delegations.live(other))
    return max(0, fleet.delegation["seats"] - used)


def open_tasks(seen, slices):
    """Returns how many tasks are open in slices of these names, by what a picture.Picture has seen."""
    total = 0
    for settlement in seen.settlements.values():
        settlement.expire(time.time())
        if settlement.payload["slice"] in slices:
            counts = settlement.counts()
            total += sum(counts[state] for state in OPEN)
    return total
