"""Lies are well formed, differ from the truth, and come from the seed."""

import random

import pytest

from backfence.agent.wire import messages as wire
from backfence.sim import liar
from backfence.sim.faults import Faults
from backfence.sim.lab import Lab

TRUE = {"u": 7, "U": 7, "b": b"bytes", "4": b"4" * 4, "8": b"8" * 8, "h": b"h" * 16, "s": b"s" * 32, "l": []}


def lab_with_liars(share=0.5):
    lab = Lab("liars", 12, 3)
    lab.boot(doors=1, contacts=2, weather=Faults(liars=share))
    return lab


@pytest.mark.parametrize("kind", sorted(wire.FORMS))
def test_a_lie_of_each_kind_is_well_formed_and_some_differ(kind):
    lab = lab_with_liars()
    lab.go(6_000)
    node, rng = lab.world.boxes[0].node, random.Random(kind)
    true = wire.pack(kind, *[TRUE[form[-1]] for form in wire.FORMS[kind]])
    lies = {liar.lie(node, rng, true) for _ in range(40)}
    assert all(wire.unpack(body)[0] == kind for body in lies)
    # An empty list leaves nothing to leave out.
    assert lies - {true} or kind == wire.HAVE


def test_a_shuffle_that_lies_is_still_taken_for_a_shuffle():
    lab = lab_with_liars(0.0)
    lab.go(10_000)
    node, rng = lab.world.boxes[0].node, random.Random(1)
    message = node.membership._message(wire.SHUFFLE, 1, [node.descriptor()] + list(node.membership.view.values())[:5])
    for _ in range(50):
        assert wire.unpack(liar.lie(node, rng, message))[2][:16] != bytes(16)


def test_liars_are_drawn_from_the_seed_never_doors_or_contacts_and_no_checker_counts_on_them():
    lab = lab_with_liars()
    lab.go(10_000)
    liars = [box.number for box in lab.world.boxes if box.liar]
    assert liars and min(liars) >= 2 and len(liars) < 12
    assert not {state.number for state in lab.states()} & set(liars)
    assert [box.number for box in lab_with_liars().world.boxes if box.liar] == liars


def test_a_box_behind_nat_is_drawn_from_the_seed_and_says_so():
    lab = Lab("hidden", 12, 3)
    lab.boot(doors=1, contacts=2, weather=Faults(nat=0.5))
    lab.go(10_000)
    hidden = [box for box in lab.world.boxes if not box.reachable]
    assert hidden and all(box.number >= 2 and not box.node.config.reachable for box in hidden)
