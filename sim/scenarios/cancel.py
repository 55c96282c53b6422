"""A cancelled workload stops across its slice in seconds, under loss: no box starts a task of it any more."""

NODES = 64
# A tenth of the datagrams is lost.
LOSS = 0.1
STOPPED_S = 10
WATCHED_MS = 120_000


def play(lab):
    """Every holder has tasks for hours; the owner cancels while all are at work."""
    world = lab.world
    seats = max(3, 3 * lab.nodes // 4)
    lab.runner.duration_ms = (1_000, 3_000)
    lab.storm(loss=LOSS, duplicate=0.0, reorder=0.0, crash=0.0, disk_full=0.0, partition=0.0, broker=0.0)
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 300)
    lab.operator.push_slice("edge", seats)
    lab.until("ring closed", lab.ring("edge", seats), 600)
    work = lab.operator.push_workload("words", "edge", 100 * seats, input_bytes=20)
    lab.always("settled at most once", lab.settled_once("words"))
    started = lambda: sum(box.cell.started for box in world.boxes)
    lab.until("all are at work", lambda: "" if started() > 3 * seats else "%d started" % started(), 300)
    lab.operator.end("workload-words")
    begun_ms, before = world.now_ms, started()
    work.settlement.cancel()
    lab.measure("started_before", before)
    last_ms, count = begun_ms, before
    while world.now_ms < begun_ms + WATCHED_MS:
        lab.go(500)
        if started() > count:
            last_ms, count = world.now_ms, started()
    after, stopped_s = count - before, (last_ms - begun_ms) / 1000
    lab.measure("started_after", after)
    lab.measure("last_start_s", stopped_s)
    lab.require("something was at stake", lambda: "" if work.settlement.counts()["CANCELED"] > 50 * seats else "it was over")
    lab.require("the last start is soon after", lambda: "" if stopped_s <= STOPPED_S else "%.1f s" % stopped_s)
    # Each box may have been about to start its next one or two.
    lab.require("few start after it", lambda: "" if after <= 3 * seats else "%d tasks started" % after)
    busy = [box.number for box in world.boxes if box.cell.job is not None]
    lab.require("nobody is at work", lambda: "boxes %s are at work" % busy if busy else "")
    counts = work.settlement.counts()
    lab.require("the states add up", lambda: "" if sum(counts.values()) == 100 * seats else str(counts))
