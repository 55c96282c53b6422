"""A slice with a share of the fleet grows and shrinks with it: a whole ring, on CPython alone."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from proto_node import ring_closed  # noqa: E402
from proto_sizes import Counted, shared  # noqa: E402


def test_seat_0_reckons_and_the_ring_grows_and_shrinks_with_the_fleet():
    lan = shared(500, count=7)
    counted = Counted(lan.nodes, 6)
    lan.run_until(lambda: ring_closed(lan, "edge", 3), 40000)
    counted.size = 10
    lan.run_until(lambda: ring_closed(lan, "edge", 5), 40000)
    id = lan.nodes[0].slicing.by_name("edge").manifest.id
    lan.run_until(lambda: all([node.slicing.size(id) == 5 for node in lan.nodes]), 20000)
    counted.size = 4
    lan.run_until(lambda: ring_closed(lan, "edge", 2), 40000)
