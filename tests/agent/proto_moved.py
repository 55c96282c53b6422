"""A box whose address changes while it runs: it goes on, and others find it where it is now."""

from backfence.agent.descriptor import Descriptor, pack_all, unpack_all
from backfence.agent.errors import RemoteError
from backfence.agent.limits import HAILS
from backfence.agent.offers import unpack_offers
from backfence.agent.peers import HAIL_RETRY_MS, HAIL_TRIES
from backfence.agent.seat import SeatEntry, unpack_entries
from backfence.agent.sessions import MOVED_MS, MOVED_UNANSWERED
from backfence.agent.wire import messages, seal
from lan import Lan

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "mips")

UNSPECIFIED = bytes((0, 0, 0, 0, 0x1B, 0x58))
UNSPECIFIED_6 = bytes(16) + b"\x1b\x58"
SEEN = bytes((10, 9, 9, 9, 0x1B, 0x59))
NAMES = [b"a" * 16, b"b" * 16]


def as_seen(count, **settings):
    """A Lan whose nodes do not know where others reach them, all joined."""
    lan = Lan(count, **settings)
    for node in lan.nodes:
        node.address = UNSPECIFIED
    lan.join_all()
    lan.run_until(lambda: all([len(node.membership.view) == count - 1 for node in lan.nodes]), 60000)
    return lan


def known(lan, number):
    """Addresses that the other nodes have for a node in their views and sessions."""
    id = lan.nodes[number].id
    out = []
    for node in lan.nodes:
        link, peer = node.membership.view.get(id), node.peers.table.get(id)
        out += [found.addr for found in (link, peer) if found]
    return out


def test_an_unspecified_address_is_the_one_that_was_seen():
    for address in (UNSPECIFIED, UNSPECIFIED_6):
        data = pack_all([Descriptor(NAMES[0], address), Descriptor(NAMES[1], SEEN[:4] + b"\0\1")])
        first, second = unpack_all(data, 2, SEEN)
        assert first.addr == SEEN and second.addr == SEEN[:4] + b"\0\1"
        entry = SeatEntry(3, 1, Descriptor(NAMES[0], address), 0).pack(0)
        assert unpack_entries(entry, 1, 0, SEEN)[0].box.addr == SEEN
        assert unpack_offers(b"\0\0" + data[: len(data) - 25], 1, 0, SEEN)[0][0].addr == SEEN


def test_an_unspecified_address_of_nobody_there_is_refused():
    try:
        unpack_all(pack_all([Descriptor(NAMES[0], UNSPECIFIED)]), 1)
    except RemoteError:
        return
    assert False, "a contact without an address was taken"


def test_boxes_that_do_not_know_their_address_find_each_other():
    lan = as_seen(4)
    for number in range(4):
        addresses = known(lan, number)
        assert addresses and set(addresses) == {lan.address(number)}, number


def test_a_box_that_moves_is_known_under_its_new_address():
    lan = as_seen(5)
    lan.run(20000)  # rounds are slow by now
    before = lan.address(2)
    lan.sites[2] = 7
    # One round until it speaks, some more until all have heard of it.
    lan.run_until(lambda: len(known(lan, 2)) >= 7 and before not in known(lan, 2), 8 * 5000)
    dead = [i for i in range(5) if lan.nodes[i].counters["shuffle_timeouts"]]
    assert lan.nodes[2].counters["shuffle_timeouts"] == 0 and len(dead) <= 2, dead


def pair():
    """(lan, lines that node 1 heard): two nodes that have spoken; then node 1 has moved."""
    lan = Lan(2)
    heard = []
    lan.nodes[1]._handlers[messages.PROGRESS] = lambda peer, message: heard.append(message[3])
    say(lan, lan.address(1), b"hello")
    lan.run(100)
    assert heard == [b"hello"]
    lan.sites[1] = 7
    return lan, heard


def say(lan, addr, text):
    """Node 0 tells node 1 a text, at an address by hearsay."""
    node = lan.nodes[0]
    node.now_ms = lan.now_ms
    node.send(lan.nodes[1].id, addr, messages.PROGRESS, bytes(16), 1, text)


def quiet(lan):
    """Keep both nodes from speaking of their own accord."""
    for node in lan.nodes:
        for service in (node.membership, node.slicing, node.ring, node.tasks, node.aggregate, node.update):
            service.tick = lambda now_ms: None
            service.due = lan.now_ms + 10**8


