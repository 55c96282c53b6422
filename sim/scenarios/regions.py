"""Seats are kept for regions in turn: no two replicas of a task run in one region, whoever dies or is slow."""

from ..regions import Placed

NODES = 48
NAMES = ["north", "south", "west"]
REPLICAS = 3
# Of the boxes: many, some, few; and some that are in none.
SHARES = ((0.45, "north"), (0.7, "south"), (0.85, "west"), (1, ""))
DOWN_MS = 20_000


def region_of(number, nodes):
    """The region of a box, by its number."""
    return next(name for share, name in SHARES if (number * 7 % nodes) / nodes < share)


def play(lab):
    """A slice with fewer boxes of one region than seats for it; work while holders crash, one of each region at a time."""
    seats = 3 * max(2, lab.nodes // 6)
    tasks = 3 * seats
    lab.regions = of = {number: region_of(number, lab.nodes) for number in range(lab.nodes)}
    placed = Placed(lab, NAMES, seats)
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", seats, regions=NAMES)
    few = sum(name == "west" for name in of.values())
    want = seats - max(0, seats // 3 - few)
    lab.until("all sit whose region has room", lambda: placed.seated(want), 300)
    # Who grants knows of which region its candidates are.
    refused = lab.counters().get("grants_refused", 0)
    lab.measure("grants_refused", refused)
    lab.require("few grants are refused", lambda: "" if refused <= seats else "%d of %d seats" % (refused, seats))
    lab.always("seats are held by their regions", placed.misplaced)
    work = lab.operator.push_workload("words", "edge", tasks, replicas=REPLICAS, quorum=2, wait_s=60)
    lab.always("a replica runs in the region of its seat", placed.abroad)
    lab.always("settled at most once", lab.settled_once("words"))
    for name in NAMES:
        lab.go(3_000)
        victim = next(box for box in lab.holders("edge") if of[box.number] == name and not box.door)
        victim.crash()
        lab.world.after(DOWN_MS, lambda box=victim: box.live or box.start())
    lab.until("all tasks settled", lab.done("words", tasks), 1_200)
    lab.measure("seats_held", want)
    lab.measure("runs", placed.runs)
    lab.measure("rounds", work.rounds)
    shared = placed.shared(work)
    lab.measure("tasks_decided_in_one_region", len(shared))
    lab.require("every quorum is of different regions", lambda: "tasks %s are of one region" % shared[:5] if shared else "")
