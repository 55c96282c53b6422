"""Lots: published, replaced by one of the honest boxes, ended; and the record beside the list."""

import json
import time

import pytest

from backfence.agent import limits, trust_file
from backfence.agent.wire import merkle
from backfence.agent.wire.seal import Party
from backfence.bootstrap.controller.places import Places
from backfence.bootstrap.controller.server import answer
from backfence.bootstrap.operator import enrol, lots, manifests, revoke
from backfence.bootstrap.operator import fleet as fleets
from backfence.bootstrap.operator.errors import OperatorError

from fleets import make_fleet, mosquitto
from test_cli import call

# Nothing is signed that is dated ahead of the machine's clock.
NOW_S = int(time.time())


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with mosquitto(tmp_path_factory.mktemp("broker")) as address:
        yield address


@pytest.fixture
def fleet(tmp_path, monkeypatch, broker):
    """A fleet of two lots, of 6 and 3 boxes."""
    fleet = make_fleet(tmp_path / "fleet", boxes=6)
    fleet.enrol(3, 7100, doors=0)
    monkeypatch.setenv("BACKFENCE_FLEET", fleet.directory)
    monkeypatch.setenv("BACKFENCE_BROKER", broker)
    return fleet


def of(fleet, lot):
    return [box.id for box in fleet.boxes().of_lot(lot)]


def silence(fleet, *ids):
    fleet.sign(manifests.revocation_manifest(fleet, ids))


def place(places, id):
    """The controller's answer about a box: (lot id, leaf, path), or None."""
    data = places.answer(b"\x1c" + id + bytes(1183))
    return data and (data[1:9], int.from_bytes(data[9:13], "big"), [data[at:at + 32] for at in range(14, len(data), 32)])


def test_a_lot_is_replaced_by_one_of_its_honest_boxes_and_each_finds_its_place(fleet):
    one, two = of(fleet, "lot-1"), of(fleet, "lot-2")
    silence(fleet, one[1], one[4])
    new, old = lots.replace(fleet, without=[one[0]], overlap_s=100, now_s=NOW_S)
    assert (new, old) == ("lot-3", ["lot-1"])
    assert {name: (lot.count, lot.until) for name, lot in fleet.lots().items()} == {
        "lot-1": (6, NOW_S + 100), "lot-2": (3, 0), "lot-3": (3, 0)}
    assert sorted(of(fleet, "lot-3")) == sorted(set(one) - {one[0], one[1], one[4]})
    places = Places(fleet.path("lots"))
    with enrol.Proofs(fleet) as proofs:
        believed = trust_file.load(proofs.trust(next(iter(fleet.boxes().values()))))
    for box in fleet.boxes().values():
        found = place(places, box.id)
        if box.id in (one[0], one[1], one[4]):
            assert found is None
        else:
            assert believed.enrolled(Party(box.public, 0, 0, *found)) and found[0] != merkle.lot_id(fleet.lots()["lot-1"].root)
    assert len(fleet.boxes()) == 9 and sorted(of(fleet, "lot-2")) == sorted(two)


def test_when_the_old_lot_is_over_its_revoked_boxes_leave_the_list_of_revoked_boxes(fleet):
    one = of(fleet, "lot-1")
    silence(fleet, one[0], one[1])
    lots.replace(fleet, overlap_s=1, now_s=NOW_S - 10 * 86400)
    done = call("lot", "end", "--wait", "0.1", "lot-1")
    assert done.exit_code == 0 and "revocation-boxes 2: pushed" in done.stderr, done.output
    assert not fleet.revoked() and one[0] not in fleet.boxes() and len(fleet.boxes()) == 7
    again = fleets.Fleet.open(fleet.directory)
    assert sorted(again.lots()) == ["lot-2", "lot-3"]


def test_a_lot_that_is_ended_early_leaves_its_boxes_on_the_list_until_the_next(fleet):
    one = of(fleet, "lot-1")
    silence(fleet, one[0])
    done = call("lot", "end", "--wait", "0.1", "lot-1")
    assert done.exit_code == 0 and "lots-all 3: pushed" in done.stderr and "revocation" not in done.stderr
    assert fleet.revoked() == {one[0]}
    call("revoke", "--wait", "0.1", of(fleet, "lot-2")[0].hex())
    assert fleet.revoked() == {of(fleet, "lot-2")[0]}


