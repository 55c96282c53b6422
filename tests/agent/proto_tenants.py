"""A tenant's word counts for what is his, within his quota, and for nothing else; all boxes choose alike."""

from backfence.agent import strange
from backfence.agent.limits import (
    FLOORS, MANIFESTS, RUMOURS_STRANGE, RUMOURS_STRANGE_PER_PEER, TENANT_MANIFESTS, TENANTS,
)
from backfence.agent.tenancy import tenant_of
from backfence.agent.errors import RemoteError
from backfence.agent.rumour import REFUSED_FULL, REFUSED_OLD
from backfence.agent.tenants import REFUSED_ENDED, REFUSED_LATE, REFUSED_QUOTA
from backfence.agent.wanted import Entry
from backfence.agent.wire.hashes import sha256
from lan import WALL_S, Lan, sign

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "mips")

KEY, OTHER_KEY = b"A" * 60, b"B" * 60
DAY_S = 86400


def delegation(name="acme", seq=1, key=KEY, **quota):
    fields = {"kind": "tenant", "name": name, "seq": seq, "key": key, "owner": b"x" * 32, "slices": 2, "seats": 8,
              "workloads": 2, "tasks": 100, "fuel": 1000, "pages": 4, "output": 512}
    fields.update(quota)
    return fields


def edge(name="acme/edge", seats=4, seq=1, **rest):
    return dict(rest, kind="slice", name=name, seats=seats, seq=seq)


def words(name="acme/words", tasks=10, seq=1, slice="acme/edge", limits=(1000, 4, 512), **rest):
    return dict(
        {"kind": "workload", "name": name, "seq": seq, "slice": slice, "program": bytes(32), "program_size": 8,
         "index": [bytes(32)], "tasks": tasks, "args": [], "replicas": 1, "quorum": 1,
         "limits": {"fuel": limits[0], "pages": limits[1], "output": limits[2]}, "deadline_s": 60,
         "deterministic": True}, **rest)


def push(lan, fields, tenant=KEY, number=0):
    """Push to one node, all alone; the verdict.  tenant: whose key signs, None for the operator's."""
    node = lan.nodes[number]
    node.now_ms = lan.now_ms
    verdict = lan.push(number, fields, tenant)
    while node.step(lan.now_ms):
        pass
    return verdict[0]


def operator(lan, fields, number=0):
    return push(lan, fields, None, number)


def tenancy(**quota):
    """A node that knows the tenant acme."""
    lan = Lan(1)
    assert operator(lan, delegation(**quota)) is None
    return lan


def names(lan, number=0, quiet=True):
    """Names of what is live and not the operator's; what the disk has agrees, and has no more if all is quiet."""
    node = lan.nodes[number]
    live = [m for m in node.rumours.manifests.values() if m.authority != "operator"]
    for manifest in node.rumours.manifests.values():
        assert sha256(node.store.get(manifest.digest)) == manifest.digest
    assert quiet is False or len(node.store.disk.names("blob-")) == len(node.rumours.manifests)
    assert sorted(m.name for m in live if m.kind == "slice" and not m.end) == sorted(
        s.manifest.name for s in node.slicing.slices.values() if "/" in s.manifest.name)
    return sorted(m.name for m in live if not m.end)


def test_what_is_his_counts_and_raises_no_clock():
    lan = tenancy()
    assert push(lan, edge(issued=WALL_S + 1000)) is None and push(lan, words(issued=WALL_S + 1000)) is None
    assert names(lan) == ["acme/edge", "acme/words"]
    assert lan.nodes[0].wall_s() < WALL_S + 1000
    assert operator(lan, edge("edge", issued=WALL_S + 1000)) is None
    assert lan.nodes[0].wall_s() >= WALL_S + 1000


