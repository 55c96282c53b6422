"""Every decoder of what comes over the wire or from the disk, and what it must hold to.

Bytes go in; a value comes out, or a RemoteError (a LocalError of one line for a person's
file), and nothing else.  Where a value has one spelling, encoding it gives the same bytes
again.  What is taken for it in memory and calls is bounded by the length of the input.
"""

import functools
import io
import sys
import tracemalloc

import proto_trust
import root_vectors
import samples
import vectors
from lan import Lan, MemoryDisk

from backfence.agent import config, descriptor, door, manifest, offers, revocation, root, seat, slots, trust, trust_file
from backfence.agent.averages import Averages, parse_body
from backfence.agent.edge import archive, mqtt_wire
from backfence.agent.errors import LocalError, RemoteError
from backfence.agent.limits import CANDIDATES_TOLD, MANIFEST_BYTES, PATH_NODES, RING_TOLD, SHUFFLE
from backfence.agent.store import Store
from backfence.agent.wire import cbor, cose, lms, merkle, messages, seal, suit
from backfence.agent.wire.hashes import sha256
from backfence.bootstrap.operator import census, push, receipt

# Bytes of memory and calls of functions, beside those for each byte of the input.  Small
# integers and single bytes take none; a list's place takes eight, an empty map 64.
MEMORY, MEMORY_A_BYTE = 64 * 1024, 80
CALLS, CALLS_A_BYTE = 3000, 40


class Decoder:
    """A decoder: decode(bytes), its good inputs (a function), and how a value is encoded, if in one way.

    refusals: what it may raise.  memory, calls: beside what each byte may take.
    """

    def __init__(self, decode, seeds, encode=None, refusals=RemoteError, memory=MEMORY, calls=CALLS):
        self.decode = decode
        self.seeds = functools.cache(seeds)
        self.encode = encode
        self.refusals = refusals
        self.memory = memory
        self.calls = calls

    def check(self, data):
        """True if data is taken, False if it is refused as it should be; any other exception is a finding."""
        try:
            value = self.decode(data)
        except self.refusals as problem:
            text = str(problem)
            assert text and "\n" not in text.strip(), "a refusal is one line that says why"
            return False
        if self.encode:
            assert self.encode(value) == data, "it encodes to other bytes"
        return True

    def cost(self, data):
        """(bytes of memory at most, calls of functions) that decoding takes."""
        counted = [0]

        def count(frame, event, argument):
            if event == "call" or event == "c_call":
                counted[0] += 1

        tracemalloc.start()
        sys.setprofile(count)
        try:
            self.decode(data)
        except self.refusals:
            pass
        finally:
            sys.setprofile(None)
            memory = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return memory, counted[0]

    def check_cost(self, data):
        """AssertionError if decoding costs more than its length allows."""
        memory, calls = self.cost(data)
        assert memory <= self.memory + MEMORY_A_BYTE * len(data), f"{memory} bytes of memory for {len(data)}"
        assert calls <= self.calls + CALLS_A_BYTE * len(data), f"{calls} calls for {len(data)} bytes"


def _recorded(kind):
    return lambda: samples.recorded().get(kind, [])


def _fields(kind, place):
    """Good inputs: the byte strings at a place of the recorded messages of a kind."""
    return lambda: [found for body in samples.recorded().get(kind, []) if (found := messages.unpack(body)[place])]


# -- signatures and proofs: their numbers are read off the input


def _signature(data):
    public, message, good = samples.signature()
    verification = lms.Verification(data[:60], message, data[60:])
    while not verification.step():
        pass
    assert not verification.valid or data == public + good, "a forged signature holds"


def _signatures():
    public, _, good = samples.signature()
    return [public + good]


_LEAVES = [merkle.leaf(bytes((i,))) for i in range(11)]


def _proof(data):
    index, count = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
    path = [data[at : at + 32] for at in range(8, len(data), 32)]
    held = merkle.verify(_LEAVES[7], index, count, path, merkle.root(_LEAVES))
    # The number of leaves is signed with the root; only under another may other proofs hold.
    if held and count == len(_LEAVES):
        assert (index, path) == (7, merkle.path(_LEAVES, 7)), "a forged proof holds"
    if not held:
        raise RemoteError("no proof")


def _proofs():
    return [(7).to_bytes(4, "big") + (11).to_bytes(4, "big") + b"".join(merkle.path(_LEAVES, 7))]


def _party(data):
    party, end = seal.unpack_party(data, 0, PATH_NODES)
    if end != len(data):
        raise RemoteError("more than a party")
    return party


def _parties():
    return [node.peers._party().pack() for node in Lan(6).nodes] + [seal.Party(bytes(32), 3, 7, bytes(8), 1, []).pack()]


