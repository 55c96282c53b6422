"""Boxes behind NATs in a ring: porters, ways, and what of them is refused."""

from backfence.agent.descriptor import PORTER, REACHABLE, Descriptor, unpack_all, unpack_at
from backfence.agent.errors import RemoteError
from backfence.agent.limits import (
    CANDIDATES_BYTES, CANDIDATES_TOLD, DATAGRAM_BYTES, ENTRIES_BYTES, PEERS, RING_TOLD, SEATS_BYTES, SEATS_TOLD,
)
from backfence.agent.offers import Offers
from backfence.agent.seat import SeatEntry, pack_entries, unpack_entries
from backfence.agent.ways import FORWARD_BYTES, FORWARD_PER_PEER, FORWARDED_BYTES
from backfence.agent.wire import messages
from nats import NatLan
from proto_node import holders, ring_closed

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "mips")

BOX, PORTER_ID = b"b" * 16, b"p" * 16
V4, V6 = b"\x0a\x01\x02\x03\x1b\x58", b"\xfd" + bytes(14) + b"\x09\x1b\x58"


def deaths(lan):
    return sum([node.counters["ring_deaths"] for node in lan.nodes])


def ring(nats, seed=1, count=3):
    """A NatLan whose slice of all boxes stands."""
    lan = NatLan(count, nats, seed=seed)
    for number in range(count):
        lan.nodes[number].membership.join([lan.descriptor(0)] if number else [])
    lan.run(4000)
    lan.push(0, {"kind": "slice", "name": "edge", "seats": count})
    lan.run_until(lambda: ring_closed(lan, "edge", count), 15000)
    return lan


def by_porter(lan, one, other):
    """True if one speaks with other by way of a porter."""
    return len(lan.nodes[one].peers.table[lan.nodes[other].id].addr) > 18


def test_two_behind_one_nat_and_two_behind_symmetric_ones_fill_and_stay():
    for nats in ({1: (1, False), 2: (1, False)}, {1: (1, True), 2: (2, True)}):
        lan = ring(nats)
        before = holders(lan, "edge")
        lan.run(40000)
        assert holders(lan, "edge") == before and ring_closed(lan, "edge", 3) and deaths(lan) == 0
        assert by_porter(lan, 1, 2) and by_porter(lan, 2, 1) and lan.nodes[0].counters["forwards"] > 100


def test_two_nats_that_let_answers_in_need_the_porter_only_to_begin():
    lan = ring({1: (1, False), 2: (2, False)})
    lan.run(20000)
    assert not by_porter(lan, 1, 2) and not by_porter(lan, 2, 1)
    before = lan.nodes[0].counters["forwards"]
    lan.run(20000)
    assert lan.nodes[0].counters["forwards"] == before and ring_closed(lan, "edge", 3) and deaths(lan) == 0


def test_a_silent_porter_is_replaced_and_the_ring_stays():
    lan = NatLan(5, {1: (1, False), 2: (1, False)}, seed=4)
    for number in range(5):
        lan.nodes[number].membership.join([lan.descriptor(0)] if number else [])
    lan.run(4000)
    hidden = [lan.nodes[1], lan.nodes[2]]
    # Only the two sit: who can be reached does not match.
    for node in hidden:
        node.attributes["class"] = "hidden"
    lan.push(0, {"kind": "slice", "name": "edge", "seats": 2, "where": ["==", "class", "hidden"]})
    lan.run_until(lambda: ring_closed(lan, "edge", 2), 20000)
    before = holders(lan, "edge")
    ids = [node.id for node in lan.nodes]
    lan.down.append(ids.index(hidden[0].porter.id))
    lan.run(60000)
    assert hidden[0].counters["porters_lost"] == 1 and ids.index(hidden[0].porter.id) not in lan.down
    assert holders(lan, "edge") == before and ring_closed(lan, "edge", 2)


