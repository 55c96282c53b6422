"""A door: what it refuses from boxes and broker, and how little it keeps."""

from backfence.agent.limits import (
    BLOB_BYTES, DOOR_HELD, DOOR_PUBLISHED, DOOR_RESULTS, DOOR_RESULTS_PER_PEER, DOOR_WANTS, EVENTS,
    MANIFEST_BYTES, UNSENT_DATAGRAMS,
)
from backfence.agent.wire import cbor, messages
from backfence.agent.wire.hashes import sha256
from lan import WALL_S, Lan, sign


def world(count=2):
    """A Lan whose node 0 is a connected door, with all its events taken."""
    lan = Lan(count, door=True)
    lan.nodes[0].connected(lan.now_ms)
    lan.nodes[0].events()
    return lan, lan.nodes[0]


def receipt_of(node, number, output_=b"", **rest):
    """A receipt as a box would make it, as far as doors read it."""
    fields = {"box": node.id, "workload": "words", "seq": 1, "task": number,
              "output": sha256(output_), "size": len(output_)}
    fields.update(rest)
    return cbor.encode(fields)


def offer(lan, source, receipt):
    lan.nodes[source].send(lan.nodes[0].id, lan.address(0), messages.RESULT, receipt, bytes(16))
    lan.run(100)


def published(lan, word):
    """Taken events of the door that publish under a topic with that word in it."""
    found = [event for event in lan.events.get(0, []) if event[0] == "publish" and word in event[1]]
    lan.events[0] = [event for event in lan.events.get(0, []) if event not in found]
    return found


def test_a_result_goes_to_the_broker_and_is_taken_when_that_has_it():
    lan, door = world()
    taken = []
    lan.nodes[1]._handlers[messages.TAKEN] = lambda peer, message: taken.append(message[2:])
    output = b"o" * 3000
    lan.nodes[1].store.put(output, True)
    receipt = receipt_of(lan.nodes[1], 7, output)
    offer(lan, 1, receipt)
    offer(lan, 1, receipt)
    lan.run(1000)
    [(_, topic, payload, retain, token)] = published(lan, "/result/")
    assert topic.endswith("/result/words/7/" + lan.nodes[1].id.hex()) and not retain
    assert cbor.decode(payload) == [receipt, bytes(16), output] and not taken
    door.published(token + 1, lan.now_ms)
    assert door.door.carried
    door.published(token, lan.now_ms)
    door.published(token, lan.now_ms)
    lan.run(200)
    assert taken == [[1, 7]] and not door.door.carried and not door.store.has(sha256(output))
    # The word may be lost: asked again, it is given again, and nothing else happens.
    offer(lan, 1, receipt)
    assert taken == [[1, 7]] * 2 and not published(lan, "/result/") and door.counters["door_published"] == 1


def test_a_receipt_for_another_box_is_refused():
    lan, door = world(3)
    offer(lan, 1, receipt_of(lan.nodes[2], 7))
    offer(lan, 1, receipt_of(door, 7))
    assert door.counters["messages_bad"] == 2 and not door.door.carried and not published(lan, "/result/")


def test_receipts_out_of_form_are_refused():
    lan, door = world()
    box = lan.nodes[1]
    wrong = [b"", b"\xa0", b"\x80", receipt_of(box, 1)[:-1], receipt_of(box, 1) + b"\0"]
    for key in ("box", "workload", "seq", "task", "output", "size"):
        fields = cbor.decode(receipt_of(box, 1))
        del fields[key]
        wrong.append(cbor.encode(fields))
        for value in (None, "X/+", b"x", -1, [], 1 << 63):
            if not (key == "size" and isinstance(value, int)):
                wrong.append(receipt_of(box, 1, **{key: value}))
    for receipt in wrong:
        offer(lan, 1, receipt)
    assert door.counters["messages_bad"] == len(wrong)
    for size in (-1, BLOB_BYTES + 1, 1 << 40):
        offer(lan, 1, receipt_of(box, 2, size=size))
    assert not door.door.carried and not published(lan, "/result/") and not door.chunks.fetches