def test_a_full_list_of_revoked_boxes_is_emptied_by_replacing_the_lot(tmp_path):
    fleet = fleets.create(str(tmp_path / "fleet"))
    keys = [b"%031d\0" % number for number in range(limits.REVOKED + 50)]
    (tmp_path / "keys.csv").write_text("\n".join(key.hex() for key in keys))
    enrol.take(fleet, str(tmp_path / "keys.csv"))
    stolen, more = list(fleet.boxes())[:limits.REVOKED], list(fleet.boxes())[limits.REVOKED:][:3]
    silence(fleet, *stolen)
    with pytest.raises(OperatorError, match="room for 256"):
        revoke.changed(fleet, [more[0].hex()])
    new, _ = lots.replace(fleet)
    lots.end(fleet, "lot-1")
    plan = revoke.changed(fleet, [id.hex() for id in more])
    assert plan.payload["boxes"] == b"".join(sorted(more))
    assert fleet.lots()[new].count == 50 and len(fleet.boxes()) == 50


@pytest.mark.parametrize("words, says", [
    (["replace"], "no lot has a revoked box"),
    (["replace", "lot-9"], "lot-9 is no lot that stays"),
    (["replace", "--without", "ffffffff"], "no box ffffffff"),
    (["end", "lot-9"], "lot-9 is no lot"),
])
def test_what_makes_no_sense_is_refused_in_one_line_and_nothing_is_signed(fleet, words, says):
    left = fleet.signer.remaining()
    done = call("lot", *words)
    assert done.exit_code == 1 and says in done.stderr and done.stderr.startswith("Error: ")
    assert fleet.signer.remaining() == left and sorted(fleet.lots()) == ["lot-1", "lot-2"]


def test_the_last_lot_is_not_ended(fleet):
    call("lot", "end", "--wait", "0.1", "lot-1")
    done = call("lot", "end", "lot-2")
    assert done.exit_code == 1 and "the last lot that stays" in done.stderr
    assert list(fleet.lots()) == ["lot-2"]


def test_a_lot_of_revoked_boxes_alone_is_ended_and_not_replaced(fleet):
    silence(fleet, *of(fleet, "lot-2"))
    with pytest.raises(OperatorError, match="0 boxes would remain"):
        lots.replace(fleet)
    assert sorted(fleet.lots()) == ["lot-1", "lot-2"] and len(fleet.boxes()) == 9


def test_several_lots_become_one(fleet):
    for number in range(limits.LOTS - 2):
        fleet.enrol(1, 7200 + number, doors=0)
    with pytest.raises(OperatorError, match="16 lots"):
        fleet.enrol(1, 7300, doors=0)
    with pytest.raises(OperatorError, match="has 16 lots already"):
        lots.replace(fleet, ["lot-1", "lot-2"])
    lots.end(fleet, "lot-16")
    assert lots.replace(fleet, [f"lot-{number}" for number in range(1, 16)])[0] == "lot-17"
    assert fleet.lots()["lot-17"].count == 6 + 3 + 13
    shown = json.loads(call("lot", "list", "--format", "json").output)
    assert len(shown) == 16 and [row["until"] for row in shown if row["lot"] == "lot-17"] == [0]


def test_the_controller_answers_no_more_than_it_was_asked_and_knows_only_lots_that_stay(fleet):
    silence(fleet, of(fleet, "lot-1")[0])
    lots.replace(fleet)
    places = Places(fleet.path("lots"))
    id = of(fleet, "lot-3")[0]
    good = b"\x1c" + id + bytes(1183)
    for wrong in (b"", good[:-1], good + b"\0", good[:-1] + b"x", b"\x1d" + good[1:], b"\x1c" + bytes(1199)):
        assert answer(b"seeds", wrong, places) is None
    assert len(answer(b"seeds", good, places)) < len(good) and answer(b"seeds", good) is None
    listed = b"\x1a\0\0\1" + bytes(1196)
    assert answer(b"seeds", listed, places)[5:] == places.data[:1024] and answer(b"seeds", listed) is None
    before = places.data
    lots.end(fleet, "lot-2")
    assert "took up" in places.refresh() and places.data != before and places.refresh() is None
