"""Plain speech carries the same bytes, says who speaks, and gives the figures that sealed speech gives."""

import pytest

from backfence.agent.errors import RemoteError
from backfence.agent.limits import PEERS
from backfence.agent.wire import seal
from backfence.sim import checkers
from backfence.sim.lab import Lab


def joined(speech, nodes=60, seed=1):
    """A lab of nodes that start with random views, one busy round a second, after 40 of them."""
    lab = Lab("speech", nodes, seed, speech=speech, round_ms="1000")
    lab.boot_joined(view=8)
    lab.go(40_000)
    return lab


def test_a_plain_datagram_is_as_long_as_a_sealed_one_and_names_its_sender():
    lab = joined("plain", nodes=4)
    one, two = lab.world.boxes[0].node, lab.world.boxes[1].node
    one.peers.send(two.id, two.address, b"x" * 100)
    one.peers.send(one.id, one.address, b"to ourselves")
    ((data, address),) = one.datagrams()
    assert len(data) == 100 + seal.SEALED_OVERHEAD and address == two.address
    peer, body = two.peers.receive(data, one.address)
    assert (peer.id, peer.addr, body) == (one.id, one.address, b"x" * 100)
    assert peer.flags == seal.FLAG_REACHABLE and two.peers.table[one.id] is peer


def test_the_longest_silent_makes_room():
    peers = joined("plain", nodes=2).world.boxes[0].node.peers
    peers.table.clear()
    for number in list(range(PEERS)) + [0, PEERS]:
        peers.receive(b"\x1f%16d" % number + bytes(10), b"\x0a\x00\x00\x01\x1b\x58")
    assert len(peers.table) == PEERS and b"%16d" % 1 not in peers.table and b"%16d" % 0 in peers.table


@pytest.mark.parametrize("data", [b"\x1f" + bytes(25), b"\x14" + bytes(40), b"\x00" * 60])
def test_what_is_no_plain_datagram_is_refused(data):
    node = joined("plain", nodes=2).world.boxes[0].node
    with pytest.raises(RemoteError):
        node.peers.receive(data, b"\x0a\x00\x00\x01\x1b\x58")


def test_random_views_start_a_connected_overlay():
    lab = joined("plain")
    assert checkers.connected(lab.states()) == ""
    assert checkers.views_filled(lab.states(), 12) == ""


def test_the_command_that_repeats_a_plain_run_says_so():
    from backfence.sim import run as runs

    lab = Lab("rumour", 8, 1, speech="plain")
    assert runs.repeat(lab).endswith("--seed 1 --speech plain")
