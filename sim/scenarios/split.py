"""A ring becomes two: the upper seats go over as they are, and what they run runs on."""

from .. import seats

NODES = 16
WHOLE = 9
LOWER = 5
TASKS = 12


def play(lab):
    """Slice "b" is split off "a" while a's holders are at work; then it is merged again."""
    lab.runner.duration_ms = (25_000, 35_000)
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("a", WHOLE)
    lab.until("ring closed", lab.ring("a", WHOLE), 120)
    lab.operator.push_workload("words", "a", TASKS)
    lab.until("a is at work", lambda: "" if len(seats.jobs(lab.world, "a")) >= 5 else "few jobs", 120)
    old = seats.holders(lab.world, "a")
    running = seats.jobs(lab.world, "a")
    taken = lab.counters()["seats_taken"]
    lab.operator.push_slice("b", WHOLE - LOWER, origin=["a", LOWER])
    lab.operator.push_slice("a", LOWER)
    lab.measure("split_s", lab.until("ring b closed", lab.ring("b", WHOLE - LOWER), 60))
    lab.until("ring a closed", lab.ring("a", LOWER), 60)
    lab.go(3_000)
    now = [seats.holders(lab.world, name) for name in ("a", "b")]
    same = {**now[0], **{seat + LOWER: number for seat, number in now[1].items()}} == old
    lab.require("everybody keeps a seat", lambda: "" if same else "seats changed hands")
    lab.require("nobody sat down anew", lambda: "" if lab.counters()["seats_taken"] == taken else "new holders")
    stopped = [number for number, job in running.items() if lab.world.boxes[number].cell.job is not job]
    lab.require("what runs runs on", lambda: "jobs of %s stopped" % stopped if stopped else "")
    lab.always("settled at most once", lab.settled_once("words"))
    lab.operator.push_slice("a", WHOLE, absorbs=[["b", LOWER, WHOLE - LOWER]])
    lab.until("one ring again", lab.ring("a", WHOLE), 60)
    lab.require("everybody is back", lambda: "" if seats.holders(lab.world, "a") == old else "seats changed hands")
    lab.until("all tasks settled", lab.done("words", TASKS), 900)
