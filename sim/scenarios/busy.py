"""Half of the boxes turn busy in the midst of their work: no task runs there, and all are done elsewhere."""

from .. import guests

NODES = 24
TASKS_A_SEAT = 6
# How long households use their boxes: some for a moment, some for hours.
MOMENT_MS, LONG_MS = 20_000, 3_600_000


def play(lab):
    """Half of the holders and of the others turn busy mid-run, a third of them for a moment only."""
    world = lab.world
    seats = max(4, lab.nodes // 3)
    tasks = TASKS_A_SEAT * seats
    lab.runner.duration_ms = (3_000, 20_000)
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", seats)
    lab.until("ring closed", lab.ring("edge", seats), 300)
    households = guests.Guests(lab)
    lab.always("nothing runs on a busy box", households.polite)
    lab.operator.push_workload("words", "edge", tasks)
    lab.always("settled at most once", lab.settled_once("words"))
    few = lambda: "" if len(lab.operator.settled("words")) > tasks // 6 else "few results yet"
    lab.until("results come", few, 300)
    holders = [box for box in lab.holders("edge") if box.cell.job is not None]
    lab.require("holders are at work", lambda: "" if len(holders) > seats // 2 else "only %d" % len(holders))
    others = [box for box in world.boxes if box not in lab.holders("edge")]
    chosen = holders[::2] + others[::2]
    for number, box in enumerate(chosen):
        households.turn(box, True)
        world.after(MOMENT_MS if number % 3 == 0 else LONG_MS, households.turn, box, False)
    begun_ms = world.now_ms
    lab.until("all tasks settled", lab.done("words", tasks), 900)
    lab.measure("busy_boxes", len(chosen))
    lab.measure("job_s", (world.now_ms - begun_ms) / 1000)
    lab.measure("jobs_started", sum(box.cell.started for box in world.boxes))
    lab.measure("parked_and_finished", sum(1 for box in chosen if not households.is_busy(box) and box.cell.finished))
    counted = lab.counters()
    lab.measure("tasks_parked", counted.get("tasks_parked", 0))
    lab.measure("seats_handed_on", counted.get("seats_handed_on", 0))
    stay = lambda: "" if not [box for box in lab.holders("edge") if households.is_busy(box) and box.node.tasks.at_work()] else "a busy box holds open tasks"
    lab.until("busy boxes hold no open tasks", stay, 120)
