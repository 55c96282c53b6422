"""Rings when messages are lost, or the fleet is split."""

from backfence.agent.wire import messages
from lan import Lan
from proto_node import holders, ring_closed
from proto_ring import closed, lose_first, slice_


def test_no_seat_is_given_twice_when_each_answer_or_grant_is_lost_once():
    for kind in (messages.ANSWER, messages.GRANT):
        lan = closed(7, 1, seed=kind)
        lost = lose_first(lan, kind)
        lan.push(0, slice_(5, 2))
        while not ring_closed(lan, "edge", 5):
            holders(lan, "edge")  # asserts that no seat has two boxes
            lan.run(100)
            assert lan.now_ms < 90000
        assert len(lost) >= 4
        assert sum([node.counters["seats_lost"] for node in lan.nodes]) == 0
        assert sum([node.counters["seats_taken"] for node in lan.nodes]) == 5


def close_under_loss(seed):
    """Every fifth datagram is lost; the ring closes, and stays or closes again."""
    lan = Lan(7, seed=seed)
    lan.drop = lambda data, source, target: lan.rng.below(5) == 0
    lan.join_all()
    lan.run(3000)
    lan.push(0, slice_(4))
    lan.run_until(lambda: ring_closed(lan, "edge", 4), 60000)
    lan.run(10000)
    lan.run_until(lambda: ring_closed(lan, "edge", 4), 30000)


def test_one_closed_ring_under_20_percent_loss():
    close_under_loss(20)


def test_a_partition_with_seats_on_both_sides_heals_to_one_ring():
    lan = closed(8, 3, seed=2, round_ms=1500)
    seats = holders(lan, "edge")
    here = [seats[0], seats[1]] + [i for i in range(8) if i not in seats.values()][:2]
    lan.drop = lambda data, source, target: (source in here) != (target in here)

    def side(inside):
        out = {}
        for i in range(8):
            ring = lan.nodes[i].ring
            if (i in here) == inside and ring.seat is not None:
                out[ring.seat] = i
        return out

    lan.run_until(lambda: len(side(True)) == len(side(False)) == 3, 90000)
    lan.drop = None
    lan.run_until(lambda: ring_closed(lan, "edge", 3), 120000)
    lan.run(20000)
    assert ring_closed(lan, "edge", 3)
    assert sum([node.counters["seats_lost"] for node in lan.nodes]) >= 3
