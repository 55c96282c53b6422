"""A whole fleet that is switched on at once joins through one seed, and asks the controller once."""

from .. import checkers

NODES = 200


def play(lab):
    """All start within a second on one contact, which greets a burst and refers the others."""
    lab.boot(doors=0, contacts=1, spread_s=1)
    lab.measure("connected_s", lab.until("overlay connected", lab.connected, 30))
    least = min(16, lab.nodes - 2)
    lab.measure("views_filled_s", lab.until("views filled", lambda: checkers.views_filled(lab.states(), least), 60))
    counters = lab.counters()
    for name in ("hellos", "strangers_limited", "peers_evicted", "peers_unreachable", "seeds_asked"):
        lab.measure(name, round(counters.get(name, 0) / lab.nodes, 2))
    # A list comes in a few pieces, each lost never here.
    lab.require("the controller was asked once", lambda: _asked(lab))


def _asked(lab):
    pieces = (len(lab.controller.seeds) + 1023) // 1024
    often = [box.number for box in lab.world.live() if box.node.counters["seeds_asked"] > pieces + 1]
    return "asked more often: %s" % often if often else ""
