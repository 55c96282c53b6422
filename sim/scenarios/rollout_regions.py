"""An image goes from region to region in the order that was signed, and the operator's halt ends it on its way."""

from . import rollout as good

NODES = 60
# A few boxes of everywhere, then the north, then the south, then who has no region.
ROWS = ((1500, ""), (10000, "north"), (10000, "south"), (10000, ""))
SOAK_S = 240


def play(lab):
    """Halted while the south takes it: that has it keeps it, no one else begins."""
    lab.regions = {number: ("north", "south", "")[number % 5 // 2] for number in range(lab.nodes)}
    rollout = good.begin(lab, "good", SOAK_S, rows=ROWS)
    waves = [rollout.in_wave(number) for number in range(len(ROWS))]
    lab.measure("boxes_in_waves", [len(wave) for wave in waves])
    rollout.push()
    for number in range(3):
        lab.until("wave %d has it" % number, lambda wave=waves[number]: "" if wave <= rollout.done() else "not yet", 5 * SOAK_S)
        lab.require("no wave after %d began" % number, lambda number=number: rollout.beyond(number))
        lab.measure("wave_%d_s" % number, rollout.elapsed_s())
    rollout.say("halt")
    lab.go(4 * SOAK_S * 1000)
    lab.require("the last wave never began", lambda: rollout.beyond(2))
    lab.require("who had it has it", lambda: "" if rollout.done() == waves[0] | waves[1] | waves[2] else "some gave it up")
    rollout.say("go")
    lab.until("all have it", rollout.everywhere, 6 * SOAK_S)
