"""A revoked box is alone: nobody answers, greets or believes it, across loss, restarts and old lists."""

from backfence.agent.descriptor import DOOR, REACHABLE, Descriptor
from backfence.agent.errors import RemoteError
from backfence.agent.limits import MANIFESTS, REVOKED
from backfence.agent.manifest import parse
from backfence.agent.revocation import ID_BYTES, TURN, Revocation, is_list
from backfence.agent.wire import cbor
from backfence.agent.wire.messages import PROGRESS
from lan import WALL_S, Lan, TableLadder
from proto_node import ring_closed

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "mips")
EMPTY = {"kind": "revocation", "name": "boxes", "boxes": b""}


def listing(lan, *numbers, seq=1):
    """Fields of a list that names these nodes."""
    ids = sorted([lan.nodes[number].id for number in numbers])
    return {"kind": "revocation", "name": "boxes", "boxes": b"".join(ids), "seq": seq}


def speaks(lan, thief):
    """Numbers of the nodes that have keys of the thief, or know of it."""
    id = lan.nodes[thief].id
    out = []
    for i, node in enumerate(lan.nodes):
        contacts = [contact.id for contact in node.membership.contacts]
        places = (node.peers.table, node.peers.hails, node.membership.view, node.membership.doors,
                  node.membership.partners, contacts, node.ring.near)
        if i != thief and any(id in place for place in places):
            out.append(i)
    return out


def joined(count, **settings):
    lan = Lan(count, **settings)
    lan.join_all()
    lan.run_until(lambda: all(len(n.membership.view) == count - 1 for n in lan.nodes), 30000)
    return lan


def refusal(fields):
    """Why a manifest with these fields is refused; None if it is not."""
    common = {"fleet": bytes(16), "issued": WALL_S, "expires": WALL_S + 60, "seq": 1}
    common.update(fields)
    try:
        parse(cbor.encode(common))
    except RemoteError as problem:
        return str(problem)


def test_a_list_has_sorted_identities_and_a_cap():
    ids = [b"%016d" % i for i in range(REVOKED + 1)]
    assert is_list(b"") and is_list(b"".join(ids[:REVOKED])) and not is_list(b"".join(ids))
    assert not is_list(ids[1] + ids[0]) and not is_list(ids[0] + ids[0]) and not is_list(ids[0][:15])
    assert not is_list([ids[0]])
    assert refusal(EMPTY) is None
    for wrong in ({"boxes": b"x"}, {"boxes": b"".join(ids)}, {"boxes": None}, {"name": "thieves"}, {"end": True}):
        fields = dict(EMPTY)
        fields.update(wrong)
        assert refusal(fields), wrong


def test_who_is_on_a_list_and_who_is_not():
    node = Lan(1).nodes[0]
    revocation = node.revocation
    ids = [b"%016d" % i for i in range(1, 2 * REVOKED, 2)]
    for count in (0, 1, 2, 3, 7, REVOKED):
        revocation.packed = b"".join(ids[:count])
        assert len(revocation) == count
        for i in range(2 * REVOKED + 1):
            assert (b"%016d" % i in revocation) == (i % 2 == 1 and i < 2 * count), (count, i)


def test_all_forget_a_revoked_box_and_it_hears_nothing_any_more():
    lan = joined(8)
    assert len(speaks(lan, 5)) == 7
    lan.push(0, listing(lan, 5))
    lan.run_until(lambda: not speaks(lan, 5), 10000)
    heard = lan.nodes[5].counters["hellos"]
    lan.run(60000)
    # It greets all the time, and gets cookies at most.
    assert not speaks(lan, 5) and lan.nodes[5].counters["hellos"] == heard
    assert sum(n.counters["hello_revoked"] for n in lan.nodes) > 0
    assert not lan.nodes[5].membership.view
    # The others never tried to reach it.
    assert all(n.counters["peers_unreachable"] == 0 for i, n in enumerate(lan.nodes) if i != 5)


