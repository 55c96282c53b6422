"""A small fleet with enrolled liars in it, and what must hold whatever they say.

Nodes 0 to 4 are honest, node 0 is a door; the last two are liars: real nodes with real
sessions, whose messages are taken apart, changed field by field and sealed again.  They
also say things anew that somebody said before, unasked; repeat and damage datagrams; and
the broker lies too.

Always: no exception leaves a node; no table exceeds its cap; no datagram is too long; a
message that is refused leaves the node's state as it was.  And when the liars are silent
at last, honest boxes answer each other: a new manifest reaches all, the ring stands.
"""

import random

import trees
from lan import Lan
from proto_node import push_words, ring_closed, serve_broker

from backfence.agent.errors import RemoteError
from backfence.agent.limits import DATAGRAM_BYTES, MESSAGE_BYTES
from backfence.agent.wire import messages
from backfence.sim.inspect import tables

HONEST = 5
LIARS = (5, 6)
SEATS = 4
TAPE = 400
# Virtual time in which all is well again, from the liars' last word on.
HEAL_MS = 180_000

# What a refused message may change: counts, and that its sender was heard.
HEARING = ("counters", "_counters", "rng", "peers", "tombstones", "now_ms")
STATIC = ("config", "identity", "trust", "_handlers", "_services", "_concerned", "_node", "ladder", "disk")


class Broken(AssertionError):
    """A node did what it must not."""


def state(node):
    """All that a node holds, but for what hearing anything changes: texts and numbers, in order."""
    out, seen, waiting = [], set(), [node]
    while waiting:
        value = waiting.pop()
        if value is None or isinstance(value, (int, float, str, bytes)):
            out.append(value)
            continue
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            out.append(len(value))
            for pair in value.items():
                waiting += pair
        elif isinstance(value, (list, tuple, bytearray)):
            out.append(len(value))
            waiting += value
        elif isinstance(value, (set, frozenset)):
            out.append(sorted(map(repr, value)))
        elif type(value).__module__.startswith(("backfence.", "lan")):
            names = getattr(value, "__slots__", None) or sorted(vars(value))
            waiting += [getattr(value, name) for name in names if name not in HEARING and name not in STATIC]
    return out


