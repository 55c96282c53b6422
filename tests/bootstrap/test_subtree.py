"""A further machine signs as the same key, by leaves that nobody else has."""

import json
import os
import shutil

import pyhsslms.pyhsslms as oracle
import pytest
from click.testing import CliRunner
from faults import FaultyOs, Stopped
from test_signer_faults import Leaves

from backfence.agent import manifest
from backfence.agent.wire import lms
from backfence.bootstrap.operator import cli, files, fleet, manifests, subtree
from backfence.bootstrap.operator.errors import OperatorError


@pytest.fixture
def owner(tmp_path):
    return fleet.create(str(tmp_path / "fleet"), width=4)


def further(owner, directory, **settings):
    """A further machine's fleet.Fleet."""
    return subtree.take(str(directory), subtree.grant(owner, subtree.ask(str(directory), width=4, **settings)))


def test_both_sign_as_one_key_and_share_no_leaf(owner, tmp_path):
    owner.sign(manifests.slice_manifest(owner, "edge", 3))
    other = further(owner, tmp_path / "other")
    leaves = Leaves(owner.operator)
    for number in range(32):
        for machine in (owner, other):
            message = b"%s %d" % (machine.directory.encode(), number)
            signature = machine.signer.sign(message)
            assert lms.verify(owner.operator, message, signature)
            leaves.add(message, signature)
    assert leaves.count == 64 and owner.signer.remaining() == 1024 - 32 - 33
    with pytest.raises(OperatorError, match="used up") as error:
        other.signer.sign(b"one more")
    assert "subtree ask" in error.value.hint and other.signer.remaining() == 0
    # And again, in the same directory.
    other = further(owner, tmp_path / "other")
    leaves.add(b"more", other.signer.sign(b"more"))


def test_what_it_signs_counts_on_a_box(owner, tmp_path):
    other = further(owner, tmp_path / "other")
    other = fleet.Fleet(other.directory)
    signed = other.sign(manifests.slice_manifest(other, "west", 3))
    check = manifest.Check(signed, owner.keys)
    while not check.step():
        pass
    assert check.manifest.name == "west"
    with pytest.raises(OperatorError, match="no owner key"):
        other.owner_public


def test_numbers_go_on_from_where_they_were(owner, tmp_path):
    for _ in range(3):
        owner.next_sequence("slice-edge")
    assert further(owner, tmp_path / "other").next_sequence("slice-edge") == 4


def test_its_end_is_announced(owner, tmp_path):
    other = further(owner, tmp_path / "other")
    assert other.signer.capacity() == 32 and other.signer.warning() is None
    for number in range(29):
        other.signer.sign(b"%d" % number)
    assert "another subtree" in other.signer.warning()


def test_no_secret_travels(owner, tmp_path):
    asked = subtree.ask(str(tmp_path / "other"), width=4)
    granted = subtree.grant(owner, asked)
    for machine in (owner.path("signer"), str(tmp_path / "other" / "signer")):
        for name in os.listdir(machine):
            if name.endswith(".key"):
                seed = files.read(f"{machine}/{name}")[8:40]
                assert seed.hex().encode() not in asked + granted


def test_what_is_wrong_is_refused_and_nothing_signs(owner, tmp_path):
    directory = str(tmp_path / "other")
    asked = subtree.ask(directory, width=4)
    granted = json.loads(subtree.grant(owner, asked))
    stranger = json.loads(subtree.grant(fleet.create(str(tmp_path / "stranger"), width=4), asked))
    cases = [
        b"", b"{}", b"x" * (subtree.GRANT_BYTES + 1), asked,
        json.dumps(dict(granted, link="00")).encode(), json.dumps(dict(granted, key="zz")).encode(),
        json.dumps(dict(granted, link=granted["link"][:-2] + "00")).encode(),
        json.dumps(dict(granted, key=stranger["key"])).encode(),
        json.dumps(dict(granted, tree=granted["tree"][:-2] + "00")).encode(),
        subtree.grant(owner, subtree.ask(str(tmp_path / "third"), width=4)),
    ]
    for data in cases:
        with pytest.raises(OperatorError):
            subtree.take(directory, data)
        with pytest.raises(OperatorError):
            fleet.Fleet(directory)
    left = owner.signer.remaining()
    for data in (b"", b"{}", json.dumps(granted).encode(), json.dumps(dict(json.loads(asked), tree="00" * 56)).encode()):
        with pytest.raises(OperatorError):
            subtree.grant(owner, data)
    assert owner.signer.remaining() == left
    assert subtree.take(directory, json.dumps(granted).encode()).signer.sign(b"m")
    # Taken again, it goes on where it was: the command may have been cut short.
    left = fleet.Fleet(directory).signer.remaining()
    assert subtree.take(directory, json.dumps(granted).encode()).signer.remaining() == left
    with pytest.raises(OperatorError, match="upper tree itself"):
        subtree.ask(owner.directory, width=4)


