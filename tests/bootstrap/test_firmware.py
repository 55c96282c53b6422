"""`backfence firmware`: from an image to what the broker keeps, and every way in which it is refused."""

import hashlib
import json
import os
import time

import cbor2
import pytest
from click.testing import CliRunner

from backfence.agent import manifest
from backfence.agent.wire import suit as wire
from backfence.bootstrap.operator import cli, files, firmware, fleet as fleets, manifests, picture, push
from backfence.bootstrap.operator.errors import OperatorError
from backfence.firmware_pkg import image, suit

from fleets import make_fleet, mosquitto, retained

# An archive in form, of one module and 70 KB: three parts.
ARCHIVE = image.pack([("backfence/agent/edge/main.mpy", b"M\x06\x00\x1f" + os.urandom(70000))])
DAY_S = 86400


def call(*arguments):
    """Runs a command in this process; returns click's Result."""
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


@pytest.fixture
def fleet(tmp_path):
    return make_fleet(tmp_path / "fleet", 0)


@pytest.fixture
def archive(tmp_path):
    """The file of an archive."""
    path = tmp_path / "agent.img"
    path.write_bytes(ARCHIVE)
    return path


def signed(fleet, archive, *more):
    """The file that `firmware sign` makes of an archive."""
    out = archive.parent / "agent.suit"
    done = call("firmware", "sign", "--fleet", fleet.directory, archive, "-o", out, *more)
    assert done.exit_code == 0, done.output
    return out


def refused(done, *words):
    """True if a command said one line of error with these words, at most a hint, and exit 1."""
    lines = done.output.strip().splitlines()
    assert done.exit_code == 1 and lines[0].startswith("Error: ") and len(lines) <= 2, done.output
    assert len(lines) == 1 or lines[1].startswith("Hint: "), done.output
    assert all(word in done.output for word in words), done.output
    return True


