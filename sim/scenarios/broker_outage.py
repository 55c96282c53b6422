"""Running work goes on without the broker; results wait and flow when it is back."""

NODES = 16
TASKS = 40


def play(lab):
    """The broker vanishes mid-run for two minutes, and once more while it loses what it retained."""
    seats = 5
    lab.boot(doors=2, contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", seats)
    lab.until("ring closed", lab.ring("edge", seats), 300)
    lab.operator.push_workload("words", "edge", TASKS)
    lab.always("settled at most once", lab.settled_once("words"))
    some = lambda: "" if len(lab.operator.settled("words")) > 3 else "no results yet"
    lab.until("results come", some, 300)
    ran = sum(box.cell.finished for box in lab.world.boxes)
    lab.broker.vanish()
    lab.go(120_000)
    went_on = sum(box.cell.finished for box in lab.world.boxes) - ran
    lab.measure("finished_meanwhile", went_on)
    lab.require("work went on without the broker", lambda: "" if went_on else "nothing ran")
    lab.broker.come_back()
    lab.until("all tasks settled", lab.done("words", TASKS), 900)
    lab.broker.vanish(keep_retained=False)
    lab.go(30_000)
    lab.broker.come_back()
    lab.operator.push_slice("second", 1)
    lab.until("a push after the outage arrives", lab.informed, 300)
