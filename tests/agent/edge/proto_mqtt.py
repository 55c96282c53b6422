"""The MQTT client by hand-made bytes: answers, reconnections, deadlines, caps."""

from backfence.agent.counting import Counters
from backfence.agent.edge import mqtt, mqtt_outbox, mqtt_wire
from backfence.agent.errors import RemoteError
from backfence.agent.rng import Rng
from mqtt_bytes import CONNACK, connected, drain, publish, refused, up


def test_a_refused_message_is_acknowledged_and_the_connection_kept():
    client = connected()
    size = mqtt_wire.PAYLOAD_BYTES + 5
    client.receive(mqtt_wire.publish_header("big", size, 1, False, False, 77), 1)
    for at in range(0, size, 700):
        client.receive(b"z" * min(700, size - at), 1)
    assert drain(client) == b"\x40\x02\x00\x4d"
    assert client.events()[0][:2] == ("refused", "big")
    assert client._counters["mqtt_skipped_bytes"] == size and client._counters["mqtt_refused"] == 1
    assert client.state == mqtt.UP


def test_messages_come_and_are_acknowledged():
    client = connected()
    client.receive(publish("a", b"0") + publish("a", b"1", 1, 5, True), 3)
    assert client.events() == [("message", "a", b"0", False), ("message", "a", b"1", True)]
    assert drain(client) == b"\x40\x02\x00\x05"


def test_qos1_publish_and_its_answer():
    client = connected()
    assert client.publish("a", b"one", token=("t", 1))
    assert drain(client) == b"\x32\x08\x00\x01a\x00\x01one"
    assert drain(client) == b""
    client.receive(b"\x40\x02\x00\x01", 2)
    assert client.events() == [("published", ("t", 1))]
    assert client.unsent() == 0


def test_qos0_publish_is_gone_when_written():
    client = connected()
    assert client.publish("a", b"one", qos=0)
    assert client.publish("a", b"", qos=0)
    assert drain(client) == b"\x30\x06\x00\x01aone\x30\x03\x00\x01a"
    assert client.unsent() == 0
    client.lost("gone", 1)
    assert not client.publish("a", b"one", qos=0)


def test_output_in_pieces_is_the_same_bytes():
    for step in (1, 2, 3, 7):
        client = connected()
        client.publish("a/b", b"payload", retain=True, token=1)
        client.publish("a/b", b"zero", qos=0)
        client.subscribe("c")
        out = b""
        while True:
            piece = client.output(0)
            if piece is None:
                break
            count = min(step, len(piece))
            out += bytes(piece[:count])
            client.sent(count, 0)
        assert out == b"\x82\x06\x00\x02\x00\x01c\x01" + b"\x33\x0e\x00\x03a/b\x00\x01payload" + b"\x30\x09\x00\x03a/bzero"


def test_unacknowledged_publishes_are_sent_again_with_dup():
    client = connected()
    client.publish("a", b"one", token=1)
    client.publish("a", b"two", token=2)
    drain(client)
    client.receive(b"\x40\x02\x00\x02", 1)
    client.lost("gone", 1)
    client.publish("a", b"new", token=3)
    up(client, 2)
    # The old one keeps its identifier and says DUP; the new one does not.
    assert drain(client, 2) == b"\x3a\x08\x00\x01a\x00\x01one" + b"\x32\x08\x00\x01a\x00\x03new"


def test_an_answer_of_the_last_connection_settles_nothing():
    client = connected()
    client.publish("a", b"one", token=1)
    drain(client)
    client.lost("gone", 1)
    up(client, 2)
    client.receive(b"\x40\x02\x00\x01", 3)
    assert client.events() == [] and client.unsent() == 1
    assert client._counters["mqtt_answers_unasked"] == 1


def test_packet_identifiers_are_used_again_but_never_twice_at_once():
    client = connected()
    client.publish("a", b"held", token="held")
    client.subscribe("b")
    drain(client)
    client._last_id = 65533
    ids = []
    for number in range(4):
        client.publish("a", b"x", token=number)
        ids.append(client._outbox.next_unsent().id)
        drain(client)
    # 0 is none, 1 is the held message's, 2 the subscription's.
    assert ids == [65534, 65535, 3, 4]


