"""Two rings become one: every holder is renumbered once, and what it runs runs on."""

from .. import seats

NODES = 16
EACH = 5
TASKS = 10


def play(lab):
    """Slice "a" takes in "b" while b's holders are at work."""
    lab.runner.duration_ms = (25_000, 35_000)
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    for name in ("a", "b"):
        lab.operator.push_slice(name, EACH)
    for name in ("a", "b"):
        lab.until("ring %s closed" % name, lab.ring(name, EACH), 120)
    lab.operator.push_workload("words", "b", TASKS)
    lab.until("b is at work", lambda: "" if len(seats.jobs(lab.world, "b")) >= 3 else "few jobs", 120)
    old = [seats.holders(lab.world, name) for name in ("a", "b")]
    wanted = {**old[0], **{seat + EACH: number for seat, number in old[1].items()}}
    running = seats.jobs(lab.world, "b")
    taken = lab.counters()["seats_taken"]
    lab.operator.push_slice("a", 2 * EACH, absorbs=[["b", EACH, EACH]])
    lab.measure("merged_s", lab.until("one ring", lab.ring("a", 2 * EACH), 60))
    lab.go(5_000)
    lab.require("one ring still", lab.ring("a", 2 * EACH))
    lab.require("everybody keeps a seat", lambda: "" if seats.holders(lab.world, "a") == wanted else "seats changed hands")
    lab.require("nobody sat down anew", lambda: "" if lab.counters()["seats_taken"] == taken else "new holders")
    stopped = [number for number, job in running.items() if lab.world.boxes[number].cell.job is not job]
    lab.require("what runs runs on", lambda: "jobs of %s stopped" % stopped if stopped else "")
    lab.always("settled at most once", lab.settled_once("words"))
    lab.until("all tasks settled", lab.done("words", TASKS), 600)
