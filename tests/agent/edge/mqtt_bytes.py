"""Hand-made MQTT bytes and a client that is fed them, for the portable tests."""

from backfence.agent.counting import Counters
from backfence.agent.edge import mqtt, mqtt_wire
from backfence.agent.errors import RemoteError
from backfence.agent.rng import Rng

CONNACK = b"\x20\x02\x00\x00"


def refused(call, *args):
    try:
        call(*args)
    except RemoteError:
        return True
    return False


def drain(client, now_ms=0):
    out = b""
    while True:
        piece = client.output(now_ms)
        if piece is None:
            return out
        out += bytes(piece)
        client.sent(len(piece), now_ms)


def connected(now_ms=0, **more):
    client = mqtt.Client("box1", Rng(b"x"), Counters(), now_ms, **more)
    up(client, now_ms)
    return client


def up(client, now_ms):
    client.opening(now_ms)
    client.opened(now_ms)
    drain(client, now_ms)
    client.receive(CONNACK, now_ms)
    assert client.events()[-1] == ("connected",)


def publish(topic, payload, qos=0, packet_id=0, retain=False):
    return mqtt_wire.publish_header(topic, len(payload), qos, retain, False, packet_id) + payload
