"""Good inputs of every decoder: recorded from a small fleet at work, or taken from vectors."""

import functools

import proto_suit
import vectors
from lan import Lan, sign
from proto_node import push_words, serve_broker

from backfence.agent.edge import mqtt_wire
from backfence.agent.slots import ARCHIVE, Record, Row, encode
from backfence.agent.wire import cbor, cose, messages

# Of each kind of input, so many are kept.
MOST = 40
STATES = ("clock", "contacts", "floors", "revoked", "slots", "uptime")


class Tape:
    """{kind: bodies}, each once, MOST of a kind."""

    def __init__(self):
        self.bodies = {}

    def add(self, kind, body):
        """Keep a body, if it is new and there is room."""
        kept = self.bodies.setdefault(kind, [])
        if body not in kept and len(kept) < MOST:
            kept.append(bytes(body))

    def listen(self, node):
        """Keep what a node seals from now on, by the kind of message."""
        send = node.peers.send

        def taped(id, addr, body):
            self.add(messages.unpack(body)[0], body)
            send(id, addr, body)

        node.peers.send = taped


def manifests(fleet):
    """Payloads of manifests of every kind."""
    common = {"fleet": fleet, "issued": 1700000000, "expires": 1700086400, "seq": 1, "name": "edge"}
    where = ["and", ["==", "region", "north"], ["not", ["<", "availability", 900000]]]
    rows = [
        {"kind": "slice", "seats": 9, "where": where, "top": [100, "availability"], "absorbs": [["other", 4, 5]]},
        {"kind": "slice", "share": 5, "from": ["other", 4]}, {"kind": "slice", "seats": 3, "end": True},
        {"kind": "query", "where": where, "by": "load", "top": [1, "load"]},
        {"kind": "workload", "slice": "edge", "program": bytes(32), "program_size": 100, "index": [bytes(32)], "tasks": 5,
         "args": ["a", "b"], "replicas": 3, "quorum": 2, "limits": {"fuel": 1, "pages": 1, "output": 1}, "deadline_s": 5,
         "deterministic": True},
        {"kind": "lots", "name": "all", "lots": [[bytes(32), 3, 0]]}, {"kind": "seeds", "contacts": [[bytes(16), b"123456"]]},
        {"kind": "rollout", "name": "agent-mpy6-e7b0da73", "firmware": 1700000000, "word": "pause"},
        {"kind": "revocation", "name": "boxes", "boxes": bytes(16) + b"\1" * 16},
    ]
    return [cbor.encode(dict(common, **row)) for row in rows]


def _record():
    record = Record()
    record.rows[1] = Row(ARCHIVE, 100_000, bytes(32), 7, True)
    record.rows[2] = Row(ARCHIVE, 100_001, b"\1" * 32, 9)
    record.confirmed, record.trial, record.floor, record.failed = 1, 2, 7, [3, 8]
    return encode(record)


def _mqtt():
    return [
        b"\x20\x02\x00\x00" + bytes(mqtt_wire.publish_header("backfence/x/blob/y", 3, 1, True, False, 7)) + b"abc",
        bytes(mqtt_wire.publish_header("a", 0, 0, False, False, 0)) + b"\x40\x02\x00\x01\x90\x03\x00\x02\x01\xd0\x00\xb0\x02\x00\x03",
    ]


def archive(members=(("a/b.mpy", b"abc"), ("c.mpy", b""))):
    """A cpio archive ("newc") of these (name, data)."""
    out = b""
    for name, data in [*members, ("TRAILER!!!", b"")]:
        mode = 0 if name == "TRAILER!!!" else 0o100644
        fields = [1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return out


@functools.cache
def recorded():
    """{kind of input: [bytes]}; kinds of messages by their number, other inputs by name."""
    lan, tape = Lan(6, seed=21, door=True), Tape()
    for node in lan.nodes:
        tape.listen(node)
    lan.join_all()
    lan.nodes[0].connected(lan.now_ms)
    blobs, results = push_words(lan, 12), []
    for _ in range(300):
        lan.run(100)
        for events in lan.events.values():
            for event in events:
                if event[0] == "publish":
                    tape.add(event[1].split("/")[2], event[2])
        serve_broker(lan, blobs, results)
    # A few boxes are lost and one leaves, so that what is said then is on the tape too.
    lan.nodes[4].leave(lan.now_ms)
    lan.run(3000)
    lan.down.append(5)
    lan.run(20000)
    for node in lan.nodes:
        node.availability.save(False)
        node.membership.remembered.save()
        for name in STATES:
            data = node.store.load_state(name)
            if data:
                tape.add("state " + name, data)
    tape.add("state revoked", bytes(16) + b"\1" * 16)
    tape.add("state slots", _record())
    for payload, receipt in [(payload, cbor.decode(payload)[0]) for _, payload in results]:
        tape.add("result", payload)
        tape.add("receipt", receipt)
    for payload in manifests(lan.fleet()):
        tape.add("manifest", payload)
        tape.add("signed", sign(cbor.decode(payload)))
    tape.bodies["sign1"] = [vectors.EDGE, vectors.LOTS]
    waves = proto_suit.with_parameter(20, -1, [[[100, ""], [5000, "north"], [10000, ""]], 20, 16, 3600])
    tape.bodies["suit"] = [proto_suit.ENVELOPE, waves]
    tape.bodies["suit manifest"] = [cbor.decode(envelope).value[3] for envelope in (proto_suit.ENVELOPE, waves)]
    tape.bodies["mqtt"] = _mqtt()
    tape.bodies["archive"] = [archive()]
    return tape.bodies


def signature():
    """(public key, message, signature) of one HSS signature that holds."""
    sign1 = cose.decode_sign1(vectors.EDGE, 8192)
    return vectors.OPERATOR, sign1.to_be_signed(), sign1.signature