def test_a_hidden_box_offers_itself_only_when_it_has_a_porter_and_lets_it_go_with_the_slice():
    lan = NatLan(2, {1: (1, False)})
    lan.nodes[1].membership.join([lan.descriptor(0)])
    lan.run(4000)
    hidden = lan.nodes[1]
    assert hidden.porter.way is None and hidden.porter.id is None
    lan.push(1, {"kind": "slice", "name": "edge", "seats": 2})
    assert hidden.slicing.by_name("edge") is None
    lan.run(10)
    assert hidden.slicing.tell()[0][2] == b""
    lan.run(1000)
    offer = unpack_at(hidden.slicing.tell()[0][2], 2)[0]
    assert offer.addr == lan.address(0) + lan.nodes[0].id + hidden.id == hidden.porter.way
    lan.push(1, {"kind": "slice", "name": "edge", "seats": 2, "seq": 2, "end": True})
    lan.run(8000)
    assert hidden.porter.way is None


def test_a_way_in_a_descriptor():
    for address in (V4, V6):
        way = Descriptor(BOX, address + PORTER_ID + BOX, 3)
        packed = way.pack()
        assert len(packed) == len(Descriptor(BOX, address).pack()) + 16 and packed[16] & PORTER
        link, end = unpack_at(packed, 0, V4)
        assert (link.id, link.addr, link.age, link.flags, end) == (BOX, way.addr, 3, 0, len(packed))


def refused(function, *arguments):
    try:
        function(*arguments)
    except RemoteError:
        return True
    return False


def test_descriptors_with_porters_that_cannot_be():
    packed = Descriptor(BOX, V4 + PORTER_ID + BOX).pack()
    marked = packed[:16] + bytes((packed[16] | REACHABLE,)) + packed[17:]
    nowhere = packed[:19] + bytes(4) + packed[23:]
    cases = {"short": packed[:-1], "a box that can be reached": marked, "a porter that is nowhere": nowhere}
    for name, data in cases.items():
        assert refused(unpack_at, data, 0, V4), name
    # In views, among doors and contacts: those are for boxes that answer by themselves.
    assert refused(unpack_all, packed, 1, V4) and len(unpack_all(packed, 1, V4, True)) == 1


def test_gossip_and_probes_with_long_entries_fit_their_datagrams():
    lan = NatLan(1, {})
    long = V6 + PORTER_ID
    entries = [SeatEntry(i, 1, Descriptor(bytes((i,)) * 16, long + bytes((i,)) * 16), lan.now_ms) for i in range(RING_TOLD)]
    assert len(pack_entries(entries, lan.now_ms)) <= ENTRIES_BYTES < RING_TOLD * len(entries[0].pack(0))
    told = pack_entries(entries[:SEATS_TOLD], lan.now_ms, SEATS_BYTES)
    kept = unpack_entries(told, SEATS_TOLD, lan.now_ms)
    assert len(told) <= SEATS_BYTES and [e.id for e in kept] == [e.id for e in entries[:2]]
    offers = Offers(b"s" * 16)
    for entry in entries[:CANDIDATES_TOLD]:
        offers.hear(entry.box, lan.now_ms)
    assert 0 < len(offers.tell(lan.nodes[0], None)) <= CANDIDATES_BYTES


def pair():
    """Node 0, and its Peers of 1 and 2, who have both spoken with it; datagrams drained."""
    lan = NatLan(3, {2: (1, False)}, round_ms=600000, busy_round_ms=600000)
    for number in (1, 2):
        lan.nodes[number].send(lan.nodes[0].id, lan.address(0), messages.KNOCK, 1)
    lan.run(500)
    node = lan.nodes[0]
    return lan, node, node.peers.table[lan.nodes[1].id], node.peers.table[lan.nodes[2].id]


def take(node, peer, *message):
    """What the node sends when a peer says this: [bytes], or "refused"."""
    node.datagrams()
    if refused(node.porters().take, peer, list(message)):
        assert not node.datagrams()
        return "refused"
    return [data for data, _ in node.datagrams()]


