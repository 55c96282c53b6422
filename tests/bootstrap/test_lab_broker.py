"""The embedded broker, met with a real client: retained messages, QoS 1, last will, its own death."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import paho.mqtt.client as mqtt
import pytest
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.session import IncomingApplicationMessage, Session

from backfence.bootstrap.operator import broker as brokers

WAIT_S = 20


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    running = brokers.Broker.start(tmp_path_factory.mktemp("broker") / "broker.log")
    yield running
    running.stop()


class Client:
    """A paho client that keeps what it got and can wait for it."""

    def __init__(self, broker, will=None):
        self.got = []
        self.changed = threading.Condition()
        self.mqtt = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self.mqtt.on_message = self._message
        self.mqtt.on_subscribe = self._subscribed
        self.subscribed = 0
        if will:
            self.mqtt.will_set(*will)
        self.mqtt.connect(broker.host, broker.port)
        self.mqtt.loop_start()

    def _message(self, _client, _data, message):
        with self.changed:
            self.got.append((message.topic, message.payload, message.qos, message.retain))
            self.changed.notify_all()

    def _subscribed(self, *_arguments):
        with self.changed:
            self.subscribed += 1
            self.changed.notify_all()

    def subscribe(self, topic):
        wanted = self.subscribed + 1
        self.mqtt.subscribe(topic, 1)
        with self.changed:
            assert self.changed.wait_for(lambda: self.subscribed >= wanted, WAIT_S)

    def publish(self, topic, payload, retain=False):
        info = self.mqtt.publish(topic, payload, 1, retain)
        info.wait_for_publish(WAIT_S)
        assert info.is_published()

    def wait(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.got) >= count, WAIT_S), len(self.got)
        return self.got

    def close(self):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()


@pytest.fixture
def client(broker):
    made = []

    def make(**keywords):
        made.append(Client(broker, **keywords))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_retained_blobs_reach_a_late_subscriber_each_by_its_own_topic(client):
    blobs = {"a/blob/%02d" % number: os.urandom(16384) for number in range(20)}
    publisher = client()
    for topic, payload in blobs.items():
        publisher.publish(topic, payload, retain=True)
    late = client()
    late.subscribe("a/blob/07")
    assert late.wait(1) == [("a/blob/07", blobs["a/blob/07"], 1, True)]
    watcher = client()
    watcher.subscribe("a/blob/#")
    assert {topic: payload for topic, payload, _qos, _retain in watcher.wait(20)} == blobs


def test_a_newcomer_gets_nothing_it_did_not_ask_for(client):
    client().subscribe("b/#")
    client().publish("b/retained", b"x" * 1000, retain=True)
    newcomer = client()
    newcomer.subscribe("other/topic")
    newcomer.mqtt.publish("other/topic", b"mine", 1)
    assert newcomer.wait(1) == [("other/topic", b"mine", 1, False)]


def test_results_come_once_each_with_qos_1(client):
    settler, door = client(), client()
    settler.subscribe("c/result/+/+/+")
    for number in range(64):
        door.publish("c/result/words/%d/box" % number, b"r" * 6000)
    topics = [topic for topic, _payload, qos, _retain in settler.wait(64) if qos == 1]
    assert sorted(topics) == sorted("c/result/words/%d/box" % number for number in range(64))


def test_an_empty_retained_message_clears(client):
    publisher = client()
    publisher.publish("d/manifest", b"signed", retain=True)
    publisher.publish("d/manifest", b"", retain=True)
    late = client()
    late.subscribe("d/#")
    late.publish("d/marker", b"after")
    assert late.wait(1) == [("d/marker", b"after", 1, False)]


def test_the_last_will_of_a_killed_client(client, broker):
    watcher = client()
    watcher.subscribe("e/door/+")
    will = "backfence test", ("e/door/x", b"offline", 1, True)
    code = (
        "import sys, time, paho.mqtt.client as m; c = m.Client(m.CallbackAPIVersion.VERSION2, client_id=%r);"
        "c.will_set(*%r); c.connect(%r, %d); c.loop_start(); c.publish('e/door/x', b'online', 1).wait_for_publish();"
        "print('up', flush=True); time.sleep(60)" % (*will, broker.host, broker.port)
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"up\n"
    process.kill()
    process.wait()
    assert [payload for _topic, payload, _qos, _retain in watcher.wait(2)] == [b"online", b"offline"]


@pytest.mark.parametrize("late", [False, True], ids=["before", "meanwhile"])
def test_what_was_acknowledged_is_passed_on_though_its_client_is_gone(late):
    """The queue is full when the client goes, or is filled while its going is handled."""

    async def scene():
        made = brokers.corrected(0)
        session = Session()
        session.client_id, session.clean_session = "door", True
        handler = BrokerProtocolHandler(made.plugins_manager, session)
        messages = [IncomingApplicationMessage(number, "r/%d" % number, 1, b"result", False) for number in range(3)]
        gone = asyncio.get_running_loop().create_future()
        gone.set_result(None)
        handler._disconnect_waiter = gone
        handle = made._handle_disconnect

        async def handle_slowly(*arguments):
            for message in messages:
                session.delivered_message_queue.put_nowait(message)
            await asyncio.sleep(0.01)
            await handle(*arguments)

        if late:
            made._handle_disconnect = handle_slowly
        else:
            for message in messages:
                session.delivered_message_queue.put_nowait(message)
        session.transitions.connect()
        await asyncio.wait_for(made._client_message_loop(session, handler), WAIT_S)
        return [made._broadcast_queue.get_nowait()["topic"] for _ in range(made._broadcast_queue.qsize())]

    assert asyncio.run(scene()) == ["r/0", "r/1", "r/2"]


def test_the_broker_dies_with_its_parent(tmp_path):
    code = (
        "from backfence.bootstrap.operator.broker import Broker; import time;"
        "b = Broker.start(%r); print(b.process.pid, flush=True); time.sleep(60)" % str(tmp_path / "log")
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    for _ in range(WAIT_S * 10):
        if _gone(pid):
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the broker outlived its parent")


def _gone(pid):
    try:
        with open("/proc/%d/stat" % pid) as source:
            return source.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_stop_leaves_a_quiet_log(tmp_path):
    running = brokers.Broker.start(tmp_path / "log")
    one = Client(running)
    one.publish("f", b"x", retain=True)
    one.close()
    running.stop()
    assert running.process.returncode == 0
    assert (tmp_path / "log").read_text() == ""


def test_an_external_broker_is_accepted(broker):
    found = brokers.external(str(broker))
    assert (found.host, found.port, found.process) == ("127.0.0.1", broker.port, None)
    found.stop()
    assert broker.process.poll() is None


@pytest.mark.parametrize("text", ["", ":", "host:", "host:x", "host:0", "host:65536", ":1883", "[::1"])
def test_an_address_that_is_none(text):
    with pytest.raises(brokers.BrokerError, match="is not a broker's address"):
        brokers.external(text)


def test_addresses():
    assert brokers.split_address("host:1884") == ("host", 1884)
    assert brokers.split_address("host") == ("host", 1883)
    assert brokers.split_address("[::1]:1884") == ("::1", 1884)
    assert brokers.split_address("[::1]") == ("::1", 1883)


def test_nobody_listens():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        with pytest.raises(brokers.BrokerError, match="no broker answers at 127.0.0.1:%d" % one.getsockname()[1]):
            brokers.external("127.0.0.1:%d" % one.getsockname()[1])


@pytest.mark.parametrize(
    "answer, message",
    [(b"HTTP/1.1 400", "is not an MQTT broker"), (b"", "is not an MQTT broker"), (b"\x20\x02\x00\x05", "code 5")],
)
def test_something_else_listens(answer, message):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            connection.recv(100)
            connection.sendall(answer)
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(brokers.BrokerError, match=message):
            brokers.external("127.0.0.1:%d" % server.getsockname()[1])
        thread.join()
