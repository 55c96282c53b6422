"""Rings when single messages are lost; whole rings under loss are in test_ring_loss.py."""

from backfence.agent.wire import messages
from proto_node import holders, ring_closed
from proto_ring import closed, lose_first, slice_

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "mips")


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
