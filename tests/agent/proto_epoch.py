"""Epochs: who begins, who follows, who takes part, and what a liar cannot do."""

from backfence.agent.config import Config
from backfence.agent.counting import Counters
from backfence.agent.epoch import FIRST_QUICK, FIRST_ROUNDS, IDLE_REST_ROUNDS, QUICK_REST_ROUNDS, ROUNDS, Epoch
from backfence.agent.errors import RemoteError
from backfence.agent.limits import EPOCH_JUMP, EPOCH_QUICK_BURST

IDLE_MS = 60000
BUSY_MS = 1000


class Box:
    """What an Epoch needs of a node."""

    def __init__(self):
        self.config = Config()
        self.counters = Counters()
        self.now_ms = 7000
        self.hurries = 0
        self.epoch = Epoch(self)
        self.epoch.joined()

    def hurry(self):
        self.hurries += 1

    def wait(self, ms):
        self.now_ms += ms
        return self.epoch.advance()

    def idle(self, number):
        """In idle epoch `number`, taking part, just begun."""
        self.epoch.hear(number, 0, 0)
        assert self.epoch.averaging() and not self.epoch.quick
        return self


def test_a_fleet_that_is_switched_on_begins_with_quick_epochs():
    box = Box()
    assert not box.wait(FIRST_ROUNDS * BUSY_MS - 1) and box.wait(1)
    for number in range(1, FIRST_QUICK + 1):
        assert box.epoch.number == number and box.epoch.quick and box.epoch.averaging() and box.hurries == number
        assert not box.wait(ROUNDS * BUSY_MS) and box.epoch.complete()
        assert box.wait(QUICK_REST_ROUNDS * BUSY_MS)
    assert not box.epoch.quick
    assert not box.wait((ROUNDS + IDLE_REST_ROUNDS) * IDLE_MS - 1) and box.wait(1)
    assert box.epoch.number == FIRST_QUICK + 2


def test_a_box_alone_begins_nothing():
    box = Box()
    box.epoch = Epoch(box)
    assert not box.wait(10 * IDLE_MS) and box.epoch.number == 0


def test_due_is_when_something_happens():
    box = Box()
    for _ in range(12):
        due = box.epoch.due()
        assert due > box.now_ms
        before = (box.epoch.number, box.epoch.complete())
        box.wait(due - box.now_ms)
        assert (box.epoch.number, box.epoch.complete()) != before


def test_all_end_together_whatever_they_heard_first():
    early, late = Box(), Box()
    early.epoch.hear(9, 0, 0)
    late.now_ms += 500000
    late.epoch.hear(9, 0, 500000)
    assert late.epoch.started_ms == early.epoch.started_ms
    # A clock that runs ahead is followed a little; one behind is not.
    late.epoch.hear(9, 0, 500000 + 20000)
    assert late.epoch.started_ms == early.epoch.started_ms - 20000
    late.epoch.hear(9, 0, 100)
    assert late.epoch.started_ms == early.epoch.started_ms - 20000
    late.epoch.hear(9, 0, 500000 + 1000000)
    assert late.epoch.started_ms == early.epoch.started_ms - ROUNDS * IDLE_MS // 8


def test_who_was_not_up_takes_no_part():
    box = Box()
    box.now_ms += 5000
    assert box.epoch.hear(9, 0, 6000) and not box.epoch.taking_part
    assert box.epoch.hear(10, 0, 0) and box.epoch.taking_part


def test_a_higher_epoch_is_followed_when_ours_is_complete():
    box = Box().idle(50)
    assert not box.epoch.hear(49, 0, 0) and not box.epoch.hear(50, 0, 0)
    assert not box.epoch.hear(51, 0, 0) and box.counters["epochs_refused"] == 1
    box.now_ms += ROUNDS * IDLE_MS
    assert box.epoch.hear(60, 0, 0) and box.epoch.number == 60


def test_a_quick_epoch_breaks_an_idle_one_off_within_an_allowance():
    box = Box().idle(50)
    followed = 0
    for number in range(51, 71):
        followed += box.epoch.hear(number, 1, 0)
        box.now_ms += 10
    assert followed == EPOCH_QUICK_BURST and box.counters["epochs_refused"] == 20 - followed
    # Signed news is another matter.
    box.epoch.hurry(10)
    assert box.epoch.hear(80, 1, 0)


def test_of_two_with_one_number_the_quick_one_stands():
    box = Box().idle(50)
    assert box.epoch.hear(50, 1, 0) and box.epoch.quick
    assert not box.epoch.hear(50, 0, 0) and box.epoch.same(50, 1) and not box.epoch.same(50, 0)


def test_news_makes_a_quick_epoch_unless_another_box_was_faster():
    box = Box().idle(50)
    box.epoch.hurry(10)
    assert not box.wait(10 * BUSY_MS - 1) and box.wait(1)
    assert box.epoch.quick and box.epoch.number == 51
    box = Box().idle(50)
    box.epoch.hurry(10)
    box.now_ms += 9 * BUSY_MS
    assert box.epoch.hear(51, 1, 0)
    assert not box.wait(5 * BUSY_MS) and box.epoch.number == 51


def test_numbers_out_of_reach_and_ends_long_past_are_refused():
    box = Box().idle(50)
    box.now_ms += ROUNDS * IDLE_MS
    for number, quick, elapsed_ms in ((51 + EPOCH_JUMP, 0, 0), (51, 0, 100 * IDLE_MS), (51, 1, 100 * BUSY_MS)):
        try:
            box.epoch.hear(number, quick, elapsed_ms)
            assert False, number
        except RemoteError:
            assert box.epoch.number == 50
