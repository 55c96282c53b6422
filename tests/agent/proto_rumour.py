"""Manifests: only newer, signed and live ones count, whoever tells of them."""

from backfence.agent.limits import (
    FLOORS, MANIFEST_BYTES, MANIFESTS, RUMOUR_FETCHES, RUMOUR_FETCHES_PER_PEER, WORK,
)
from backfence.agent.rumour import REFUSED_EXPIRED, REFUSED_FULL, REFUSED_OLD
from backfence.agent.wire import messages
from backfence.agent.wire.hashes import sha256
from lan import WALL_S, Lan, sign

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "armhf", "mips")


def edge(seq, seats=3, **rest):
    return dict(rest, kind="slice", name=rest.get("name", "edge"), seats=seats, seq=seq)


def push(lan, fields, number=0):
    """Push to one node, all alone; the verdict."""
    lan.nodes[number].now_ms = lan.now_ms
    verdict = lan.push(number, fields)
    while lan.nodes[number].step(lan.now_ms):
        pass
    return verdict[0]


def blobs(lan, number=0):
    """Hashes of the files on a node's disk."""
    return sorted(lan.nodes[number].store.disk.names("blob-"))


def held(lan, number=0):
    """(seq, seats) of slice edge as a node has it, its bytes on disk."""
    node = lan.nodes[number]
    manifest = node.rumours.get("slice", "edge")
    if manifest is None:
        return None
    assert sha256(node.store.get(manifest.digest)) == manifest.digest
    return manifest.seq, manifest.fields["seats"]


def test_newer_replaces_and_old_or_equal_does_not():
    lan = Lan(1)
    assert push(lan, edge(2)) is None
    first = blobs(lan)
    assert push(lan, edge(1, 9)) == REFUSED_OLD and blobs(lan) == first and held(lan) == (2, 3)
    assert push(lan, edge(2)) is None and blobs(lan) == first
    assert push(lan, edge(3, 4)) is None and held(lan) == (3, 4)
    assert len(blobs(lan)) == 1 and blobs(lan) != first
    assert lan.nodes[0].counters["manifests_old"] == 1 and lan.nodes[0].counters["manifests_accepted"] == 2


def test_of_two_with_one_number_all_boxes_keep_the_same():
    ends = []
    for order in ((5, 6), (6, 5)):
        lan = Lan(1)
        for seats in order:
            push(lan, edge(1, seats))
        ends.append(held(lan))
    assert ends[0] == ends[1]


def test_expired_is_refused_and_what_expires_goes():
    lan = Lan(1)
    assert push(lan, edge(1, expires=WALL_S)) == REFUSED_EXPIRED and not blobs(lan)
    assert push(lan, edge(1, expires=WALL_S + 60)) is None
    lan.run(70000)
    assert held(lan) is None and not blobs(lan) and lan.nodes[0].counters["manifests_expired"] == 2
    assert push(lan, edge(2)) is None and held(lan) == (2, 3)


def test_an_older_one_does_not_come_back_when_the_newer_has_expired():
    # A box that has seen both, one that saw only the newer, and after a restart.
    for seen in (True, False):
        for restart in (True, False):
            lan = Lan(1)
            if seen:
                push(lan, edge(1))
            assert push(lan, edge(2, end=True, expires=WALL_S + 60)) is None
            if restart:
                lan.restart(0)
            lan.run(70000)
            if restart:
                lan.restart(0)
            assert push(lan, edge(1)) == REFUSED_OLD and held(lan) is None, (seen, restart)
            assert push(lan, edge(3)) is None


def test_floors_outlive_a_restart_and_the_known_number_may_come_again():
    lan = Lan(1)
    assert push(lan, edge(5)) is None
    lan.restart(0)
    assert held(lan) is None and push(lan, edge(4)) == REFUSED_OLD
    assert push(lan, edge(5)) is None and held(lan) == (5, 3)


def test_other_signers_fleets_and_kinds():
    lan = Lan(1)
    assert "does not hold" in refused(lan, b"?" * 32 + sign(edge(1))[32:])
    assert "another fleet" in push(lan, edge(1, fleet=bytes(16)))
    seeds = {"kind": "seeds", "name": "x", "contacts": [[bytes(16), b"123456"]]}
    assert "not spread" in push(lan, seeds)
    assert lan.nodes[0].counters["manifests_bad"] == 3 and not blobs(lan) and not lan.nodes[0].rumours.floors