def test_hearsay_of_a_revoked_box_is_not_taken():
    lan = Lan(3)
    node = lan.nodes[0]
    thief = Descriptor(lan.nodes[2].id, lan.address(2), 0, REACHABLE | DOOR)
    node.membership.join([thief])
    node.membership._hear_door(thief)
    assert thief.id in node.membership.view and thief.id in node.membership.doors and node.membership.contacts
    node.revocation.packed = thief.id
    node.revocation.tick(node.now_ms)
    for _ in range(2):
        assert not node.membership.view and not node.membership.doors and not node.membership.contacts
        node.membership.join([thief])
        node.membership._hear_door(thief)
        node.membership._insert(thief, [])
    assert node.is_tombstoned(thief.id) and not node.is_tombstoned(lan.nodes[1].id)


def test_neither_its_greeting_nor_ours_costs_a_thought():
    lan = Lan(2)
    node, thief = lan.nodes
    node.revocation.packed = thief.id
    node.send(thief.id, lan.address(1), PROGRESS, bytes(16), 1, b"")
    assert not node.datagrams() and not node.peers.hails and node.counters["hello_revoked"] == 1
    ladders = []
    node.peers._ladder = lambda *keys: ladders.append(keys)
    thief.membership.join([lan.descriptor(0)])
    lan.run(3000)
    assert node.counters["hello_revoked"] > 1 and node.counters["hello_bad"] >= 1 and not ladders


def test_its_seat_is_passed_over_and_filled_anew():
    lan = joined(6)
    lan.push(1, {"kind": "slice", "name": "edge", "seats": 3})
    lan.run_until(lambda: ring_closed(lan, "edge", 3), 30000)
    thief = [i for i, n in enumerate(lan.nodes) if n.ring.seat == 1][0]
    lan.push((thief + 1) % 6, listing(lan, thief))
    neighbour = lan.nodes[[i for i, n in enumerate(lan.nodes) if n.ring.seat == 0][0]]
    assert lan.nodes[thief].id in neighbour.ring.near
    lan.run_until(lambda: neighbour.is_revoked(lan.nodes[thief].id), 10000)
    lan.run(10)
    # Not found dead by probes, which takes seconds: passed over at once.
    assert lan.nodes[thief].id not in neighbour.ring.near and not neighbour.counters["ring_deaths"]
    lan.run_until(lambda: not speaks(lan, thief), 10000)

    def refilled():
        lan.down = [thief]  # for ring_closed, who looks at the others alone
        closed = ring_closed(lan, "edge", 3)
        lan.down = []
        return closed

    lan.run_until(refilled, 30000)
    assert not speaks(lan, thief)


def test_a_greeting_under_way_when_the_list_comes_gives_no_keys():
    lan = Lan(2)

    class Slow(TableLadder):
        """As long as it takes for the list to come."""

        def step(self):
            return lan.nodes[0].is_revoked(lan.nodes[1].id)

    lan.nodes[0].peers._ladder = Slow
    lan.nodes[1].membership.join([lan.descriptor(0)])
    lan.run(2000)
    assert lan.nodes[0].peers._answering, "nothing was at stake"
    lan.nodes[0].revocation.packed = lan.nodes[1].id
    lan.run(10000)
    assert not lan.nodes[0].peers._answering and not lan.nodes[0].peers.table


def test_the_list_outlives_a_restart_and_the_loss_of_its_manifest():
    lan = joined(4)
    lan.push(0, listing(lan, 3))
    lan.run_until(lambda: not speaks(lan, 3), 10000)
    disk = lan.nodes[0].store.disk
    assert bytes(disk.files["state-revoked"]) == lan.nodes[3].id
    # A store on tmpfs is empty after a power cut; the state directory is flash.
    for name in list(disk.files):
        if not name.startswith("state-"):
            disk.remove(name)
    lan.restart(0)
    assert lan.nodes[0].is_revoked(lan.nodes[3].id) and not lan.nodes[0].rumours.get("revocation", "boxes")
    lan.nodes[0].membership.join([lan.descriptor(3), lan.descriptor(1)])
    lan.run_until(lambda: lan.nodes[0].rumours.get("revocation", "boxes"), 20000)
    lan.run(20000)
    assert not speaks(lan, 3)


