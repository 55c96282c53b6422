"""Which slice a free box goes to: in proportion to the seats wanted, and nobody changes sides."""

from backfence.agent.choice import preference
from lan import Lan

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16


def first_choices(wanted, boxes=1200):
    counts = {}
    for i in range(boxes):
        id = b"%16d" % i
        best = min(wanted, key=lambda slice: preference(slice, id, wanted[slice]))
        counts[best] = counts.get(best, 0) + 1
    return counts


def test_choices_are_in_proportion_to_the_seats_wanted():
    counts = first_choices({A: 300, B: 100})
    assert 850 < counts[A] < 950
    counts = first_choices({A: 1, B: 2, C: 3})
    assert 150 < counts[A] < 250 and 330 < counts[B] < 470 and 530 < counts[C] < 670


def test_a_third_slice_changes_the_order_of_no_two():
    for i in range(100):
        id = b"%16d" % i
        before = preference(A, id, 30) < preference(B, id, 10)
        order = sorted([A, B, C], key=lambda slice: preference(slice, id, {A: 30, B: 10, C: 99}[slice]))
        assert (order.index(A) < order.index(B)) == before


def test_who_waits_in_vain_offers_itself_to_the_next():
    lan = Lan(4, seed=6)
    lan.join_all()
    lan.run(3000)
    # Nobody may sit in "a" but box 0; the others would all prefer it.
    lan.push(0, {"kind": "slice", "name": "a", "seats": 4096})
    lan.push(0, {"kind": "slice", "name": "b", "seats": 2})
    for node in lan.nodes:
        node.slicing.hungry = lambda id: None
    lan.run(200)
    node = lan.nodes[1]
    a, b = node.slicing.by_name("a"), node.slicing.by_name("b")
    best = min((a, b), key=lambda slice: preference(slice.manifest.id, node.id, node.slicing.size(slice.manifest.id)))
    other = b if best is a else a
    assert node.slicing.offers(best) and not node.slicing.offers(other)
    best.offered_ms -= 60000
    assert node.slicing.offers(best) and node.slicing.offers(other)
    node.slicing.on_free()
    assert node.slicing.offers(best) and not node.slicing.offers(other)
