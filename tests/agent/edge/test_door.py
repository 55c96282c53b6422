"""A real door at real brokers: online, offline, refusals, and the broker's return."""

import agents
import brokers
import pytest
from agents import Agent, Home
from brokers import Broker, Other

from backfence.agent.edge import mqtt_wire
from backfence.agent.wire import cbor


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    return agents.make_fleet(tmp_path_factory.mktemp("fleet") / "fleet")


class Scene:
    """One door, its broker, and a stock client that sees all of the fleet's topics."""

    def __init__(self, fleet, kind, interpreter, folder):
        self.broker = Broker(kind, folder)
        self.home = Home(fleet, 0, folder)
        self.home.configure(broker=self.broker.address, door=1)
        self.root = f"backfence/{fleet.id.hex()}/"
        self.id = self.home.box.id.hex()
        self.them = Other(self.broker, "backfence/#")
        self.agent = Agent(interpreter, self.home)

    def online(self):
        self.agent.wait(lambda status: status["broker"], "the broker's connection")
        self.them.wait(self.root + "door/" + self.id, b"online")

    def close(self):
        self.them.close()
        self.agent.kill()
        self.broker.kill()


@pytest.fixture(params=[("mosquitto", "cpython"), ("mosquitto", "micropython"), ("amqtt", "micropython")],
                ids="-".join)
def scene(request, fleet, tmp_path):
    made = Scene(fleet, *request.param, tmp_path)
    yield made
    made.close()


def test_a_killed_door_is_offline(scene):
    scene.online()
    scene.agent.kill()
    scene.them.wait(scene.root + "door/" + scene.id, b"offline")


def test_a_stopped_door_is_offline(scene):
    scene.online()
    (scene.home.path / "stop").touch()
    assert scene.agent.ended() == 0
    scene.them.wait(scene.root + "door/" + scene.id, b"offline")


def test_a_broker_that_dies_and_returns(scene):
    scene.online()
    scene.broker.kill()
    scene.agent.wait(lambda status: not status["broker"], "the loss to be noticed")
    scene.broker.start()
    scene.agent.wait(lambda status: status["broker"] and status["counters"]["mqtt_connects"] == 2, "the return")
    scene.them.close()
    scene.them = Other(scene.broker, "backfence/#")
    scene.online()
    # The manifests' topic is subscribed again: what is pushed there is answered.
    scene.them.publish(scene.root + "manifest/slice-x", b"no manifest", retain=True)
    refusal(scene, "manifest/slice-x")


def refusal(scene, what):
    """Wait for the door's word that it refused `what`; the reason."""
    topic = scene.root + "refused/" + scene.id

    def found():
        return [why for t, payload, *_ in list(scene.them.messages) if t == topic
                for w, why in [(cbor.decode(payload)["what"], cbor.decode(payload)["why"])] if w == what]

    brokers.wait_for(found, f"a refusal of {what}")
    return found()[0]


def test_a_message_over_the_cap_is_refused_and_said(scene):
    scene.online()
    scene.them.publish(scene.root + "manifest/slice-big", bytes(mqtt_wire.PAYLOAD_BYTES + 1))
    why = refusal(scene, "manifest/slice-big")
    assert f"{mqtt_wire.PAYLOAD_BYTES + 1} bytes, at most {mqtt_wire.PAYLOAD_BYTES}" in why
    status = scene.home.status()
    assert status["broker"] and status["counters"].get("mqtt_losses", 0) == 0


def test_a_stream_of_bad_manifests_is_survived(scene):
    scene.online()
    for number in range(60):
        scene.them.publish(scene.root + f"manifest/slice-{number}", b"no manifest %d" % number)
    # Each is refused; not each refusal finds room in the outbox.
    scene.agent.wait(lambda status: status["counters"].get("door_messages_bad") == 60, "60 refusals")
    scene.them.publish(scene.root + "manifest/slice-last", b"no manifest")
    refusal(scene, "manifest/slice-last")
    assert scene.home.status()["counters"].get("mqtt_losses", 0) == 0
