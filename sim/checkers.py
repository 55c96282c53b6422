"""Checks on the world's state, never on a node's opinion of itself.

Each check takes what it needs (the states read by inspect.py, the world, the
operator) and returns "" when the rule holds, else one line that says where it
does not.  No check asks a node anything.
"""

# How many offenders a line names before it says "and more".
NAMED = 4


def _some(items):
    text = ", ".join(str(item) for item in items[:NAMED])
    return text + (" and %d more" % (len(items) - NAMED) if len(items) > NAMED else "")


def connected(states):
    """The overlay of all live boxes is one component.

    Reads: every live box's view table; a link counts in both directions, as
    either end can speak first.
    """
    if not states:
        return "no box is live"
    by_id = {state.id: state for state in states}
    links = {state.id: set() for state in states}
    for state in states:
        for other in state.view:
            if other in by_id and other != state.id:
                links[state.id].add(other)
                links[other].add(state.id)
    seen = {states[0].id}
    queue = [states[0].id]
    while queue:
        for other in links[queue.pop()]:
            if other not in seen:
                seen.add(other)
                queue.append(other)
    away = [state.number for state in states if state.id not in seen]
    return "%d of %d boxes are cut off: %s" % (len(away), len(states), _some(away)) if away else ""


def views_filled(states, least):
    """Every view holds at least `least` live boxes (or all others, if fewer).

    Reads: every live box's view table, and who is live in the world.
    """
    alive = {state.id for state in states}
    wanted = min(least, len(states) - 1)
    poor = [state.number for state in states if len(alive.intersection(state.view) - {state.id}) < wanted]
    return "%d boxes know fewer than %d live ones: %s" % (len(poor), wanted, _some(poor)) if poor else ""


def views_hold_no_dead(states, share=0.0):
    """No view holds a box that is not live (at most `share` of all links).

    Reads: every live box's view table, and who is live in the world.
    """
    alive = {state.id for state in states}
    views = [state.view for state in states]
    links = sum(len(view) for view in views)
    dead = sum(1 for view in views for other in view if other not in alive)
    return "%d of %d links point to dead boxes" % (dead, links) if dead > share * links else ""


def manifests_everywhere(states, wanted):
    """Every live box has every live manifest, in its newest version.

    Reads: every live box's manifest table; `wanted` (name -> sequence number)
    is what the operator published.
    """
    lacking = []
    for state in states:
        has = state.manifests
        lacking += ["%d lacks %s" % (state.number, name) for name in sorted(wanted) if has.get(name) != wanted[name]]
    return "%d missing: %s" % (len(lacking), _some(lacking)) if lacking else ""


def seats_unique(states):
    """No seat of a slice is held by two live boxes.

    Reads: every live box's seat table.
    """
    holders = {}
    for state in states:
        for seat in state.seats:
            holders.setdefault((seat.slice, seat.number), []).append(state.number)
    twice = ["%s/%d by %s" % (key + (holders[key],)) for key in sorted(holders) if len(holders[key]) > 1]
    return "held twice: %s" % _some(twice) if twice else ""


def slices_disjoint(states):
    """No box holds more than one seat.

    Reads: every live box's seat table.
    """
    greedy = [state.number for state in states if len(state.seats) > 1]
    return "boxes with several seats: %s" % _some(greedy) if greedy else ""


def ring_closed(states, name, size):
    """Slice `name` has exactly seats 0..size-1, and they form one closed ring.

    Reads: every live box's seat table and its first successor; following the
    successors from seat 0 must visit every seat once and come back.
    """
    held = {}
    for state in states:
        for seat in state.seats:
            if seat.slice == name:
                if seat.number in held:
                    return "%s: seat %d is held twice" % (name, seat.number)
                held[seat.number] = (state, seat)
    wanted = set(range(size))
    if set(held) != wanted:
        gaps, extra = sorted(wanted - set(held)), sorted(set(held) - wanted)
        return "%s: %d of %d seats, vacant: %s%s" % (
            name, len(held), size, _some(gaps), "; beyond the size: %s" % _some(extra) if extra else "")
    if size == 1:
        return ""
    for number in range(size):
        successor = held[number][1].successor
        after = (number + 1) % size
        if successor is None or successor[0] != after or successor[1] != held[after][0].id:
            return "%s: seat %d's successor is not the holder of seat %d" % (name, number, after)
    return ""


