"""Boxes that know one seed find each other, and then need the controller no more."""

from .. import checkers

NODES = 40


def play(lab):
    """All start on one contact; then the controller stops, and a late box joins by itself."""
    lab.boot(contacts=1)
    lab.measure("connected_s", lab.until("overlay connected", lab.connected, 120))
    full = lambda: checkers.views_filled(lab.states(), 8)
    lab.measure("views_filled_s", lab.until("views filled", full, 600))
    lab.controller.stop()
    late = lab.world.boxes[-1]
    late.crash()
    lab.go(20_000)
    late.start()
    lab.until("a restarted box is back without the controller", full, 300)
    lab.require("overlay still connected", lab.connected)
