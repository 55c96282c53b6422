"""The fleet counts itself exactly while a fifth of all datagrams is lost, and sees who left and who came."""

from dataclasses import replace

from .. import checkers

NODES = 24


def play(lab):
    """Mass is whole at the end of an epoch; a third leaves for good, some come back, the next epochs tell."""
    lab.boot_joined(spread_ms=2_000)
    lab.until("overlay connected", lab.connected, 120)
    lab.world.network.faults = replace(lab.world.network.faults, loss=0.2)
    lab.until("first epoch complete", lambda: checkers.epoch_complete(lab.states(), 1), 120)
    lab.require("nothing of the first epoch's mass is lost", lambda: checkers.mass_whole(lab.states()))
    lab.require("all know the size", lambda: checkers.size_known(lab.states(), lab.nodes, 0.0))
    gone = lab.world.live()[: lab.nodes // 3]
    for box in gone:
        box.wanted = False
        box.crash()
    left = lab.nodes - len(gone)
    lab.measure("fewer_s", lab.until(
        "the smaller size is known", lambda: checkers.size_known(lab.states(), left, 0.1), 180))
    for box in gone:
        box.wanted = True
        box.start()
    lab.measure("more_s", lab.until(
        "the old size is known again", lambda: checkers.size_known(lab.states(), lab.nodes, 0.05), 7_200, 10_000))