def test_the_outbox_is_bounded_by_count():
    client = connected()
    for number in range(mqtt_outbox.MESSAGES):
        assert client.publish("a", b"x", token=number)
    assert not client.publish("a", b"x", token="more")
    assert client._counters["mqtt_outbox_full"] == 1
    drain(client)
    client.receive(b"\x40\x02\x00\x01", 1)
    assert client.publish("a", b"x", token="now")


def test_the_outbox_is_bounded_by_bytes():
    client = connected()
    payload = bytes(mqtt_wire.PAYLOAD_BYTES)
    taken = 0
    while client.publish("a", payload, token=taken):
        taken += 1
    assert taken == mqtt_outbox.BYTES // len(payload) < mqtt_outbox.MESSAGES
    assert not connected().publish("a", payload + b"x", token=1)


def test_what_nobody_waits_for_leaves_room_for_results():
    for payload in (b"x", bytes(20000)):
        client = connected()
        taken = 0
        while client.publish("refused", payload):
            taken += 1
        assert taken == min(mqtt_outbox.MESSAGES // 2, mqtt_outbox.BYTES // 2 // len(payload))
        assert client.publish("result", bytes(mqtt_wire.PAYLOAD_BYTES), token=1)
        assert client.publish("result", bytes(mqtt_wire.PAYLOAD_BYTES), token=2)


def test_a_newer_retained_message_takes_the_place_of_an_unsent_one():
    client = connected()
    client.publish("census", b"first", retain=True)
    drain(client)
    client.publish("census", b"second", retain=True)
    client.publish("result", b"kept", retain=True, token=1)
    client.publish("result", b"kept too", retain=True, token=2)
    client.publish("census", b"third", retain=True)
    out = drain(client)
    assert b"second" not in out and b"third" in out and b"kept too" in out
    assert client.unsent() == 4


def test_topics_are_bounded():
    client = connected()
    for number in range(mqtt.TOPICS):
        assert client.subscribe("t%d" % number)
    assert not client.subscribe("more") and client.subscribe("t0")
    assert client._counters["mqtt_topics_full"] == 1
    # Not all are asked at once.
    assert drain(client).count(b"\x82") == mqtt.REQUESTS


def test_subscriptions_return_after_a_reconnection():
    client = connected()
    client.subscribe("a")
    client.subscribe("b")
    drain(client)
    client.receive(b"\x90\x03\x00\x01\x01\x90\x03\x00\x02\x01", 1)
    client.unsubscribe("b")
    assert drain(client) == mqtt_wire.unsubscribe(3, "b")
    client.lost("gone", 2)
    up(client, 3)
    assert drain(client, 3) == mqtt_wire.subscribe(4, "a")


def test_subscribing_again_asks_the_broker_again():
    client = connected()
    client.subscribe("a")
    drain(client)
    client.receive(b"\x90\x03\x00\x01\x01", 1)
    client.unsubscribe("a")
    client.subscribe("a")
    assert drain(client) == mqtt_wire.subscribe(2, "a")
    client.unsubscribe("a")
    assert drain(client) == mqtt_wire.unsubscribe(3, "a")
    client.receive(b"\x90\x03\x00\x02\x01\xb0\x02\x00\x03", 1)
    assert client._topics == {}


def test_a_refused_subscription_is_told_and_kept_for_the_next_connection():
    client = connected()
    client.subscribe("a")
    drain(client)
    client.receive(b"\x90\x03\x00\x01\x80", 1)
    assert client.events() == [("denied", "a")]
    assert drain(client) == b""
    client.lost("gone", 2)
    up(client, 3)
    assert drain(client, 3) == mqtt_wire.subscribe(2, "a")


def test_packets_out_of_turn():
    client = mqtt.Client("box1", Rng(b"x"), Counters(), 0)
    client.opening(0)
    client.opened(0)
    assert refused(client.receive, b"\xd0\x00", 0)
    assert refused(connected().receive, CONNACK, 0)


def test_the_brokers_refusals_are_told_in_words():
    for code in (1, 2, 3, 4, 5, 9):
        client = mqtt.Client("box1", Rng(b"x"), Counters(), 0)
        client.opening(0)
        client.opened(0)
        try:
            client.receive(b"\x20\x02\x00" + bytes((code,)), 0)
            assert False
        except RemoteError as problem:
            assert (code != 4) == ("password" not in str(problem))


def test_the_keep_alive_is_sent_and_missed():
    client = connected(0)
    assert client.deadline() == 15000
    client.handle_timer(14999)
    assert drain(client, 14999) == b""
    client.handle_timer(15000)
    assert drain(client, 15000) == b"\xc0\x00"
    assert client.deadline() == 15000 + mqtt.ANSWER_MS
    client.receive(b"\xd0\x00", 15200)
    assert client.deadline() == 15000 + 15000
    client.handle_timer(30200)
    drain(client, 30200)
    client.handle_timer(30200 + mqtt.ANSWER_MS - 1)
    assert refused(client.handle_timer, 30200 + mqtt.ANSWER_MS)


def test_a_long_message_holds_the_answer_up_but_not_for_ever():
    client = connected(0)
    client.publish("a", b"x", token=1)
    drain(client, 0)
    client.receive(b"\x30\xff\xff\xff\x7f\x00\x01a", 1)
    now = 1
    while now < mqtt.STUCK_MS:
        client.handle_timer(now)
        drain(client, now)
        now += 10000
        client.receive(b"zzzz", now)
    assert refused(client.handle_timer, now)


def test_every_wait_has_a_deadline():
    client = mqtt.Client("box1", Rng(b"x"), Counters(), 0)
    client.opening(0)
    assert client.deadline() == mqtt.CONNECT_MS
    assert refused(client.handle_timer, mqtt.CONNECT_MS)
    client.opened(5)
    assert client.deadline() == 5 + mqtt.CONNECT_MS
    assert refused(client.handle_timer, 5 + mqtt.CONNECT_MS)
    for ask in ("publish", "subscribe", "unsubscribe"):
        client = connected(0)
        if ask == "publish":
            client.publish("a", b"x")
        else:
            client.subscribe("a")
        if ask == "unsubscribe":
            drain(client, 0)
            client.receive(b"\x90\x03\x00\x01\x01", 0)
            client.unsubscribe("a")
        drain(client, 0)
        client.handle_timer(15000)
        drain(client, 15000)
        assert client.deadline() == mqtt.ANSWER_MS
        assert refused(client.handle_timer, mqtt.ANSWER_MS), ask


def test_a_stalled_write_has_a_deadline():
    client = connected(0)
    client.publish("a", b"x" * 1000, qos=0)
    client.sent(len(client.output(100)) - 2, 100)
    assert client.deadline() == 15000
    client.receive(publish("b", b""), 10000)
    client.handle_timer(19000)
    assert client.deadline() == 100 + mqtt.ANSWER_MS
    assert refused(client.handle_timer, 100 + mqtt.ANSWER_MS)


def test_reconnection_waits_double_with_jitter_up_to_a_cap():
    waits = []
    client = mqtt.Client("box1", Rng(b"y"), Counters(), 0)
    # After a blackout every door starts at once.
    firsts = [mqtt.Client("box1", Rng(b"first %d" % i), Counters(), 0).deadline() for i in range(20)]
    assert max(firsts) < mqtt.RETRY_MS and len(set(firsts)) > 15
    assert client.wants_connection(client.deadline())
    for _ in range(10):
        client.opening(0)
        client.lost("refused", 0)
        assert not client.wants_connection(client.deadline() - 1)
        assert client.wants_connection(client.deadline())
        waits.append(client.deadline())
    most = mqtt.RETRY_MS
    for wait in waits:
        assert most // 2 <= wait < most
        most = min(most * 2, mqtt.RETRY_MOST_MS)
    assert len(set([w * 100 // min(mqtt.RETRY_MOST_MS, mqtt.RETRY_MS << i) for i, w in enumerate(waits)])) > 4


def test_only_a_connection_that_lasted_resets_the_wait():
    client = connected(0)
    for _ in range(5):
        client.lost("gone", 10)
        up(client, 10)
    client.lost("gone", 10 + mqtt.STEADY_MS - 1)
    assert client.deadline() - (10 + mqtt.STEADY_MS - 1) > mqtt.RETRY_MS * 8
    up(client, 0)
    client.lost("gone", mqtt.STEADY_MS)
    assert client.deadline() - mqtt.STEADY_MS < mqtt.RETRY_MS


def test_a_broker_that_takes_no_answers_is_not_read():
    client = connected()
    count = 0
    while not client.congested():
        client.receive(publish("a", b"", 1, 1), 0)
        count += 1
    assert count == mqtt.CONTROL_BYTES // 4 + 1
    drain(client)
    assert not client.congested()