ATTACKS = [
    ("a name of the operator's", edge("edge"), "may not sign"),
    ("a name of another tenant's", edge("other/edge"), REFUSED_ENDED),
    ("work on a slice of the operator's", words(slice="edge"), "slice"),
    ("work on another tenant's slice", words(slice="other/edge"), "slice"),
    ("a share of the fleet", {"kind": "slice", "name": "acme/edge", "share": 500}, "share"),
    ("a ranked slice, which all boxes must count", edge(top=[100, "load"]), "top"),
    ("a slice that swallows another's", edge(absorbs=[["edge", 0, 1]]), "absorbs"),
    ("a slice split off another's", edge(**{"from": ["edge", 0]}), "from"),
    ("a query of all boxes", {"kind": "query", "name": "acme/ask"}, "never a tenant's"),
    ("a query under a plain name", {"kind": "query", "name": "ask"}, "may not sign"),
    ("the list of revoked boxes", {"kind": "revocation", "name": "boxes", "boxes": b"v" * 16}, "may not sign"),
    ("a delegation", delegation("evil", key=OTHER_KEY), "may not sign"),
    ("his own delegation with more", delegation(seq=9, seats=16000), "may not sign"),
    ("lots", {"kind": "lots", "name": "all", "lots": [[bytes(32), 4, 0]]}, "may not sign"),
    ("first contacts", {"kind": "seeds", "name": "x", "contacts": [[bytes(16), b"123456"]]}, "may not sign"),
    ("more seats than he has", edge(seats=9), REFUSED_QUOTA),
    ("more tasks than he has", words(tasks=101), REFUSED_QUOTA),
    ("more tasks by replicas", words(tasks=51, replicas=2), REFUSED_QUOTA),
    ("more fuel a task", words(limits=(1001, 4, 512)), "more fuel"),
    ("more memory a task", words(limits=(1000, 5, 512)), "more pages"),
    ("more output a task", words(limits=(1000, 4, 513)), "more output"),
    ("a life beyond the delegation's", edge(expires=WALL_S + DAY_S + 1), REFUSED_LATE),
]


def test_attacks_are_refused_and_the_disk_keeps_what_it_had():
    for what, fields, why in ATTACKS:
        lan = tenancy()
        assert operator(lan, edge("edge")) is None and operator(lan, delegation("other", key=OTHER_KEY)) is None
        node = lan.nodes[0]
        before = {name: bytes(data) for name, data in node.store.disk.files.items()}
        verdict = push(lan, dict({"seq": 1 << 40}, **fields))
        assert verdict and why in verdict, (what, verdict)
        assert {name: bytes(data) for name, data in node.store.disk.files.items()} == before, what
        assert names(lan) == [] and node.rumours.get("slice", "edge").seq == 1 and not len(node.revocation), what
        # And what is right counts afterwards.
        assert push(lan, edge()) is None and operator(lan, edge("edge", seq=2)) is None, what


def test_the_operator_signs_no_tenants_name_and_nobody_a_strange_one():
    lan = tenancy()
    assert "may not sign" in operator(lan, edge())
    for wrong in ("/", "acme/", "/edge", "acme/edge/x", "a" * 17 + "/x", "acme/" + "x" * 33, "Acme/x", None, 5):
        try:
            tenant_of(wrong)
            assert False, wrong
        except RemoteError:
            pass
    assert tenant_of("edge") == "" and tenant_of("a" * 16 + "/" + "b" * 32) == "a" * 16


def test_a_bad_delegation_is_refused():
    for wrong in (
        {"key": b"A" * 59}, {"owner": b"x"}, {"slices": -1}, {"slices": TENANT_MANIFESTS + 1}, {"seats": 16385},
        {"slices": 1, "workloads": TENANT_MANIFESTS}, {"tasks": None}, {"output": 32769}, {"name": "a" * 17},
        {"more": 1},
    ):
        lan = Lan(1)
        assert "manifest" in operator(lan, dict(delegation(), **wrong)), wrong
        assert not lan.nodes[0].rumours.manifests


