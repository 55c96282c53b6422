"""Each checker passes on a sound world and fails on one broken on purpose."""

from toy_node import toy_world

from backfence.sim import checkers
from backfence.sim.inspect import Seat, State


def name(number):
    """A 16-byte identity."""
    return bytes([number]) * 16


def ring(size=6, view=3):
    """States of `size` boxes that know their next ones and hold one closed ring."""
    states = []
    for number in range(size):
        after = (number + 1) % size
        states.append(State(
            number, name(number), [name((number + k + 1) % size) for k in range(view)], {"slice-a": 2},
            [Seat("a", number, 1, (after, name(after)))], [("view", view, 20)]))
    return states


def test_a_sound_world_passes_every_check():
    states = ring()
    assert checkers.connected(states) == ""
    assert checkers.views_filled(states, 3) == ""
    assert checkers.views_hold_no_dead(states) == ""
    assert checkers.manifests_everywhere(states, {"slice-a": 2}) == ""
    assert checkers.seats_unique(states) == ""
    assert checkers.slices_disjoint(states) == ""
    assert checkers.ring_closed(states, "a", 6) == ""
    assert checkers.within_caps(states) == ""


def test_an_overlay_in_two_parts_is_not_connected():
    states = ring(6, view=1)
    states[2].view = [name(0)]
    states[5].view = [name(3)]
    assert checkers.connected(states) == "3 of 6 boxes are cut off: 3, 4, 5"


def test_links_through_dead_boxes_do_not_connect():
    states = ring(6, view=1)
    del states[4], states[1]
    assert "cut off" in checkers.connected(states)


def test_no_live_box_is_no_overlay():
    assert checkers.connected([]) == "no box is live"


def test_a_poor_view_is_found():
    states = ring()
    states[1].view = [name(1), name(99)]
    assert checkers.views_filled(states, 3) == "1 boxes know fewer than 3 live ones: 1"


def test_dead_links_are_counted():
    states = ring()[:-1]
    assert checkers.views_hold_no_dead(states) == "3 of 15 links point to dead boxes"
    assert checkers.views_hold_no_dead(states, share=0.2) == ""


def test_a_missing_and_an_old_manifest_are_found():
    states = ring()
    del states[1].manifests["slice-a"]
    states[4].manifests = {"slice-a": 1}
    assert checkers.manifests_everywhere(states, {"slice-a": 2}) == "2 missing: 1 lacks slice-a, 4 lacks slice-a"


def test_a_seat_held_twice_is_found():
    states = ring()
    states[3].seats[0].number = 1
    assert checkers.seats_unique(states) == "held twice: a/1 by [1, 3]"
    assert checkers.ring_closed(states, "a", 6) == "a: seat 1 is held twice"


def test_a_box_in_two_slices_is_found():
    states = ring()
    states[3].seats.append(Seat("b", 0, 1, None))
    assert checkers.slices_disjoint(states) == "boxes with several seats: 3"


def test_a_vacant_seat_a_surplus_seat_and_an_open_ring_are_found():
    states = ring()
    states[3].seats = []
    assert checkers.ring_closed(states, "a", 6) == "a: 5 of 6 seats, vacant: 3"
    assert "beyond the size: 5" in checkers.ring_closed(ring(), "a", 5)
    states = ring()
    states[2].seats[0].successor = (4, name(4))
    assert checkers.ring_closed(states, "a", 6) == "a: seat 2's successor is not the holder of seat 3"
    states[2].seats[0].successor = (3, name(5))
    assert "seat 2" in checkers.ring_closed(states, "a", 6)
    states[2].seats[0].successor = None
    assert "seat 2" in checkers.ring_closed(states, "a", 6)


def test_a_ring_of_one_is_closed():
    states = ring(1)
    states[0].seats[0].successor = None
    assert checkers.ring_closed(states, "a", 1) == ""


def test_a_table_over_its_cap_is_found():
    states = ring()
    states[5].tables.append(("peers", 49, 48))
    assert checkers.within_caps(states) == "over the cap: 5: peers has 49 of 48"


def test_a_spinning_timer_is_found():
    world = toy_world(1, 2)
    world.run_for(10_000)
    assert checkers.no_spinning(world, world.boxes) == ""
    world.boxes[1].node.handle_timer = lambda now_ms: None
    world.boxes[1].node.deadline = lambda: 0
    world.run_for(10_000)
    assert checkers.no_spinning(world, world.boxes) == "boxes that spin: 1"


def test_a_store_over_its_capacity_is_found():
    world = toy_world(1, 2)
    world.boxes[1].disk.write("blob-a", bytes(60))
    world.boxes[1].disk.write("state-b", bytes(1000))
    assert checkers.disks_within(world.boxes, 100) == ""
    world.boxes[1].disk.write_at("part-c", 40, b"1")
    assert checkers.disks_within(world.boxes, 100) == "stores over 100 bytes: 1: 101 bytes"


class Books:
    """An operator's settlements, as the checks read them."""

    def __init__(self, *settled):
        self._settled = settled

    def settled(self, workload):
        return list(self._settled)

    def wanted_output(self, workload, task):
        return b"%d" % task if task < 2 else None


def test_a_task_settled_twice_wrongly_or_not_at_all_is_found():
    assert checkers.settled_once(Books((0, b"0"), (1, b"1"), (7, b"any")), "w") == ""
    assert checkers.settled_once(Books((0, b"0"), (0, b"0")), "w") == "w: task 0 was settled twice"
    assert checkers.settled_once(Books((1, b"x")), "w") == "w: wrong outputs for tasks 1"
    assert checkers.all_settled(Books((0, b"0")), "w", 1) == ""
    assert checkers.all_settled(Books((0, b"0")), "w", 3) == "w: 2 of 3 tasks are open: 1, 2"