def test_a_silent_box_is_greeted_where_it_is_said_to_be():
    lan, heard = pair()
    quiet(lan)
    ladders = lan.nodes[0].counters["hellos"]
    for number in range(MOVED_UNANSWERED):
        say(lan, lan.address(1), b"%d" % number)
    lan.run(100)
    assert heard == [b"hello"] and not lan.nodes[0].peers.hails, "not silent for long enough"
    lan.run(MOVED_MS)
    lost = []

    def drop(data, source, target):
        # The first greeting is lost: it must be repeated.
        if data[0] == seal.HAIL and not lost:
            lost.append(data)
        return len(lost) == 1 and data is lost[0]

    lan.drop = drop
    say(lan, lan.address(1), b"lost, but it asks there")
    lan.run(3 * HAIL_RETRY_MS)
    assert lost
    assert lan.nodes[0].peers.table[lan.nodes[1].id].addr == lan.address(1)
    assert lan.nodes[0].counters["hellos"] == ladders + 1
    say(lan, lan.address(1), b"there")
    lan.run(100)
    assert heard == [b"hello", b"there"]


def test_hearsay_alone_moves_no_session():
    lan, heard = pair()
    quiet(lan)
    lan.sites = {}
    nowhere = bytes((10, 0, 0, 77, 0x1B, 0x58))
    lan.run(MOVED_MS + 100)
    dropped = []
    lan.nodes[0].unreachable = dropped.append
    for number in range(HAILS):
        say(lan, nowhere, b"%d" % number)
        lan.run(200)
    lan.run(2 * HAIL_TRIES * HAIL_RETRY_MS)
    # All came where the box is, and that nobody is at the other address counts for nothing.
    assert heard == [b"hello"] + [b"%d" % number for number in range(HAILS)]
    assert lan.nodes[0].peers.table[lan.nodes[1].id].addr == lan.address(1)
    assert not dropped and lan.nodes[0].counters["peers_unreachable"] <= 2


def test_a_box_that_speaks_again_ends_the_search():
    lan, heard = pair()
    quiet(lan)
    lan.run(MOVED_MS + 100)
    for number in range(MOVED_UNANSWERED):
        say(lan, bytes((10, 0, 0, 77, 0x1B, 0x58)), b"%d" % number)
    assert len(lan.nodes[0].peers.hails) == 1
    lan.nodes[1].now_ms = lan.now_ms
    lan.nodes[1].send(lan.nodes[0].id, lan.address(0), messages.PROGRESS, bytes(16), 1, b"here")
    lan.run(2000)
    assert not lan.nodes[0].peers.hails and lan.nodes[0].counters["peers_unreachable"] == 0
    assert lan.nodes[0].peers.table[lan.nodes[1].id].addr == lan.address(1)


def test_seats_are_kept_through_moves_also_of_neighbours_at_once():
    lan = as_seen(5, probe_ms=500)
    lan.push(0, {"kind": "slice", "name": "edge", "seats": 5})
    lan.run(3000)
    for number, node in enumerate(lan.nodes):
        offers = [other.slicing.by_name("edge").candidates.get(node.id) for other in lan.nodes]
        assert {offer.box.addr for offer in offers if offer} == {lan.address(number)}
    lan.run_until(lambda: all([node.ring.seat is not None for node in lan.nodes]), 120000)
    lan.run(10000)
    seats = [node.ring.seat for node in lan.nodes]
    # Two at once know each other's new addresses from others alone.
    for moved in ([2], [3, 4]):
        for number in moved:
            lan.sites[number] = 7
        lan.run(20000)
        assert [node.ring.seat for node in lan.nodes] == seats
        for node in lan.nodes:
            assert node.counters["ring_deaths"] == 0
            for number, other in enumerate(lan.nodes):
                if node is not other:
                    assert node.ring.near[other.id].box.addr == lan.address(number)


def test_hearsay_moves_a_neighbour_only_while_it_does_not_answer():
    lan = as_seen(3, probe_ms=500)
    lan.push(0, {"kind": "slice", "name": "edge", "seats": 3})
    node = lan.nodes[0]
    lan.run_until(lambda: len(node.ring.near) == 2, 120000)
    known = list(node.ring.near.values())[0]
    before = known.box.addr
    for misses, age_ms, found in ((0, 0, before), (1, 200, before), (1, 0, SEEN)):
        known.misses, known.heard_ms = misses, node.now_ms - 100
        node.ring.merge([SeatEntry(known.seat, known.term, Descriptor(known.id, SEEN), node.now_ms - age_ms)])
        assert known.box.addr == found, (misses, age_ms)
