"""A workload runs end to end while boxes that hold its tasks crash."""

NODES = 20
TASKS = 60


def play(lab):
    """Seats fill, tasks run, two holders die for good mid-run; every task is settled once."""
    seats = max(3, lab.nodes // 3)
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", seats)
    lab.until("ring closed", lab.ring("edge", seats), 300)
    lab.operator.push_workload("words", "edge", TASKS)
    lab.always("settled at most once", lab.settled_once("words"))
    begun = lab.world.now_ms
    busy = lambda: "" if len(lab.operator.settled("words")) > TASKS // 6 else "no results yet"
    lab.until("results come", busy, 300)
    holders = [box for box in lab.holders("edge") if box.cell.job is not None and not box.door][:2]
    lab.require("holders have open tasks", lambda: "" if holders else "nobody was at work")
    for box in holders:
        box.wanted = False
        box.crash()
    lab.until("all tasks settled", lab.done("words", TASKS), 900)
    lab.measure("job_s", (lab.world.now_ms - begun) / 1000)
    lab.measure("jobs_started", sum(box.cell.started for box in lab.world.boxes))
    lab.measure("verdicts", dict(sorted(lab.operator.verdicts.items())))
    lab.until("ring closed again", lab.ring("edge", seats), 300)
