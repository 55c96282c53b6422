"""The polite guest: when a box is busy, when free again, its day's bytes over restarts, its seat handed on."""

from backfence.agent.config import Config
from backfence.agent.counting import Counters
from backfence.agent.guest import CALM_MS, COOL, PARTS, PATIENCE_MS, Guest
from backfence.agent.store import Store
from lan import WALL_S, Lan, MemoryDisk, Outcome
from proto_tasks import push_work

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "mips")

MIDNIGHT_S = WALL_S - WALL_S % 86400


class Ring:
    seat = None


class Tasks:
    job = None
    due = 0

    def at_work(self):
        return self.job is not None


class Box:
    """What a Guest needs of a node."""

    def __init__(self, disk=None, **settings):
        self.config = Config()
        for name in settings:
            setattr(self.config, name, settings[name])
        self.disk = disk or MemoryDisk()
        self.store = Store(self.disk, 1 << 20, Counters())
        self.counters = self.store.counters
        self.ring, self.tasks = Ring(), Tasks()
        self.now_ms, self.wall, self.available = 5000, MIDNIGHT_S + 12 * 3600, True
        self.guest = Guest(self)

    def wall_s(self):
        return self.wall

    def log(self, level, text):
        pass

    def look(self, load=0, free=0, heat=0, after_ms=500):
        """The reason after a look at these readings."""
        self.now_ms += after_ms
        self.guest.look(load, free, heat, self.now_ms)
        assert self.available == (self.guest.reason is None)
        return self.guest.reason

    def move(self, mb):
        """So many MiB of blobs move."""
        self.counters.bump("chunks_in", 1024 * mb)


def test_each_bound_makes_a_box_busy_and_none_of_what_is_not_known():
    box = Box(busy_load=200, busy_free_kb=4096, busy_heat=80)
    assert box.look() is None
    assert box.look(200, 4 << 20, 80) is None
    assert box.look(201, 4 << 20, 80) == "load"
    box = Box(busy_load=200, busy_free_kb=4096, busy_heat=80)
    assert box.look(0, (4 << 20) - 1) == "memory"
    box = Box(busy_heat=80)
    assert box.look(0, 0, 81) == "heat"
    box = Box(busy_load=0, busy_free_kb=0, busy_heat=0)
    assert box.look(9999, 1, 149) is None


def test_what_our_own_job_makes_of_the_load_is_not_held_against_it():
    box = Box(busy_load=200, cpu_percent=50)
    box.tasks.job = True
    assert box.look(250) is None
    assert box.look(251) == "load" and box.counters["tasks_parked"] == 1


def test_a_box_is_free_once_it_is_well_within_its_bounds_for_a_while():
    box = Box(busy_load=200, busy_free_kb=4096, busy_heat=80)
    box.look()
    for bad, good in (
        ({"load": 300}, {"load": 150}), ({"free": 4 << 20, "load": 300}, {"free": 5 << 20}), ({"heat": 99}, {"heat": 80 - COOL}),
    ):
        assert box.look(**bad)
        # Below the bound, but not well below: that is no calm.
        near = {"load": 151} if "free" not in bad and "heat" not in bad else {"free": (5 << 20) - 1} if "free" in bad else {"heat": 81 - COOL}
        assert box.look(after_ms=CALM_MS, **near)
        assert box.look(after_ms=CALM_MS - 1, **good)
        assert box.look(after_ms=1, **good) is None


def test_a_reason_that_comes_again_begins_the_calm_anew():
    box = Box(busy_load=200)
    box.look()
    assert box.look(300) and box.look(0, after_ms=CALM_MS - 1) and box.look(300, after_ms=1) and box.look(0, after_ms=CALM_MS - 1)
    assert box.look(0, after_ms=1) is None


def test_quiet_hours_by_the_wall_clock_and_its_offset():
    for hours, offset, quiet in (
        ((12 * 60, 13 * 60), 0, True), ((11 * 60, 12 * 60), 0, False), ((0, 1439), 0, True), ((22 * 60, 6 * 60), 0, False),
        ((22 * 60, 6 * 60), 600, True), ((22 * 60, 6 * 60), 599, False), ((22 * 60, 6 * 60), -361, True), ((22 * 60, 6 * 60), -360, False),
    ):
        box = Box(quiet_hours=hours, utc_offset=offset)
        assert box.look() == ("hours" if quiet else None), (hours, offset)


def test_a_days_bytes_end_the_day_and_the_next_one_has_as_many():
    box = Box(daily_mb=16)
    box.look()
    box.move(15)
    assert box.look() is None
    box.move(1)
    assert box.look() == "bytes"
    box.wall += 86400
    assert box.look(after_ms=CALM_MS) is None


