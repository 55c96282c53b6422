"""What the parts of a box's work cost, each between two marks; on MicroPython, counted by count.c.

    pieces.py TRACE HOME

The box is a recorded one after all its rounds (replay.py): its tables are full, its heap
is as in the field.  Each part is done some TIMES, so that the collection of its garbage
has its share; a peer's datagrams are really sealed, outside the marks.  The last line of
standard output is the list of the parts' names, one for each pair of marks.
"""

import json
import sys

import replay
import vectors
from replay import Ladder, mark
from backfence.agent import manifest, trust, trust_file
from backfence.agent.averages import parse_body
from backfence.agent.descriptor import Descriptor, pack_all
from backfence.agent.limits import CHUNK_BYTES
from backfence.agent.question import PARTNER
from backfence.agent.wire import messages, seal
from backfence.agent.wire.hashes import sha256

TIMES = 20
BODY = bytes(range(190))  # a message of the usual length
BLOB = 32768
# The box is left to itself until no retry is due.
QUIET_MS = 60000

names = []


def count(name, work, *arguments):
    """One more work(*arguments) under the mean of `name`."""
    names.append(name)
    mark("begin")
    work(*arguments)
    mark("end")


class Swapped:
    """A session's keys from the other end."""

    def __init__(self, keys):
        self.mac_out, self.mac_in = keys.mac_in, keys.mac_out
        self.cipher_out, self.cipher_in = keys.cipher_in, keys.cipher_out


class Friend:
    """The other end of a session that the box has: speaks to it as that peer."""

    def __init__(self, node, peer):
        self.node = node
        self.peer = peer
        ours = peer.current
        self.session = seal.Session(Swapped(ours.keys), ours.their_index, ours.our_index, ours.encrypted)
        self.session.sent = ours._newest + 1
        self.link = Descriptor(peer.id, peer.addr)

    def say(self, name, kind, *fields):
        """The box hears a message of ours: what that costs it, its answer sealed."""
        data = self.session.seal(messages.pack(kind, *fields))
        count(name, self._hear, data)

    def _hear(self, data):
        self.node.receive(data, self.peer.addr, self.node.now_ms)
        self.node.datagrams()


def loop_turns(made, wire, node):
    """The loop when nothing happens."""
    wire._trace.at_ms = replay.NEVER_MS
    until_ms = wire.now() + QUIET_MS
    while wire.now() < until_ms or node.deadline() < wire.now() + TIMES * 2:
        made.turn(500)
    made._look_ms = until_ms * 2
    made._stop._look_ms = until_ms * 2
    for _ in range(TIMES):
        count("a turn of the loop, nothing due", made.turn, 1)
    made._stop._look_ms = 0
    for _ in range(TIMES):
        made._stop._look_ms = 0
        count("a look for the file `stop`", made._stop.asked, wire.now())
    for _ in range(TIMES):
        count("a look at memory, load and clock", made._look_at_box)


def sealing(friend):
    """Seal and open a datagram."""
    session = seal.Session(Swapped(friend.session.keys), bytes(4), bytes(4), friend.session.encrypted)
    other = seal.Session(friend.session.keys, bytes(4), bytes(4), friend.session.encrypted)

    def opened(data):
        assert other.authentic(data) and other.open(data) == BODY

    for _ in range(TIMES):
        sealed = []
        count("a datagram of 217 bytes sealed", lambda: sealed.append(session.seal(BODY)))
        count("and opened", opened, sealed[0])


def shuffles(node, friend):
    """Ask and take an answer; answer."""
    membership = node.membership
    node.answered = lambda peer: None  # no averages here
    for i in range(TIMES):
        membership._questions = {}
        count("a shuffle begun", ask, node, friend.link)
        exchange = list(membership._questions)[0]
        links = pack_all(list(membership.view.values())[-6:])
        friend.say("and its answer taken", messages.SHUFFLED, exchange, links, node.rumours.digest(), b"", [])
    for i in range(TIMES):
        links = pack_all([friend.link] + list(membership.view.values())[-5:])
        friend.say("a shuffle answered", messages.SHUFFLE, 1000 + i, links, node.rumours.digest(), b"", [])


def ask(node, link):
    node.membership._ask(link, PARTNER)
    node.datagrams()


def averaging(node, friend):
    """Ask and take an answer; answer."""
    aggregate, epoch = node.aggregate, node.aggregate.epoch
    epoch.taking_part = True
    epoch.started_ms = node.now_ms - 5 * epoch.round_ms()
    for i in range(TIMES):
        aggregate.asked = []
        count("an averaging begun", exchange, node, friend.peer)
        for asked in list(aggregate.asked):
            body = aggregate.averages.answer(parse_body(messages.unpack(asked.message)[5]))
            friend.say("and its answer taken, averages", messages.AVERAGED, asked.exchange, epoch.number, int(epoch.quick),
                       epoch.elapsed_ms(), body, None)
    for i in range(TIMES):
        friend.say("an averaging answered", messages.AVERAGE, 1000 + i, epoch.number, int(epoch.quick), epoch.elapsed_ms(),
                   aggregate.averages.bodies()[0][0])


def exchange(node, peer):
    node.aggregate.exchange(peer)
    node.datagrams()


def chunks(node, friend):
    """Serve a blob; take one."""
    blob = bytes([i * 7 & 255 for i in range(BLOB)])
    digest = node.store.put(blob)
    for offset in range(0, BLOB, CHUNK_BYTES):
        friend.say("a chunk served", messages.PULL, digest, offset)
    blob = bytes([i * 5 & 255 for i in range(BLOB)])
    digest = sha256(blob)
    got = []
    node.chunks.fetch(digest, BLOB, [(friend.peer.id, friend.peer.addr)], lambda digest, whole: got.append(whole))
    node.datagrams()
    for offset in range(0, BLOB, CHUNK_BYTES):
        friend.say("a chunk taken", messages.CHUNK, digest, offset, BLOB, blob[offset : offset + CHUNK_BYTES])
    assert got == [True]


def through(computation):
    while not computation.step():
        pass


def main(path, home):
    """Replay, then count."""
    made, wire, node = replay.make_loop(replay.Trace(path), home)
    made._leave = lambda: None
    made.run()
    made.stopping = False
    for _ in range(TIMES):
        count("", lambda: None)
    peer = [peer for peer in node.peers.table.values() if peer.current and peer.current.encrypted][-1]
    friend = Friend(node, peer)
    node.peers.send(peer.id, peer.addr, BODY)
    loop_turns(made, wire, node)
    sealing(friend)
    shuffles(node, friend)
    averaging(node, friend)
    chunks(node, friend)
    for i in range(2):
        count("a new peer: the X25519 ladder", through, Ladder(bytes(32), replay.OWNER, sha256(bytes([i]))))
        check = manifest.Check(vectors.EDGE, trust.Keys(trust_file.fleet_id(vectors.OPERATOR), trust.Root(1, [b"r" * 60], 1, vectors.OPERATOR)))
        count("a manifest's signature verified (W4, H5/H5)", through, check)
    print(json.dumps(names))


main(*sys.argv[1:])