def test_what_a_porter_refuses_and_drops():
    lan, node, peer, hidden = pair()
    data = bytes(FORWARDED_BYTES)
    sent = take(node, peer, messages.FORWARD, hidden.id, data)
    assert len(sent) == 1 and len(sent[0]) <= DATAGRAM_BYTES, "the longest fits"
    assert take(node, peer, messages.KNOCK, 2) == "refused"
    assert take(node, peer, messages.FORWARD, hidden.id, data + b"x") == "refused"
    assert take(node, peer, messages.FORWARDED, hidden.id, bytes(5), bytes(50)) == "refused", "no address"
    assert take(node, peer, messages.FORWARDED, hidden.id, V4, b"tiny") == "refused"
    peer.addr = V4 + PORTER_ID + peer.id
    for kind in (messages.FORWARD, messages.FORWARDED):
        assert take(node, peer, kind, hidden.id, data) == "refused", "a chain of porters"
    peer.addr = lan.address(1)
    dropped = node.counters["forwards_dropped"]
    assert take(node, peer, messages.FORWARD, BOX, b"for a stranger") == []
    hidden.heard_ms -= 30000
    assert take(node, peer, messages.FORWARD, hidden.id, b"its NAT has closed") == []
    assert node.counters["forwards_dropped"] == dropped + 2


def test_a_forwarded_datagram_cannot_hold_another():
    lan, node, peer, _ = pair()
    session = lan.nodes[1].peers.table[node.id].current
    inner = session.seal(messages.pack(messages.FORWARD, BOX, b"again"))
    bad = node.counters["messages_bad"]
    assert take(node, peer, messages.FORWARDED, peer.id, V4, inner) == [] or node.counters["messages_bad"] == bad + 1
    assert node.counters["messages_bad"] == bad + 1 and not node.counters["forwards_dropped"]
    # What comes by itself is passed on as before.
    assert take(node, node.peers.table[lan.nodes[2].id], messages.FORWARD, peer.id, b"once more") != "refused"


def test_a_porter_passes_on_so_much_a_second_for_one_and_in_all():
    _, node, peer, hidden = pair()
    size = 1024
    passed = [len(take(node, peer, messages.FORWARD, hidden.id, bytes(size))) for _ in range(12)]
    assert sum(passed) * size == FORWARD_PER_PEER and node.counters["forwards_limited"] == 4
    table = node.peers.table
    others = []
    for i in range(8):
        id = bytes((i,)) * 16
        other = table[id] = type(peer)(id, V4, b"", 0, 0)
        others.append(other)
    passed = [len(take(node, other, messages.FORWARD, hidden.id, bytes(size))) for other in others for _ in range(4)]
    assert sum(passed) * size == FORWARD_BYTES - FORWARD_PER_PEER
    node.now_ms += 1000
    hidden.heard_ms = node.now_ms
    assert len(take(node, peer, messages.FORWARD, hidden.id, bytes(size))) == 1
    for i in range(PEERS + 10):
        other = type(peer)(i.to_bytes(16, "big"), V4, b"", 0, 0)
        take(node, other, messages.FORWARD, hidden.id, b"a byte or two")
    assert len(node.porters()._passed) <= PEERS + 1


def test_knocks_at_where_a_porter_says_a_box_is_grow_rare():
    lan, node, peer, _ = pair()
    session = lan.nodes[1].peers.table[node.id].current
    knocks = 0
    for _ in range(100):
        data = session.seal(messages.pack(messages.KNOCK, 0))
        node.peers.table[lan.nodes[2].id].addr = lan.address(2)
        node.datagrams()
        node.porters().take(node.peers.table[lan.nodes[2].id], [messages.FORWARDED, peer.id, V4, data])
        knocks += len([1 for _, address in node.datagrams() if address == V4])
    assert knocks == 7, "after 1, 2, 4, ... 64 datagrams"
    for i in range(PEERS + 10):
        peer.id = i.to_bytes(16, "big")
        node.porters()._try_straight(peer)
    assert len(node.porters()._heard) <= PEERS
