"""A few sequences of lies against whole nodes, and proof that a broken node would be seen."""

import pytest
from fuzz_node import play
from hypothesis import given, settings
from hypothesis import strategies as st
from liars import Broken, World

from backfence.agent.errors import RemoteError
from backfence.agent.wire import messages


@pytest.fixture(scope="module")
def world():
    return World()


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, (1 << 48) - 1))
def test_lies_of_enrolled_peers_break_nothing(world, seed):
    assert play(world, seed, rounds=20) == ""


def _raise(node, handler):
    def handle(peer, message):
        raise KeyError("forgotten")

    return handle


def _half(node, handler):
    def handle(peer, message):
        node.ring.high_term += 1
        raise RemoteError("too late")

    return handle


def _grow(node, handler):
    def handle(peer, message):
        handler(peer, message)
        for number in range(200):
            node.tombstones.until[b"%d" % number] = 1 << 40

    return handle


def _deaf(node, handler):
    def handle(peer, message):
        node.membership.on_ask = node._handlers[messages.SHUFFLE] = lambda peer, message: None
        node.rumours.offer = lambda *arguments: None

    return handle


BREAKS = {"forgotten": _raise, "half applied": _half, "tombstones has 2": _grow, "not healed": _deaf}


@pytest.mark.parametrize("seen", BREAKS)
def test_a_node_that_is_broken_is_seen(seen):
    world = World()
    for node in world.lan.nodes[1:3]:
        for kind in (messages.SHUFFLE, messages.PROBE, messages.PING, messages.AVERAGE):
            node._handlers[kind] = BREAKS[seen](node, node._handlers[kind])
            if seen == "half applied":
                node._handlers[kind] = world._watched(node, node._handlers[kind])
    with pytest.raises((Broken, KeyError), match=seen):
        world.play(1, rounds=20)
