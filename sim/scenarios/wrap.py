"""Boxes that have been up for weeks work on while their clocks pass 2^30, 2^31 and 2^32 ms."""

NODES = 18
TASKS = 12
SEATS = 5
# Where 32-bit interpreters change their integers, and where 32-bit counters end.
WRAPS = (1 << 30, 1 << 31, 1 << 32)
# Every clock passes within the first minutes, while there is work.
SPREAD_MS = 90_000


def play(lab):
    """A slice is filled, work is done, a holder dies and is replaced, all across the wrap."""
    rng = lab.world.stream("uptimes")
    lab.boot(doors=2, contacts=2)
    for box in lab.world.boxes:
        box.clock_start_ms = rng.choice(WRAPS) - rng.randrange(10_000, SPREAD_MS)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", SEATS)
    lab.measure("ring_s", lab.until("ring closed", lab.ring("edge", SEATS), 300))
    lab.operator.push_workload("words", "edge", TASKS)
    lab.always("settled at most once", lab.settled_once("words"))
    lab.go(SPREAD_MS)
    lab.require("every clock has passed a wrap", lambda: _before(lab))
    lab.measure("settled_s", lab.until("all tasks settled", lab.done("words", TASKS), 600))
    victim = lab.holders("edge")[-1]
    victim.wanted = False
    victim.crash()
    lab.measure("refilled_s", lab.until("ring closed again", lab.ring("edge", SEATS), 300))


def _before(lab):
    late = [box.number for box in lab.world.live() if not any(0 <= box.clock() - wrap < 10 * SPREAD_MS for wrap in WRAPS)]
    return "not yet there: %s" % late if late else ""
