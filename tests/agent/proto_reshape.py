"""Merging and splitting: seats are renumbered once, terms stay, what runs runs on."""

from backfence.agent.grants import middle
from lan import Lan


def slice_(name, seats, seq=1, **rest):
    return dict(rest, kind="slice", name=name, seats=seats, seq=seq)


def test_where_a_slice_is_through_several_merges():
    lan = Lan(1)
    lan.push(0, slice_("c", 5))
    lan.push(0, slice_("b", 9, absorbs=[["c", 4, 5]]))
    lan.push(0, slice_("a", 20, absorbs=[["b", 10, 9]]))
    lan.run(100)
    slicing = lan.nodes[0].slicing
    id = slicing.by_name("a").manifest.id
    assert slicing.where_is("a") == (id, 0, 20) and slicing.where_is("b") == (id, 10, 9)
    assert slicing.where_is("c") == (id, 14, 5) and slicing.where_is("d") is None
    # Circles are no endless loops.
    lan.push(0, slice_("c", 5, 2, absorbs=[["a", 0, 5]]))
    lan.run(100)
    assert slicing.where_is("a") is None or len(slicing.where_is("a")) == 3


def test_the_middle_of_what_may_be_granted():
    assert middle(0, 1, 8, []) is None and middle(0, 8, 8, []) == 4 and middle(6, 4, 8, []) == 0
    assert middle(0, 8, 8, [(1, 8)]) is None and middle(0, 8, 8, [(4, 8)]) == 2
    assert middle(6, 4, 8, [(7, 9), (0, 1)]) == 1 and middle(0, 8, 8, [(0, 7)]) == 7