def test_excess_is_refused_by_the_sum_and_counts_when_there_is_room():
    lan = tenancy()
    late = {"issued": WALL_S + 1}
    assert push(lan, edge()) is None and push(lan, edge("acme/b", 5, **late)) == REFUSED_QUOTA
    assert push(lan, edge("acme/b", 4, **late)) is None
    assert push(lan, edge("acme/c", 1, issued=WALL_S + 2)) == REFUSED_QUOTA  # a third slice
    assert push(lan, edge(seats=5, seq=2, issued=WALL_S + 3)) == REFUSED_QUOTA and names(lan) == ["acme/b", "acme/edge"]
    assert lan.nodes[0].rumours.get("slice", "acme/edge").fields["seats"] == 4
    assert push(lan, edge("acme/b", 3, seq=2)) is None and push(lan, edge(seats=5, seq=3)) is None
    assert push(lan, words(tasks=60)) is None and push(lan, words("acme/more", 41, **late)) == REFUSED_QUOTA
    assert push(lan, words("acme/more", 40, **late)) is None
    assert push(lan, words("acme/third", 1, issued=WALL_S + 2)) == REFUSED_QUOTA
    assert push(lan, words(tasks=60, seq=2, end=True)) is None
    assert push(lan, words("acme/third", 60)) is None
    assert lan.nodes[0].counters["quota_refused"] == 5


def test_whatever_the_order_of_coming_the_same_ones_count():
    pushed = [edge("acme/s%d" % i, seats, issued=WALL_S + i) for i, seats in enumerate((5, 4, 3, 1))]
    pushed += [words("acme/w%d" % i, tasks, issued=WALL_S + i) for i, tasks in enumerate((90, 20, 10))]
    for order in ((0, 1, 2, 3, 4, 5, 6), (6, 5, 4, 3, 2, 1, 0), (3, 1, 5, 0, 6, 2, 4), (2, 3, 0, 1, 5, 6, 4)):
        lan = tenancy()
        # Twice: what was crowded out by one that was crowded out later is offered again, as by another box.
        for i in order + order:
            push(lan, pushed[i])
        assert names(lan) == ["acme/s0", "acme/s2", "acme/w0", "acme/w2"], order


def test_a_smaller_delegation_or_its_end_stops_what_it_no_longer_holds():
    for changed, left in (
        (delegation(seq=2, seats=4), ["acme/a", "acme/words"]),
        (delegation(seq=2, fuel=999), ["acme/a", "acme/b"]),
        (delegation(seq=2, expires=WALL_S + 999), []),
        (delegation(seq=2, end=True), []),
        (delegation(seq=2, key=OTHER_KEY), []),
    ):
        lan = tenancy()
        assert push(lan, edge("acme/a", issued=WALL_S)) is None and push(lan, edge("acme/b", issued=WALL_S + 1)) is None
        assert push(lan, words(slice="acme/a")) is None and operator(lan, edge("edge")) is None
        assert len(lan.nodes[0].tasks.workloads) == 0
        assert operator(lan, changed) is None and names(lan) == left, changed
        assert lan.nodes[0].rumours.get("slice", "edge")
        if left == []:
            again = push(lan, edge("acme/a", seq=2))
            assert again == (REFUSED_LATE if "expires" in changed else again) and again
        # All is well again with a better one.
        assert operator(lan, delegation(seq=3)) is None and push(lan, edge("acme/a", seq=3)) is None


def test_an_expired_delegation_takes_its_work_along():
    lan = Lan(1)
    assert operator(lan, delegation(expires=WALL_S + 60)) is None
    assert push(lan, edge(expires=WALL_S + 60)) is None and push(lan, words(expires=WALL_S + 50)) is None
    lan.run(70000)
    assert names(lan) == [] and not lan.nodes[0].rumours.manifests and not lan.nodes[0].slicing.slices
    assert "not signed" in push(lan, edge(seq=2, expires=WALL_S + 99))


def test_with_another_key_the_numbers_begin_anew():
    # The thief of a tenant's key uses its numbers up; the tenant gets another.
    for restart in (False, True):
        lan = tenancy()
        assert push(lan, edge(seq=(1 << 53) - 1)) is None
        assert operator(lan, delegation(seq=2, key=OTHER_KEY)) is None and names(lan) == []
        if restart:
            lan.restart(0)
            lan.run(1000)
            assert lan.nodes[0].rumours.get("tenant", "acme").seq == 2
        assert "not signed" in push(lan, edge(seq=(1 << 53) - 1))
        assert push(lan, edge(seq=5), OTHER_KEY) is None
        assert push(lan, edge(seq=4), OTHER_KEY) == REFUSED_OLD and names(lan) == ["acme/edge"]