def refused(lan, signed):
    verdict = []
    lan.nodes[0].rumours.offer(signed, verdict.append)
    while lan.nodes[0].step(lan.now_ms):
        pass
    return verdict[0]


def test_a_full_disk_takes_none_and_a_later_push_works():
    lan = Lan(1)
    lan.nodes[0].store.disk.full = True
    assert push(lan, edge(1)) == "the store has no room" and held(lan) is None
    assert not lan.nodes[0].rumours.floors
    lan.nodes[0].store.disk.full = False
    assert push(lan, edge(1)) is None and held(lan) == (1, 3)
    # What is known stays when its successor finds no room.
    lan.nodes[0].store.disk.full = True
    assert push(lan, edge(2, 4)) == "the store has no room" and held(lan) == (1, 3)


def test_the_cap_of_live_manifests():
    lan = Lan(1)
    for i in range(MANIFESTS):
        assert push(lan, edge(1, name="s%d" % i)) is None
    assert push(lan, edge(1)) == REFUSED_FULL and lan.nodes[0].counters["manifests_full"] == 1
    assert push(lan, edge(2, name="s0")) is None
    assert len(lan.nodes[0].rumours.manifests) == MANIFESTS == len(blobs(lan))


def test_the_cap_of_floors():
    lan = Lan(1)
    first = None
    for i in range(FLOORS + 3):
        assert push(lan, edge(1, name="s%d" % i, expires=WALL_S + 60 + i)) is None
        first = first or list(lan.nodes[0].rumours.floors)[0]
        if i % MANIFESTS == MANIFESTS - 1:
            lan.nodes[0].rumours.manifests = {}
    floors = lan.nodes[0].rumours.floors
    assert len(floors) == FLOORS and first not in floors
    lan.restart(0)
    assert lan.nodes[0].rumours.floors == floors


def test_signed_time_raises_the_wall_and_nothing_lowers_it():
    lan = Lan(1)
    push(lan, edge(1, issued=WALL_S + 5000, expires=WALL_S + 9000))
    assert lan.nodes[0].wall_s() == WALL_S + 5000
    assert push(lan, edge(1, name="b", expires=WALL_S + 4999)) == REFUSED_EXPIRED
    lan.nodes[0].leave(lan.now_ms).keep()
    lan.restart(0)
    assert lan.nodes[0].wall_s() == WALL_S + 5000


def test_a_wrong_system_clock_leaves_no_trace():
    lan = Lan(1)
    node = lan.nodes[0]
    node.set_wall(WALL_S + 10**8)
    assert push(lan, edge(1, expires=WALL_S + 10**7)) == REFUSED_EXPIRED
    node.leave(lan.now_ms).keep()
    lan.restart(0)
    node = lan.nodes[0]
    assert node.wall_s() == WALL_S
    node.set_wall(WALL_S + 9)
    node.set_wall(WALL_S + 5)
    assert node.wall_s() == WALL_S + 5
    assert push(lan, edge(1, expires=WALL_S + 10**7)) is None


def test_what_was_remembered_for_a_while_goes():
    lan = Lan(1)
    rumours = lan.nodes[0].rumours
    for table in (rumours._asked, rumours._refused):
        table[b"soon"] = lan.now_ms + 5000
        table[b"late"] = lan.now_ms + 90000
    lan.run(61000)
    assert list(rumours._asked) == list(rumours._refused) == [b"late"]


def told(lan, liar, entries):
    node = lan.nodes[liar]
    node.send(lan.nodes[0].id, lan.address(0), messages.HAVE, entries)


