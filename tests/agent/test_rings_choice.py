"""Which slice a free box goes to: in proportion to the seats wanted, and nobody changes sides (whole rings, on CPython alone)."""

import sys
from pathlib import Path

from backfence.agent.choice import preference

sys.path.insert(0, str(Path(__file__).parent))
from lan import Lan  # noqa: E402
from proto_node import holders, ring_closed  # noqa: E402

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16


def contended(seed):
    """A Lan of 12 in which "a" wants 12 seats and "b" wants 6."""
    lan = Lan(12, seed=seed)
    lan.join_all()
    lan.run(3000)
    lan.push(0, {"kind": "slice", "name": "a", "seats": 12})
    lan.push(0, {"kind": "slice", "name": "b", "seats": 6})
    return lan


def test_what_is_free_is_divided_and_stays_where_it_is():
    lan = contended(5)
    lan.run_until(lambda: len(holders(lan, "a")) + len(holders(lan, "b")) == 12, 40000)
    before = (holders(lan, "a"), holders(lan, "b"))
    wanted = {lan.nodes[0].slicing.by_name("a").manifest.id: 12, lan.nodes[0].slicing.by_name("b").manifest.id: 6}
    for number in before[1].values():
        node = lan.nodes[number]
        best = min(wanted, key=lambda id: preference(id, node.id, wanted[id]))
        assert node.slicing.slices[best].manifest.name == "b"
    assert before[1] and before[0]
    lan.run(40000)
    assert (holders(lan, "a"), holders(lan, "b")) == before
    assert sum([node.counters["seats_left"] + node.counters["seats_lost"] for node in lan.nodes]) == 0
    # One ends: the other has its boxes within seconds.
    lan.push(0, {"kind": "slice", "name": "b", "seats": 6, "seq": 2, "end": True})
    lan.run_until(lambda: ring_closed(lan, "a", 12), 15000)
