"""Suspicion: liars in the ring call the living dead, and vouch for the dead.

Then some honest holders die, and the liars around tell everybody that they have
just heard of them.
"""

from ...agent.wire.messages import SUSPECT
from .. import seats
from . import Figure
from .colluders import Colluders, descriptor

NAME = "edge"
CALLING_S, LIMIT_S = 60, 240
DEATHS = 4


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
    ids = {box.id for box in dead}
    took = 0
    while took < LIMIT_S and any(ids & set(box.node.ring.near) for box in liars.honest if box.live):
        lab.world.run_for(1_000)
        took += 1
    say("suspicion: %d living ones called dead, the dead were believed in for %d s" % (called, took))
    return [
        Figure("living holders taken for dead", called, "<= 0"),
        Figure("seconds until no honest neighbour keeps a dead holder", took),
    ]


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
