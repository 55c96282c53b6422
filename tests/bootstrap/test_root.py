"""Replacing keys: what people type, what is signed and what boxes make of it; a kill at any step; keys in safes."""

import json
import os
import shutil

import pytest

from backfence.agent import root as agent
from backfence.agent import trust_file
from backfence.bootstrap.operator import files, manifests, push
from backfence.bootstrap.operator import fleet as fleets
from backfence.bootstrap.operator import root as roots
from backfence.bootstrap.operator.errors import OperatorError

from fleets import make_fleet, mosquitto
from test_cli import call


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with mosquitto(tmp_path_factory.mktemp("broker")) as address:
        yield address


@pytest.fixture
def fleet(tmp_path, monkeypatch, broker):
    fleet = make_fleet(tmp_path / "fleet", boxes=2)
    monkeypatch.setenv("BACKFENCE_FLEET", fleet.directory)
    monkeypatch.setenv("BACKFENCE_BROKER", broker)
    fleet.sign(manifests.slice_manifest(fleet, "edge", 2))
    return fleet


def rotate(*words):
    return call("rotate", "--wait", "0.1", *words)


def box_of(fleet):
    """A box's trust.Trust, by its trust.cbor."""
    home = next(iter(fleet.boxes().values())).home
    return trust_file.load(files.read(os.path.join(home, "trust.cbor")))


def taken(chain, keys):
    """The Manifest of a chain, by the very check of a box."""
    check = agent.Check(chain, keys)
    while not check.step():
        pass
    return check.manifest


def retained(fleet, broker, *parts):
    with push.Session(broker) as session:
        session.subscribe(fleet.topic(*parts))
        message = session.receive(2)
    return message and message.payload


def test_the_operators_key_is_replaced_and_what_is_live_stays(fleet, broker):
    box, was, signed = box_of(fleet), fleet.operator, fleet.signed("slice-edge")[0]
    fleet.sign(manifests.end_manifest(fleet, manifests.slice_manifest(fleet, "gone", 2).payload))
    done = rotate()
    assert done.exit_code == 0 and "root 2 signed" in done.stderr and "with 2 live manifests" in done.stderr
    fleet = fleets.Fleet(fleet.directory)
    assert fleet.operator != was and fleet.signer.public == fleet.operator and fleet.id == box.fleet
    # The box takes the root that the broker retains, and by it what the old key signed.
    found = taken(retained(fleet, broker, "manifest", "root-root"), box.keys)
    assert (found.seq, found.root.operator, len(found.root.kept)) == (2, fleet.operator, 64)
    box.keys.follow(found.root)
    assert box.keys.keeps(roots.digest(signed)) and retained(fleet, broker, "manifest", "slice-edge") == signed
    assert manifests.read(signed, box.keys)["name"] == "edge"
    # So does one that is enrolled later, and what is signed now is by the new key.
    assert box_of(fleet).keys.root.version == 2 and box_of(fleet).chain == roots.chain(fleet.signed_roots())
    again = fleet.sign(manifests.slice_manifest(fleet, "edge", 3))
    assert manifests.read(again, box.keys)["seats"] == 3
    assert call("describe", "--offline").exit_code == 0 and "edge" in call("describe", "--offline").output


def test_the_root_is_shown(fleet):
    assert rotate().exit_code == 0
    shown = json.loads(call("root", "--format", "json").output)
    assert (shown["version"], shown["threshold"], shown["kept"]) == (2, 1, ["lots-all", "slice-edge"])
    assert [row["roots_signed"] for row in shown["root_keys"]] == [2]
    text = call("root").output
    assert text.startswith("root 2 of fleet ") and shown["root_keys"][0]["id"] in text and "kept" in text


def test_root_keys_come_and_go_and_each_step_is_one_that_a_box_takes(fleet, tmp_path):
    box, first = box_of(fleet), fleet.path("root-key")
    second, third = str(tmp_path / "second"), str(tmp_path / "third")
    assert rotate("--keep-operator", "--new-root", second, "--new-root", third, "--threshold", "2").exit_code == 0
    assert fleets.Fleet(fleet.directory).operator == fleet.operator
    alone = rotate("--root", second)
    assert alone.exit_code == 1 and "1 of the root keys in force are at hand, and 2 must sign" in alone.stderr
    name = roots.key_name(roots.open_key(first).public)
    assert rotate("--root", second, "--root", third, "--drop-root", name).exit_code == 0
    fleet = fleets.Fleet(fleet.directory)
    found = taken(roots.chain(fleet.signed_roots()), box.keys)
    assert found.seq == 3 and len(found.root.keys) == 2 and len(found.documents) == 2
    assert "is not a root key" in rotate("--root", first).stderr


