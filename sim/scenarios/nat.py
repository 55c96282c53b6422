"""Boxes behind NAT take part: they ask and are in views, nobody counts them as dead, and the vanished leave."""

from .. import checkers

NODES = 24
SHARE = 0.3
ROUND_MS = 5_000


def play(lab):
    """Three boxes of ten are behind NAT; two of those vanish."""
    lab.settings["round_ms"] = str(ROUND_MS)
    lab.boot(doors=0, contacts=1)
    hidden = [box for box in lab.world.boxes if box.number and box.number % 10 < 10 * SHARE]
    for box in hidden:
        box.reachable = False
    lab.until("overlay connected", lab.connected, 60)
    lab.until("views filled", lambda: checkers.views_filled(lab.states(), min(12, lab.nodes - 2)), 120)
    lab.go(20 * ROUND_MS)
    counters = lab.counters()
    lab.measure("timeouts", counters.get("shuffle_timeouts", 0))
    lab.require("nobody is taken for dead", lambda: _dead(lab))
    lab.require("boxes behind NAT are in views and shuffle", lambda: _part(lab, hidden))
    for box in hidden[:2]:
        box.wanted = False
        box.crash()
    lab.measure("forgotten_s", lab.until("the vanished have left every view", lab.clean, 100 * ROUND_MS // 1000))


def _dead(lab):
    buried = [box.number for box in lab.world.live() if box.node.counters["shuffle_timeouts"] > 2]
    return "boxes that found others silent: %s" % buried if buried else ""


def _part(lab, hidden):
    known = set()
    for state in lab.states():
        known.update(state.view)
    missing = [box.number for box in hidden if box.node.id not in known]
    idle = [box.number for box in hidden if not box.node.counters["shuffles"] or box.node.counters["shuffles_answered"]]
    return "in no view: %s; silent, or asked by others: %s" % (missing, idle) if missing or idle else ""
