"""The MQTT client against real brokers, on CPython and on MicroPython."""

import brokers
import pytest
from brokers import Broker, Driver, Other

from backfence.agent.edge import mqtt, mqtt_wire
from backfence.bootstrap.operator import access

INTERPRETERS = ("cpython", "micropython")
KINDS = ("mosquitto", "amqtt")


@pytest.fixture
def opened():
    """A list; what is put there is ended after the test."""
    things = []
    yield things
    for thing in reversed(things):
        getattr(thing, "close", None) and thing.close() or hasattr(thing, "kill") and thing.kill()


@pytest.fixture(params=KINDS)
def broker(request, tmp_path, opened):
    made = Broker(request.param, tmp_path)
    opened.append(made)
    return made


@pytest.fixture(params=INTERPRETERS)
def driver(request, broker, opened):
    made = Driver(request.param, broker.address)
    opened.append(made)
    made.wait(["connected"])
    return made


def other(opened, *arguments, **more):
    made = Other(*arguments, **more)
    opened.append(made)
    return made


def held(driver):
    """Wait until every question is answered: subscriptions stand."""
    brokers.wait_for(lambda: driver.do("state")[1] == 0, "the outbox to empty")


def test_messages_both_ways(broker, driver, opened):
    them = other(opened, broker, "test/#")
    driver.do("sub", "test/in")
    for size, qos, retain in ((0, 1, 0), (5, 0, 0), (5, 1, 0), (mqtt_wire.PAYLOAD_BYTES, 1, 0), (7, 1, 1)):
        assert driver.do("pub", f"test/{size}-{qos}", size, qos, retain, f"t{size}-{qos}") is True
        them.wait(f"test/{size}-{qos}", b"p" * size)
        if qos:
            driver.wait(["published", f"t{size}-{qos}"])
    held(driver)
    for payload, qos in ((b"zero", 0), (b"one", 1), (b"x" * mqtt_wire.PAYLOAD_BYTES, 1)):
        them.publish("test/in", payload, qos)
        driver.wait(["message", "test/in", len(payload), payload[:20].decode(), False])
    assert driver.do("state")[0] == mqtt.UP


def test_the_last_will_is_told_when_the_agent_is_killed(broker, driver, opened):
    them = other(opened, broker, "test/will")
    driver.kill()
    them.wait("test/will", b"offline")
    late = other(opened, broker, "test/will")
    late.wait("test/will", b"offline")


def test_retained_blobs_come_on_asking_and_stop_on_letting_go(broker, driver, opened):
    them = other(opened, broker)
    them.publish("test/blob/1", b"blob one", retain=True)
    driver.do("sub", "test/blob/1")
    driver.wait(["message", "test/blob/1", 8, "blob one", True])
    # Asked again at once, it comes again: the broker is the store.
    driver.do("unsub", "test/blob/1")
    driver.do("sub", "test/blob/1")
    driver.wait(["message", "test/blob/1", 8, "blob one", True], 2)
    driver.do("unsub", "test/blob/1")
    driver.do("sub", "test/mark")
    driver.do("pub", "test/quiet", 1, 1, 0, "settled")
    driver.wait(["published", "settled"])
    them.publish("test/blob/1", b"blob two", retain=True)
    them.publish("test/mark", b"mark")
    driver.wait(["message", "test/mark"])
    assert not [event for event in driver.events if "blob two" in event]


def test_a_broker_that_dies_and_returns(broker, driver, opened):
    driver.do("sub", "test/in")
    held(driver)
    broker.kill()
    driver.wait(["disconnected"])
    for number in range(3):
        assert driver.do("pub", f"test/kept/{number}", 1000, 1, 1, f"kept{number}") is True
    assert driver.do("pub", "test/lost", 10, 0, 0, "lost") is False
    driver.wait(["failed"])
    broker.start()
    driver.wait(["connected"], 2)
    for number in range(3):
        driver.wait(["published", f"kept{number}"])
    them = other(opened, broker, "test/kept/#")
    for number in range(3):
        them.wait(f"test/kept/{number}", b"p" * 1000)
    them.publish("test/in", b"after")
    driver.wait(["message", "test/in", 5, "after", False])
    assert driver.do("state")[:2] == [mqtt.UP, 0]


def test_a_payload_over_the_cap_is_passed_over_and_the_connection_kept(broker, driver, opened):
    them = other(opened, broker)
    driver.do("sub", "test/in")
    held(driver)
    before = driver.do("state")[2]
    # Sixteen times the driver's heap: it cannot have been kept.
    size = 8 << 20 if broker.command[0].endswith("mosquitto") else 1 << 20
    them.publish("test/in", b"x" * size)
    them.publish("test/in", b"small")
    driver.wait(["message", "test/in", 5, "small", False])
    assert [event[:2] for event in driver.events if event[0] == "refused"] == [["refused", "test/in"]]
    state = driver.do("state")
    assert state[0] == mqtt.UP and state[3]["mqtt_skipped_bytes"] == size
    assert state[3]["mqtt_connects"] == 1
    assert state[2] < before + 20000


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_wrong_password_is_said(interpreter, tmp_path, opened):
    passwords = tmp_path / "passwords"
    # mosquitto_passwd's form for user "box", password "right".
    passwords.write_text(access.password_line("box", "right"))
    broker = Broker("mosquitto", tmp_path, ("allow_anonymous false", f"password_file {passwords}"))
    opened.append(broker)
    wrong = Driver(interpreter, broker.address, "box", "wrong")
    opened.append(wrong)
    wrong.wait(["failed"])
    assert "broker refused the connection: " in wrong.events[0][1]
    right = Driver(interpreter, broker.address, "box", "right")
    opened.append(right)
    right.wait(["connected"])


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_no_broker_at_all(interpreter, opened):
    driver = Driver(interpreter, f"127.0.0.1:{brokers.free_port()}")
    opened.append(driver)
    driver.wait(["failed", "connection refused"])
