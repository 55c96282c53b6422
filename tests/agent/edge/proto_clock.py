"""The clock: the wrap of ticks, and ticks that step back."""

from backfence.agent.edge.clock import Clock

MASK = (1 << 30) - 1


class Ticks:
    def __init__(self, value):
        self.value = value

    def __call__(self):
        return self.value


def test_the_wrap_of_ticks_is_not_seen():
    ticks = Ticks(MASK - 10)
    clock = Clock(ticks, MASK, Ticks(0))
    assert clock.now() == 1
    ticks.value = MASK
    assert clock.now() == 11
    ticks.value = 5
    assert clock.now() == 17


def test_many_periods_add_up():
    ticks = Ticks(0)
    clock = Clock(ticks, MASK, Ticks(0))
    true_ms = 0
    for _ in range(40):
        true_ms += 400000000
        ticks.value = true_ms & MASK
        assert clock.now() == true_ms + 1
    assert true_ms > 10 * MASK


def test_a_step_back_stands_still():
    for mask in (MASK, 0):
        ticks = Ticks(1000)
        clock = Clock(ticks, mask, Ticks(0))
        ticks.value = 900
        assert clock.now() == 1
        ticks.value = 950
        assert clock.now() == 51


def test_the_machines_own_ticks_rise():
    clock = Clock()
    first = clock.now()
    last = first
    while last < first + 20:
        now = clock.now()
        assert now >= last
        last = now
    assert clock.wall() > 1700000000
