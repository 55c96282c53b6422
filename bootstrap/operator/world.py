"""The fleet seen from outside: what the live agents' status files say together.

Nothing here asks a node for its opinion of the whole: each status tells of one
box's own seats and links, and the checks put them together.
"""

from ...agent.manifest import manifest_id
from ...agent.placement import seat_of


def held_seats(statuses, slice_name):
    """{seat: [ids of the boxes that claim it]} of one slice."""
    held = {}
    for status in statuses:
        for seat in status["seats"]:
            if seat["slice"] == slice_name:
                held.setdefault(seat["seat"], []).append(status["id"])
    return held


def ring_faults(statuses, slice_name, wanted=None):
    """What is wrong with a slice's ring, a list of sentences; empty if it is sound.

    Sound: each seat is held once, and following successors from the lowest seat
    visits all held seats in order and returns to it, each link naming the box
    that really holds the seat; predecessors mirror them.  With `wanted`, seats
    0..wanted-1 must all be held, and no other.  Without, a ring closed over a
    gap is sound too.
    """
    held = held_seats(statuses, slice_name)
    faults = []
    for seat in sorted(held):
        if len(held[seat]) > 1:
            faults.append("seat %d is held by %d boxes (%s)" % (seat, len(held[seat]), _short(held[seat])))
    if wanted is not None:
        missing = [seat for seat in range(wanted) if seat not in held]
        if missing:
            faults.append("%d of %d seats are vacant (%s)" % (len(missing), wanted, _list(missing)))
        extra = [seat for seat in sorted(held) if not 0 <= seat < wanted]
        if extra:
            faults.append("seats beyond the slice are held (%s)" % _list(extra))
    order = sorted(held)
    for status in statuses:
        for seat in status["seats"]:
            if seat["slice"] == slice_name:
                faults += _link_faults(seat, order, held)
    return faults


def _link_faults(seat, order, held):
    place = order.index(seat["seat"])
    for link, step in (("successor", 1), ("predecessor", -1)):
        right = order[(place + step) % len(order)]
        named = seat[link]
        if named is None:
            # A ring of one has nobody to name.
            if len(order) > 1:
                yield "seat %d has no %s" % (seat["seat"], link)
        elif named[0] != right:
            yield "seat %d has seat %d as its %s, not seat %d" % (seat["seat"], named[0], link, right)
        elif named[1] not in held[right]:
            yield "seat %d has a stale %s: seat %d is not held by %s" % (seat["seat"], link, right, named[1][:8])


def stragglers(statuses, expected):
    """Why the fleet is not one overlay yet, in one sentence; None if it is.

    One overlay: `expected` agents report, and every one of them can be reached
    from any other over the union of their views, links taken in both directions.
    """
    ids = {status["id"] for status in statuses}
    if len(ids) < expected:
        return "%d of %d agents have reported" % (len(ids), expected)
    alone = [status["id"][:8] for status in statuses if not status["view"]]
    if alone:
        return "%d agents know nobody yet (%s)" % (len(alone), ", ".join(alone[:4]))
    links = {name: set() for name in ids}
    for status in statuses:
        for other in status["view"]:
            if other in ids:
                links[status["id"]].add(other)
                links[other].add(status["id"])
    reached, waiting = set(), [statuses[0]["id"]]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += links[name]
    if len(reached) < len(ids):
        return "the overlay has more than one part (%d of %d reached)" % (len(reached), len(ids))
    return None


def placed_on(workload, seats, held, tasks):
    """Those of `tasks` (numbers) of the workload that belong to the seats `held` of a slice of `seats`."""
    key = manifest_id("workload", workload)
    return [task for task in tasks if seat_of(key, task, seats) in held]


def at_stake(status, slice_name):
    """What dies with a box: (seats held in the slice, open tasks), both counts."""
    seats = sum(1 for seat in status["seats"] if seat["slice"] == slice_name)
    return seats, status["tasks"]["open"]


def pick_victims(statuses, slice_name, count):
    """`count` statuses whose boxes hold a seat and open tasks, the most loaded first; [] if there are not enough.

    One door at least is left alive: losing all of them is losing the way out,
    and no peer can mend that.
    """
    loaded = [status for status in statuses if min(at_stake(status, slice_name)) > 0]
    loaded.sort(key=lambda status: (-status["tasks"]["open"], status["id"]))
    doors = sum(1 for status in statuses if status["door"])
    victims = []
    for status in loaded:
        if len(victims) < count and not (status["door"] and doors == 1):
            victims.append(status)
            doors -= bool(status["door"])
    return victims if len(victims) == count else []


def _short(ids):
    return ", ".join(sorted(name[:8] for name in ids))


def _list(numbers):
    return ", ".join(str(number) for number in numbers[:8]) + (", ..." if len(numbers) > 8 else "")
