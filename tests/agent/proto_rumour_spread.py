"""Dissemination over a small fleet: all get everything, each body once, whoever lies."""

from backfence.agent.limits import RUMOUR_FANOUT, RUMOUR_LEAST, RUMOURS_WANTED
from backfence.agent.wire import messages
from backfence.agent.wire.hashes import sha256
from lan import WALL_S, Lan, SealCheck, sign


def edge(name, seq=1, **rest):
    return dict(rest, kind="slice", name=name, seats=rest.get("seats", 3), seq=seq)


def push(lan, fields, number=0):
    """Push to one node; its check runs when the world goes on."""
    lan.nodes[number].now_ms = lan.now_ms
    return lan.push(number, fields)


def signed(lan, fields):
    common = {"fleet": lan.fleet(), "issued": WALL_S, "expires": WALL_S + 86400}
    common.update(fields)
    return sign(common)


def has(lan, number):
    return {m.name: (m.seq, m.fields["seats"]) for m in lan.nodes[number].rumours.manifests.values()}


def alike(lan, numbers=None):
    """True if these nodes hold the same manifests."""
    first = None
    for number in numbers or range(len(lan.nodes)):
        digest = lan.nodes[number].rumours.digest()
        first = first or digest
        if digest != first:
            return False
    return True


def fleet(count, seed=1, **settings):
    """Nodes that know each other and have greeted; rounds are slow, there is no news."""
    settings["round_ms"] = settings.get("round_ms", 20000)
    lan = Lan(count, seed, busy_round_ms=400, **settings)
    for i in range(count):
        for j in range(count):
            if i != j:
                lan.nodes[i].membership._insert(lan.descriptor(j), [])
            if i < j:
                lan.nodes[i].send(lan.nodes[j].id, lan.address(j), messages.LEAVE, bytes(16), 0, 0)
        lan.run(10)
    lan.run(1000)
    return lan


class SlowCheck(SealCheck):
    """A check that takes as long as a real one: 50 ms in steps."""

    left = 10

    def step(self):
        self.left -= 1
        return SealCheck.step(self) if not self.left else False


def total(lan, name):
    return sum([node.counters[name] for node in lan.nodes])


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


def test_whoever_no_announcement_reaches_is_found_by_comparing():
    # Of what nodes 3 and 4 are sent, the small messages of a rumour are lost.
    lan = fleet(6, 2)

    def drop(data, source, target):
        return target in (3, 4) and len(data) < 27 + 75 and lan.now_ms < mute_until

    mute_until = lan.now_ms + 1000
    lan.drop = drop
    push(lan, edge("a"))
    lan.run_until(lambda: len(has(lan, 0)) and alike(lan), 8000)


def test_a_lost_pull_or_chunk_is_asked_for_again_soon():
    for lost in (5, 1100):
        lan = fleet(2, 3, round_ms=600000)
        left = [1]

        def drop(data, source, target):
            # The first datagram of a pull (about 70 bytes) or of a chunk.
            hit = left[0] and (27 + 36 <= len(data) <= 27 + 50 if lost == 5 else source == 0 and 200 < len(data) < 320)
            left[0] -= bool(hit)
            return bool(hit)

        lan.run(20000)
        lan.drop = drop
        push(lan, edge("a"))
        lan.run_until(lambda: len(has(lan, 1)), 1200)


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
    lan.down = []
    lan.restart(3)
    lan.nodes[3].membership.join([lan.descriptor(0)])
    lan.run_until(lambda: len(has(lan, 3)) == 6 and alike(lan), 4000)
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


def test_slow_servers_in_league_hold_the_slots_for_a_moment_only():
    lan = fleet(7, 10)
    for liar in (1, 2, 3):
        lan.nodes[liar]._handlers[messages.PULL] = lambda peer, message: None
        for i in range(4):
            row = [bytes((liar, i)) + bytes(14), 1, sha256(b"%d %d" % (liar, i)), 5000]
            lan.nodes[liar].send(lan.nodes[0].id, lan.address(0), messages.HAVE, [row])
    lan.run(500)
    assert len(lan.nodes[0].rumours.wanted.active()) == 4
    body = signed(lan, edge("true"))
    lan.nodes[5].store.put(body)
    row = [sha256(b"slice:true")[:16], 1, sha256(body), len(body)]
    lan.nodes[5].send(lan.nodes[0].id, lan.address(0), messages.HAVE, [row])
    assert lan.run_until(lambda: "true" in has(lan, 0), 4000) <= 3000
    assert lan.nodes[0].counters["rumours_late"] >= 1


def test_whose_body_does_not_hold_is_not_listened_to_for_a_while():
    lan = fleet(4, 11)
    forged = bytes(32) + signed(lan, edge("x"))[32:]
    lan.nodes[1].store.put(forged)
    row = [sha256(b"slice:x")[:16], 1, sha256(forged), len(forged)]
    lan.nodes[1].send(lan.nodes[0].id, lan.address(0), messages.HAVE, [row])
    lan.run(1000)
    node = lan.nodes[0]
    assert node.counters["manifests_bad"] == 1 and node.chunks.shunned(lan.nodes[1].id) and not len(node.rumours.wanted)
    lan.nodes[1].send(node.id, lan.address(0), messages.HAVE, [[bytes(16), 1, bytes(32), 10]])
    lan.run(100)
    assert node.counters["rumours_shunned"] == 1 and not len(node.rumours.wanted)
    # Nor is the same body fetched from another.
    lan.nodes[2].store.put(forged)
    lan.nodes[2].send(node.id, lan.address(0), messages.HAVE, [row])
    lan.run(500)
    assert node.counters["rumours_refused"] == 1 and node.counters["manifests_bad"] == 1
    push(lan, edge("y"), 2)
    lan.run_until(lambda: "y" in has(lan, 0), 2000)


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
    lan.nodes[2].rumours._drop(lan.nodes[2].rumours.get("slice", "s3"))
    lan.run_until(lambda: alike(lan), 5000)
    assert sum([length for _, length in kinds]) <= 3 * 70 + 3 * 75 + 140, kinds
