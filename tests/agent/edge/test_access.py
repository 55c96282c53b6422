"""A mosquitto that keeps every door to its own topics, over TLS, with a real door and a thief of its password."""

import agents
import brokers
import pytest
from agents import Agent, Home
from authorities import Authority
from brokers import Broker, Other

from backfence.bootstrap.operator import access, push
from backfence.bootstrap.operator.errors import OperatorError


class Scene:
    """A fleet, its access files as `backfence access` writes them, and a broker that keeps to them."""

    def __init__(self, folder):
        self.fleet = agents.make_fleet(folder / "fleet")
        self.boxes = [box.hex() for box in self.fleet.boxes()]
        access.write(self.fleet, folder / "access", list(self.fleet.boxes()))
        self.folder = folder
        authority = Authority(folder, "authority")
        self.ca = authority.path
        lines = [line for line in authority.broker_lines() if not line.startswith("allow_anonymous")]
        self.broker = Broker("mosquitto", folder, (
            *lines, "allow_anonymous false", f"acl_file {folder}/access/acl", f"password_file {folder}/access/passwords"))
        self.opened = []

    def secret(self, user):
        return (self.folder / "access/secrets" / user).read_text().split()[-1]

    def client(self, user, *topics):
        """A stock client that has a user's password."""
        self.opened.append(Other(self.broker, *topics, login=(user, self.secret(user)), ca=self.ca))
        return self.opened[-1]

    def topic(self, *parts):
        return self.fleet.topic(*parts)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    made = Scene(tmp_path_factory.mktemp("scene"))
    yield made
    for client in made.opened:
        client.close()
    made.broker.kill()


@pytest.mark.parametrize("interpreter", ["cpython", "micropython", "amd64"])
def test_a_door_with_its_own_secret_does_its_work(scene, tmp_path, interpreter):
    watcher = scene.client("watcher", scene.topic("#"))
    home = Home(scene.fleet, 0, tmp_path)
    (home.path / "ca.pem").write_bytes(scene.ca.read_bytes())
    home.configure(broker=f"localhost:{scene.broker.port}", door=1, broker_ca="ca.pem")
    with (home.path / "agent.conf").open("a") as file:
        file.write((scene.folder / "access/secrets" / home.box.id.hex()).read_text())
    agent = Agent(interpreter, home)
    try:
        agent.wait(lambda status: status["broker"], "the broker's connection")
        watcher.wait(scene.topic("door", home.box.id.hex()), b"online")
        # It reads what is pushed, and says of itself what it refuses.
        scene.client("operator").publish(scene.topic("manifest", "slice-x"), b"no manifest")
        brokers.wait_for(
            lambda: [m for m in watcher.messages if m[0] == scene.topic("refused", home.box.id.hex())], "a refusal")
        agent.kill()
        watcher.wait(scene.topic("door", home.box.id.hex()), b"offline")
    finally:
        agent.kill()


def test_a_stolen_password_speaks_for_its_own_door_alone(scene):
    """What is not allowed is dropped by the broker; what is allowed afterwards shows that it was not merely late."""
    mine, other = scene.boxes[:2]
    operator = scene.client("operator", scene.topic("#"))
    thief = scene.client(mine, scene.topic("#"))
    # Retained, so that a later subscriber would be told: neither results nor censuses are for doors.
    operator.publish(scene.topic("census", other), b"count", retain=True)
    operator.publish(scene.topic("manifest", "slice-y"), b"manifest")
    thief.wait(scene.topic("manifest", "slice-y"), b"manifest")
    for topic in (
        scene.topic("door", other), scene.topic("census", other), scene.topic("refused", other),
        scene.topic("manifest", "slice-z"), scene.topic("blob", "00" * 32), scene.topic("door", mine, "more"),
        f"backfence/{'0' * 32}/door/{mine}", "door", "$SYS/x",
    ):
        thief.publish(topic, b"stolen")
    for topic in (scene.topic("door", mine), scene.topic("result", "words", "1", other), scene.topic("refused", mine)):
        thief.publish(topic, b"allowed")
        operator.wait(topic, b"allowed")
    assert not [m for m in operator.messages if m[1] == b"stolen"]
    assert {m[0] for m in thief.messages} == {scene.topic("manifest", "slice-y")}


def test_who_has_no_password_or_only_watches_changes_nothing(scene):
    operator = scene.client("operator", scene.topic("#"))
    watcher = scene.client("watcher", scene.topic("#"))
    box = scene.boxes[0]
    for topic in (
        scene.topic("manifest", "slice-w"), scene.topic("blob", "00" * 32), scene.topic("result", "words", "1", box),
        scene.topic("result", "acme", "words", "1", box), scene.topic("census", box), scene.topic("census", "watcher"),
        scene.topic("door", "watcher"), scene.topic("refused", "watcher"), scene.topic("refused", "acme", "watcher"),
    ):
        watcher.publish(topic, b"watched")
    operator.publish(scene.topic("result", "words", "2", box), b"read")
    watcher.wait(scene.topic("result", "words", "2", box), b"read")
    operator.publish(scene.topic("manifest", "slice-v"), b"said")
    watcher.wait(scene.topic("manifest", "slice-v"), b"said")
    operator.wait(scene.topic("manifest", "slice-v"), b"said")
    assert not [m for m in operator.messages if m[1] == b"watched"]
    for login in (f"{scene.boxes[0]}:{scene.secret(scene.boxes[1])}@", "operator:guess@", ""):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(OperatorError, match="refused us"):
            patch.setenv("SSL_CERT_FILE", str(scene.ca))
            push.Session(f"mqtts://{login}localhost:{scene.broker.port}")


def test_the_operators_own_tools_come_in_by_the_pinned_authority(scene, monkeypatch):
    address = f"mqtts://operator:{scene.secret('operator')}@localhost:{scene.broker.port}"
    with pytest.raises(OperatorError, match="certificate verify failed"):
        push.Session(address)
    monkeypatch.setenv("SSL_CERT_FILE", str(scene.ca))
    with push.Session(address) as session:
        session.subscribe(scene.topic("#"))


def test_passwords_made_again_are_the_same_and_a_revoked_box_gets_none(scene, tmp_path):
    before = scene.secret("operator")
    assert access.password(scene.fleet, "operator") == before != access.password(scene.fleet, "watcher")
    assert len({access.password(scene.fleet, box) for box in scene.boxes}) == len(scene.boxes)
    from backfence.bootstrap.operator import revoke

    scene.fleet.sign(revoke.changed(scene.fleet, [scene.boxes[2]]))
    assert [box.hex() for box in access.doors(scene.fleet, [])] == sorted(scene.boxes[:2], key=scene.boxes.index)
    assert (scene.folder / "access/passwords").stat().st_mode & 0o777 == 0o600
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (scene.folder / "access/secrets").iterdir())
