"""Dissemination at its caps and from many seeds: too much for emulated processors."""

import sys
from pathlib import Path

import pytest

from backfence.agent.limits import (
    BLOB_BYTES, MANIFESTS, RUMOUR_FANOUT, RUMOUR_LEAST, RUMOURS_WANTED, SERVE_BURST, SERVE_INTERVAL_MS,
)
from backfence.agent.manifest import Check
from backfence.agent.trust import Keys, Root
from backfence.agent.trust_file import fleet_id
from backfence.agent.wire import messages
from backfence.agent.wire.hashes import sha256

sys.path.insert(0, str(Path(__file__).parent))
from lan import WALL_S, Lan, SealCheck  # noqa: E402
from proto_rumour_spread import alike, edge, fleet, has, push, total  # noqa: E402
from vectors import FIRMWARE, OPERATOR  # noqa: E402


class SlowCheck(SealCheck):
    """A check that takes as long as a real one: 50 ms in steps."""

    left = 10

    def step(self):
        self.left -= 1
        return SealCheck.step(self) if not self.left else False


def test_a_rumour_is_quick_each_body_comes_once_and_many_tellers_hush_it():
    for seed in (1, 2):
        lan = fleet(18, seed)
        lan.delays = lambda data, source, target: (5 + lan.rng.below(20),)
        for node in lan.nodes:
            node.trust.check = lambda signed: SlowCheck(signed, lan.fleet())
        push(lan, edge("a"))
        assert lan.run_until(lambda: len(has(lan, 0)) and alike(lan), 2000) <= 600
        lan.run(1500)
        # One chunk each: nobody fetched a body twice.
        assert total(lan, "chunks_in") == 17 and total(lan, "chunks_unasked") == 0
        # Whoever hears it last tells hardly anybody.
        told = [node.counters["rumours_told"] for node in lan.nodes]
        assert max(told) == RUMOUR_FANOUT and RUMOUR_LEAST in told and sum(told) < 18 * 10, told


def test_a_box_that_returns_with_old_versions_keeps_what_still_holds():
    lan = fleet(4, 5)
    for i in range(6):
        push(lan, edge("s%d" % i))
        lan.run(100)
    lan.run_until(lambda: len(has(lan, 0)) == 6 and alike(lan), 5000)
    lan.down.append(3)
    for i in range(3):
        push(lan, edge("s%d" % i, 2, seats=4))
    lan.run(20000)
    lan.down = [0, 1, 2]
    lan.restart(3)
    lan.run(1000)
    assert len(has(lan, 3)) == 6 and has(lan, 3)["s0"] == (1, 3)  # before it hears of anybody
    lan.down = []
    lan.nodes[3].membership.join([lan.descriptor(0)])
    lan.run_until(lambda: has(lan, 3)["s0"] == (2, 4) and alike(lan), 4000)
    # What it had on disk was checked again, not fetched.
    assert lan.nodes[3].counters["chunks_in"] == 3 and has(lan, 3)["s0"] == (2, 4) and has(lan, 3)["s5"] == (1, 3)


def halves(seed):
    lan = fleet(8, seed)
    lan.drop = lambda data, source, target: source % 2 != target % 2
    return lan


def test_two_halves_of_a_partition_end_with_the_same():
    for seed in (6, 7):
        lan = halves(seed)
        for i in range(3):
            push(lan, edge("even%d" % i), 0)
            push(lan, edge("odd%d" % i), 1)
        push(lan, edge("both", 2, seats=5), 0)
        push(lan, edge("both", 2, seats=6), 1)
        lan.run(4000)
        assert has(lan, 0)["both"] == (2, 5) and has(lan, 1)["both"] == (2, 6)
        lan.drop = None
        lan.run_until(lambda: alike(lan), 30000)
        assert len(has(lan, 0)) == 7


def flood(lan, liar, count, size=300):
    """A box announces bodies that do not exist, many a message."""
    node = lan.nodes[liar]
    for start in range(0, count, 15):
        rows = [[sha256(b"%d" % i)[:16], 1, sha256(b"no %d" % i), size] for i in range(start, start + 15)]
        node.send(lan.nodes[0].id, lan.address(0), messages.HAVE, rows)
        lan.run(10)


def test_a_flood_of_rumours_of_nothing_delays_nobody():
    lan = fleet(5, 9)
    lan.nodes[1]._handlers[messages.PULL] = lambda peer, message: None
    flood(lan, 1, 150)
    assert len(lan.nodes[0].rumours.wanted) == RUMOURS_WANTED and lan.nodes[0].counters["rumours_busy"] == 150 - RUMOURS_WANTED
    for i in range(8):
        push(lan, edge("s%d" % i), 2)
    before = lan.now_ms
    lan.run_until(lambda: len(has(lan, 0)) == 8, 2000)
    assert lan.now_ms - before <= 1200
    lan.run(70000)
    assert not len(lan.nodes[0].rumours.wanted)


def test_a_box_that_differs_costs_little_and_equal_ones_nothing():
    lan = fleet(3, 12, round_ms=1000)
    for i in range(12):
        push(lan, edge("s%d" % i))
        lan.run(200)
    lan.run(6000)
    kinds = []

    def noted(node):
        send = node.peers.send

        def seen(id, addr, body):
            if body[1] in (messages.DIGEST, messages.HAVE):
                kinds.append((body[1], len(body)))
            send(id, addr, body)

        node.peers.send = seen

    for node in lan.nodes:
        noted(node)
    lan.run(5000)
    assert not kinds
    # One is missed by one box: two digests, and the one entry.
    lan.nodes[2].rumours.drop(lan.nodes[2].rumours.get("slice", "s3"), True)
    lan.run_until(lambda: alike(lan), 5000)
    assert sum([length for _, length in kinds]) <= 3 * 70 + 3 * 75 + 140, kinds


