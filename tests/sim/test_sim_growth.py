"""The walk reaches whatever a node holds, and the rule tells growth from noise: both on leaks planted here."""

import collections
import random

import pytest

from backfence.agent import membership
from backfence.sim import growth
from backfence.sim.lab import Lab
from backfence.sim.ledger import Ledger, leftovers

LEAK = b"0123456789abcdef"


class Slotted:
    """Holds things in slots."""

    __slots__ = ("inner", "never_set")

    def __init__(self, inner):
        self.inner = inner


class Holder:
    """Holds one thing, whatever it is, behind an attribute."""

    def __init__(self, held):
        self.held = held

    def method(self):
        """Nothing; but who has it has us."""


def hidden(value):
    """A function that only its closure ties to value; one of its cells is empty."""
    def tell():
        return value, later

    if value is None:
        later = None
    return tell


def paused(value):
    """A generator that has a local and waits."""
    held = [value]
    yield held


def started(generator):
    """The generator, where its first yield is."""
    next(generator)
    return generator


PLACES = {
    "list": lambda it: [it], "value of a dict": lambda it: {1: it}, "key of a dict": lambda it: {it: 1},
    "tuple": lambda it: (it,), "set": lambda it: {it}, "deque": lambda it: collections.deque([it]),
    "slot": Slotted, "object": Holder, "bound method": lambda it: Holder(it).method, "closure": hidden,
    "default": lambda it: lambda x=it: x, "generator": lambda it: started(paused(it)),
    "deep": lambda it: [{"a": (Slotted([Holder({2: [it]})]),)}],
}


@pytest.mark.parametrize("place", sorted(PLACES))
def test_the_walk_finds_what_is_held_anywhere(place):
    root = Holder(PLACES[place](LEAK))
    assert [value for _, value in growth.walk(root) if value == LEAK] == [LEAK]
    assert any(weight.bytes == len(LEAK) for weight in growth.weigh(root).values())


def test_the_walk_counts_each_thing_once_and_stops_at_what_is_shared():
    common = [LEAK, bytearray(8), "text"]
    root = Holder({"a": common, "b": common, "c": Holder(common)})
    weights = growth.weigh(root)
    assert sum(weight.bytes for weight in weights.values()) == 16 + 8 + 4 + 3
    assert weights["held"].entries == 3
    assert LEAK not in [value for _, value in growth.walk(root, (common,))]


def test_a_walk_that_leaves_the_node_is_stopped(monkeypatch):
    monkeypatch.setattr(growth, "OBJECTS_MOST", 1000)
    with pytest.raises(AssertionError, match="more than 1000 objects"):
        list(growth.walk(Holder([bytes([n & 255, n >> 8]) for n in range(1001)])))


def test_the_trend_is_kendalls_and_the_slope_theil_and_sens():
    # S = 13 of 15 pairs, variance 6 * 5 * 17 / 18; slopes' median by hand.
    deviations, rise = growth.trend([1, 2, 3, 5, 4, 7])
    assert deviations == pytest.approx((13 - 1) / (6 * 5 * 17 / 18) ** 0.5)
    assert rise == pytest.approx(5 * 1.0)
    # Ties take their share of the variance away.
    assert growth.trend([1, 1, 2, 2])[0] == pytest.approx((4 - 1) / ((4 * 3 * 13 - 2 * 2 * 1 * 9) / 18) ** 0.5)
    assert growth.trend([5] * 20) == (0.0, 0.0)


def test_the_rule_finds_a_slow_leak_under_noise_and_nothing_in_noise_alone():
    draw = random.Random(7)
    noise = [[draw.gauss(200, 10) for _ in range(growth.SAMPLES_LEAST + 4)] for _ in range(1000)]
    assert not any(growth.grown(row, 1) for row in noise)
    assert not any(growth.grown(sorted(row, reverse=True), 1) for row in noise[:10])
    leaking = [[value + 5 * day for day, value in enumerate(row)] for row in noise]
    assert sum(growth.grown(row, 1) > 0 for row in leaking) > 900
    assert growth.grown(range(growth.SAMPLES_LEAST), 1) == growth.SAMPLES_LEAST - 1
    assert not growth.grown([1000 + day for day in range(16)], 1), "less than a fiftieth is not growth"
    with pytest.raises(ValueError, match="15 samples"):
        growth.grown(range(15), 1)


def small(samples=growth.SAMPLES_LEAST):
    """(lab, ledger) of four boxes that shuffle, weighed every three rounds."""
    lab = Lab("growth", 4, 1, round_ms="60000")
    lab.boot(doors=1, contacts=2)
    lab.until("overlay connected", lab.connected, 600)
    lab.go(1_800_000)
    ledger = Ledger(lab, lab.world.boxes)
    for _ in range(samples):
        lab.go(180_000)
        ledger.sample()
    return lab, ledger


def test_boxes_that_only_shuffle_do_not_grow():
    lab, ledger = small()
    assert len(ledger.series) > 60 and ledger.total("bytes")[-1] > 4_000
    assert ledger.verdict(0) == ""


def test_a_planted_leak_is_found_and_named(monkeypatch):
    # Cached answers to shuffles that are never dropped.
    monkeypatch.setattr(membership, "SHUFFLE_ANSWERS", 1 << 30)
    monkeypatch.setattr(membership, "_ANSWER_MS", 1 << 60)
    _, ledger = small()
    assert "node.membership._answers[]" in ledger.verdict(0)


def test_files_that_pile_up_are_found():
    lab, ledger = small(0)
    for day in range(growth.SAMPLES_LEAST):
        lab.world.boxes[2].disk.write("part-%d" % day, bytes(100))
        ledger.sample()
    assert ledger.verdict(0) == "disk part: 100 to 1600 bytes; disk part: 1 to 16 entries"


def test_what_should_be_gone_is_found_where_it_is():
    lab, _ = small(0)
    box = lab.world.boxes[1]
    gone = {LEAK: "manifest x"}
    assert leftovers(lab, lab.world.boxes, gone, ()) == ""
    box.node.tasks.workloads[LEAK] = None
    assert leftovers(lab, [box], gone, ()) == "manifest x in tasks.workloads[] of box 1"
    assert leftovers(lab, [box], gone, ("tasks.work",)) == ""
