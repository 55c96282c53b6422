"""A tenant's side of a door and of receipts: topics of his own, and a tag that he can check."""

from backfence.agent.door import concerned
from backfence.agent.limits import TENANTS
from backfence.agent.receipt import receipt_key
from backfence.agent.wire import cbor, messages, x25519
from backfence.agent.wire.hashes import hmac_sha256, sha256
from lan import WALL_S, Lan, sign
from proto_door import offer, published, receipt_of, world
from proto_tenants import KEY, delegation, edge, operator

INTERPRETERS = ("cpython", "micropython", "armhf")


def tenancy():
    lan, door = world()
    assert operator(lan, delegation()) is None
    lan.run(1000)
    lan.events.clear()
    return lan, door


def topics(lan, kind):
    """What node 0 asked its edge for, without the fleet's part."""
    return [event[1].split("/", 2)[2] for event in lan.events.get(0, []) if event[0] == kind]


def tell(lan, door, topic, payload, retained=False):
    door.message("backfence/" + lan.fleet().hex() + "/" + topic, payload, retained, lan.now_ms)
    lan.run(500)


def test_a_blob_may_lie_under_a_tenants_topic_and_a_tenants_rubbish_keeps_nobodys_away():
    lan, door = tenancy()
    blob = b"a program"
    name = sha256(blob).hex()
    assert door.door.want(sha256(blob))
    lan.run(100)
    assert topics(lan, "subscribe") == ["blob/" + name, "blob/+/" + name]
    tell(lan, door, "blob/evil/" + name, b"rubbish")
    [refused] = published(lan, "/refused/")
    assert refused[1].endswith("/refused/evil/" + door.id.hex()) and "not have that hash" in cbor.decode(refused[2])["why"]
    assert door.door.want(sha256(blob)) and not door.store.has(sha256(blob))
    tell(lan, door, "blob/acme/" + name, blob)
    assert door.store.has(sha256(blob)) and topics(lan, "unsubscribe") == ["blob/" + name, "blob/+/" + name]
    # The operator's own rubbish is given up for a while, as ever; a fleet without tenants looks in one place.
    alone, only = world()
    assert only.door.want(sha256(blob))
    alone.run(100)
    assert topics(alone, "subscribe") == ["blob/" + name]
    tell(alone, only, "blob/" + name, b"rubbish")
    assert not only.door.want(sha256(blob))


def test_refusals_go_where_only_who_they_concern_reads_them():
    for what, tenant in (
        ("manifest/slice-edge", ""), ("manifest/slice-acme/edge", "acme/"), ("manifest/workload-a-b/x", "a-b/"),
        ("blob/00", ""), ("blob/acme/00", "acme/"), ("manifest/slice-+/x", ""), ("manifest/x/y/z", ""), ("message", ""),
        ("manifest/acme/x", ""),
    ):
        assert concerned(what) == tenant, what
    lan, door = tenancy()
    fields = dict(edge(seats=99), fleet=lan.fleet(), issued=WALL_S, expires=WALL_S + 60)
    tell(lan, door, "manifest/slice-acme/edge", sign(fields, KEY))
    [refused] = published(lan, "/refused/")
    assert refused[1].endswith("/refused/acme/" + door.id.hex())
    assert cbor.decode(refused[2]) == {"what": "manifest/slice-acme/edge",
                                       "why": "beyond the tenant's quota; end or shrink another one first"}


def test_what_waited_at_the_broker_comes_again_after_its_delegation_and_is_not_refused_before():
    lan, door = world()
    fields = dict(edge(), fleet=lan.fleet(), issued=WALL_S, expires=WALL_S + 60)
    tell(lan, door, "manifest/slice-acme/edge", sign(fields, KEY), retained=True)
    assert not published(lan, "/refused/") and not door.rumours.manifests
    lan.events.clear()
    assert operator(lan, delegation()) is None
    lan.run(3000)
    assert topics(lan, "subscribe") == ["manifest/#"]
    tell(lan, door, "manifest/slice-acme/edge", sign(fields, KEY), retained=True)
    assert door.rumours.get("slice", "acme/edge")
    # Pushed just now, and nobody's: its owner is told.
    other, only = world()
    tell(other, only, "manifest/slice-acme/edge", sign(dict(fields, fleet=other.fleet()), KEY))
    assert published(other, "/refused/acme/")


def test_a_tenants_result_goes_under_his_name_with_both_tags():
    lan, door = tenancy()
    receipt = receipt_of(lan.nodes[1], 7, workload="acme/words")
    for tag, good in ((b"", False), (bytes(15), False), (bytes(33), False), (bytes(32), True)):
        lan.nodes[1].send(door.id, lan.address(0), messages.RESULT, receipt, tag)
        lan.run(200)
        assert bool(door.door.carried) == good, len(tag)
    [(_, topic, payload, _, _)] = published(lan, "/result/")
    assert topic.endswith("/result/acme/words/7/" + lan.nodes[1].id.hex())
    assert cbor.decode(payload) == [receipt, bytes(32), b""]
    offer(lan, 1, receipt_of(lan.nodes[1], 8, workload="acme/words/more"))
    assert len(door.door.carried) == 1 and door.counters["messages_bad"] == 4


def tags(node, workload):
    """The tags of a receipt, after all ladders."""
    for _ in range(3):
        tag = node.tasks.receipts.tag(b"receipt", workload)
        while node.step(node.now_ms):
            pass
    return tag


def test_operator_and_tenant_each_find_their_own_tag():
    lan = Lan(1)
    node = lan.nodes[0]
    owner, tenant = b"\x55" * 32, b"\x66" * 32
    node.trust.owner = x25519.public(owner)
    node.identity.public = x25519.public(node.identity.private)
    node.ladder = x25519.Ladder
    assert operator(lan, delegation(owner=x25519.public(tenant))) is None
    # A low-order point: he gets no tag, and keeps nothing waiting.
    assert operator(lan, delegation("low", key=b"l" * 60, owner=bytes(32))) is None
    wanted = []
    for private in (owner, tenant):
        secret = x25519.shared(private, node.identity.public)
        wanted.append(hmac_sha256(receipt_key(secret, node.trust.fleet), b"receipt")[:16])
    assert node.tasks.receipts.tag(b"receipt", "acme/words") is None
    assert tags(node, "acme/words") == wanted[0] + wanted[1]
    assert tags(node, "words") == tags(node, "gone/words") == tags(node, "low/words") == wanted[0]


def test_the_keys_of_tenants_past_do_not_add_up():
    lan = Lan(1)
    node = lan.nodes[0]
    for i in range(3 * TENANTS):
        assert operator(lan, delegation(seq=i + 1, owner=bytes([i + 1]) * 32)) is None
        assert len(tags(node, "acme/words")) == 32 and len(node.tasks.receipts._keys) <= TENANTS + 1