def test_a_restart_gives_no_new_budget_and_costs_a_part_at_most():
    box = Box(daily_mb=16)
    box.move(10)
    box.look()
    again = Box(box.disk, daily_mb=16)
    assert again.look() is None
    again.move(5)
    # 10 used, one part written ahead, 5 used.
    assert again.look() == "bytes"
    for _ in range(PARTS):
        again = Box(box.disk, daily_mb=16)
        assert again.look() == "bytes"
    # In good order nothing is lost; with a clock set back nothing is won.
    box = Box(daily_mb=16)
    box.move(10)
    box.look()
    box.guest.save()
    again = Box(box.disk, daily_mb=16)
    again.wall -= 2 * 86400
    again.guest = Guest(again)
    again.move(5)
    assert again.look() is None
    again.move(1)
    assert again.look() == "bytes"


def test_the_flash_is_written_some_times_a_day():
    box = Box(daily_mb=16)
    before = box.counters["state_bytes"]
    for _ in range(16 * 64):
        box.counters.bump("chunks_out", 16)
        box.look()
    assert 0 < box.counters["state_bytes"] - before <= 16 * (PARTS + 1)
    box = Box(daily_mb=0)
    box.move(9999)
    assert box.look() is None and box.counters["state_bytes"] == 0


def test_a_torn_state_is_none():
    for data in (b"", b"\xff", b"\x81\x00", b"\x82\x20\x00"):
        disk = MemoryDisk()
        disk.files["state-guest"] = bytearray(data)
        box = Box(disk, daily_mb=1)
        assert box.look() is None and box.counters["store_errors"] == (1 if data else 0)


def at_work():
    """A Lan of two nodes of which one sits at a workload of one task, and that node's number."""
    lan = Lan(2, door=True)
    lan.join_all()
    lan.run(5000)
    lan.nodes[0].connected(lan.now_ms)
    blobs = push_work(lan, 1)
    for digest in blobs:
        for node in lan.nodes:
            node.store.put(blobs[digest])
    lan.run_until(lambda: any(node.tasks.job for node in lan.nodes), 60000)
    return lan, [i for i in range(2) if lan.nodes[i].tasks.job][0]


def look(lan, number, ms, load):
    """Let time pass while a box's edge looks twice a second."""
    for _ in range(ms // 500):
        lan.run(500)
        lan.nodes[number].tasks.guest.look(load, 0, 0, lan.now_ms)


def test_a_box_that_stays_busy_hands_its_seat_on_and_takes_none():
    lan, number = at_work()
    busy, other = lan.nodes[number], lan.nodes[1 - number]
    job = busy.tasks.job
    look(lan, number, 1000, 0)
    look(lan, number, PATIENCE_MS - 2000, 999)
    assert busy.ring.seat == 0 and busy.tasks.job is job and busy.counters["tasks_parked"] == 1
    assert busy.status()["tasks"]["busy"] == "load"
    look(lan, number, 4000, 999)
    assert busy.ring.seat is None and busy.counters["seats_handed_on"] == 1
    assert ("cancel", job.key) in lan.events[number]
    busy.job_done(job, Outcome(b"", "cancelled"), lan.now_ms)
    look(lan, number, 60000, 999)
    # The other box has the seat and its task; the busy one is no candidate.
    assert other.ring.seat == 0 and other.tasks.job.task == job.task and busy.ring.seat is None


def test_a_box_that_is_busy_for_a_moment_keeps_its_seat_and_its_task():
    lan, number = at_work()
    busy = lan.nodes[number]
    look(lan, number, 1000, 0)
    look(lan, number, 20000, 999)
    look(lan, number, CALM_MS + 1000, 0)
    look(lan, number, PATIENCE_MS, 0)
    assert busy.ring.seat == 0 and busy.tasks.job and not busy.counters["seats_handed_on"] and busy.available


def test_a_box_that_is_busy_as_work_comes_hands_on_at_once():
    lan, number = at_work()
    look(lan, number, 1500, 999)
    assert lan.nodes[number].ring.seat is None


def test_a_busy_box_without_open_tasks_keeps_its_seat():
    lan, number = at_work()
    node = lan.nodes[number]
    node.job_done(node.tasks.job, Outcome(b"out"), lan.now_ms)
    lan.run(500)
    node.tasks.waiting.clear()
    for workload in node.tasks.workloads.values():
        workload.done.set(0)
    look(lan, number, PATIENCE_MS + 5000, 999)
    assert node.ring.seat == 0 and node.tasks.guest.reason == "load"