def test_a_copy_of_a_subtree_is_refused_as_any_copy(owner, tmp_path):
    other = further(owner, tmp_path / "other")
    shutil.copytree(other.directory, tmp_path / "copy")
    with pytest.raises(OperatorError, match="is a copy"):
        fleet.Fleet(str(tmp_path / "copy")).signer.sign(b"m")


def test_the_commands(owner, tmp_path):
    def run(*words):
        result = CliRunner().invoke(cli.main, ["subtree", *map(str, words)])
        assert result.exit_code == 0, result.output
        return result.output

    run("ask", tmp_path / "other", "--width", "4", "-o", tmp_path / "asked")
    run("grant", "--fleet", owner.directory, tmp_path / "asked", "-o", tmp_path / "granted")
    assert "32 times" in run("take", tmp_path / "other", tmp_path / "granted")
    bad = CliRunner().invoke(cli.main, ["subtree", "take", str(tmp_path / "other"), str(tmp_path / "asked")])
    assert bad.exit_code == 1 and "Hint" in bad.output


def counted(monkeypatch, used):
    """From now on every one-time signature is noted in the list `used`, as (tree, leaf), whether or not it comes out."""
    sign = oracle.LmotsPrivateKey.sign

    def noted(key, message):
        used.append((key.I, key.q))
        return sign(key, message)

    monkeypatch.setattr(oracle.LmotsPrivateKey, "sign", noted)


def killed_at(step, monkeypatch, act):
    """Runs act() and kills it at a step of files.py; whether it came so far."""
    faulty = FaultyOs(step, "power")
    with monkeypatch.context() as patch:
        patch.setattr(files, "os", faulty)
        try:
            act()
        except Stopped:
            pass
    return faulty.happened


def test_a_grant_that_is_killed_at_any_step_never_signs_with_a_leaf_again(owner, tmp_path, monkeypatch):
    asked, used = subtree.ask(str(tmp_path / "further"), width=4), []
    counted(monkeypatch, used)
    step = 1
    while killed_at(step, monkeypatch, lambda: subtree.grant(owner, asked)):
        step += 1
        owner = fleet.Fleet(owner.directory)
    subtree.grant(owner, asked)
    owner.sign(manifests.slice_manifest(owner, "edge", 3))
    assert step > 8 and len(used) > 2 and len(set(used)) == len(used)


def test_a_take_that_is_killed_at_any_step_is_whole_the_next_time_and_no_leaf_signs_twice(owner, tmp_path, monkeypatch):
    place = tmp_path / "further"
    granted = subtree.grant(owner, subtree.ask(str(place), width=4))
    before = {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    used, seen, step, happened = [], [], 0, True
    counted(monkeypatch, used)
    while happened:
        step += 1
        for path in sorted(place.rglob("*"), reverse=True):
            if path.is_dir() and path.name != "signer":
                path.rmdir()
            elif path.is_file() and path.name != "lock":  # a new one would be a copy
                path.unlink()
        for name, data in before.items():
            if name.name != "lock":
                (place / name).write_bytes(data)
        # What this machine has seen signed, of which each time is the first.
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"state-{step}"))
        used.clear()
        happened = killed_at(step, monkeypatch, lambda: subtree.take(str(place), granted))
        left = {str(path.relative_to(place)): path.is_dir() or path.read_bytes() for path in place.rglob("*")}
        if left in seen:
            continue  # the kill before it left the very same
        seen.append(left)
        taken = subtree.take(str(place), granted)
        taken.sign(manifests.slice_manifest(taken, "edge", 3))
        # Taken once more it does not begin anew.
        again = subtree.take(str(place), granted)
        again.sign(manifests.slice_manifest(again, "edge", 4))
        assert len(used) == 2 and len(set(used)) == 2, step
    assert step > 20 and len(seen) > 10
