"""An image to every box at once: how long after the ideal, how many copies of the operator's, what it costs a box.

The agent's own classes on lines of a megabit up.  Plain speech; the averages that ride on
view exchanges are left out, for time.  Time runs from the publication to the start of the
new image, so it has rumour, flash and reading back in it.
"""

from ...agent.limits import UPDATE_FETCHES
from ..distribution import UP, Distribution, ideal_s
from ..lab import Lab

TITLE = "an image of 1 to 16 MB, from peers"
NODES = (30, 100, 1_000)
MB = 1 << 20
# The size of the image by the size of the fleet: a world holds all slots in memory.
LARGE = {30: 16 * MB, 100: 4 * MB}
# Doors hear of each other meanwhile, as in any fleet that has run for a while.
SETTLE_MS = 40_000
LIMIT_S = 3_600
DOORS, COPIES, TIMES = 3, 5, 3
# With slow, hidden, lying and interrupted boxes all at once.
TIMES_ROUGH = 5
IDEAL = "M + floor(log2 N) parts on one uplink (Mundinger et al. 2008)"


def rows(nodes, seed, say):
    """All boxes alike, and then a fleet with slow ones, hidden ones, liars and interruptions."""
    size = LARGE.get(nodes, MB)
    calm = spread(nodes, seed, size, say)
    out = _figures(calm, "")
    rough = spread(nodes, seed, MB, say, interrupted=0.1, slow=0.1, hidden=0.2, liars=0.05)
    return out + _figures(rough, "rough: ") + _shunning(rough)


def spread(nodes, seed, size, say, interrupted=0.0, **how):
    """A Distribution that is over."""
    lab = Lab("distribution", nodes, seed, speech="plain")
    found = Distribution(lab, size, doors=DOORS, **how)
    lab.world.run_for(SETTLE_MS)
    found.push()
    cut_s, said_s = ideal_s(nodes, size) / 2, 0
    left = nodes
    while left and found.elapsed_s() < LIMIT_S:
        lab.world.run_for(500)
        left = found.look()
        if interrupted and not found.interrupted and found.elapsed_s() > cut_s:
            found.interrupt(interrupted)
        if found.elapsed_s() - said_s >= 10 or not left:
            said_s = found.elapsed_s()
            say("%.0f s, %d MB: %d boxes lack it, %.2f copies from the broker" % (said_s, size >> 20, left, found.copies()))
    if left:
        raise RuntimeError("%d boxes never had it" % left)
    return found


def _figures(found, label):
    nodes, size, honest = found.lab.nodes, found.size, found.honest()
    ideal = ideal_s(nodes, size)
    most = "<= %d" % (TIMES_ROUGH if label else TIMES)
    label = "%s%d MB: " % (label, size >> 20)
    slow = honest & found.slow
    plain = honest - slow - found.interrupted - found.hidden
    carried = [row for number, row in enumerate(found.carried()) if number in honest]
    times = sorted(found.at_s.values())
    out = [
        _row(nodes, label + "half of the boxes, s", times[len(times) // 2], ideal),
        _row(nodes, label + "the last box not behind NAT, s", max(found.at_s[number] for number in honest - found.hidden), ideal),
        _row(nodes, label + "the last box, in ideal times of its uplink", found.times_ideal(plain), None, most),
        _row(nodes, label + "copies that the broker gave", found.copies(), None, "<= %d" % COPIES),
        _row(nodes, label + "bytes up a box, in images", sum(up for up, _ in carried) / len(carried) / size),
        _row(nodes, label + "the same, most of a box", max(up for up, _ in carried) / size),
        _row(nodes, label + "bytes down a box, in images", sum(down for _, down in carried) / len(carried) / size),
        _row(nodes, label + "bytes a second up, most of a box", max(up for up, _ in carried) / times[-1], None, "<= %d" % UP),
    ]
    for name, among in (("of a quarter's uplink", slow), ("behind NAT", honest & found.hidden - slow - found.interrupted), ("interrupted", honest & found.interrupted)):
        if among:
            out.append(_row(nodes, label + "the last box %s, in ideal times of its uplink" % name, found.times_ideal(among), None, most))
    return out


def _shunning(found):
    bad = [(box, other) for box, other in found.shunned if box not in found.liars]
    return [
        _row(found.lab.nodes, "rough: honest boxes shunned for a bad part", sum(other not in found.liars for _, other in bad), None, "== 0"),
        _row(found.lab.nodes, "rough: bad parts that a box took, mean", len(bad) / len(found.honest())),
        _row(found.lab.nodes, "rough: most bad parts of one liar that one box took", max((bad.count(row) for row in set(bad)), default=0), None, "<= %d" % UPDATE_FETCHES),
    ]


def _row(nodes, figure, ours, reference=None, aim=None):
    return {"figure": figure, "nodes": nodes, "ours": round(float(ours), 3), "reference": reference and round(reference, 2),
            "reference_of": IDEAL if reference else "", "aim": aim}