def test_the_chain_holds_the_newest_roots(fleet):
    box = box_of(fleet)
    for _ in range(8):
        roots.rotate(fleet, [roots.open_key(fleet.path("root-key"))])
    assert taken(roots.chain(fleet.signed_roots()), box.keys).seq == 9
    roots.rotate(fleet, [roots.open_key(fleet.path("root-key"))])
    with pytest.raises(agent.RemoteError, match="none follows it"):
        taken(roots.chain(fleet.signed_roots()), box.keys)


def test_a_root_key_out_of_its_safe_never_uses_a_leaf_that_is_on_record(fleet, tmp_path):
    safe = str(tmp_path / "safe")
    shutil.copytree(fleet.path("root-key"), safe)
    for _ in range(2):
        roots.rotate(fleet, [roots.open_key(fleet.path("root-key"))])
    # The copy, which has not heard of that, signs too.
    roots.rotate(fleet, [roots.open_key(safe)])
    leaves = [agent.Document(signed).signatures[0][2][4:8] for signed in fleet.signed_roots()]
    assert len(set(leaves)) == len(leaves) == 4


@pytest.mark.parametrize("words, says", [
    (("--root", "/nowhere"), "there is no root key in /nowhere"),
    (("--drop-root", "abcd"), "abcd names no root key"),
    (("--threshold", "2"), "1 root keys of which 2 must sign cannot be"),
    (("--without", "slice-none"), "slice-none is no live manifest"),
    (("--without", "lots-all"), "lots-all is no live manifest"),
    (("--again",), "this fleet has its first root"),
    (("--broker", "127.0.0.1:1"), "does not answer"),
])
def test_what_is_wrong_is_said_before_anything_is_signed(fleet, words, says):
    before = sorted(os.listdir(fleet.directory))
    done = rotate(*words)
    assert done.exit_code == 1 and says in done.stderr, done.stderr
    assert sorted(os.listdir(fleet.directory)) == before and len(fleet.signed_roots()) == 1
    assert call("rotate", "--again", "--threshold", "1").exit_code == 2


def test_what_is_left_out_counts_no_more_now_and_later(fleet):
    assert rotate("--without", "slice-edge").exit_code == 0
    fleet.reload()
    assert list(roots.kept(fleet)) == ["lots-all"]
    assert rotate().exit_code == 0 and rotate("--again").exit_code == 0
    fleet.reload()
    assert list(roots.kept(fleet)) == ["lots-all"] and fleet.signed("slice-edge")[1]["seats"] == 2


@pytest.mark.parametrize("write", range(1, 16))
def test_a_kill_at_any_write_leaves_the_old_root_or_the_new_one(fleet, monkeypatch, write):
    count, whole = [0], files.write_whole

    def killed(path, data, mode=files.PUBLIC):
        count[0] += 1
        if count[0] == write:
            raise KeyboardInterrupt
        whole(path, data, mode)

    was = fleet.operator
    monkeypatch.setattr(files, "write_whole", killed)
    try:
        roots.rotate(fleet, [roots.open_key(fleet.path("root-key"))])
    except KeyboardInterrupt:
        pass
    monkeypatch.undo()
    found = fleets.Fleet(fleet.directory)
    assert (found.root.version == 1) == (found.operator == was) and found.signer.sign(b"it signs")
    roots.rotate(found, [roots.open_key(fleet.path("root-key"))])
    assert found.operator != was and found.keys.keeps(roots.digest(found.signed("slice-edge")[0]))


def test_init_makes_the_root_key_where_it_is_told(tmp_path):
    done = call("init", str(tmp_path / "fleet"), "--root", str(tmp_path / "stick"))
    assert done.exit_code == 0 and "The root key is " + str(tmp_path / "stick") in done.output
    assert roots.open_key(str(tmp_path / "stick")).remaining() == 31
    assert not os.path.exists(tmp_path / "fleet" / "root-key")
    with pytest.raises(OperatorError, match="exists already"):
        fleets.create(str(tmp_path / "other"), root_key=str(tmp_path / "stick"))
