"""The pump under the MQTT client, over real TCP to a broker played by the test."""

import os
import select
import socket
import time

from backfence.agent.counting import Counters
from backfence.agent.edge import broker, mqtt, mqtt_outbox, mqtt_wire, udp
from backfence.agent.rng import Rng
from mqtt_bytes import CONNACK, publish

KEPT = mqtt_wire.PAYLOAD_BYTES


class Scene:
    """A link and a listening socket; time is a number, waiting is poll's."""

    def __init__(self, greeted=True):
        self.listener, self.address = listen()
        self.counters = Counters()
        self.poller = select.poll()
        self.client = mqtt.Client("box1", Rng(b"link"), self.counters, 0)
        self.link = broker.Link(self.client, udp.text_of(self.address), self.poller)
        self.now_ms = self.client.deadline()  # when it first connects
        self.seen = []
        self.stream = None
        if greeted:
            self.accept()
            self.stream.send(CONNACK)
            self.until("connected")

    def turn(self, wait_ms=1000):
        """One turn: wait for the socket, pump, note the events."""
        ready = 0
        for event in self.poller.poll(wait_ms):
            assert event[0] == self.link.fileno
            ready = event[1]
        self.link.pump(ready, self.now_ms)
        self.seen.extend(self.client.events())

    def accept(self):
        self.turn(0)
        self.stream = self.listener.accept()[0]
        self.turn()
        assert self.take(2)[0] == 0x10

    def until(self, kind):
        count = 0
        while not [event for event in self.seen if event[0] == kind]:
            self.turn()
            time.sleep(0.002)
            count += 1
            assert count < 2000, (kind, self.seen)
        return [event for event in self.seen if event[0] == kind][-1]

    def take(self, least):
        """Bytes the link has written, at least so many, turning meanwhile."""
        self.stream.setblocking(False)
        out = b""
        count = 0
        while len(out) < least:
            self.turn(0)
            try:
                out += self.stream.recv(65536)
            except OSError as problem:
                assert problem.errno == 11
                # The kernel holds a small segment back until the one before is acknowledged.
                time.sleep(0.002)
            count += 1
            assert count < 5000
        self.stream.setblocking(True)
        return out

    def close(self):
        self.link.close("end", self.now_ms)
        if self.stream:
            self.stream.close()
        self.listener.close()


def listen():
    for _ in range(50):
        port = 20000 + int.from_bytes(os.urandom(2), "big") % 12000
        address = udp.pack("127.0.0.1", port)
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.bind(udp.sockaddr(address))
            listener.listen(1)
            return listener, address
        except OSError:
            listener.close()
    assert False, "no free port"


def test_it_connects_greets_and_carries_both_ways():
    scene = Scene()
    scene.client.subscribe("a")
    scene.client.publish("b", b"out", token=1)
    written = scene.take(17)
    assert written == mqtt_wire.subscribe(2, "a") + mqtt_wire.publish_header("b", 3, 1, False, False, 1) + b"out"
    scene.stream.send(b"\x40\x02\x00\x01" + publish("a", b"in", 1, 7))
    scene.until("message")
    assert scene.seen[-2:] == [("published", 1), ("message", "a", b"in", False)]
    assert scene.take(4) == b"\x40\x02\x00\x07"
    scene.close()


def test_nobody_listens():
    scene = Scene(False)
    scene.listener.close()
    scene.turn(0)
    assert scene.until("failed") == ("failed", "connection refused")
    assert scene.link.fileno == -1 and scene.link.deadline() == scene.client.deadline() > 0
    # Before its time nothing is tried again; then it is.
    scene.now_ms = scene.link.deadline() - 1
    scene.turn(0)
    assert scene.client.state == mqtt.DOWN
    scene.now_ms += 1
    scene.turn(0)
    assert scene.client.state != mqtt.DOWN or scene.counters["mqtt_failures"] == 2
    scene.close()


def test_a_broker_that_closes():
    scene = Scene()
    scene.stream.close()
    assert scene.until("disconnected") == ("disconnected", "closed by the broker")
    scene.close()


def test_a_broker_that_talks_nonsense_is_left_and_met_again():
    scene = Scene()
    scene.client.publish("b", b"out", token=1)
    scene.take(10)
    scene.stream.send(b"\xff\xff\xff")
    assert scene.until("disconnected")[1].startswith("MQTT: ")
    scene.stream.close()
    scene.now_ms = scene.link.deadline()
    scene.accept()
    scene.stream.send(CONNACK)
    # DUP is set on what was sent before.
    assert scene.take(10) == b"\x3a\x08\x00\x01b\x00\x01out"
    scene.close()


def test_a_broker_that_never_answers():
    scene = Scene(False)
    scene.accept()
    scene.now_ms = scene.link.deadline()
    scene.turn(0)
    assert scene.until("failed")[1].startswith("MQTT: no connection within")
    scene.close()


def test_a_broker_that_reads_slowly_gets_all():
    scene = Scene()
    sizes = [KEPT] * (mqtt_outbox.BYTES // KEPT)
    for size in sizes:
        assert scene.client.publish("b", b"x" * size, token=size)
    scene.turn(0)
    # Not all goes in one turn, and the poller waits for room to write.
    assert scene.poller.poll(1000) == [(scene.link.fileno, select.POLLOUT)]
    for _ in range(20):
        scene.turn(0)
    total = sum(sizes) + len(sizes) * len(mqtt_wire.publish_header("b", KEPT, 1, False, False, 1))
    written = scene.take(total)
    assert len(written) == total
    parser = mqtt_wire.Parser()
    assert [len(packet[2]) for packet in parser.feed(written)] == sizes
    # All is written: the poller no longer waits for room to write.
    scene.turn(0)
    assert scene.poller.poll(0) == []
    scene.close()


def test_a_broker_that_does_not_take_acknowledgements_is_not_read_for_ever():
    scene = Scene()
    # The congested client is not polled for input, so a turn finds nothing to do.
    scene.client.output = lambda now_ms: None
    for number in range(200):
        scene.stream.send(publish("a", b"", 1, number + 1))
    for _ in range(20):
        scene.turn(0)
    came = len([event for event in scene.seen if event[0] == "message"])
    scene.stream.send(publish("a", b"", 1, 500))
    scene.turn(0)
    assert len([event for event in scene.seen if event[0] == "message"]) == came
    del scene.client.output
    scene.take(4 * came)
    scene.turn()
    assert len([event for event in scene.seen if event[0] == "message"]) > came
    scene.close()


def test_a_large_message_in_small_turns():
    scene = Scene()
    payload = b"y" * KEPT
    data = publish("a", payload) + publish("a", b"z" * (KEPT + 1)) + publish("a", b"end")
    at = 0
    while at < len(data):
        at += scene.stream.send(data[at : at + 8192])
        scene.turn(0)
    while scene.seen[-1][0] != "message" or scene.seen[-1][2] != b"end":
        scene.turn()
    assert [event[0] for event in scene.seen] == ["connected", "message", "refused", "message"]
    assert scene.seen[1][2] == payload and scene.counters["mqtt_skipped_bytes"] == KEPT + 1
    scene.close()


def test_closing_says_no_farewell():
    scene = Scene()
    scene.link.close("leaving", 0)
    assert scene.client.state == mqtt.DOWN and scene.stream.recv(10) == b""
    scene.close()
