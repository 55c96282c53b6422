"""A slice grows and shrinks at work: by one seat, one open task in N + 1 moves; what runs runs on; all tasks are done."""

from .. import seats

NODES = 16
TASKS = 240
# Two boxes may be given a seat, until they hear of each other.
TWICE_MS = 6_000


def play(lab):
    """A slice of a third of the boxes grows by one, then to half of all, and shrinks to a quarter."""
    count = max(4, lab.nodes // 3)
    lab.runner.duration_ms = (400, 700)
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", count)
    lab.until("ring closed", lab.ring("edge", count), 300)
    lab.operator.push_workload("words", "edge", TASKS)
    lab.always("settled at most once", lab.settled_once("words"))
    lab.always("no seat is held twice for long", seats.Duplicates(lab.world, "edge", TWICE_MS))
    lab.until("every seat has its tasks", lambda: placed(lab, count), 60)
    before, running = owners(lab), seats.jobs(lab.world, "edge")
    lab.operator.push_slice("edge", count + 1)
    lab.until("one seat more", lab.ring("edge", count + 1), 60)
    lab.until("it has its tasks", lambda: placed(lab, count + 1), 60)
    after = owners(lab)
    still = [task for task in after if task in before]
    moved = [task for task in still if after[task] != before[task]]
    share = len(moved) / max(1, len(still))
    lab.measure("moved_of", [len(moved), len(still)])
    lab.measure("moved_share", round(share, 3))
    lab.measure("one_in_n", round(1 / (count + 1), 3))
    # Three standard deviations of a fair draw of so many tasks.
    fair = 1 / (count + 1)
    most = fair + 3 * (fair * (1 - fair) / max(1, len(still))) ** 0.5
    lab.require("about one open task in N + 1 moved", lambda: "" if 0 < share <= most else "%.3f of %d" % (share, len(still)))
    new = lab.holders("edge")[count].number
    strange = [task for task in moved if after[task] != new]
    lab.require("all of them to the new seat", lambda: "tasks %s did not" % strange[:4] if strange else "")
    old = [number for number in running if number not in [box.number for box in lab.holders("edge")]]
    lab.require("every holder kept its seat", lambda: "boxes %s left" % old if old else "")
    lab.operator.push_slice("edge", lab.nodes // 2)
    lab.until("half of all boxes", lab.ring("edge", lab.nodes // 2), 60)
    lab.operator.push_slice("edge", lab.nodes // 4)
    lab.until("a quarter of them", lab.ring("edge", lab.nodes // 4), 60)
    lab.until("all tasks settled", lab.done("words", TASKS), 900)
    started = sum(box.cell.started for box in lab.world.boxes)
    lab.measure("jobs_started", started)
    # What runs as a task moves runs on, and at its new seat too.
    most = TASKS + lab.nodes
    lab.require("few tasks ran twice", lambda: "" if started <= most else "%d runs of %d tasks" % (started, TASKS))


def owners(lab):
    """{task: number of the box whose it is} of the tasks that are not settled.

    Reads: every holder's table of what is its own, and what the operator settled.
    """
    settled = {task for task, _ in lab.operator.settled("words")}
    found = {}
    for box in lab.holders("edge"):
        for workload in box.node.tasks.workloads.values():
            for task in range(workload.tasks):
                if workload.mine.get(task) and task not in settled:
                    found[task] = box.number
    return found


def placed(lab, count):
    """Every open task is some holder's, every holder has placed all and waits for no seat."""
    for box in lab.holders("edge"):
        workloads = list(box.node.tasks.workloads.values())
        if not workloads or workloads[0].scanned < TASKS or not workloads[0].place or workloads[0].place[2] != count:
            return "box %d has not placed its tasks" % box.number
    missing = TASKS - len(lab.operator.settled("words")) - len(owners(lab))
    return "%d tasks are nobody's" % missing if missing > 0 else ""
