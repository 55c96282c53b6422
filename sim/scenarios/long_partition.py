"""Two sides find each other again after a partition in which every view was renewed and every link died."""

NODES = 24
# The partition outlasts every link (64 rounds).
APART_ROUNDS = 100
ROUND_MS = 4_000


def play(lab):
    """Halves apart until no view of one knows a box of the other; old contacts bring them together."""
    lab.settings["round_ms"] = str(ROUND_MS)
    lab.boot(doors=0, contacts=1)
    lab.until("overlay connected", lab.connected, 60)
    lab.go(40_000)
    half = [box.number for box in lab.world.boxes if box.number % 2]
    cut = lab.world.network.cut(half)
    lab.controller.stop()
    lab.go(APART_ROUNDS * ROUND_MS)
    lab.require("no view reaches across", lambda: _across(lab))
    lab.world.network.mend(cut)
    # A box tries an old contact every 20 rounds; half of them or so lead across.
    lab.measure("connected_s", lab.until("overlay connected again", lab.connected, 40 * ROUND_MS // 1000))
    lab.measure("mixed_s", lab.until("every view has both sides", lambda: _mixed(lab), 120 * ROUND_MS // 1000))


def _sides(lab):
    """For each live box: its number, and how many of its links lead to the other side."""
    side = {box.node.id: box.number % 2 for box in lab.world.live()}
    for state in lab.states():
        yield state.number, sum(side[id] != state.number % 2 for id in state.view)


def _across(lab):
    wrong = [number for number, across in _sides(lab) if across]
    return "views with links across: %s" % wrong if wrong else ""


def _mixed(lab):
    wrong = [number for number, across in _sides(lab) if not across]
    return "views without a link across: %s" % wrong if wrong else ""