def test_after_a_restart_the_delegation_is_there_before_what_needs_it():
    lan = tenancy()
    assert push(lan, edge()) is None and push(lan, words()) is None and operator(lan, edge("edge")) is None
    lan.restart(0)
    assert not lan.nodes[0].rumours.manifests
    lan.run(1000)
    assert names(lan) == ["acme/edge", "acme/words"] and lan.nodes[0].counters["manifests_strange"] == 0


def test_more_tenants_than_the_cap_are_refused_and_the_last_gives_way():
    lan = Lan(1)
    for i in range(TENANTS):
        assert operator(lan, delegation("t%d" % i, key=b"%d" % i * 60, issued=WALL_S + i)) is None
    assert operator(lan, delegation("late", key=KEY, issued=WALL_S + 99)) == REFUSED_FULL
    node = lan.nodes[0]
    assert node.counters["tenants_full"] == 1 and len(node.rumours.of_kind("tenant")) == TENANTS
    assert push(lan, edge("t7/edge"), b"7" * 60) is None
    # One that has ended makes room.
    assert operator(lan, delegation("t3", seq=2, key=b"3" * 60, end=True)) is None
    assert operator(lan, delegation("late", key=KEY, issued=WALL_S + 99)) is None
    # A part of the fleet had another instead, issued earlier: all boxes drop the last.
    early = delegation("early", issued=WALL_S - 9, expires=WALL_S + DAY_S, fleet=lan.fleet())
    manifest = lan.nodes[0].trust.check(sign(early))
    assert manifest.step() and node.rumours._accept(manifest.manifest, sign(early), None) is None
    assert node.rumours.get("tenant", "late") is None and node.rumours.get("tenant", "early")
    assert names(lan) == ["t7/edge"]


def test_tenants_fill_the_fleets_limit_and_give_way_to_the_operator():
    lan = Lan(1)
    for i in range(4):
        assert operator(lan, delegation("t%d" % i, key=b"%d" % i * 60, slices=TENANT_MANIFESTS, workloads=0, seats=99)) is None
    most = 0
    for i in range(MANIFESTS + 4):
        most += push(lan, edge("t%d/s%d" % (i % 4, i), 1), b"%d" % (i % 4) * 60) is None
    assert most == MANIFESTS and len(names(lan)) == MANIFESTS
    assert operator(lan, edge("edge")) is None and len(names(lan)) == MANIFESTS - 1
    assert push(lan, edge("t0/late", 1, issued=1), b"0" * 60) == REFUSED_FULL
    assert lan.nodes[0].rumours.get("slice", "edge")


def test_what_has_ended_is_kept_within_a_bound():
    lan = tenancy(slices=1, workloads=0)
    for i in range(1, 7):
        assert push(lan, edge("acme/s%d" % i, issued=WALL_S + i)) is None
        assert push(lan, edge("acme/s%d" % i, seq=2, issued=WALL_S + i, end=True)) is None
    assert [m.name for m in lan.nodes[0].rumours.manifests.values() if m.end] == ["acme/s6"] and names(lan) == []


def test_a_tenants_floors_push_out_none_of_the_operators():
    lan = tenancy(slices=1, workloads=0)
    assert operator(lan, edge("edge", seq=5, expires=WALL_S + 100)) is None
    for i in range(FLOORS + 5):
        assert push(lan, edge("acme/s%d" % i, issued=WALL_S + i)) is None
        assert push(lan, edge("acme/s%d" % i, seq=2, issued=WALL_S + i, end=True)) is None
    assert len(lan.nodes[0].rumours.floors) == FLOORS
    assert operator(lan, edge("edge", seq=4)) == REFUSED_OLD


def joined(count):
    lan = Lan(count)
    lan.join_all()
    lan.run_until(lambda: all(len(n.membership.view) == count - 1 for n in lan.nodes), 30000)
    return lan


def everywhere(lan, wanted):
    return all(names(lan, i, False) == wanted for i in range(len(lan.nodes)))


