"""Dissemination in a fleet of a few: who is missed, what is lost, who lies.  More in test_rumour_fleet.py."""

from backfence.agent.wire import messages
from backfence.agent.wire.hashes import sha256
from lan import WALL_S, Lan, sign

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "armhf", "mips")


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


def total(lan, name):
    return sum([node.counters[name] for node in lan.nodes])


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