def test_an_image_of_this_agent_is_built(tmp_path):
    out = tmp_path / "agent.img"
    done = call("firmware", "build", "-o", out, "--sequence", 1764000000, "--format", "json")
    said = json.loads(done.output)
    assert done.exit_code == 0 and image.load(out).target == "mpy6"
    assert said["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest() and said["size"] == out.stat().st_size
    assert (said["kind"], said["component"], said["sequence"]) == ("archive", "agent/mpy6", 1764000000)
    assert said["parts"] == -(-said["size"] // 32768) and said["slot_kb"] * 1024 >= said["size"]
    seen = json.loads(call("firmware", "inspect", out, "--format", "json").output)
    assert seen.items() <= said.items()
    assert "for boxes of every processor" in call("firmware", "inspect", out).output
    # It cannot be written, or is no number.
    assert refused(call("firmware", "build", "-o", tmp_path / "no" / "agent.img", "--sequence", 1), "No such file")
    assert call("firmware", "build", "-o", out, "--sequence", 0).exit_code == 2


def test_what_is_signed_is_believed_by_a_box_and_told_to_people(fleet, archive):
    before = int(time.time())
    out = signed(fleet, archive, "--vendor", "isp.example", "--class", "homebox-2", "--valid", "7d")
    check = manifest.Check(out.read_bytes(), fleet.keys)
    while not check.step():
        pass
    made = check.manifest
    vendor = wire.vendor_id("isp.example")
    assert made.kind == "firmware" and before <= made.seq <= time.time() and made.expires - made.seq == 7 * DAY_S
    assert (made.fields["vendor"], made.fields["class"]) == (vendor, wire.class_id(vendor, "homebox-2"))
    assert made.fields["image"] == hashlib.sha256(ARCHIVE).digest() and made.fields["size"] == len(ARCHIVE)
    blobs = {bytes.fromhex(name): (out.parent / "agent.suit.blobs" / name).read_bytes() for name in os.listdir(f"{out}.blobs")}
    assert blobs == suit.cut(ARCHIVE)[1] and len(blobs) == 4
    label = f"firmware-{made.name}"
    assert fleet.labels() == [label] and fleet.signed(label)[0] == out.read_bytes()
    names = ("--vendor", "isp.example", "--class", "homebox-2")
    done = call("firmware", "inspect", "--fleet", fleet.directory, out, *names)
    assert done.exit_code == 0
    for words in (
        f"sequence {made.seq}", "7.0 days from now", "for boxes of every processor", "vendor isp.example (", "class homebox-2 (",
        f"{len(ARCHIVE):,} bytes in 3 parts", "slot_kb of 69", f"signature: holds for fleet {fleet.id.hex()}",
        "is for isp.example, homebox-2", hashlib.sha256(ARCHIVE).hexdigest(),
    ):
        assert words in done.output, words
    said = json.loads(call("firmware", "inspect", "--fleet", fleet.directory, out, *names, "--format", "json").output)
    assert said["for"] is True and said["signature"]["holds"] is True and said["image"] == hashlib.sha256(ARCHIVE).hexdigest()
    assert (said["sequence"], said["expires"], said["parts"], said["component"]) == (made.seq, made.expires, 3, "agent/mpy6")
    shown = json.loads(call("describe", "--fleet", fleet.directory, "--offline", made.name, "--format", "json").output)
    assert shown.items() <= said.items() and shown["name"] == made.name
    assert "2026" in firmware.moment(1795407740) and "s after 1970" in firmware.moment(1 << 63)


def test_inspect_says_when_it_is_for_others_or_not_ours(fleet, archive, tmp_path, monkeypatch):
    out = signed(fleet, archive)
    done = call("firmware", "inspect", "--fleet", fleet.directory, out, "--class", "another")
    assert done.exit_code == 1 and "is NOT for backfence.invalid, another" in done.output
    other = make_fleet(tmp_path / "other", 0)
    done = call("firmware", "inspect", "--fleet", other.directory, out)
    assert done.exit_code == 1 and f"does NOT hold for fleet {other.id.hex()}: not signed by this fleet's operator" in done.output
    data = out.read_bytes()
    out.write_bytes(data.replace(data[1000:1008], bytes(8)))
    done = call("firmware", "inspect", "--fleet", fleet.directory, out, "--format", "json")
    assert done.exit_code == 1 and json.loads(done.output)["signature"]["holds"] is False
    # No fleet here, and none was named.
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    done = call("firmware", "inspect", out)
    assert done.exit_code == 0 and "signature: not checked: fleet is not a fleet's directory" in done.output
    assert refused(call("firmware", "inspect", out, "--fleet", "nowhere"), "nowhere is not a fleet's directory")


def test_a_sequence_only_rises_for_a_class_and_component(fleet, archive):
    now_s = 1_800_000_000
    made = image.read(ARCHIVE)

    def sign(sequence=None, vendor="isp.example", klass="a", at_s=now_s):
        return firmware.sign(fleet, made, vendor, klass, 60, sequence, at_s)[1]["seq"]

    assert sign() == now_s and sign() == now_s + 1  # twice in one second
    for sequence in (now_s + 1, now_s, 1):
        with pytest.raises(OperatorError, match="is not above 1800000001"):
            sign(sequence)
    assert sign(now_s + 5) == now_s + 5
    # Another class, vendor or component has numbers of its own.
    assert sign(7, klass="b") == 7 and sign(8, vendor="other.example") == 8
    made = image.Image(image.EXECUTABLE, "armhf", b"x", {})
    assert sign(9) == 9
    # Boxes would set their clocks by it.
    for sequence in (now_s + manifests.AHEAD_S + 1, 1 << 60, 0, -1):
        with pytest.raises(OperatorError, match="is not a time that has come"):
            sign(sequence, klass="c")
    assert sign(now_s + manifests.AHEAD_S, klass="c")
    # Another process of the same directory sees it too, and what was refused used no leaf.
    left = fleet.signer.remaining()
    done = call("firmware", "sign", "--fleet", fleet.directory, archive, "-o", archive.parent / "x", "--class", "a",
                "--vendor", "isp.example", "--sequence", now_s - 10**8)
    assert refused(done, "is not above") and not (archive.parent / "x").exists()
    assert fleets.Fleet(fleet.directory).signer.remaining() == left


@pytest.mark.parametrize(("data", "words"), [
    (b"", "1 to 16,777,216 bytes"), (b"#!/bin/sh\n", "neither an archive"), (ARCHIVE[:50000], "ends within"),
    (b"\x7fELF" + bytes(100), "header is damaged"), (image.pack([("etc/passwd", b"")]), "not a module of the agent"),
])
def test_what_no_box_could_start_is_not_signed(fleet, archive, data, words):
    archive.write_bytes(data)
    left = fleet.signer.remaining()
    done = call("firmware", "sign", "--fleet", fleet.directory, archive, "-o", archive.parent / "x")
    assert refused(done, words, "agent.img") and fleet.signer.remaining() == left
    assert not (archive.parent / "x").exists() and refused(call("firmware", "inspect", archive), words)


@pytest.mark.parametrize(("option", "value", "words"), [
    ("--vendor", "ISP.example", "not a DNS name"), ("--vendor", "isp", "not a DNS name"), ("--vendor", "", "not a DNS name"),
    ("--vendor", "a." * 40 + "example", "not a DNS name"), ("--class", "", "not a class"), ("--class", "x" * 33, "not a class"),
    ("--class", " a", "not a class"), ("--valid", "soon", "not a duration"), ("--valid", "0d", "not a duration"),
])
def test_wrong_options_are_refused_before_anything_is_signed(fleet, archive, option, value, words):
    left = fleet.signer.remaining()
    assert refused(call("firmware", "sign", "--fleet", fleet.directory, archive, "-o", archive.parent / "x", option, value), words)
    assert fleet.signer.remaining() == left and fleet.labels() == []


def test_a_full_disk_wastes_a_leaf_and_a_number_and_signs_nothing_twice(fleet, archive, monkeypatch):
    def full(path, data, mode=None):
        raise OSError(28, "No space left on device", path)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_whole", full)
        done = call("firmware", "sign", "--fleet", fleet.directory, archive, "-o", archive.parent / "x")
    assert refused(done, "No space left on device")
    assert fleet.labels() == [] and signed(fleet, archive).exists()


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with mosquitto(tmp_path_factory.mktemp("broker")) as address:
        yield address


class Door:
    """What a door says to the broker: that it is there, and why it refuses each manifest that is pushed."""

    def __init__(self, broker, fleet, box, why=None):
        self.session = push.Session(broker)
        self.fleet, self.box, self.why = fleet, box, why
        self.say(b"online")
        if why:
            self.session._client.on_message = self._refuse
        self.session.subscribe(fleet.topic("manifest", "+"))

    def say(self, word):
        self.session._client.publish(self.fleet.topic("door", self.box), word, qos=1, retain=True).wait_for_publish(5)

    def _refuse(self, client, _userdata, message):
        client.ack(message.mid, message.qos)
        if not message.retain:
            body = cbor2.dumps({"what": message.topic.split("/", 2)[2], "why": self.why}, canonical=True)
            client.publish(self.fleet.topic("refused", self.box), body, qos=1)

    def leave(self):
        self.say(b"offline")
        self.session.close()


def test_a_published_firmware_waits_at_the_broker_whole(fleet, archive, broker):
    out = signed(fleet, archive)
    done = call("firmware", "publish", "--fleet", fleet.directory, "--broker", broker, out, "--wait", 0.2)
    assert done.exit_code == 0 and "no door is online; the broker keeps it until one is" in done.output
    payload = manifests.read(out.read_bytes(), fleet.keys)
    assert f"firmware-{payload['name']} {payload['seq']}: 5 publications" in done.output
    found = retained(broker, fleet.topic("#"))
    assert found.pop(fleet.topic("manifest", f"firmware-{payload['name']}")) == out.read_bytes()
    assert found == {fleet.topic("blob", digest.hex()): data for digest, data in suit.cut(ARCHIVE)[1].items()}
    # Who looks at the broker sees it.
    seen, session = picture.open_picture(fleet, broker)
    session.close()
    assert seen.odd == 0 and [row["sequence"] for row in seen.firmware()] == [payload["seq"]]
    assert f"firmware {payload['name']}: sequence {payload['seq']}" in call(
        "describe", "--fleet", fleet.directory, "--broker", broker).output
    assert refused(call("push", "--fleet", fleet.directory, out), "is a firmware", "backfence firmware publish")


def test_doors_without_an_objection_are_counted(fleet, archive, broker):
    out = signed(fleet, archive)
    arguments = ("firmware", "publish", "--fleet", fleet.directory, "--broker", broker, out)
    doors = [Door(broker, fleet, "aa" * 16), Door(broker, fleet, "bb" * 16)]
    done = call(*arguments, "--wait", 0.5)
    assert done.exit_code == 0 and "2/2 doors online have no objection" in done.output
    said = json.loads(call(*arguments, "--wait", 0.5, "--format", "json").output)
    assert (said["doors"], said["refused"], said["acknowledged"]) == (2, [], 5)
    for door in doors:
        door.leave()


def test_a_door_that_refuses_is_heard_and_the_command_fails(fleet, archive, broker):
    out = signed(fleet, archive)
    # Longer than the test may last: it ends when the only door has spoken.
    arguments = ("firmware", "publish", "--fleet", fleet.directory, "--broker", broker, out, "--wait", 1000)
    Door(broker, fleet, "bb" * 16).leave()
    door = Door(broker, fleet, "cc" * 16, "an older or equal sequence number")
    done = call(*arguments)
    assert done.exit_code == 1 and "0/1 doors online have no objection" in done.output
    assert "refused by cccccccc: manifest/firmware-" in done.output and "an older or equal sequence" in done.output
    said = json.loads(call(*arguments, "--format", "json").output)
    assert said["doors"] == 1 and [row["box"] for row in said["refused"]] == ["cc" * 16]
    door.leave()


def test_what_is_not_whole_is_not_published(fleet, archive, broker, tmp_path):
    out = signed(fleet, archive)
    payload = manifests.read(out.read_bytes(), fleet.keys)
    folder = tmp_path / "agent.suit.blobs"
    part = folder / sorted(set(os.listdir(folder)) - {payload["index"].hex()})[0]
    whole = part.read_bytes()

    def publish(*more):
        return call("firmware", "publish", "--fleet", fleet.directory, "--broker", broker, out, "--wait", 0.1, *more)

    part.write_bytes(whole[:-1])
    assert refused(publish(), "is not what its name says")
    part.unlink()
    assert refused(publish(), "cannot be read", part.name)
    assert refused(publish("--blobs", tmp_path), "cannot be read")
    part.write_bytes(whole)
    # An index of other parts, under a signature that does not speak of it.
    assert refused(publish("--fleet", make_fleet(tmp_path / "other", 0).directory), "not a signed manifest of this fleet")
    assert retained(broker, fleet.topic("#")) == {} and publish().exit_code == 0
    short = firmware.sign(fleet, image.read(ARCHIVE), "isp.example", "short", 1, now_s=int(time.time()) - 5)[0]
    out.write_bytes(short)
    assert refused(publish(), "has expired")
    out.write_bytes(fleet.sign(manifests.slice_manifest(fleet, "edge", 2)))
    assert refused(publish(), "is not a firmware's manifest")


def test_parts_that_are_not_the_signed_image_are_not_published(fleet, tmp_path):
    """A plan whose image digest is another's: nobody but a mistaken signer makes one."""
    plan = suit.manifest(ARCHIVE, "mpy6", bytes(16), bytes(16), int(time.time()), int(time.time()) + 60)
    payload = firmware.decode(suit.envelope(plan, {1: -46, 4: bytes(16)}, b""), "it")
    for digest, data in plan.blobs.items():
        (tmp_path / digest.hex()).write_bytes(data)
    assert firmware.read_blobs(payload, tmp_path) == plan.blobs
    for changes in ({"image": bytes(32)}, {"size": payload["size"] - 1}):
        with pytest.raises(OperatorError, match="are not the image that was signed"):
            firmware.read_blobs({**payload, **changes}, tmp_path)


def test_a_plan_that_a_box_would_refuse_uses_no_leaf(fleet):
    plan = suit.manifest(ARCHIVE, "MPY6", bytes(16), bytes(16), int(time.time()), int(time.time()) + 60)
    left = fleet.signer.remaining()
    with pytest.raises(OperatorError, match="a box would refuse the manifest"):
        fleet.sign_firmware(plan)
    good = suit.manifest(ARCHIVE, "mpy6", bytes(16), bytes(16), int(time.time()), int(time.time()) + 60)
    with pytest.raises(OperatorError, match="the digest is not the manifest's"):
        fleet.sign_firmware(suit.Plan(good.manifest, plan.digest, {}))
    assert fleet.signer.remaining() == left
