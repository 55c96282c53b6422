"""What the hot paths take of the heap: nothing where that is possible, else no more than a bound.

What must take some is the bytes of a datagram and of its answer.  The bounds are a third
above what was counted.
"""

import sys

from backfence.agent import manifest, trust, trust_file
from backfence.agent.descriptor import pack_all
from backfence.agent.limits import CHUNK_BYTES, DATAGRAM_BYTES, RING_TOLD
from backfence.agent.seat import pack_entries
from backfence.agent.wire import messages
from backfence.agent.wire.hashes import equal, sha256
from heap import taken, takes_none
from lan import WALL_S, Lan, sign
import vectors

# Bytes with 32-bit words, and with 64-bit ones.
BOUNDS = {
    "a shuffle, answered": (20000, 29000),
    "the same datagram again": (1600, 2300),
    "a forged tag": (1600, 2200),
    "a session unknown, reset": (450, 800),
    "garbage": (150, 300),
    "an averaging, answered": (22000, 37000),
    "a rumour known": (4300, 6300),
    "a chunk, served": (25000, 29000),
    "a step of a signature's check": (32000, 39000),
    "a holder's sign of life, answered": (6600, 9600),
    "and its answer taken": (3700, 5400),
    "a probe, answered": (29000, 43500),
    "and its entries taken": (16000, 16000),
    "a suspicion, answered": (7800, 11200),
    "a question for a seat, passed on": (11100, 16000),
    "and answered by its holder": (12300, 18100),
    "a holder's tick": (31500, 45500),
    "a rumour new, asked for": (8500, 12900),
    "and told on": (27500, 39000),
}


def bounded(name, work):
    took = taken(work)
    bound = BOUNDS[name][sys.maxsize > 1 << 32]
    assert took <= bound, "%s takes %d bytes of heap, more than %d" % (name, took, bound)


LAN = []


def settled():
    """A small fleet that has long counted itself, in a moment when node 0 has nothing to do; one for all tests."""
    if not LAN:
        LAN.append(Lan(6))
        LAN[0].join_all()
        LAN[0].run(90000)
    lan = LAN[0]
    while lan.nodes[0].deadline() < lan.now_ms + 50:
        lan.run(10)
    return lan


def test_a_node_with_nothing_due_takes_no_heap():
    lan = settled()
    node, now = lan.nodes[0], lan.now_ms
    takes_none("the deadline", lambda: node.deadline())
    takes_none("a tick", lambda: node.handle_timer(now))
    takes_none("a step without work", lambda: node.step(now))
    takes_none("no datagram", lambda: node.datagrams())
    takes_none("no event", lambda: node.events())
    takes_none("a count", lambda: node.counters.bump("datagrams_in"))


def test_a_datagram_of_no_length_of_ours_takes_no_heap():
    lan = settled()
    node, addr, now = lan.nodes[0], lan.address(1), lan.now_ms
    node.receive(b"", addr, now)  # the first count makes room for itself
    bad = node.counters["datagrams_bad"]
    for data in (b"", b"short", bytes(DATAGRAM_BYTES + 1)):
        takes_none("a datagram of %d bytes" % len(data), lambda: node.receive(data, addr, now))
    assert node.counters["datagrams_bad"] == bad + 3


def test_tags_are_compared_without_heap():
    one, other = bytes(range(16)), bytes(range(16))
    takes_none("a comparison", lambda: equal(one, other))


def speech(lan, source, target):
    """function(kind, field, ...): such a message as node source sends it to node target, sealed."""
    session = lan.nodes[source].peers.table[lan.nodes[target].id].current
    return lambda *fields: session.seal(messages.pack(*fields))


def test_what_is_received_takes_no_more_than_its_bound():
    lan = settled()
    node, other = lan.nodes[0], lan.nodes[1]
    lan.push(0, {"kind": "slice", "name": "known", "seats": 3})
    lan.run(2000)
    now, addr = lan.now_ms, lan.address(1)
    say = speech(lan, 1, 0)
    links = pack_all([other.descriptor()] + list(other.membership.view.values())[:5])
    epoch = other.aggregate.epoch
    body = other.aggregate.averages.bodies()[0][0]
    known = list(node.rumours.manifests.values())[0]
    shuffle = say(messages.SHUFFLE, 7, links, other.rumours.digest(), b"", [])
    forged = say(messages.SHUFFLE, 8, links, other.rumours.digest(), b"", [])
    cases = (
        ("a shuffle, answered", shuffle),
        ("the same datagram again", shuffle),
        ("a forged tag", forged[:-1] + bytes((forged[-1] ^ 1,))),
        ("a session unknown, reset", shuffle[:1] + b"none" + shuffle[5:]),
        ("garbage", bytes((200,)) + bytes(150)),
        ("an averaging, answered", say(messages.AVERAGE, 9, epoch.number, int(epoch.quick), epoch.elapsed_ms(), body)),
        ("a rumour known", say(messages.HAVE, [[known.id, known.seq, known.digest, known.size]])),
        ("a chunk, served", say(messages.PULL, node.store.put(bytes(CHUNK_BYTES)), 0)),
    )
    for name, data in cases:
        sent = []
        bounded(name, lambda: (node.receive(data, addr, now), sent.append(len(node.datagrams()))))
        # What is counted must have happened.
        assert sent == [1 if "answered" in name or "served" in name or "reset" in name else 0], (name, sent)