def within_caps(states):
    """No table of any box exceeds its named cap.

    Reads: the size of every table that inspect.py lists, beside its cap.
    """
    over = [
        "%d: %s has %d of %d" % (state.number, name, size, cap)
        for state in states
        for name, size, cap in state.tables
        if size > cap
    ]
    return "over the cap: %s" % _some(over) if over else ""


def datagrams_fit(world):
    """No box ever sent more than one unfragmented datagram may carry.

    Reads: the network's own count.
    """
    return "%d datagrams were too long" % world.network.oversize if world.network.oversize else ""


def one_job_at_a_time(boxes):
    """No box ever started a job while another ran.

    Reads: each cell's own count.
    """
    wrong = [box.number for box in boxes if box.cell is not None and box.cell.overlaps]
    return "boxes that started a second job: %s" % _some(wrong) if wrong else ""


def no_spinning(world, boxes, per_s=200):
    """No box's timer fires more than `per_s` times a second on average: a deadline that never moves.

    Reads: each box's own count of timer calls.
    """
    most = per_s * (world.now_ms // 1000 + 1)
    wrong = [box.number for box in boxes if box.timers > most]
    return "boxes that spin: %s" % _some(wrong) if wrong else ""


def disks_within(boxes, store_bytes):
    """No box keeps more blobs and parts than its store's capacity.

    Reads: each box's disk, live or not.
    """
    over = []
    for box in boxes:
        used = box.disk.used("blob-", "part-")
        if used > store_bytes:
            over.append("%d: %d bytes" % (box.number, used))
    return "stores over %d bytes: %s" % (store_bytes, _some(over)) if over else ""


def epoch_complete(states, number):
    """Every live box that averages in epoch `number` or a later one has its results.

    Reads: every live box's epoch.
    """
    begun = [state for state in states if state.epoch[0] >= number]
    late = [state.number for state in begun if state.epoch[1] < number]
    if not begun:
        return "no box averages"
    return "%d boxes have no results of epoch %d: %s" % (len(late), number, _some(late)) if late else ""


def mass_whole(states, tolerance=1e-6):
    """Every cell that all boxes of an epoch hold sums up to 1: no exchange was half done.

    Reads: every live box's averages of the size.
    """
    newest = max((state.epoch[0] for state in states), default=0)
    cells = [state.cells for state in states if state.epoch[0] == newest]
    kept = set(cells[0]).intersection(*cells) if newest else ()
    if not kept:
        return "no cell is held by all"
    sums = [sum(box[key] for box in cells) for key in sorted(kept)]
    wrong = ["%.6f" % mass for mass in sums if abs(mass - 1) > tolerance]
    return "sums that should be 1: %s" % _some(wrong) if wrong else ""


def size_known(states, size, tolerance):
    """Every live box that has a complete epoch found `size`, give or take a share of it.

    Reads: every live box's last results, and who is live in the world.
    """
    found = [(state.number, state.epoch[2]) for state in states if state.epoch[2] is not None]
    if 2 * len(found) < len(states):
        return "%d of %d boxes know a size" % (len(found), len(states))
    wrong = ["%d: %d" % row for row in found if abs(row[1] - size) > tolerance * size]
    return "the size is %d, but %d boxes found another: %s" % (size, len(wrong), _some(wrong)) if wrong else ""


def settled_once(operator, workload):
    """Every result that was settled was settled once, and with the right output.

    Reads: the operator's list of settlements and the outputs that the
    simulator knows to be right.
    """
    seen = {}
    for task, output in operator.settled(workload):
        if task in seen:
            return "%s: task %d was settled twice" % (workload, task)
        seen[task] = output
    wrong = [task for task in sorted(seen) if operator.wanted_output(workload, task) not in (None, seen[task])]
    return "%s: wrong outputs for tasks %s" % (workload, _some(wrong)) if wrong else ""


def all_settled(operator, workload, tasks):
    """Every task of a workload is settled.

    Reads: the operator's list of settlements.
    """
    done = {task for task, _ in operator.settled(workload)}
    missing = [task for task in range(tasks) if task not in done]
    return "%s: %d of %d tasks are open: %s" % (workload, len(missing), tasks, _some(missing)) if missing else ""