class _Sealed:
    """A session's two ends; what is tagged is opened by the other end alone."""

    def __init__(self):
        keys = [seal.Keys(bytes(32), bytes(64), bytes(64), first) for first in (True, False)]
        self.ours = seal.Session(keys[0], b"aaaa", b"bbbb", seal.ENCRYPTS)
        self.theirs = seal.Session(keys[1], b"bbbb", b"aaaa", seal.ENCRYPTS)

    def open(self, data):
        """As peers.py does."""
        if len(data) < seal.SEALED_OVERHEAD:
            raise RemoteError("short datagram")
        if not self.ours.authentic(data):
            raise RemoteError("another's tag")
        self.ours.open(data)


def _envelope(data):
    """As it comes; and with a tag that holds, so that what is behind it is reached."""
    sealed = _Sealed()
    for whole in (data, data + seal.hmac_sha256(sealed.ours.keys.mac_in, data)[: seal.TAG_BYTES]):
        try:
            sealed.open(whole)
        except RemoteError:
            pass


def _envelopes():
    sealed = _Sealed()
    return [sealed.theirs.seal(b"x" * length)[: -seal.TAG_BYTES] for length in (0, 1, 16, 500)]


# -- inside messages


def _begun():
    averages = Averages(Lan(1).nodes[0])
    averages.begin(1, True)
    return averages


def _averages(data):
    _begun().answer(parse_body(data))


def _questions():
    return [body for body, _ in _begun().bodies()]


def _average_answer(data):
    averages = _begun()
    taken = False
    for _, parts in averages.bodies():
        try:
            changes = averages.parse_answer(parts, data)
        except RemoteError:
            continue
        taken = True
        averages.apply(parts, changes)
        averages.finish(1, 1)
    if not taken:
        raise RemoteError("no answer to any of our questions")


def _answers():
    return [_begun().answer(parse_body(body)) for body in _questions()]


# -- files


