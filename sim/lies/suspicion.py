"""Suspicion: liars in the ring call the living dead, and vouch for the dead.

Then some honest holders die, those with most liars around, who tell everybody that they have
just heard of them.
"""

from ...agent.grants import GRANT_TRIES
from ...agent.limits import NEIGHBOURS
from ...agent.probes import CLOSE, DEAD_MISSES, SUSPECT_MISSES
from ...agent.ring import GRACE_PROBES
from ...agent.seat import HEARSAY, SILENT_PROBES
from ...agent.wire.messages import SUSPECT
from .. import seats
from . import Figure
from .colluders import Colluders, descriptor

NAME = "edge"
CALLING_S, LIMIT_S = 60, 240
DEATHS = 4
# Each neighbour is asked once in so many cycles; a few misses more than are vouched for are
# death, and cycles are an eighth longer at most.  Then the same of who has only just come near.
CYCLES = 2 * (2 * NEIGHBOURS - 2 * CLOSE + DEAD_MISSES - SUSPECT_MISSES + 1) + 2 * SILENT_PROBES - HEARSAY
BELIEVED_S = CYCLES * 9 // 8
# Then a grace, and a grant to a candidate who may be silent, and to another.
SERVED_S = BELIEVED_S + (GRACE_PROBES + GRANT_TRIES + 2) * 9 // 8


def measure(lab, share, say):
    """Living holders taken for dead, and how long dead ones stay in honest neighbours' tables."""
    count = max(6, lab.nodes // 3)
    lab.boot_joined(view=min(20, lab.nodes - 1), doors=1, contacts=4, spread_ms=3_000)
    lab.go(5_000)
    lab.operator.push_slice(NAME, count)
    lab.until("ring closed", lab.ring(NAME, count), 300)
    lab.go(20_000)
    liars = Colluders(lab, share)
    deaths = sum(box.node.counters["ring_deaths"] for box in liars.honest)
    liars.every(1_000, _accuse)
    lab.go(CALLING_S * 1_000)
    called = sum(box.node.counters["ring_deaths"] for box in liars.honest) - deaths
    # Who dies has liars on both sides, where there are enough.
    held = seats.holders(lab.world, NAME)
    near = lambda seat: sum(lab.world.boxes[held[(seat + way) % count]].liar for way in (-2, -1, 1, 2) if (seat + way) % count in held)
    plain = [seat for seat in held if not lab.world.boxes[held[seat]].liar and held[seat] >= 4]
    dying = [lab.world.boxes[held[seat]] for seat in sorted(plain, key=near)[-DEATHS:]]
    dead = [descriptor(box) for box in dying]
    vouched = {}
    for box in liars.boxes:
        if box.node.ring.slice_id is not None:
            vouched[box.number] = {id: entry for id, entry in box.node.ring.near.items() if id in {d.id for d in dead}}
    for box in dying:
        box.wanted = False
        box.crash()
    liars.every(500, lambda box: _vouch(box, vouched.get(box.number, {})))
    gone = {seat for seat in held if lab.world.boxes[held[seat]] in dying}
    believed, served = _until_over(lab, liars, {box.id for box in dead}, gone, count)
    say("suspicion: %d living ones called dead; the dead were believed in for %d s, their seats held again after %d s" % (
        called, believed, served))
    return [
        Figure("living holders taken for dead", called, "<= 0"),
        Figure("seconds until no honest neighbour keeps a dead holder", believed, "<= %d" % BELIEVED_S),
        Figure("seconds until seats are held again that no liar answers for", served, "<= %d" % SERVED_S),
    ]


def _until_over(lab, liars, ids, gone, count):
    """(seconds until no honest box keeps one of `ids`, until all seats of `gone` are held or a liar sits before them)."""
    believed = served = None
    for second in range(LIMIT_S):
        if believed is None and not any(ids & set(box.node.ring.near) for box in liars.honest if box.live):
            believed = second
        if served is None and not _open(lab, gone, count):
            served = second
        if None not in (believed, served):
            break
        lab.world.run_for(1_000)
    return LIMIT_S if believed is None else believed, LIMIT_S if served is None else served


def _open(lab, gone, count):
    """The vacant seats of `gone` for which an honest holder answers."""
    held = seats.holders(lab.world, NAME)
    found = set()
    for seat in gone - set(held):
        before = next(held[(seat - way) % count] for way in range(1, count) if (seat - way) % count in held)
        if not lab.world.boxes[before].liar:
            found.add(seat)
    return found


def _accuse(box):
    node = box.node
    if node.ring.seat is None:
        return
    near = list(node.ring.near.values())
    for entry in near:
        for suspect in near:
            if suspect is not entry:
                box.tell(node.send, entry.id, entry.box.addr, SUSPECT, node.ring.manifest.id, suspect.id)


def _vouch(box, entries):
    node = box.node
    if node.ring.seat is None or not entries:
        return
    for id, entry in entries.items():
        entry.misses, entry.heard_ms = 0, node.now_ms
        node.ring.near[id] = entry
    for entry in list(node.ring.near.values()):
        if entry.id not in entries:
            box.tell(node.ring.probes._probe, entry)