def test_who_is_no_door_takes_no_results():
    lan, _ = world()
    lan.nodes[0].send(lan.nodes[1].id, lan.address(1), messages.RESULT, receipt_of(lan.nodes[0], 1), bytes(16))
    lan.run(100)
    assert lan.nodes[1].counters["messages_bad"] == 1
    lan.nodes[1].message("backfence/x", b"", False, lan.now_ms)
    lan.nodes[1].connected(lan.now_ms)
    lan.nodes[1].published(1, lan.now_ms)
    assert not lan.nodes[1].is_door()


def test_an_output_that_is_not_its_receipt_s_is_not_published():
    lan, door = world()
    box = lan.nodes[1]
    receipt = receipt_of(box, 1, b"what was said")
    box.store.put(b"what was said")
    box.store.disk.files["blob-" + sha256(b"what was said").hex()] = bytearray(b"what is there")
    offer(lan, 1, receipt)
    lan.run(1000)
    assert not published(lan, "/result/") and not door.door.carried
    assert door.counters["blobs_bad"] == 1 and not door.store.disk.names("blob-")


def test_the_caps_of_results():
    lan, door = world(4)
    for i in range(1, 4):
        lan.nodes[i]._handlers[messages.PULL] = lambda peer, message: None
        for task in range(6):
            offer(lan, i, receipt_of(lan.nodes[i], task, b"%d %d" % (i, task)))
        carried = [c for c in door.door.carried.values() if c.peer[0] == lan.nodes[i].id]
        assert len(carried) == (DOOR_RESULTS_PER_PEER if i < 3 else 0)
    assert len(door.door.carried) == DOOR_RESULTS and door.counters["door_full"] == 3 * 6 - DOOR_RESULTS
    lan.run(40000)
    assert not door.door.carried and not door.chunks.fetches and door.counters["fetches_failed"] == DOOR_RESULTS


def test_results_remembered_as_published_are_few():
    lan, door = world()
    for task in range(DOOR_PUBLISHED + 5):
        door.door.carry((lan.nodes[1].id, lan.address(1)), receipt_of(lan.nodes[1], task), bytes(16), None)
        [(_, _, _, _, token)] = [event for event in door.events() if event[0] == "publish"]
        door.published(token, lan.now_ms)
        door.datagrams()
    assert len(door.door._published) == DOOR_PUBLISHED and door.door._published[0][3] == 5


def test_without_its_broker_a_door_takes_nothing_and_goes_on_when_it_is_back():
    lan, door = world()
    box = lan.nodes[1]
    for task in range(4):
        offer(lan, 1, receipt_of(box, task))
    first = published(lan, "/result/")
    assert len(first) == 2, "the others wait for an acknowledgement"
    door.disconnected(lan.now_ms)
    assert not door.is_door()
    offer(lan, 1, receipt_of(box, 9))
    assert door.counters["door_full"] == 1
    door.published(first[0][4], lan.now_ms)
    lan.run(3000)
    assert not published(lan, "/")
    door.connected(lan.now_ms)
    lan.run(2000)
    more = published(lan, "/result/")
    assert len(more) == 1
    for event in (first[1], more[0]):
        door.published(event[4], lan.now_ms)
    lan.run(100)
    [last] = published(lan, "/result/")
    door.published(last[4], lan.now_ms)
    assert door.counters["door_published"] == 4 and not door.door.carried


def test_blobs_asked_of_the_broker_are_few_and_given_up():
    lan, door = world()
    asked = []
    for i in range(DOOR_WANTS + 3):
        assert door.door.want(sha256(b"%d" % i))
        asked = asked + [event[1] for event in door.events() if event[0] == "subscribe"]
    assert len(asked) == DOOR_WANTS and door.counters["door_wants_full"] == 3
    topic = asked[0]
    # A blob comes, another is not what was asked for, a third was not asked for at all.
    door.message(topic, b"0", True, lan.now_ms)
    assert door.store.get(sha256(b"0")) == b"0"
    door.message(asked[1], b"other bytes", True, lan.now_ms)
    assert not door.store.has(sha256(b"1")) and not door.store.has(sha256(b"other bytes"))
    assert not door.door.want(sha256(b"1"))
    door.message(topic[:-64] + sha256(b"x").hex(), b"x", True, lan.now_ms)
    assert door.counters["door_messages_bad"] == 2 and not door.store.has(sha256(b"x"))
    door.datagrams()
    lan.run(12000)
    gone = [event[1] for event in lan.events[0] if event[0] == "unsubscribe"]
    assert sorted(gone) == sorted(asked) and not door.door._wants
    assert not door.door.want(sha256(b"5"))
    lan.run(12000)
    assert door.door.want(sha256(b"5"))
    door.disconnected(lan.now_ms)
    assert not door.door.want(sha256(b"6"))


