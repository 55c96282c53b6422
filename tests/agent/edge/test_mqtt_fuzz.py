"""Garbage at the MQTT client gives packets or RemoteError, whole and byte by byte."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from backfence.agent.counting import Counters
from backfence.agent.edge import mqtt, mqtt_wire
from backfence.agent.errors import RemoteError
from backfence.agent.rng import Rng

CAP = 50  # a small one, so that refusals are met often

topics = st.text(st.characters(codec="ascii", exclude_characters="#+\0"), min_size=1, max_size=300)
identifiers = st.integers(1, 65535)


def publish(topic, payload, qos, retain, again, packet_id):
    return bytes(mqtt_wire.publish_header(topic, len(payload), qos, retain, again, packet_id)) + payload


packets = st.one_of(
    st.builds(publish, topics, st.binary(max_size=2 * CAP), st.integers(0, 1), st.booleans(), st.booleans(), identifiers),
    st.builds(lambda i: b"\x40\x02" + i.to_bytes(2, "big"), identifiers),
    st.builds(lambda i: b"\xb0\x02" + i.to_bytes(2, "big"), identifiers),
    st.builds(lambda i, code: b"\x90\x03" + i.to_bytes(2, "big") + bytes((code,)), identifiers, st.integers(0, 255)),
    st.sampled_from([b"\xd0\x00", b"\x20\x02\x00\x00", b"\x20\x02\x01\x05"]),
)
streams = st.lists(packets, max_size=6).map(b"".join)
heads = st.sampled_from([b"\x30", b"\x32", b"\x3b", b"\x90", b"\x20", b"\x40"])


@st.composite
def damaged(draw):
    """A valid stream with bytes changed, dropped or put in."""
    data = bytearray(draw(streams))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


def parse(pieces):
    """(packets before the first error, whether there was one, bytes skipped)."""
    parser = mqtt_wire.Parser(CAP)
    got = []
    for piece in pieces:
        try:
            got += parser.feed(piece)
        except RemoteError:
            return got, True, None
        if parser._buffer is not None:
            assert len(parser._buffer) <= max(CAP, mqtt_wire.TOPIC_BYTES)
    return got, False, parser.skipped_bytes


def bytewise(data):
    return [data[i : i + 1] for i in range(len(data))]


@settings(max_examples=400)
@given(st.one_of(st.binary(max_size=200), st.builds(bytes.__add__, heads, st.binary(max_size=100)), damaged(), streams))
@example(b"\x30\xff\xff\xff\x7f\xff\xff")
def test_garbage_gives_packets_or_a_remote_error(data):
    one_by_one, error, skipped = parse(bytewise(data))
    whole, whole_error, whole_skipped = parse([data])
    assert whole_error == error and whole_skipped == skipped
    # An error loses what the same piece completed before it: the connection ends.
    assert whole == one_by_one or (error and whole == [])


@given(st.lists(packets, max_size=6), st.lists(st.integers(0, 800), max_size=8))
def test_a_valid_stream_in_any_pieces(parts, cuts):
    data = b"".join(parts)
    cuts = sorted(min(cut, len(data)) for cut in cuts)
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)])]
    got, error, _ = parse(pieces)
    assert not error and len(got) == len(parts)
    for packet in got:
        assert packet[0] != mqtt_wire.PUBLISH or len(packet[2]) <= CAP


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=60), packets, damaged()), max_size=12))
def test_a_client_fed_garbage_ends_in_a_remote_error_or_stays_bounded(pieces):
    client = mqtt.Client("fuzz", Rng(b"fuzz"), Counters(), 0)
    client.opening(0)
    client.opened(0)
    client.publish("a", b"x", token=1)
    client.subscribe("b")
    now = 0
    for piece in [b"\x20\x02\x00\x00", *pieces]:
        now += 10
        try:
            client.receive(piece, now)
        except RemoteError:
            client.lost("garbage", now)
            break
        while (out := client.output(now)) is not None:
            client.sent(len(out), now)
        assert len(client.events()) <= len(piece)
    assert client.unsent() <= 1
    assert client.deadline() >= now
