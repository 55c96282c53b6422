"""A firmware's waves as the operator sets them, his word about it, and how far it has come."""

import hashlib
import json
import os

import paho.mqtt.publish
import pytest
from click.testing import CliRunner

from backfence.agent import waves
from backfence.agent.wire import cbor
from backfence.bootstrap.operator import cli, manifests, rollout
from backfence.bootstrap.operator.errors import OperatorError
from backfence.firmware_pkg import image

from fleets import census_of, make_fleet, mosquitto, retained

ARCHIVE = image.pack([("backfence/agent/edge/main.mpy", b"M\x06\x00\x1f" + os.urandom(900))])
IMAGE = hashlib.sha256(ARCHIVE).digest()


def call(*arguments):
    """Runs a command in this process; returns click's Result."""
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


class Fleet:
    """As much of a fleet as waves need: identities."""

    def __init__(self, count):
        self._ids = [hashlib.sha256(b"%d" % number).digest()[:16] for number in range(count)]

    def boxes(self):
        return self._ids


@pytest.mark.parametrize("text", ("", "x", "1,10", "10,5,100", "0,100", "50,50,100", "1,100,101", "0.001,100"))
def test_what_are_no_waves(text):
    with pytest.raises(OperatorError, match="are not waves"):
        rollout.shares(text)


def test_rows_of_shares_and_regions():
    assert rollout.shares("0.5, 10%,100") == [50, 1000, 10000]
    assert rollout.rows([100, 5000, 10000]) == [[100, ""], [5000, ""], [10000, ""]]
    assert rollout.rows([100, 10000], ["north", "south"]) == [[100, ""], [10000, "north"], [10000, "south"], [10000, ""]]


def test_a_plan_is_what_a_box_takes_and_its_waves_have_boxes_enough():
    large = Fleet(6000)
    assert rollout.plan(Fleet(999), IMAGE, None, 60) is None and rollout.plan(large, IMAGE, "100", 60) is None
    made = rollout.plan(large, IMAGE, None, 3600)
    assert waves.check(made) == [[[100, ""], [1000, ""], [5000, ""], [10000, ""]], made[1], made[2], 3600]
    # Of 60 or so in the first wave a third is polled.
    first = rollout.sizes(large, IMAGE, made[0])[0]
    assert 30 < first < 95 and made[1] == min(20, first // 3) and made[2] == -(-made[1] * 4 // 5)
    counted = sum(1 for id in large.boxes() if waves.wave_of({"image": IMAGE, "waves": made}, id, "") == 0)
    assert counted == first
    assert rollout.plan(large, IMAGE, "10,100", 60)[1] == 20
    for how, words in (
        (("1,100", 60, (), 32), "to be polled"), (("1,100", 31 * 86400), "no box takes such waves"),
        (("50,100", 60, [str(n) for n in range(12)]), "no box takes such waves"), (("100", 60, ["north"]), "needs waves"),
    ):
        with pytest.raises(OperatorError, match=words):
            rollout.plan(Fleet(300), IMAGE, *how)
    with pytest.raises(OperatorError, match="has 0 boxes"):
        rollout.plan(Fleet(2), IMAGE, "0.01,100", 60)


@pytest.fixture
def fleet(tmp_path):
    return make_fleet(tmp_path / "fleet", 12)


@pytest.fixture
def signed(fleet, tmp_path):
    """The file of a firmware that goes in two waves."""
    (tmp_path / "agent.img").write_bytes(ARCHIVE)
    out = tmp_path / "agent.suit"
    done = call("firmware", "sign", "--fleet", fleet.directory, tmp_path / "agent.img", "-o", out, "--waves", "60,100", "--soak", "10m",
                "--polled", 2)
    assert done.exit_code == 0 and "goes in 2 waves: 60 %, 100 %" in done.output and "2 of 2 boxes" in done.output, done.output
    return out


def test_a_fleet_without_boxes_has_no_waves(tmp_path):
    fleet = make_fleet(tmp_path / "fleet", 0)
    (tmp_path / "agent.img").write_bytes(ARCHIVE)
    done = call("firmware", "sign", "--fleet", fleet.directory, tmp_path / "agent.img", "-o", tmp_path / "out", "--waves", "1,100")
    assert done.exit_code == 1 and "the smallest wave has 0 boxes" in done.output
    assert call("firmware", "status", "--fleet", fleet.directory).exit_code == 1


def test_the_operators_word_and_how_far_it_is(fleet, signed, tmp_path):
    with mosquitto(tmp_path) as broker:
        home = ("--fleet", fleet.directory, "--broker", broker)
        assert call("firmware", "publish", *home, signed, "--wait", 0.1).exit_code == 0
        payload = manifests.read(signed.read_bytes(), fleet.keys)
        name, sequence = payload["name"], payload["seq"]
        topics = retained(broker, fleet.topic("manifest", "#"))
        assert {topic.rpartition("/")[2] for topic in topics} == {f"firmware-{name}", f"query-runs-{name}", f"query-back-{name}"}
        for verb, word in (("pause", "pause"), ("resume", "go"), ("halt", "halt")):
            done = call("firmware", verb, *home, "--wait", 0.1)
            assert done.exit_code == 0, done.output
            said = manifests.read(retained(broker, fleet.topic("manifest", f"rollout-{name}")).popitem()[1], fleet.keys)
            assert (said["word"], said["firmware"]) == (word, sequence) and said["expires"] > payload["expires"]
        done = call("firmware", "resume", *home, name)
        assert done.exit_code == 1 and "halted for good" in done.output
        # Nobody has counted yet; then a door says what boxes found.
        said = json.loads(call("firmware", "status", *home, "--format", "json").output)
        assert (said["word"], said["runs"], said["failed"], said["polled"], said["soak_s"]) == ("halt", None, None, 2, 600)
        assert [wave["boxes"] for wave in said["waves"]] == rollout.sizes(fleet, IMAGE, payload["waves"][0])
        row = {"count": 9, "attribute": None, "age_s": 40, "mean": 0, "sd": 0, "least": 0, "most": 0, "cdf": [], "top": None,
               "threshold": None}
        box = next(iter(fleet.boxes()))
        census = census_of(box, queries={f"runs-{name}": row, f"back-{name}": dict(row, count=1)})
        host, _, port = broker.partition(":")
        paho.mqtt.publish.single(fleet.topic("census", box.hex()), cbor.encode(census), retain=True, hostname=host, port=int(port))
        said = json.loads(call("firmware", "status", *home, "--format", "json").output)
        assert (said["runs"], said["failed"], said["size"]) == (9, 1, 8) and rollout.reached(said) in (0, 1)
        text = call("firmware", "status", *home, "--follow", "--for", 0.1).output
        assert "runs on 9 of 8 boxes; failed on 1; counted" in text and "halted for good" in text and "wave 1: 100 %" in text
        assert call("firmware", "status", *home, "another").exit_code == 1
