"""A slice that is ended, or expires, frees its boxes in seconds: they stop its work and sit elsewhere."""

from .. import seats

NODES = 16


def play(lab):
    """One slice has all boxes; another waits; the first is ended.  The other expires."""
    world = lab.world
    lab.runner.duration_ms = (600_000, 900_000)
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("first", lab.nodes)
    lab.until("the first has every box", lab.ring("first", lab.nodes), 120)
    lab.operator.push_workload("words", "first", 2 * lab.nodes)
    lab.until("all are at work", lambda: "" if len(seats.jobs(world, "first")) > lab.nodes // 2 else "few jobs", 120)
    lab.operator.push_slice("second", lab.nodes, valid_s=100)
    lab.go(30_000)
    lab.require("first come keeps", lab.ring("first", lab.nodes))
    ended_ms = world.now_ms
    lab.operator.end("slice-first")
    gone = lambda: "%d sit" % len(seats.held(world, "first")) if seats.held(world, "first") else ""
    lab.measure("ended_s", lab.until("the first has no holder", gone, 30))
    busy = lambda: [box.number for box in world.boxes if box.cell.job is not None]
    lab.until("its work has stopped", lambda: "boxes %s are at work" % busy() if busy() else "", 30)
    lab.until("the second has every box", lab.ring("second", lab.nodes), 60)
    lab.measure("taken_over_s", (world.now_ms - ended_ms) / 1000)
    lab.until("the second expires", lambda: "%d sit" % len(seats.held(world, "second")) if seats.held(world, "second") else "", 300)
