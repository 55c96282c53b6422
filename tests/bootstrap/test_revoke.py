"""Revoking boxes: what people type, what boxes get, and what the owner settles afterwards."""

import json

import pytest

from backfence.agent import limits
from backfence.agent.manifest import parse
from backfence.agent.wire import cbor
from backfence.bootstrap.operator import manifests, results, revoke, settle
from backfence.bootstrap.operator.errors import OperatorError

from fleets import hands, make_fleet, mosquitto, workload
from test_cli import call


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with mosquitto(tmp_path_factory.mktemp("broker")) as address:
        yield address


@pytest.fixture
def fleet(tmp_path, monkeypatch, broker):
    fleet = make_fleet(tmp_path / "fleet", boxes=4)
    monkeypatch.setenv("BACKFENCE_FLEET", fleet.directory)
    monkeypatch.setenv("BACKFENCE_BROKER", broker)
    return fleet


def hexes(fleet):
    return sorted(id.hex() for id in fleet.boxes())


def test_boxes_go_on_the_list_and_off_it_and_each_version_is_whole(fleet):
    one, two, three, _ = hexes(fleet)
    assert call("revoke").output == "0 boxes revoked\n"
    done = call("revoke", "--wait", "0.1", two, one[:8].upper())
    assert done.exit_code == 0 and "revocation-boxes 1: pushed" in done.stderr
    payload = fleet.signed(revoke.LABEL)[1]
    assert parse(cbor.encode(payload)) == payload
    assert payload["boxes"].hex() == one + two and fleet.revoked() == {bytes.fromhex(one), bytes.fromhex(two)}
    call("revoke", "--wait", "0.1", three)
    assert fleet.signed(revoke.LABEL)[1]["boxes"].hex() == one + two + three
    shown = json.loads(call("revoke", "--format", "json").output)
    assert [row["id"] for row in shown] == [one, two, three] and shown[0]["lot"] == "lot-1"
    assert call("revoke", "--undo", "--wait", "0.1", two).exit_code == 0
    assert fleet.revoked() == {bytes.fromhex(one), bytes.fromhex(three)}
    assert "revoked: 2 boxes" in call("describe", "--offline").output
    assert json.loads(call("describe", "--offline", "--format", "json").output)["revoked"] == 2


@pytest.mark.parametrize(
    "words, says",
    [
        (["f" * 32], "no box ffff"),
        (["the-one-in-the-kitchen"], "no box the-one"),
        (["{0:.7}"], "or at least the first 8"),
        (["{0}{0}"], "no box"),
        (["{0}", "{0}", "--undo"], "on the list"),
        ([""], "no box"),
    ],
)
def test_what_is_no_box_is_refused_in_one_line_and_nothing_is_signed(fleet, words, says):
    left = fleet.signer.remaining()
    done = call("revoke", *[word.format(*hexes(fleet)) for word in words])
    assert done.exit_code == 1 and says in done.stderr and done.stderr.startswith("Error: ")
    assert fleet.signer.remaining() == left and not fleet.revoked() and revoke.LABEL not in fleet.labels()


def test_a_box_is_revoked_once(fleet):
    one = hexes(fleet)[0]
    call("revoke", "--wait", "0.1", one)
    done = call("revoke", one)
    assert done.exit_code == 1 and f"box {one} is revoked already" in done.stderr
    assert call("revoke", "--undo").exit_code == 2


def test_digits_that_two_boxes_share_name_neither():
    known = [bytes(15) + b"\1", bytes(15) + b"\2"]
    with pytest.raises(OperatorError, match="several boxes that are enrolled begin with 00000000"):
        revoke.find(known, "00000000", "enrolled")
    assert revoke.find(known, known[1].hex(), "enrolled") == known[1]


def test_a_full_list_takes_no_more(fleet, monkeypatch):
    full = manifests.revocation_manifest(fleet, [b"%016d" % number for number in range(limits.REVOKED)])
    parse(manifests.encode(full.payload))
    monkeypatch.setattr(limits, "REVOKED", 1)
    first, second = hexes(fleet)[:2]
    fleet.sign(revoke.changed(fleet, [first]))
    with pytest.raises(OperatorError, match="2 boxes would be revoked; a fleet's list has room for 1"):
        revoke.changed(fleet, [second])
    assert [id.hex() for id in revoke.listed(fleet)] == [first]


def test_results_that_come_after_the_revocation_are_not_settled_and_those_before_stay(fleet):
    plan = workload(fleet, tasks=2)
    work = results.Work.create(fleet, plan, fleet.sign(plan))
    hand, other = hands(fleet)[:2]
    assert work.take(*hand.result(plan, 0, b"before")) == settle.ACCEPTED
    fleet.sign(revoke.changed(fleet, [hand.box.id.hex()]))
    assert work.take(*hand.result(plan, 1, b"after")) == settle.REVOKED
    assert work.settlement.verdicts["revoked"] == 1
    assert list(work.outputs()) == [b"before", None]
    assert work.take(*other.result(plan, 1, b"right")) == settle.ACCEPTED
    # The same, read back from the disk.
    again = results.Work(fleet, work.folder)
    assert list(again.outputs()) == [b"before", b"right"]