def test_a_liar_displaces_nothing_and_holds_his_slots_only():
    lan = Lan(4)
    push(lan, edge(5))
    id = lan.nodes[0].rumours.get("slice", "edge").id
    # The first never answers a pull, the second serves garbage.
    lan.nodes[1]._handlers[messages.PULL] = lambda peer, message: None
    garbage = lan.nodes[2].store.put(b"x" * 300)
    good = sign(dict(edge(6, 7), fleet=lan.fleet(), issued=WALL_S, expires=WALL_S + 86400))
    told(lan, 1, [[id, 1 << 50, sha256(b"%d" % i), 500] for i in range(6)])
    told(lan, 2, [[id, 1 << 52, garbage, 300]])
    lan.run(300)
    rumours = lan.nodes[0].rumours
    assert held(lan) == (5, 3)
    assert len(rumours.wanted.active()) == RUMOUR_FETCHES_PER_PEER and len(rumours.wanted) == 6
    assert lan.nodes[0].chunks.shunned(lan.nodes[2].id) and not lan.nodes[0].chunks.shunned(lan.nodes[1].id)
    lan.nodes[3].store.put(good)
    told(lan, 3, [[id, 6, sha256(good), len(good)]])
    lan.run(1000)
    assert held(lan) == (6, 7) and blobs(lan) == ["blob-" + sha256(good).hex()]
    assert lan.nodes[0].counters["manifests_bad"] == 1
    lan.run(70000)
    assert not len(rumours.wanted) and held(lan) == (6, 7) and len(blobs(lan)) == 1


def test_a_liar_s_size_does_not_keep_a_true_manifest_away():
    lan = Lan(3)
    good = sign(dict(edge(6, 7), fleet=lan.fleet(), issued=WALL_S, expires=WALL_S + 86400))
    id = sha256(b"slice:edge")[:16]
    for size in (len(good) + 1, 1, MANIFEST_BYTES):
        told(lan, 1, [[id, 6, sha256(good), size]])
    lan.run(30)
    lan.nodes[2].store.put(good)
    told(lan, 2, [[id, 6, sha256(good), len(good)]])
    lan.run(2000)
    assert held(lan) == (6, 7)


def test_all_slots_together():
    lan = Lan(5)
    for liar in range(1, 5):
        lan.nodes[liar]._handlers[messages.PULL] = lambda peer, message: None
        told(lan, liar, [[bytes((liar,)) * 16, 1, sha256(b"%d %d" % (liar, i)), 9] for i in range(3)])
    lan.run(300)
    assert len(lan.nodes[0].rumours.wanted.active()) == RUMOUR_FETCHES
    assert len(lan.nodes[0].rumours.wanted) == 4 * 3


def test_announcements_that_break_a_bound():
    lan = Lan(2)
    row = [bytes(16), 1, bytes(32), 100]
    for wrong in ([row[:3]], [row + [1]], [[b"x"] + row[1:]], [row[:3] + [0]], [row[:3] + [MANIFEST_BYTES + 1]],
                  [row[:1] + [1 << 53] + row[2:]], [None], [row, []], [row[:1] + [True] + row[2:]]):
        told(lan, 1, wrong)
        lan.run(100)
    lan.nodes[1].send(lan.nodes[0].id, lan.address(0), messages.DIGEST, bytes(63))
    lan.run(100)
    assert lan.nodes[0].counters["messages_bad"] == 10 and not len(lan.nodes[0].rumours.wanted)


def test_whoever_missed_them_gets_them_all():
    lan = Lan(3, busy_round_ms=200)
    lan.join_all()
    lan.run(2000)
    lan.down.append(2)
    for i in range(4):
        push(lan, edge(1, name="s%d" % i))
    push(lan, edge(3, 5))
    lan.run(4000)
    lan.down = []
    lan.run(9000)
    assert len(lan.nodes[2].rumours.manifests) == 5 and held(lan, 2) == (3, 5)
    assert lan.nodes[2].rumours.digest() == lan.nodes[0].rumours.digest() == lan.nodes[1].rumours.digest()


def test_more_checks_than_the_box_can_queue():
    lan = Lan(1)
    verdicts = []
    for i in range(WORK + 2):
        signed = sign(dict(edge(1, name="s%d" % i), fleet=lan.fleet(), issued=WALL_S, expires=WALL_S + 86400))
        assert lan.nodes[0].rumours.offer(signed, verdicts.append) == (i < WORK)
    assert lan.nodes[0].counters["work_full"] == 2
    while lan.nodes[0].step(lan.now_ms):
        pass
    assert verdicts == [None] * WORK
