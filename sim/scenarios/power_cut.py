"""The power of a whole fleet goes at once: seats and work come back, and no stampede comes over seeds or broker."""

from ..box import KEPT, TORN

NODES = 200
# A server takes longer to boot than a router.
BROKER_LATE_MS = 30_000


def peak(times_ms, since_ms):
    """The most of these moments, from since_ms on, that fall into any one second."""
    times = sorted(at_ms for at_ms in times_ms if at_ms >= since_ms)
    most = first = 0
    for last, at_ms in enumerate(times):
        while at_ms - times[first] >= 1_000:
            first += 1
        most = max(most, last + 1 - first)
    return most


def at_most(value, most):
    """A check that holds while value() is at most `most`."""
    return lambda: "" if value() <= most else "%d, over %d" % (value(), most)


def play(lab):
    """Boxes at work go dark together, half of them with torn disks, and start within two seconds; the broker is late."""
    seats, tasks, doors = max(4, lab.nodes // 10), max(20, lab.nodes // 4), max(2, lab.nodes // 5)
    world, broker = lab.world, lab.broker
    lab.boot(doors=doors, contacts=4)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", seats)
    lab.until("ring closed", lab.ring("edge", seats), 300)
    lab.operator.push_workload("words", "edge", tasks)
    lab.always("settled at most once", lab.settled_once("words"))
    lab.until("results come", lambda: "" if lab.operator.settled("words") else "no results yet", 300)
    # Contacts are written a few rounds after the start.
    lab.go(10_000)
    lab.require("work is left to do", lambda: "all is settled" if not lab.done("words", tasks)() else "")
    for box in world.boxes:
        box.crash((KEPT, TORN)[box.number % 2])
    broker.vanish()
    lab.go(30_000)
    began_ms = world.now_ms
    rng = world.stream("power")
    for box in world.boxes:
        world.after(rng.randrange(2_000), box.start)
    world.after(BROKER_LATE_MS, broker.come_back)
    lab.go(2_000)
    lab.measure("connected_s", 2 + lab.until("overlay connected again", lab.connected, 120))
    lab.until("ring closed again", lab.ring("edge", seats), 300)
    lab.measure("ring_s", (world.now_ms - began_ms) / 1000)
    lab.until("all tasks settled", lab.done("words", tasks), 900)
    lab.measure("settled_s", (world.now_ms - began_ms) / 1000)
    asked = [at_ms for at_ms in lab.controller.asked_ms if at_ms >= began_ms]
    tried = [at_ms for at_ms in broker.tried_ms if at_ms >= began_ms]
    lab.measure("seeds_asked", len(asked))
    lab.measure("seeds_peak", peak(asked, 0))
    lab.measure("broker_tried", len(tried))
    lab.measure("broker_peak", peak(tried, 0))
    back_ms = began_ms + BROKER_LATE_MS
    lab.measure("broker_peak_when_back", peak(tried, back_ms))
    lab.require("few ask the controller", at_most(lambda: len(asked), lab.nodes // 10))
    lab.require("never many at once", at_most(lambda: peak(asked, 0), max(3, lab.nodes // 50)))
    lab.require("doors do not try in step", at_most(lambda: peak(tried, back_ms), max(3, doors // 4)))
