"""After half of the boxes die at once, dead links are under 1 % within 12 rounds, with at most 3 timeouts a round."""

from .. import checkers

NODES = 60
ROUND_MS = 15_000
ROUNDS = 12


def play(lab):
    """Random views, some rounds to settle, then sudden death."""
    lab.settings["round_ms"] = lab.settings["busy_round_ms"] = str(ROUND_MS)
    lab.boot_joined(view=min(20, lab.nodes - 1))
    lab.go(8 * ROUND_MS)
    rng = lab.world.stream("death")
    for box in rng.sample(lab.world.live(), lab.nodes // 2):
        box.wanted = False
        box.crash()
    before = {box.number: _timeouts(box) for box in lab.world.live()}
    lab.go(ROUNDS * ROUND_MS)
    lab.require("dead links under 1 %", lambda: checkers.views_hold_no_dead(lab.states(), share=0.01))
    lab.require("at most 3 timeouts a round", lambda: _often(lab, before))
    lab.require("overlay connected", lab.connected)


def _timeouts(box):
    return box.node.counters["shuffle_timeouts"]


def _often(lab, before):
    most = 3 * (ROUNDS + 1)
    wrong = [box.number for box in lab.world.live() if _timeouts(box) - before[box.number] > most]
    return "boxes with more than %d timeouts: %s" % (most, wrong) if wrong else ""