def test_many_askers_get_a_bounded_share_and_all_of_it():
    askers = 18
    lan, ended = Lan(askers + 1), []
    digest = lan.nodes[0].store.put(bytes(BLOB_BYTES))
    for node in lan.nodes[1:]:
        node.send(lan.nodes[0].id, lan.address(0), messages.LEAVE, bytes(16), 0, 0)
    lan.run(3000)
    for node in lan.nodes[1:]:
        node.now_ms = lan.now_ms
        node.chunks.fetch(digest, None, [(lan.nodes[0].id, lan.address(0))], lambda _, whole: ended.append(whole))
    counters = lan.nodes[0].counters
    begun, before = lan.now_ms, counters["chunks_out"]
    while len(ended) < askers:
        lan.run(500)
        passed = lan.now_ms - begun
        assert counters["chunks_out"] - before <= SERVE_BURST + passed // SERVE_INTERVAL_MS + 1
        assert passed < 60000
    assert ended == [True] * askers and counters["chunks_limited"] and not counters["datagrams_unsent"]
    # Hardly a chunk was served twice: who was not answered slowed down.
    assert counters["chunks_out"] - before <= askers * 32 * 11 // 10


@pytest.mark.parametrize("tenths", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_all_get_it_under_loss(seed, tenths):
    lan = fleet(10, seed)
    lan.drop = lambda data, source, target: lan.rng.below(10) < tenths
    for i in range(3):
        push(lan, edge("a%d" % i), i)
    lan.run_until(lambda: len(has(lan, 0)) == 3 and alike(lan), 12000)


def test_a_late_joiner_gets_all_that_may_live_and_tells_hardly_anybody():
    lan = Lan(6, 4, busy_round_ms=200, round_ms=20000)
    lan.down.append(5)
    for i in range(5):
        lan.nodes[i].membership.join([lan.descriptor(0 if i else 1)])
    lan.run(3000)
    for i in range(MANIFESTS):
        push(lan, edge("s%d" % i), i % 5)
        lan.run(100)
    lan.run_until(lambda: alike(lan, range(5)), 10000)
    lan.run(30000)
    lan.down = []
    late = lan.nodes[5]
    lan.restart(5)
    late = lan.nodes[5]
    late.membership.join([lan.descriptor(0)])
    assert lan.run_until(lambda: alike(lan), 4000) <= 3000 and len(has(lan, 5)) == MANIFESTS
    assert late.counters["rumours_told"] <= MANIFESTS * RUMOUR_LEAST
    assert late.counters["chunks_in"] == MANIFESTS


def test_two_halves_that_hold_too_many_together_choose_alike():
    lan = halves(8)
    for i in range(MANIFESTS - 4):
        push(lan, edge("old%d" % i, issued=WALL_S - 100))
        lan.run(30)
    lan.drop = None
    lan.run_until(lambda: len(has(lan, 0)) == MANIFESTS - 4 and alike(lan), 30000)
    lan.drop = lambda data, source, target: source % 2 != target % 2
    for i in range(4):
        push(lan, edge("even%d" % i, issued=WALL_S - i), 0)
        push(lan, edge("odd%d" % i, issued=WALL_S - i), 1)
    lan.run(4000)
    assert len(has(lan, 0)) == len(has(lan, 1)) == MANIFESTS
    lan.drop = None
    lan.run_until(lambda: alike(lan), 40000)
    names = has(lan, 5)
    assert len(names) == MANIFESTS and len([name for name in names if name[:3] == "old"]) == MANIFESTS - 4
    # The earliest issued stayed.
    assert "even3" in names and "odd3" in names and "even0" not in names and "odd0" not in names
    chunks = total(lan, "chunks_in")
    lan.run(45000)
    assert total(lan, "chunks_in") == chunks


def test_a_firmware_spreads_like_the_others_and_is_there_after_a_restart():
    """A real SUIT envelope with a real signature, among boxes that know its key."""
    lan = fleet(4)

    def believe(number):
        lan.nodes[number].trust.check = lambda signed: Check(signed, Keys(fleet_id(OPERATOR), Root(1, [b"r" * 60], 1, OPERATOR)))

    for number in range(4):
        believe(number)
    verdict = []
    assert lan.nodes[0].rumours.offer(FIRMWARE, verdict.append)
    took = lan.run_until(lambda: alike(lan) and len(lan.nodes[3].rumours.manifests) == 1, 20000)
    assert verdict == [None] and took < 5000
    lan.restart(2)
    believe(2)
    lan.nodes[2].membership.join([lan.descriptor(0)])
    lan.run_until(lambda: alike(lan), 60000)
    for node in lan.nodes:
        manifest = node.rumours.get("firmware", "agent-mpy6-e7b0da73")
        assert (manifest.seq, manifest.expires, manifest.fields["size"]) == (WALL_S, WALL_S + 86400, 76800)
        assert node.rumours.floors[manifest.id][:2] == [WALL_S, WALL_S + 86400]
        assert node.store.get(manifest.digest) == FIRMWARE and node.status()["manifests"] == {"firmware-agent-mpy6-e7b0da73": WALL_S}
    # It goes when its time is over.
    for node in lan.nodes:
        node.set_wall(WALL_S + 86400)
    lan.run(61000)
    assert not any(node.rumours.manifests for node in lan.nodes)
