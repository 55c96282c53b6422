"""Insiders that lie cannot keep honest boxes from manifests, results or each other; without them a ring closes."""

from ..faults import Faults

NODES = 30
TASKS = 20
SEATS = 5
SHARE = 0.2


def play(lab):
    """A fifth of the boxes, enrolled and up, alter half of what they say; after five minutes they are switched off."""
    lab.boot(doors=2, contacts=2, weather=Faults(liars=SHARE))
    lab.until("honest overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", SEATS)
    lab.measure("informed_s", lab.until("manifest on every honest box", lab.informed, 300))
    lab.operator.push_workload("words", "edge", TASKS, replicas=3, quorum=2)
    lab.always("settled at most once", lab.settled_once("words"))
    lab.go(300_000)
    lab.measure("settled_among_liars", len(lab.operator.settled("words")))
    lab.require("honest overlay still connected", lab.connected)
    for box in lab.world.boxes:
        if box.liar:
            box.wanted = False
            box.crash()
    lab.measure("ring_s", lab.until("ring closed", lab.ring("edge", SEATS), 3_600, every_ms=5_000))
    lab.measure("settled_s", lab.until("all tasks settled", lab.done("words", TASKS), 1_800))
    lab.measure("clean_s", lab.until("views hold no liar", lab.clean, 3_600, every_ms=10_000))