class World:
    """The fleet at work; one sequence of lies is play(seed)."""

    def __init__(self):
        self.tape = []  # messages that were said
        self.datagrams = []  # (bytes, source, target)
        self.lying = 0.0
        self.rnd = random.Random(0)
        self.lan = lan = Lan(HONEST + len(LIARS), seed=11, door=True, drop=self._on_wire)
        for number, node in enumerate(lan.nodes):
            if number in LIARS:
                self._make_liar(node)
            else:
                self._watch(node)
        lan.join_all()
        lan.nodes[0].connected(lan.now_ms)
        self.blobs = push_words(lan, 40)
        self.results = []
        for _ in range(400):
            self._pass(100)
            if ring_closed(lan, "edge", SEATS):
                break
        else:
            raise Broken("no ring to begin with")

    # -- watching

    def _on_wire(self, data, source, target):
        if source < HONEST and len(data) > DATAGRAM_BYTES:
            raise Broken(f"node {source} sent {len(data)} bytes")
        if len(self.datagrams) < TAPE:
            self.datagrams.append((data, source, target))
        return False

    def _watch(self, node):
        """Have a refused message compared with what it left."""
        for kind, handler in list(node._handlers.items()):
            node._handlers[kind] = self._watched(node, handler)

    def _watched(self, node, handler):
        def handle(peer, message):
            self._record(messages.pack(*message))
            lied = any(peer.id == self.lan.nodes[liar].id for liar in LIARS)
            before = state(node) if lied else None
            try:
                handler(peer, message)
            except RemoteError as problem:
                after = state(node) if lied else None
                if after != before:
                    where = [pair for pair in zip(before, after) if pair[0] != pair[1]][:3]
                    raise Broken(f"half applied ({where}), then refused ({problem}): {message!r}") from problem
                raise

        return handle

    def _record(self, body):
        if len(self.tape) < TAPE:
            self.tape.append(body)
        else:
            self.tape[self.rnd.randrange(TAPE)] = body

    def _make_liar(self, node):
        send = node.peers.send

        def lie(id, addr, body):
            if self.rnd.random() < self.lying:
                body = self._changed(body)
            if len(body) <= MESSAGE_BYTES:
                send(id, addr, body)

        node.peers.send = lie

    # -- lying

    def _changed(self, body):
        """A message with one or two fields changed; nearly always of good form."""
        try:
            message = messages.unpack(body)
        except RemoteError:
            message = None  # a lie already
        if not message or len(message) < 2 or self.rnd.random() < 0.1:
            return trees.mutated(self.rnd, body)
        for _ in range(self.rnd.choice((1, 1, 2))):
            at = self.rnd.randrange(1, len(message))
            form = messages.FORMS[message[0]][at - 1]
            for _ in range(8):
                value = trees.changed(self.rnd, message[at])
                if messages.holds((form,), [value]) or self.rnd.random() < 0.05:
                    message[at] = value
                    break
        return messages.pack(*message)

    def _say(self):
        """One thing unasked, to one honest node."""
        rnd, lan = self.rnd, self.lan
        target = rnd.randrange(HONEST)
        what = rnd.random()
        if what < 0.6:
            body = rnd.choice(self.tape)
            if rnd.random() < 0.9:
                body = self._changed(body)
            lan.nodes[rnd.choice(LIARS)].peers.send(lan.nodes[target].id, lan.address(target), body)
        elif what < 0.85:
            data, source, _ = rnd.choice(self.datagrams)
            if rnd.random() < 0.7:
                data = trees.changed_bytes(rnd, data)
            lan.send_raw(data, rnd.choice((source, *LIARS)), target)
        else:
            self._broker_lies()

    def _broker_lies(self):
        rnd, door = self.rnd, self.lan.nodes[0]
        root = "backfence/" + door.trust.fleet.hex() + "/"
        what = rnd.choice(("manifest/", "blob/", "result/", "door/", ""))
        name = rnd.choice((*self.blobs, "slice-edge", "edge", "x", "", "\u20ac/#"))
        data = rnd.choice((*self.blobs.values(), *self.tape))
        door.message(root + what + name, trees.mutated(rnd, data), rnd.random() < 0.5, self.lan.now_ms)

    # -- time

    def _pass(self, ms):
        self.lan.run(ms)
        serve_broker(self.lan, self.blobs, self.results)
        for number in range(HONEST):
            for name, size, cap in tables(self.lan.nodes[number]):
                if size > cap:
                    raise Broken(f"node {number}: {name} has {size} of {cap}")

    def play(self, seed, rounds=40):
        """One sequence of lies and what comes after; any exception is a finding."""
        self.rnd = random.Random(seed)
        for _ in range(rounds):
            self.lying = self.rnd.choice((0.0, 0.2, 0.7))
            for _ in range(self.rnd.randrange(6)):
                self._say()
            self._pass(self.rnd.choice((10, 50, 200, 1000)))
        for number in range(HONEST):
            self.lan.nodes[number].status()
        self._heal()

    def _heal(self):
        """The liars are silent; the honest must find each other, and work."""
        lan = self.lan
        lan.down += LIARS
        lan.queue = [row for row in lan.queue if int.from_bytes(row[3][2:4], "big") < HONEST]
        refused = lan.push(1, {"kind": "slice", "name": "after", "seats": 1})
        honest = lan.nodes[:HONEST]
        until_ms = lan.now_ms + HEAL_MS
        while True:
            self._pass(500)
            lacking = [i for i, node in enumerate(honest) if not node.rumours.get("slice", "after")]
            alone = [i for i, node in enumerate(honest) if len(set(node.membership.view) & {n.id for n in honest}) < HONEST - 1]
            ring = ring_closed(lan, "edge", SEATS)
            if not lacking and not alone and ring:
                return
            if lan.now_ms > until_ms:
                raise Broken(f"not healed: {refused}, without the new manifest {lacking}, without links {alone}, ring {ring}")