def _state(name):
    """A whole node that finds these bytes as one of its state files: it starts and lives."""

    def decode(data):
        disk = MemoryDisk()
        disk.files["state-" + name] = bytearray(data)
        lan = Lan(1)
        node = lan.nodes[0] = lan._node(lan.nodes[0].config, lan.nodes[0].identity, lan.nodes[0].trust, disk, 0)
        node.status()
        node.handle_timer(node.deadline())
        for size in (len(node.membership.contacts), len(node.rumours.floors), len(node.revocation.packed) // 16):
            assert size <= 256
        if node.counters["store_errors"]:
            raise RemoteError("not such a file")

    return decode


def _blob_names(data):
    """What lies in the store's directory under any name."""
    disk = MemoryDisk()
    for line in data.split(b"\n"):
        name = line.decode("latin-1")
        disk.files[name] = bytearray(b"some bytes")
    store = Store(disk, 1 << 16, Lan(1).nodes[0].counters)
    assert store.used == sum(store.size(digest) for digest in store._blobs)


def _mqtt(data):
    found = []
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        parser = mqtt_wire.Parser(256)
        packets, broken = [], False
        try:
            for piece in pieces:
                packets += parser.feed(piece)
        except RemoteError:
            broken = True
        found.append((None if broken else packets, parser.skipped_bytes if not broken else 0))
    assert found[0] == found[1], "it depends on how the bytes are cut"
    if found[0][0] is None:
        raise RemoteError("no packets")


def _seeds_list(data):
    """Signed lists come in pieces: fed to a box that is alone."""
    lan = Lan(2)
    address = lan.address(1)
    lan.restart(0, address)
    node = lan.nodes[0]
    node.handle_timer(lan.now_ms + 60000)
    for at in range(0, len(data), 1029):
        node.receive(data[at : at + 1029], address, lan.now_ms + 60000)
    while node.step(lan.now_ms + 60000):
        pass
    node.status()


def _seeds_pieces():
    data = samples.recorded()["signed"][-2]
    return [b"\x1b" + (0).to_bytes(2, "big") + len(data).to_bytes(2, "big") + data[:1024]]


def _settle(data):
    told, _, _ = receipt.open_result(data)
    receipt.read(told)


def _census(data):
    if census.read(data) is None:
        raise RemoteError("no census")


class _Message:
    def __init__(self, payload):
        self.topic, self.payload = "backfence/x/refused/\x1b[31m", payload


def _refusal(data):
    said = push.read_refusal(_Message(data))
    if said is None:
        raise RemoteError("no refusal")
    assert all(text.isprintable() for text in said.values())


def _trust_files():
    return [cbor.encode(proto_trust.trust_fields())]


def _chains():
    return [root.join([root_vectors.SECOND, root_vectors.THIRD])]


def _config_texts():
    lines = [f"{key} = {row[1]}" for key, row in sorted(config.KEYS.items()) if row[0] not in ("hours", "offset") and row[1] != ""]
    return ["\n".join([*lines, "quiet_hours = 22:00-06:30", "utc_offset = -05:30"]).encode(), b"door = 1\nbroker = [::1]:1883 # here\nbroker_password = a#b\n"]


def _config(data):
    try:
        text = data.decode()
    except ValueError:
        raise LocalError("not text") from None
    config.parse(text)


def _predicate(data):
    value = cbor.decode(data, 12, 2048)
    manifest.predicate.check(value)
    manifest.predicate.holds(value, {"region": "north", "availability": 7})
    return value


def _predicates():
    return [cbor.encode(cbor.decode(payload)["where"]) for payload in samples.manifests(bytes(16))[:1]]


def _checked(data):
    check = manifest.Check(data, trust.Keys(trust_file.fleet_id(vectors.OPERATOR), trust.Root(1, [b"r" * 60], 1, vectors.OPERATOR)))
    while not check.step():
        pass
    assert sha256(data) in [sha256(good) for good in _signed()], "a forged manifest holds"


def _signed():
    return [vectors.EDGE, vectors.LOTS, vectors.SEEDS, vectors.FIRMWARE, vectors.EXPIRED]


def _messages():
    kinds = [kind for kind in samples.recorded() if isinstance(kind, int)]
    return [body for kind in kinds for body in samples.recorded()[kind][:6]]


def _table():
    table = {
        "cbor": Decoder(lambda data: cbor.decode(data), _messages, cbor.encode),
        "cbor-floats": Decoder(lambda data: cbor.decode(data, floats=True), lambda: [cbor.encode([1.5, -0.0, {"a": 1e300}])], cbor.encode),
        "cose": Decoder(lambda data: cose.decode_sign1(data, MANIFEST_BYTES), _recorded("sign1")),
        "suit": Decoder(lambda data: suit.decode(data, MANIFEST_BYTES), _recorded("suit")),
        "suit-manifest": Decoder(suit.parse, _recorded("suit manifest")),
        "lms": Decoder(_signature, _signatures, calls=20_000),
        "merkle": Decoder(_proof, _proofs),
        "party": Decoder(_party, _parties, lambda party: party.pack()),
        "envelope": Decoder(_envelope, _envelopes),
        "messages": Decoder(messages.unpack, _messages, cbor.encode),
        "descriptors": Decoder(lambda data: descriptor.unpack_all(data, SHUFFLE), _fields(messages.SHUFFLE, 2), descriptor.pack_all),
        "seat-entries": Decoder(lambda data: seat.unpack_entries(data, RING_TOLD, 1 << 27, b"\x0a\0\0\1\x1b\x58"), _fields(messages.PROBE, 5)),
        "offers": Decoder(lambda data: offers.unpack_offers(data, CANDIDATES_TOLD, 1 << 27, b"\x0a\0\0\1\x1b\x58"), lambda: [
            row[2] for body in samples.recorded()[messages.SHUFFLE] for row in messages.unpack(body)[5]]),
        "averages": Decoder(_averages, _questions, memory=1 << 20, calls=20_000),
        "averages-answer": Decoder(_average_answer, _answers, memory=1 << 20, calls=60_000),
        "manifest": Decoder(manifest.parse, _recorded("manifest"), cbor.encode),
        "signed-manifest": Decoder(_checked, _signed, calls=30_000),
        "predicate": Decoder(_predicate, _predicates, cbor.encode),
        "revocation": Decoder(lambda data: {True: data}.get(revocation.is_list(data)), _recorded("state revoked")),
        "chain": Decoder(lambda data: [root.Document(signed) for signed in root.split(data)], _chains),
        "trust": Decoder(trust_file.load, _trust_files, calls=60_000),
        "seeds": Decoder(_seeds_list, _seeds_pieces, memory=1 << 20, calls=20_000),
        "receipt": Decoder(door.read_receipt, _recorded("receipt"), cbor.encode),
        "settled-result": Decoder(_settle, _recorded("result")),
        "census": Decoder(_census, _recorded("census"), memory=1 << 18),
        "refusal": Decoder(_refusal, lambda: [cbor.encode({"what": "manifest/edge", "why": "because"})]),
        "mqtt": Decoder(_mqtt, _recorded("mqtt")),
        "config": Decoder(_config, _config_texts, refusals=LocalError),
        "slots": Decoder(slots.decode, _recorded("state slots"), slots.encode),
        "archive": Decoder(lambda data: archive.index(io.BytesIO(data)), _recorded("archive")),
        "blob-names": Decoder(_blob_names, lambda: [b"blob-" + sha256(b"some bytes").hex().encode() + b"\npart-00\nblob-zz"], memory=1 << 20),
    }
    for name in samples.STATES:
        table["state-" + name] = Decoder(_state(name), _recorded("state " + name), memory=1 << 20, calls=20_000)
    return table


DECODERS = _table()