def test_it_spreads_and_a_smaller_one_stops_it_everywhere():
    lan = joined(6)
    lan.push(0, delegation())
    lan.run(50)
    lan.push(0, edge(), KEY)
    lan.run_until(lambda: everywhere(lan, ["acme/edge"]), 20000)
    lan.run_until(lambda: sum(n.ring.seat is not None for n in lan.nodes) == 4, 60000)
    lan.push(3, delegation(seq=2, seats=3))
    lan.run_until(lambda: everywhere(lan, []), 20000)
    assert all(n.ring.seat is None for n in lan.nodes)


def test_what_comes_before_its_delegation_waits_and_is_not_lost():
    lan = joined(4)
    signed = sign(dict(edge(), fleet=lan.fleet(), issued=WALL_S, expires=WALL_S + DAY_S), KEY)
    # Boxes 0 and 1 know the delegation, 2 and 3 not yet: those get the word first.
    lan.drop = lambda data, source, target: (source < 2) != (target < 2)
    lan.push(0, delegation())
    lan.run_until(lambda: lan.nodes[1].rumours.get("tenant", "acme"), 10000)
    lan.drop = None
    digest = sha256(signed)
    entry = [sha256(b"slice:acme/edge")[:16], 1, digest, len(signed)]
    for node in lan.nodes[2:]:
        node.store.put(signed)
        peer = node.peers.table[lan.nodes[0].id]
        node.rumours.on_have(peer, [0, [entry]])
        assert [known.digest for known in node.rumours.wanted] == [digest]
        while node.step(lan.now_ms):
            pass
        assert [known.strange for known in node.rumours.wanted] == [True] and not node.rumours.manifests
        assert not node.chunks.shunned(lan.nodes[0].id)
    lan.push(0, edge(), KEY)
    lan.run_until(lambda: everywhere(lan, ["acme/edge"]), 20000)
    assert all(n.counters["manifests_bad"] == 0 and not len(n.rumours.wanted) for n in lan.nodes)


def test_strangers_manifests_fill_no_table():
    lan = joined(3)
    node, liar = lan.nodes[0], lan.nodes[2]
    assert push(lan, edge("edge"), None) is None
    kept = dict(node.rumours.manifests)
    entries = []
    for i in range(3 * RUMOURS_STRANGE):
        signed = sign(dict(edge("acme/s%d" % i), fleet=lan.fleet(), issued=WALL_S, expires=WALL_S + DAY_S), OTHER_KEY)
        liar.store.put(signed)
        entries.append([sha256(b"slice:acme/s%d" % i)[:16], 1, sha256(signed), len(signed)])
    for start in range(0, len(entries), 8):
        node.rumours.on_have(node.peers.table[liar.id], [0, entries[start : start + 8]])
    most = 0
    for _ in range(100):
        lan.run(100)
        most = max(most, len([entry for entry in node.rumours.wanted if entry.strange]))
    assert most == RUMOURS_STRANGE_PER_PEER and node.counters["manifests_strange"] > 0
    assert node.rumours.manifests == kept and not node.trust.keys.tenants
    assert node.counters["sources_shunned"] > 0
    # He is not asked for a while; what others say counts.
    lan.push(1, edge("edge", seq=2), None)
    lan.run_until(lambda: node.rumours.get("slice", "edge").seq == 2, 10000)
    lan.run(60000)
    # Perhaps he meant well.
    assert not len(node.rumours.wanted) and not node.chunks.shunned(liar.id)


def test_two_boxes_may_put_off_no_more_than_the_cap():
    lan = Lan(4)
    wanted = lan.nodes[0].rumours.wanted
    kept = 0
    for i in range(4 * RUMOURS_STRANGE_PER_PEER):
        entry = Entry(b"%016d" % i, 1, b"%032d" % i, 100, False, 0)
        entry.add(b"%016d" % (i % 4), lan.address(i % 4))
        entry.server = entry.teller()
        wanted.add(entry)
        kept += strange.put_off(lan.nodes[0], entry)
    assert kept == RUMOURS_STRANGE and wanted.following() is not None
    assert lan.nodes[0].counters["manifests_strange"] == 4 * RUMOURS_STRANGE_PER_PEER - RUMOURS_STRANGE
    strange.resume(wanted)
    assert not [entry for entry in wanted if entry.strange]
