"""A box that joins late, and one back from hours without power, get every live manifest at once."""

from ...agent.limits import MANIFESTS
from .. import box as boxes
from .. import checkers

NODES = 8
# Slow rounds, few hours: it must not take long.  A week has not been played.
ROUND_MS = 600_000
NOBODY = 'arch == "abacus"'
HOUR_MS = 3_600_000
AWAY_MS = 3 * HOUR_MS
# As many as may live, less those that are pushed while the box is away.
FIRST = 20


def _has_all(lab, box):
    return lambda: checkers.manifests_everywhere([lab.read(box)], lab.operator.live())


def _push(lab, first, end):
    for number in range(first, end):
        lab.operator.push_slice("s%d" % number, 1, where=NOBODY)
        lab.go(100)


def _pass(lab, duration_ms):
    """Time in which nothing happens, and no look is needed."""
    lab.world.run_for(duration_ms)
    lab.look()


def play(lab):
    """Fills the fleet to its limit of live manifests; a new box and a returning one must catch up."""
    lab.settings["round_ms"] = str(ROUND_MS)
    lab.boot(doors=1, contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    absent, late = lab.world.boxes[-1], lab.world.boxes[-2]
    _push(lab, 0, FIRST)
    lab.until("manifests everywhere", lab.informed, 60)
    for box in (absent, late):
        box.wanted = False
        box.crash(boxes.LOST if box is late else boxes.KEPT)
    _push(lab, FIRST // 2, MANIFESTS)
    lab.until("newer versions everywhere", lab.informed, 120)
    _pass(lab, HOUR_MS)
    late.start()
    lab.measure("late_s", lab.until("a late joiner has every manifest", _has_all(lab, late), 20, every_ms=100))
    _pass(lab, AWAY_MS)
    absent.start()
    lab.measure("back_s", lab.until("a returning box has every manifest", _has_all(lab, absent), 20, every_ms=100))
    lab.measure("chunks_late", late.node.counters["chunks_in"])
    lab.measure("chunks_back", absent.node.counters["chunks_in"])
    lab.require("all that may live", lambda: "" if len(lab.operator.live()) == MANIFESTS else "too few were pushed")