HOLDERS = 5


def ring():
    """A fleet whose boxes all hold seats of a slice."""
    lan = Lan(HOLDERS)
    lan.join_all()
    lan.push(0, {"kind": "slice", "name": "ring", "seats": HOLDERS})
    lan.run_until(lambda: None not in [node.ring.seat for node in lan.nodes], 60000)
    lan.run(3000)
    return lan


def drained(node):
    """How many datagrams a node wants to send; nobody gets them."""
    return len(node.datagrams())


def test_what_holders_say_takes_no_more_than_its_bound():
    lan = ring()
    node, now = lan.nodes[0], lan.now_ms
    near = node.ring.successors()[0].id
    number = [other.id for other in lan.nodes].index(near)
    other, addr, say = lan.nodes[number], lan.address(number), speech(lan, number, 0)
    slice_id, seat, term = node.ring.slice_id, other.ring.seat, other.ring.term
    entries = pack_entries(other.ring.probes.entries(node.ring.seat, node.id, RING_TOLD - 1), now)
    third = [entry for entry in node.ring.near.values() if entry.id != near][0]
    third.heard_ms = now
    far = (node.ring.seat + 2) % HOLDERS
    origin = third.box.pack()

    def asked():
        """The exchange of a question that node has just asked its neighbour."""
        node.ring.probes.ping(near, addr)
        assert drained(node) == 1
        return [exchange for exchange, id in node.ring.probes._asked.items() if id == near][-1]

    cases = (
        ("a holder's sign of life, answered", 1, (messages.PING, 7, slice_id, seat, term)),
        ("and its answer taken", 0, (messages.PONG, asked(), slice_id, seat, term)),
        ("a probe, answered", 1, (messages.PROBE, 8, slice_id, seat, term, entries, HOLDERS, 1)),
        ("and its entries taken", 0, (messages.ACK, asked(), slice_id, seat, term, entries, HOLDERS, 1)),
        ("a suspicion, answered", 1, (messages.SUSPECT, slice_id, third.id)),
        # PASSED to who passed it here, and the question to the next or FOUND to who asked.
        ("a question for a seat, passed on", 2, (messages.FIND, 9, slice_id, far, 1, origin)),
        ("and answered by its holder", 2, (messages.FIND, 10, slice_id, node.ring.seat, 1, origin)),
    )
    for name, answers, fields in cases:
        data, sent = say(*fields), []
        bounded(name, lambda: (node.receive(data, addr, now), sent.append(drained(node))))
        # What is counted must have happened.
        assert sent == [answers], (name, sent)
    assert list(node.lookup.passing) == [9]
    sent = []
    bounded("a holder's tick", lambda: (node.ring.probes.tick(False, 0), sent.append(drained(node))))
    assert sent[0] > 3, sent


def test_a_rumour_is_followed_and_told_on_within_its_bound():
    lan = settled()
    node, now, addr, say = lan.nodes[0], lan.now_ms, lan.address(1), speech(lan, 1, 0)
    fields = {"kind": "slice", "name": "new", "seats": 3, "fleet": lan.fleet(), "issued": WALL_S,
              "expires": WALL_S + 86400, "seq": 1}
    signed = sign(fields)
    entry = [manifest.manifest_id("slice", "new"), 1, sha256(signed), len(signed)]
    have, sent = say(messages.HAVE, [entry]), []
    bounded("a rumour new, asked for", lambda: (node.receive(have, addr, now), sent.append(drained(node))))
    assert sent == [1], sent
    chunk = say(messages.CHUNK, sha256(signed), 0, len(signed), signed)
    bounded("and told on", lambda: (node.receive(chunk, addr, now), node.step(now), sent.append(drained(node))))
    assert node.rumours.get("slice", "new") and sent[1] >= 2, sent


def test_a_signature_is_checked_in_steps_of_bounded_heap():
    check = manifest.Check(vectors.EDGE, trust.Keys(trust_file.fleet_id(vectors.OPERATOR), trust.Root(1, [b"r" * 60], 1, vectors.OPERATOR)))
    finished = []
    for _ in range(10000):
        bounded("a step of a signature's check", lambda: finished.append(check.step()))
        if finished.pop():
            break
    assert check.manifest.name == "edge"