def manifest(lan, seq, **rest):
    fields = {"kind": "slice", "name": "edge", "seats": 2, "fleet": lan.fleet(), "issued": WALL_S,
              "expires": WALL_S + 9999, "seq": seq}
    return sign(dict(fields, **rest))


def test_manifests_of_the_broker_and_words_to_the_operator():
    lan, door = world()
    topic = "backfence/" + lan.fleet().hex() + "/manifest/slice-edge"
    good = manifest(lan, 2)

    def send(payload):
        door.message(topic, payload, True, lan.now_ms)
        lan.run(50)
        return [cbor.decode(event[2])["why"] for event in published(lan, "/refused/")]

    assert send(b"") == [] and send(good) == [] and send(good) == []
    assert door.rumours.get("slice", "edge").seq == 2
    for wrong in (manifest(lan, 1), good[:-1], b"x", bytes(MANIFEST_BYTES + 1), manifest(lan, 3, expires=WALL_S),
                  manifest(lan, 3, fleet=bytes(16)), manifest(lan, 3, seats=0)):
        [why] = send(wrong)
        assert 0 < len(why) < 100 and door.rumours.get("slice", "edge").seq == 2
    assert len(door.store.disk.names("blob-")) == 1
    assert send(manifest(lan, 3)) == [] and door.rumours.get("slice", "edge").seq == 3


class Idle:
    """Work that is done when it is told to be."""

    finished = False

    def step(self):
        return self.finished


def test_manifests_that_come_while_a_door_is_busy_are_held():
    lan, door = world()
    idle = Idle()
    while not door.work.full():
        door.work.add(idle, lambda computation, error: None)
    names = ["s%d" % i for i in range(DOOR_HELD + 1)]
    for name in names:
        topic = "backfence/" + lan.fleet().hex() + "/manifest/slice-" + name
        door.message(topic, manifest(lan, 1, name=name), True, lan.now_ms)
    lan.run(3000)
    assert door.counters["door_manifests_late"] == 1 and not published(lan, "/refused/")
    topic = "backfence/" + lan.fleet().hex() + "/manifest/#"
    asked = len([event for event in lan.events[0] if event == ("subscribe", topic)])
    idle.finished = True
    lan.run(3000)
    assert sorted(m.name for m in door.rumours.manifests.values()) == names[:DOOR_HELD]
    # The broker is asked once more for what it retains, and that is taken now.
    assert len([event for event in lan.events[0] if event == ("subscribe", topic)]) == asked + 1
    door.message(topic[:-1] + "slice-" + names[-1], manifest(lan, 1, name=names[-1]), True, lan.now_ms)
    lan.run(3000)
    assert sorted(m.name for m in door.rumours.manifests.values()) == names


def test_topics_of_nobody():
    lan, door = world()
    root = "backfence/" + lan.fleet().hex() + "/"
    for topic in ("", "x", "backfence/" + "0" * 32 + "/manifest/x", root, root + "else", root + "blob/", root + "blob/xyz"):
        door.message(topic, b"payload", False, lan.now_ms)
    assert door.counters["door_messages_bad"] == 7 and not door.door.carried and not door.store.disk.names("blob-")


def test_more_events_than_the_edge_takes():
    lan, door = world()
    for i in range(EVENTS):
        assert door.event(("log", "info", "%d" % i))
    assert not door.event(("log", "info", "more")) and door.counters["events_unsent"] == 1
    # A result that found no place is published later.
    box = lan.nodes[1]
    door.door.carry((box.id, lan.address(1)), receipt_of(box, 1), bytes(16), None)
    assert len(door.events()) == EVENTS
    lan.run(2000)
    assert len(published(lan, "/result/")) == 1


def test_more_datagrams_than_the_edge_takes():
    lan, door = world()
    for i in range(UNSENT_DATAGRAMS + 4):
        door.transmit(b"%d" % i, lan.address(1))
    assert door.counters["datagrams_unsent"] == 4
    assert [data for data, _ in door.datagrams()] == [b"%d" % i for i in range(UNSENT_DATAGRAMS)]
