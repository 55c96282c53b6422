"""Three quarters of a lot are stolen: the rest move to a new lot without a visit, all speak on, and the thieves are silent."""

from ...agent import proof
from ...agent.limits import REVOKED

NODES = 24
# Boxes ask for their new places within this, and not within half an hour: an hour of a large world is long.
ASK_MS = 60_000
OVERLAP_S = 3600
# Boxes that had the controller's answer, or asked in vain, by then.
MOVED_S = 4 * ASK_MS // 1000


def play(lab):
    """Most thieves are revoked, as many as the list holds; the others are left out of the new lot alone."""
    usual, proof.FIRST_MS = proof.FIRST_MS, ASK_MS
    try:
        _play(lab)
    finally:
        proof.FIRST_MS = usual


def _play(lab):
    world = lab.world
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    thieves = [box for box in world.boxes[2:] if box.number % 4][: 3 * lab.nodes // 4]
    honest = [box for box in world.boxes if box not in thieves]
    revoked = [box.node.id for box in thieves[: min(REVOKED, len(thieves) - 1)]]
    lab.operator.push_revocation(revoked)
    lab.measure("revoked", len(revoked))
    lab.measure("left_out", len(thieves) - len(revoked))
    lab.go(30_000)
    old, new = lab.replace_lot(honest, OVERLAP_S)
    lab.measure("moved_s", lab.until("every honest box has its new place", lambda: _all_in(honest, new), MOVED_S))
    lab.require("no thief has one", lambda: _none_in(thieves, new))
    lab.end_lot(old)
    lab.operator.push_revocation([])
    lab.measure("silenced_s", lab.until("no honest box has a session with a thief", lambda: _apart(honest, thieves), 30))
    lab.always("thieves stay silent", lambda: _apart(honest, thieves))
    lab.until("the honest speak with each other", lambda: _speak(honest), 180)
    # Who restarts has its trust file of the first day beside what it kept.
    other = honest[-1]
    other.crash()
    other.start()
    lab.until("who restarts speaks too", lambda: _speak(honest), 180)
    lab.go(60_000)


def _all_in(honest, lot):
    late = [box.number for box in honest if box.node.trust.lot != lot]
    return "%d boxes have not moved: %s" % (len(late), late[:5]) if late else ""


def _none_in(thieves, lot):
    return "a thief moved" if any(box.node.trust.lot == lot for box in thieves) else ""


def _sessions(box):
    """Identities with which a box could speak now."""
    return {id for id, peer in box.node.peers.table.items() if peer.current}


def _apart(honest, thieves):
    names = {box.node.id for box in thieves}
    wrong = [box.number for box in honest if box.live and _sessions(box) & names]
    return "%d boxes speak with thieves: %s" % (len(wrong), wrong[:5]) if wrong else ""


def _speak(honest):
    """One component, by sessions that stand at one end at least."""
    links = {box.node.id: set() for box in honest}
    for box in honest:
        for id in _sessions(box) & set(links):
            links[box.node.id].add(id)
            links[id].add(box.node.id)
    seen, todo = set(), [honest[0].node.id]
    while todo:
        id = todo.pop()
        if id not in seen:
            seen.add(id)
            todo.extend(links[id])
    return "%d of %d boxes are cut off" % (len(links) - len(seen), len(links)) if len(seen) < len(links) else ""
