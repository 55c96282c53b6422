"""The checks from outside, on hand-made worlds: sound ones pass, each broken one is named."""

import copy

import pytest

from backfence.bootstrap.operator import world


def box(number, seat=None, open_tasks=0, door=False, view=()):
    """A status as an agent writes it; links are filled in by `ring`."""
    seats = [] if seat is None else [{"slice": "edge", "seat": seat, "term": 1, "filled_hint": 0}]
    return {
        "id": name(number),
        "seats": seats,
        "view": [name(other) for other in view],
        "door": door,
        "tasks": {"open": open_tasks, "running": None, "done": 0, "undelivered": 0},
    }


def name(number):
    return "%032x" % (number + 0xB0)


def ring(boxes):
    """Links the seats of `boxes` to one closed ring."""
    holders = sorted((seat["seat"], status["id"], seat) for status in boxes for seat in status["seats"])
    for place, (_number, _id, seat) in enumerate(holders):
        after, before = holders[(place + 1) % len(holders)], holders[place - 1]
        alone = len(holders) == 1
        seat["successor"] = None if alone else [after[0], after[1]]
        seat["predecessor"] = None if alone else [before[0], before[1]]
    return boxes


def full():
    return ring([box(0, 0), box(1, 1), box(2, 2), box(3, 3), box(4), box(5)])


def test_a_closed_and_full_ring_is_sound():
    assert world.ring_faults(full(), "edge", 4) == []


def test_a_ring_of_one_is_sound():
    assert world.ring_faults(ring([box(0, 0), box(1)]), "edge", 1) == []


def test_a_ring_closed_over_a_gap_is_sound_but_not_full():
    gap = ring([box(0, 0), box(1, 1), box(3, 3)])
    assert world.ring_faults(gap, "edge") == []
    assert world.ring_faults(gap, "edge", 4) == ["1 of 4 seats are vacant (2)"]


def test_another_slice_does_not_count():
    assert "4 of 4 seats are vacant" in world.ring_faults(full(), "other", 4)[0]


def change_duplicate(boxes):
    boxes[4]["seats"] = [copy.deepcopy(boxes[1]["seats"][0])]
    return "seat 1 is held by 2 boxes"


def change_open(boxes):
    boxes[2]["seats"][0]["successor"] = None
    return "seat 2 has no successor"


def change_shortcut(boxes):
    boxes[1]["seats"][0]["successor"] = [3, name(3)]
    return "seat 1 has seat 3 as its successor, not seat 2"


def change_two_rings(boxes):
    for here, there in ((0, 1), (1, 0), (2, 3), (3, 2)):
        for link in ("successor", "predecessor"):
            boxes[here]["seats"][0][link] = [there, name(there)]
    return "seat 1 has seat 0 as its successor, not seat 2"


def change_stale(boxes):
    boxes[1]["seats"][0]["successor"] = [2, name(9)]
    return "seat 1 has a stale successor"


def change_stale_predecessor(boxes):
    boxes[3]["seats"][0]["predecessor"] = [2, name(9)]
    return "seat 3 has a stale predecessor"


def change_beyond(boxes):
    boxes[5]["seats"] = [dict(boxes[3]["seats"][0], seat=4)]
    ring(boxes)
    return "seats beyond the slice are held (4)"


def change_dead(boxes):
    del boxes[0]
    return "1 of 4 seats are vacant (0)"


CHANGES = [value for key, value in sorted(globals().items()) if key.startswith("change_")]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_each_broken_ring_is_named(change):
    boxes = full()
    expected = change(boxes)
    assert any(expected in fault for fault in world.ring_faults(boxes, "edge", 4))


def test_stragglers_until_all_are_one_overlay():
    boxes = [box(0, view=[1]), box(1, view=[2]), box(2, view=[])]
    assert world.stragglers(boxes, 4) == "3 of 4 agents have reported"
    assert "1 agents know nobody yet" in world.stragglers(boxes, 3)
    boxes[2]["view"] = [name(1)]
    assert world.stragglers(boxes, 3) is None
    parts = boxes + [box(3, view=[4]), box(4, view=[3])]
    assert world.stragglers(parts, 5) == "the overlay has more than one part (3 of 5 reached)"


def test_an_edge_to_a_stranger_does_not_join():
    assert "more than one part" in world.stragglers([box(0, view=[7]), box(1, view=[7])], 2)


def test_victims_are_the_most_loaded_seat_holders():
    boxes = [box(0, 0, 2), box(1, 1, 5), box(2, 2, 3), box(3, None, 9), box(4, 3, 0)]
    assert [status["id"] for status in world.pick_victims(boxes, "edge", 2)] == [name(1), name(2)]


@pytest.mark.parametrize(
    "boxes",
    [
        [],
        [box(0, 0, 0), box(1, 1, 0)],  # nothing open
        [box(0, None, 4), box(1, None, 4)],  # no seats
        [box(0, 0, 4), box(1, 1, 0)],  # only one with something to lose
        [box(0, 0, 4, door=True), box(1, 1, 4, door=True)],  # the last doors
    ],
    ids=["nobody", "idle", "seatless", "one", "doors"],
)
def test_no_victims_when_nothing_is_at_stake(boxes):
    assert world.pick_victims(boxes, "edge", 2) == []


def test_one_door_is_left_alive():
    boxes = [box(0, 0, 9, door=True), box(1, 1, 8, door=True), box(2, 2, 1)]
    assert [status["id"] for status in world.pick_victims(boxes, "edge", 2)] == [name(0), name(2)]


def test_every_task_has_one_seat():
    tasks = list(range(74))
    by_seat = [world.placed_on("words", 8, [seat], tasks) for seat in range(8)]
    assert sorted(sum(by_seat, [])) == tasks and all(by_seat)
    assert world.placed_on("words", 8, [2, 5], tasks[:30]) == sorted(
        task for task in by_seat[2] + by_seat[5] if task < 30)
