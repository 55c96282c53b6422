"""What the hot paths take of the heap: nothing where that is possible, else no more than a bound.

What must take some is the bytes of a datagram and of its answer.  The bounds are a third
above what was counted.
"""

import sys

from backfence.agent import manifest, trust
from backfence.agent.descriptor import pack_all
from backfence.agent.limits import CHUNK_BYTES, DATAGRAM_BYTES
from backfence.agent.wire import messages
from backfence.agent.wire.hashes import equal
from heap import taken, takes_none
from lan import Lan
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
}


def bounded(name, work):
    took = taken(work)
    bound = BOUNDS[name][sys.maxsize > 1 << 32]
    assert took <= bound, "%s takes %d bytes of heap, more than %d" % (name, took, bound)


def settled():
    """A small fleet that has long counted itself, in a moment when node 0 has nothing to do."""
    lan = Lan(6)
    lan.join_all()
    lan.run(90000)
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
    for data in (b"", b"short", bytes(DATAGRAM_BYTES + 1)):
        takes_none("a datagram of %d bytes" % len(data), lambda: node.receive(data, addr, now))
    assert node.counters["datagrams_bad"] == 4


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


def test_a_signature_is_checked_in_steps_of_bounded_heap():
    check = manifest.Check(vectors.EDGE, trust.Keys(trust.fleet_id(vectors.OPERATOR), vectors.OPERATOR))
    finished = []
    for _ in range(10000):
        bounded("a step of a signature's check", lambda: finished.append(check.step()))
        if finished.pop():
            break
    assert check.manifest.name == "edge"
