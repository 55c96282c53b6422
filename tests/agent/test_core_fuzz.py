"""Garbage and half-sense against whole nodes: only counters move, and nothing raises."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backfence.agent import config, manifest, ranges, trust_file
from backfence.agent.errors import LocalError, RemoteError
from backfence.agent.wire import cbor, messages, seal

sys.path.insert(0, str(Path(__file__).parent))
from lan import WALL_S, Lan, sign  # noqa: E402
from proto_node import holders, push_words, ring_closed, serve_broker  # noqa: E402

SLOW = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture(scope="module")
def world():
    """Four nodes at work: node 0 is a door, nodes sit in a slice, node 3 is the liar."""
    lan = Lan(5, seed=11, door=True)
    lan.join_all()
    lan.nodes[0].connected(lan.now_ms)
    blobs = push_words(lan, 8)
    for _ in range(300):
        lan.run(100)
        serve_broker(lan, blobs, [])
        if ring_closed(lan, "edge", 4):
            break
    assert len(holders(lan, "edge")) == 4
    lan.run(5000)
    for node in lan.nodes:
        node.events()
    return lan


def take(lan, number, data, addr):
    """Hand a datagram to a node and let it act on it: timers, work and all."""
    node = lan.nodes[number]
    node.receive(data, addr, lan.now_ms)
    while node.step(lan.now_ms):
        pass
    node.handle_timer(node.deadline())
    node.datagrams()
    node.events()
    node.status()


@SLOW
@given(kind=st.integers(0, 255), data=st.binary(max_size=1300), fleet=st.booleans())
def test_garbage_to_receive_moves_counters_only(world, kind, data, fleet):
    node = world.nodes[0]
    if fleet:
        data = data[:4] + node.trust.fleet[:4] + data[4:]
    before = (sorted(node.membership.view), sorted(node.peers.table), sorted(node.rumours.manifests), node.ring.seat)
    node.receive(bytes((kind,)) + data, world.address(77), world.now_ms)
    while node.step(world.now_ms):
        pass
    node.datagrams()
    assert before == (
        sorted(node.membership.view), sorted(node.peers.table), sorted(node.rumours.manifests), node.ring.seat)


class Forger:
    """The liar's session with one node, made by a real greeting that node can be asked for."""

    def __init__(self, lan, target):
        self.lan, self.target = lan, target
        node = lan.nodes[3]
        id = lan.nodes[target].id
        if not (id in node.peers.table and node.peers.table[id].current):
            node.send(id, lan.address(target), messages.LEAVE, bytes(16), 0, 0)
            lan.run(500)
        self.session = node.peers.table[id].current

    def say(self, body):
        take(self.lan, self.target, self.session.seal(body), self.lan.address(3))


def known_values(lan):
    """Values that mean something here: ids, hashes, terms, packed entries."""
    node = lan.nodes[3]
    live = list(node.rumours.manifests.values())
    liar = lan.descriptor(3)
    values = [m.id for m in live] + [m.digest for m in live] + [node.id, liar.pack(), b"", 0, 1, (1 << 32) - 1]
    if node.ring.seat is not None:
        values.append(node.ring.probes._packed(node.ring.seat, node.id))
    values.append(ranges.pack(node.rumours.manifests))
    values.append(node.slicing.tell())
    values += [body for body, _ in node.aggregate.averages.bodies()]
    values.append([[m.id, m.seq + 1, b"\0" * 32, 500] for m in live])
    return values


LEAF = st.one_of(
    st.integers(-(1 << 64), (1 << 64) - 1), st.binary(max_size=80), st.text(max_size=5), st.booleans(), st.none())
TREE = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=5), max_leaves=12)
BY_FORM = {
    "u": st.one_of(st.integers(0, 5), st.integers(0, (1 << 32) - 1)), "U": st.integers(0, (1 << 53) - 1),
    "b": st.binary(max_size=400), "l": st.lists(TREE, max_size=4), "8": st.binary(min_size=8, max_size=8),
    "h": st.binary(min_size=16, max_size=16), "s": st.binary(min_size=32, max_size=32),
    "?u": st.one_of(st.none(), st.integers(0, 5000)), "?b": st.one_of(st.none(), st.binary(max_size=400)),
}