def test_contacts_on_flash_from_before_the_list_are_forgotten():
    lan = Lan(4)
    disk = lan.nodes[0].store.disk
    for i in (1, 2, 3):
        lan.nodes[0].membership.remembered.met(lan.descriptor(i))
    lan.nodes[0].membership.remembered.save()
    lan.nodes[0].store.save_state("revoked", b"".join(sorted([lan.nodes[1].id, lan.nodes[2].id])))
    lan.restart(0)
    lan.run(100)
    assert [contact.id for contact in lan.nodes[0].membership.contacts] == [lan.nodes[3].id]
    # What is no list is not believed, and counted.
    for rubbish in (b"x", lan.nodes[1].id * 2, bytes(ID_BYTES * (REVOKED + 1))):
        disk.write("state-revoked", rubbish)
        lan.restart(0)
        assert len(lan.nodes[0].revocation) == 0 and lan.nodes[0].counters["store_errors"] >= 1


def test_the_newest_list_counts_whole_and_an_older_one_never_again():
    lan = joined(5)
    lan.push(0, listing(lan, 3, seq=2))
    lan.run_until(lambda: not speaks(lan, 3), 10000)
    # Mended: 3 was meant to be 4.
    lan.push(1, listing(lan, 4, seq=3))
    lan.run_until(lambda: not speaks(lan, 4) and len(speaks(lan, 3)) >= 3, 120000)
    verdict = lan.push(2, listing(lan, 3, seq=2))
    lan.run(5000)
    assert verdict == ["an older or equal sequence number; push with a higher one"]
    assert not lan.nodes[2].is_revoked(lan.nodes[3].id) and lan.nodes[2].is_revoked(lan.nodes[4].id)
    # 3 has heard of it all by its own greeting.
    assert lan.nodes[3].is_revoked(lan.nodes[4].id)


def test_a_disk_that_refuses_does_not_save_the_thief():
    lan = joined(3)
    node = lan.nodes[0]
    save, refused = node.store.save_state, []
    node.store.save_state = lambda name, data: name != "revoked" and save(name, data) or refused.append(name)
    lan.push(0, listing(lan, 2))
    lan.run_until(lambda: not speaks(lan, 2), 10000)
    lan.run(150000)
    assert "state-revoked" not in node.store.disk.files and refused.count("revoked") in (2, 3)
    # When there is room again it is written, once.
    node.store.save_state = save
    lan.run(70000)
    assert bytes(node.store.disk.files["state-revoked"]) == lan.nodes[2].id
    written = node.counters["state_bytes"]
    lan.run(130000)
    assert node.counters["state_bytes"] == written


def test_an_expired_list_still_counts():
    lan = joined(3)
    lan.push(0, dict(listing(lan, 2), expires=WALL_S + 60))
    lan.run_until(lambda: not speaks(lan, 2), 10000)
    lan.run(120000)
    assert not lan.nodes[1].rumours.get("revocation", "boxes")
    assert lan.nodes[1].is_revoked(lan.nodes[2].id) and not speaks(lan, 2)


def test_no_number_of_manifests_keeps_the_list_out():
    lan = Lan(1)
    for i in range(MANIFESTS):
        lan.push(0, {"kind": "query", "name": "q%d" % i, "by": "load"})
        lan.run(200)
    node = lan.nodes[0]
    assert len(node.rumours.manifests) == MANIFESTS
    verdict = lan.push(0, dict(EMPTY, boxes=bytes(16)))
    lan.run(200)
    assert verdict == [None] and node.is_revoked(bytes(16))
    assert len(node.rumours.manifests) == MANIFESTS + 1
    verdict = lan.push(0, {"kind": "query", "name": "late", "by": "load"})
    lan.run(200)
    assert verdict == ["the fleet holds its limit of live manifests; end one first"]
    assert node.counters["manifests_full"] == 1 and node.rumours.get("revocation", "boxes")


def test_a_full_list_is_carried_out_a_few_boxes_a_turn():
    lan = Lan(1)
    node = lan.nodes[0]
    dropped = []
    node.drop_revoked = dropped.append
    ids = [b"%016d" % i for i in range(REVOKED)]
    node.store.save_state("revoked", b"".join(ids))
    revocation = Revocation(node)
    for turn in range(1, REVOKED // TURN + 1):
        assert revocation.due == node.now_ms
        revocation.tick(node.now_ms)
        assert len(dropped) == turn * TURN
    assert dropped == ids and revocation.due > node.now_ms + (1 << 50)


def test_a_box_that_is_revoked_itself_says_so_and_believes_the_rest():
    lan = joined(3)
    lan.push(2, listing(lan, 1, 2))
    lan.run(1000)
    assert lan.nodes[2].is_revoked(lan.nodes[1].id)
