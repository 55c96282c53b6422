"""MQTT packets by the standard's own examples: every split, every malformation, every cap."""

from backfence.agent.edge import mqtt_wire
from mqtt_bytes import CONNACK, publish, refused


def test_connect_packet_is_the_standards():
    # Section 3.1, by hand: clean session, will QoS 1 retained, user and password.
    packet = mqtt_wire.connect("box1", 30, ("t/w", b"offline"), "me", "secret")
    assert packet == (
        b"\x10\x2a\x00\x04MQTT\x04\xee\x00\x1e\x00\x04box1\x00\x03t/w\x00\x07offline\x00\x02me\x00\x06secret"
    )
    assert mqtt_wire.connect("b", 30) == b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x1e\x00\x01b"


def test_small_packets_are_the_standards():
    assert mqtt_wire.subscribe(10, "a/b") == b"\x82\x08\x00\x0a\x00\x03a/b\x01"
    assert mqtt_wire.unsubscribe(10, "a/b") == b"\xa2\x07\x00\x0a\x00\x03a/b"
    assert mqtt_wire.puback(0x1234) == b"\x40\x02\x12\x34"
    assert mqtt_wire.publish_header("a/b", 3, 1, True, False, 10) == b"\x33\x0a\x00\x03a/b\x00\x0a"
    assert mqtt_wire.publish_header("a/b", 3, 1, False, True, 10) == b"\x3a\x0a\x00\x03a/b\x00\x0a"
    assert mqtt_wire.publish_header("a/b", 3, 0, False, False, 0) == b"\x30\x08\x00\x03a/b"


def test_remaining_lengths_at_their_edges():
    # Table 2.4 of the standard.
    for size, coded in ((127, b"\x7f"), (128, b"\x80\x01"), (16383, b"\xff\x7f"), (16384, b"\x80\x80\x01")):
        assert mqtt_wire.publish_header("a", size - 3, 0, False, False, 0)[1:-3] == coded


def stream():
    """Bytes of one packet of each kind, and what they say."""
    data = CONNACK + publish("a/b", b"hello") + publish("a/b", b"", 1, 7, True)
    data += b"\x40\x02\x00\x09" + b"\x90\x03\x00\x05\x01" + b"\xb0\x02\x00\x06" + b"\xd0\x00"
    data += publish("c", b"x" * 300, 1, 8)
    said = [
        (mqtt_wire.CONNACK, False, 0),
        (mqtt_wire.PUBLISH, "a/b", b"hello", 0, False, 0),
        (mqtt_wire.PUBLISH, "a/b", b"", 1, True, 7),
        (mqtt_wire.PUBACK, 9),
        (mqtt_wire.SUBACK, 5, 1),
        (mqtt_wire.UNSUBACK, 6),
        (mqtt_wire.PINGRESP,),
        (mqtt_wire.PUBLISH, "c", b"x" * 300, 1, False, 8),
    ]
    return data, said


def test_a_stream_split_at_every_byte():
    data, said = stream()
    assert mqtt_wire.Parser().feed(data) == said
    for cut in range(len(data) + 1):
        parser = mqtt_wire.Parser()
        assert parser.feed(data[:cut]) + parser.feed(data[cut:]) == said


def test_a_stream_byte_by_byte():
    data, said = stream()
    parser = mqtt_wire.Parser()
    got = []
    for i in range(len(data)):
        got.extend(parser.feed(data[i : i + 1]))
    assert got == said and parser.idle()


def test_malformed_packets_are_refused():
    for data in (
        b"\x00\x00",  # reserved type
        b"\xf0\x00",
        b"\x82\x02\x00\x01",  # a client's packet
        b"\x21\x02\x00\x00",  # flags
        b"\x20\x03\x00\x00\x00",  # length
        b"\x20\x02\x02\x00",  # reserved flags
        b"\x34\x05\x00\x01a\x00\x01",  # QoS 2
        b"\x36\x05\x00\x01a\x00\x01",  # QoS 3
        b"\x30\xff\xff\xff\xff\x01",  # five bytes of length
        b"\x30\x02\x00\x00",  # no topic
        b"\x30\x02\x00\x05",  # topic beyond the packet
        b"\x30\x01\x00",
        b"\x32\x03\x00\x01a",  # no packet identifier
        b"\x32\x05\x00\x01a\x00\x00",  # identifier 0
        b"\x40\x02\x00\x00",
        b"\x30\x03\x00\x01#",
        b"\x30\x03\x00\x01\x00",
    ):
        assert refused(mqtt_wire.Parser().feed, data), data


def test_an_over_long_length_allocates_nothing():
    parser = mqtt_wire.Parser()
    assert parser.feed(b"\x30\xff\xff\xff\x7f\x00\x01a") == []
    assert parser._buffer is None


def test_a_payload_over_the_cap_is_passed_over():
    size = mqtt_wire.PAYLOAD_BYTES + 1
    head = mqtt_wire.publish_header("big", size, 1, True, False, 3)
    for piece in (1000, 4096):
        parser = mqtt_wire.Parser()
        got = parser.feed(head)
        for at in range(0, size, piece):
            assert parser._buffer is None
            got.extend(parser.feed(b"z" * min(piece, size - at)))
        assert len(got) == 1 and got[0][:4] == (mqtt_wire.REFUSED, "big", size, 1) and got[0][5] == 3
        assert parser.skipped_bytes == size
        assert parser.feed(publish("a", b"next")) == [(mqtt_wire.PUBLISH, "a", b"next", 0, False, 0)]


def test_a_payload_at_the_cap_is_taken():
    payload = b"y" * mqtt_wire.PAYLOAD_BYTES
    assert mqtt_wire.Parser().feed(publish("a", payload))[0][2] == payload


def test_topics_too_long_or_foreign_are_passed_over():
    parser = mqtt_wire.Parser()
    for topic in ("t" * (mqtt_wire.TOPIC_BYTES + 1), b"caf\xc3\xa9", b"a\x01b"):
        got = parser.feed(publish(topic, b"abc", 1, 4) + publish("a", b"b"))
        assert got[0][0] == mqtt_wire.REFUSED and got[0][1] == "" and got[0][5] == 4
        assert got[1][0] == mqtt_wire.PUBLISH
