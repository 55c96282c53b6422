"""Plain speech carries the same bytes, says who speaks, and gives the figures that sealed speech gives."""

import statistics

import pytest

from backfence.agent.errors import RemoteError
from backfence.agent.limits import PEERS
from backfence.agent.wire import seal
from backfence.sim import checkers
from backfence.sim.lab import Lab


def joined(speech, nodes=40, seed=1):
    """A lab of nodes that start with 8 others in their views, after ten rounds."""
    lab = Lab("speech", nodes, seed, speech=speech, round_ms="1000")
    lab.boot_joined(view=8)
    lab.go(10_000)
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
    assert checkers.views_filled(lab.states(), 8) == ""


def test_the_command_that_repeats_a_plain_run_says_so():
    from backfence.sim import run as runs

    lab = Lab("rumour", 8, 1, speech="plain")
    assert runs.repeat(lab).endswith("--seed 1 --speech plain")


def figures(speech):
    """What a fleet of 40 comes to in 45 rounds, and how soon it hears of a manifest and fills a ring."""
    lab = Lab("figures", 40, 1, speech=speech, round_ms="1000")
    lab.boot_joined(doors=1)
    degrees = []
    for _ in range(9):
        lab.go(5_000)
        links = [other for state in lab.states() for other in state.view]
        degrees.append(statistics.pstdev([links.count(state.id) for state in lab.states()]))
    lab.operator.push_slice("edge", 8)
    counters = lab.counters()
    return {
        "degree_sd": statistics.mean(degrees[2:]),
        "sizes": {box.node.aggregate.size() for box in lab.world.live()},
        "shuffles": counters["shuffles"],
        "timeouts": counters.get("shuffle_timeouts", 0),
        "informed_s": lab.until("manifest everywhere", lab.informed, 60, every_ms=100),
        "ring_s": lab.until("ring closed", lab.ring("edge", 8), 120),
    }


def test_sealed_and_plain_speech_give_the_same_figures_within_noise():
    sealed, plain = figures("sealed"), figures("plain")
    assert sealed["sizes"] == plain["sizes"] == {40}
    assert abs(sealed["degree_sd"] - plain["degree_sd"]) < 0.8, (sealed, plain)
    assert abs(sealed["shuffles"] - plain["shuffles"]) < 0.05 * sealed["shuffles"], (sealed, plain)
    assert sealed["timeouts"] == plain["timeouts"] == 0
    assert abs(sealed["informed_s"] - plain["informed_s"]) <= 1, (sealed, plain)
    assert abs(sealed["ring_s"] - plain["ring_s"]) <= 10, (sealed, plain)