@SLOW
@given(data=st.data())
def test_sealed_messages_of_good_form_and_no_sense(world, data):
    target = data.draw(st.sampled_from([0, 1, 2]))
    forger = Forger(world, target)
    kind = data.draw(st.sampled_from(sorted(messages.FORMS)))
    known = known_values(world)
    fields = []
    for form in messages.FORMS[kind]:
        fitting = [value for value in known if messages.holds((form,), [value])]
        if fitting and data.draw(st.booleans()):
            fields.append(data.draw(st.sampled_from(fitting)))
        else:
            fields.append(data.draw(BY_FORM[form]))
    forger.say(messages.pack(kind, *fields))


@SLOW
@given(body=st.one_of(st.binary(max_size=300), TREE.map(lambda value: cbor.encode(value))))
def test_sealed_garbage_is_counted_and_nothing_else(world, body):
    node = world.nodes[1]
    forger = Forger(world, 1)
    before, bad = (sorted(node.rumours.manifests), node.ring.seat, node.ring.term), node.counters["messages_bad"]
    try:
        messages.unpack(body)
    except RemoteError:
        forger.say(body)
        assert node.counters["messages_bad"] == bad + 1
    else:
        forger.say(body)
    assert before == (sorted(node.rumours.manifests), node.ring.seat, node.ring.term)


@SLOW
@given(fields=st.dictionaries(st.one_of(
    st.sampled_from(["kind", "fleet", "name", "seq", "issued", "expires", "seats", "where", "limits", "index", "args"]),
    st.integers(0, 9)), TREE, max_size=12), base=st.sampled_from(["slice", "workload", "lots", "seeds", ""]),
    key=st.one_of(st.integers(0, 3), st.sampled_from(["fuel", "pages", "output", "x"])), value=TREE)
def test_signed_nonsense_is_refused_with_a_reason(fields, base, key, value):
    good = {
        "slice": {"seats": 3},
        "workload": {"slice": "edge", "program": bytes(32), "program_size": 100, "index": [bytes(32)], "tasks": 5,
                     "args": [], "replicas": 1, "quorum": 1, "limits": {"fuel": 1, "pages": 1, "output": 1},
                     "deadline_s": 5, "deterministic": True},
        "lots": {"lots": [[bytes(32), 3, 0]]}, "seeds": {"contacts": [[bytes(16), b"123456"]]}, "": {},
    }[base]
    lan = Lan(1)
    whole = {"kind": base, "fleet": lan.fleet(), "name": "n", "seq": 1, "issued": WALL_S, "expires": WALL_S + 9}
    whole.update(good)
    if base == "lots":
        whole["name"] = "all"
    if base == "workload":
        whole["limits"] = dict(whole["limits"], **{str(key): 1}) if isinstance(key, str) else {key: 1, "fuel": 1, "pages": value}
    whole.update(fields)
    verdict = []
    lan.nodes[0].rumours.offer(sign(whole), verdict.append)
    while lan.nodes[0].step(lan.now_ms):
        pass
    assert len(verdict) == 1 and (verdict[0] is None or 0 < len(verdict[0]) < 200)
    lan.run(2000)
    lan.nodes[0].status()


@SLOW
@given(payload=st.one_of(st.binary(max_size=600), TREE.map(lambda value: cbor.encode(value))))
def test_nonsense_where_signed_things_are_read(payload):
    for read in (manifest.parse, trust_file.load):
        with pytest.raises(RemoteError):
            read(payload)


@SLOW
@given(text=st.one_of(st.text(max_size=80), st.tuples(
    st.sampled_from(sorted(config.KEYS)), st.text(max_size=20)).map(lambda pair: " = ".join(pair))))
def test_any_text_is_a_configuration_or_one_clear_line(text):
    try:
        config.parse(text)
    except LocalError as error:
        assert str(error) and "\n" not in str(error).strip()


@SLOW
@given(topic=st.text(max_size=60), rest=st.sampled_from(["", "manifest/", "blob/", "result/"]), payload=st.binary(max_size=300))
def test_anything_from_the_broker(world, topic, rest, payload):
    door = world.nodes[0]
    root = "backfence/" + door.trust.fleet.hex() + "/"
    before = sorted(door.rumours.manifests)
    door.message(topic, payload, True, world.now_ms)
    door.message(root + rest + topic, payload, False, world.now_ms)
    while door.step(world.now_ms):
        pass
    door.events()
    assert sorted(door.rumours.manifests) == before


def test_the_world_still_works_after_all_that(world):
    world.run(60000)
    assert all(len(node.membership.view) >= 3 for node in world.nodes)
    assert world.nodes[0].counters["messages_bad"] + world.nodes[1].counters["messages_bad"] > 30
    assert seal.HAIL == 0x10
