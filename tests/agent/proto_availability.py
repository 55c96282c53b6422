"""Availability: right over restarts, power cuts, wrong clocks and torn state."""

from backfence.agent.availability import PPM, SAVE_MS, WINDOW_S, Availability
from backfence.agent.counting import Counters
from backfence.agent.store import Store
from lan import WALL_S, MemoryDisk


class Box:
    """What Availability needs of a node; true_s is the time that really passed."""

    def __init__(self):
        self.disk = MemoryDisk()
        self.true_s = 0
        self.wrong_s = 0
        self.start()

    def start(self):
        self.store = Store(self.disk, 1 << 20, Counters())
        self.counters = self.store.counters
        self.attributes = {}
        self.now_ms = 5000
        self.availability = Availability(self)
        self.availability.tick(self.now_ms)

    def wall_s(self):
        return WALL_S + self.true_s + self.wrong_s

    def up(self, seconds):
        while seconds > 0:
            step = min(seconds, 300)
            seconds -= step
            self.true_s += step
            self.now_ms += 1000 * step
            self.availability.tick(self.now_ms)

    def percent(self):
        return self.attributes["availability"] * 100 / PPM


def test_a_new_box_was_always_up():
    box = Box()
    assert box.percent() == 100
    box.up(86400)
    assert box.percent() == 100 and box.attributes["uptime_s"] == 86400


def test_a_clean_stop_counts_to_the_second():
    box = Box()
    box.up(3 * 3600)
    box.availability.save(True)
    box.true_s += 3600
    box.start()
    assert abs(box.percent() - 75) < 0.1


def test_a_power_cut_is_half_of_what_was_not_written():
    box = Box()
    box.up(SAVE_MS // 1000 * 3)
    box.true_s += 60
    box.start()
    assert box.percent() > 99.8
    box.up(SAVE_MS // 1000)
    # Two days without power: of them at most three hours count as up.
    box.true_s += 2 * 86400
    box.start()
    up_h, all_h = 24.0 + 3, 24.0 + 48
    assert abs(box.percent() - 100 * up_h / all_h) < 2


def test_a_clock_that_is_set_after_the_start_tells_the_absence():
    box = Box()
    box.up(86400)
    box.availability.save(True)
    box.true_s += 86400
    box.wrong_s = -86400
    box.start()
    box.up(600)
    assert box.percent() > 99
    box.wrong_s = 0
    box.up(600)
    assert abs(box.percent() - 50) < 1


def test_a_clock_that_runs_wild_later_changes_nothing():
    box = Box()
    box.up(86400)
    for jump_s in (86400, -5 * 86400, 3 * 365 * 86400):
        box.wrong_s += jump_s
        box.up(600)
    assert box.percent() == 100
    # Nor does a gap of years just after a start.
    box.wrong_s += 10 * 365 * 86400
    box.start()
    assert box.percent() == 100


def test_old_behaviour_fades():
    box = Box()
    box.up(3600)
    box.availability.save(True)
    box.true_s += 20 * 86400
    box.start()
    assert box.percent() < 1
    box.up(2 * WINDOW_S)
    assert box.percent() > 75
    assert box.availability._watched_s <= WINDOW_S + 300


def test_a_torn_state_is_counted_and_begins_anew():
    box = Box()
    box.up(3600)
    for data in (b"", b"\xff", b"\x84\x01\x02\x03\x04", b"\x80", b"\x84\x01\x00\x00\x20"):
        for name in list(box.disk.files):
            if "uptime" in name:
                box.disk.files[name] = bytearray(data)
        box.start()
        assert box.percent() == 100
        assert box.counters["store_errors"] >= 1, data


def test_flash_is_written_four_times_a_day():
    box = Box()
    before = box.counters["state_bytes"]
    box.up(86400)
    assert 0 < box.counters["state_bytes"] - before < 300
