"""Enrolment: what is written makes a box one of the fleet, by the agent's own check."""

import os
import stat

import pytest

from backfence.agent import config, trust_file
from backfence.agent.errors import RemoteError
from backfence.agent.wire import x25519
from backfence.bootstrap.operator import enrol, files, register
from backfence.bootstrap.operator import fleet as fleets
from backfence.bootstrap.operator.errors import OperatorError

from fleets import make_fleet


class Party:
    """What a box shows another in its hello."""

    def __init__(self, key, lot, leaf, path):
        self.key, self.lot, self.leaf, self.path = key, lot, leaf, path


def believe(box):
    """(Trust, Party) from a box's home."""
    believed = trust_file.load(files.read(os.path.join(box.home, "trust.cbor")))
    public = x25519.public(files.read(os.path.join(box.home, "box.key")))
    return believed, Party(public, believed.lot, believed.leaf, believed.path)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16])
def test_boxes_of_a_lot_believe_each_other(tmp_path, count):
    fleet = make_fleet(tmp_path / "fleet", boxes=0)
    boxes = fleet.enrol(count, 7000, doors=1)
    believed = [believe(box) for box in boxes]
    for mine, _ in believed:
        assert all(mine.enrolled(party) for _, party in believed)
        assert (mine.fleet, mine.keys.root.operator, mine.owner) == (fleet.id, fleet.operator, fleet.owner_public)
    for box, (_, party) in zip(boxes, believed):
        assert box.public == party.key and box.id == register.box_id(party.key)


def test_boxes_of_different_lots_believe_each_other(tmp_path):
    fleet = make_fleet(tmp_path / "fleet", boxes=3)
    fleet.enrol(2, 7100, doors=0)
    believed = [believe(box) for box in fleet.boxes().values()]
    assert len(believed) == 5
    for mine, _ in believed:
        assert len(mine.lots) == 2 and all(mine.enrolled(party) for _, party in believed)


def test_a_stranger_and_another_fleets_box_are_not_believed(tmp_path):
    mine, _ = believe(next(iter(make_fleet(tmp_path / "one").boxes().values())))
    _, party = believe(next(iter(make_fleet(tmp_path / "two").boxes().values())))
    assert not mine.enrolled(party)
    party.lot = mine.lot
    assert not mine.enrolled(party)


def test_a_changed_trust_file_is_refused_by_the_box(tmp_path):
    fleet = make_fleet(tmp_path / "fleet", boxes=1)
    data = bytearray(files.read(os.path.join(fleet.path("homes", "box-7000"), "trust.cbor")))
    data[data.index(b"dlots") + 5] ^= 1  # another number of lots
    with pytest.raises(RemoteError):
        trust_file.load(bytes(data))


def test_a_home_is_ready_to_start(tmp_path):
    fleet = make_fleet(tmp_path / "fleet", boxes=0)
    boxes = fleet.enrol(3, 7000, host="::1", doors=2, broker="b.example:1884", extra={"region": "north"},
                        homes=str(tmp_path / "homes"))
    assert [box.address for box in boxes] == ["[::1]:7000", "[::1]:7001", "[::1]:7002"]
    for number, box in enumerate(boxes):
        assert box.home == str(tmp_path / "homes" / f"box-{7000 + number}")
        settings = config.parse(files.read(os.path.join(box.home, "agent.conf")).decode())
        assert (settings.listen, settings.region, settings.door) == (box.address, "north", int(number < 2))
        assert settings.broker == ("b.example:1884" if number < 2 else "")
        for name, mode in (("box.key", 0o600), ("agent.conf", 0o600), ("state", 0o700), ("store", 0o700), (".", 0o700)):
            assert stat.S_IMODE(os.stat(os.path.join(box.home, name)).st_mode) == mode


def test_boxes_may_make_their_own_keys(tmp_path):
    fleet = make_fleet(tmp_path / "fleet", boxes=2)
    private = [bytes([number]) * 32 for number in (1, 2, 3)]
    publics = [x25519.public(key) for key in private]
    (tmp_path / "keys.csv").write_text("\n".join(key.hex() for key in publics))
    lot = enrol.take(fleet, str(tmp_path / "keys.csv"), str(tmp_path / "out"), {"region": "south"})
    assert (lot.name, lot.count) == ("lot-2", 3)
    for key, public in zip(private, publics):
        home = str(tmp_path / "out" / register.box_id(public).hex())
        assert sorted(os.listdir(home)) == ["agent.conf", "trust.cbor"]
        files.write_whole(os.path.join(home, "box.key"), key, files.SECRET)
        mine, party = believe(register.Box(register.box_id(public), public, home=home))
        assert mine.enrolled(party)
    assert set(fleets.Fleet.open(fleet.directory).boxes()) == set(fleet.boxes()) and len(fleet.boxes()) == 5


@pytest.mark.parametrize("arguments, problem", [
    ({"count": 0, "base_port": 7000}, "do not fit"),
    ({"count": 2, "base_port": 65535}, "do not fit"),
    ({"count": 2, "base_port": 0}, "do not fit"),
    ({"count": 2, "base_port": 7000, "doors": 3}, "cannot be doors"),
    ({"count": 2, "base_port": 7000, "host": "no such host"}, "not an address"),
    ({"count": 2, "base_port": 7000, "extra": {"regin": "x"}}, "unknown key 'regin'"),
    ({"count": 2, "base_port": 7000, "extra": {"round_ms": 1}}, "round_ms takes"),
])
def test_wrong_enrolments_leave_nothing_behind(tmp_path, arguments, problem):
    fleet = make_fleet(tmp_path / "fleet", boxes=0)
    with pytest.raises(OperatorError, match=problem):
        fleet.enrol(**arguments)
    assert not fleet.boxes() and not fleet.lots()
    assert not os.path.isdir(fleet.path("homes")) or not os.listdir(fleet.path("homes"))


def test_homes_are_never_overwritten(tmp_path):
    fleet = make_fleet(tmp_path / "fleet", boxes=2)
    with pytest.raises(OperatorError, match="exists already"):
        fleet.enrol(2, 7001)


def test_more_lots_than_a_box_believes_in_are_refused(tmp_path):
    fleet = make_fleet(tmp_path / "fleet", boxes=0)
    for number in range(16):
        fleet.enrol(1, 7000 + number, doors=0)
    assert len(believe(next(iter(fleet.boxes().values())))[0].lots) == 16
    with pytest.raises(OperatorError, match="16 lots"):
        fleet.enrol(1, 7100, doors=0)


@pytest.mark.parametrize("text, packed", [
    ("127.0.0.1:7000", b"\x7f\0\0\1\x1b\x58"),
    ("[::1]:1", bytes(15) + b"\1\0\1"),
])
def test_packed_addresses(text, packed):
    assert enrol.pack_address(text) == packed


def test_an_existing_fleet_is_not_made_again(tmp_path):
    make_fleet(tmp_path / "fleet", boxes=0)
    with pytest.raises(OperatorError, match="holds a fleet already"):
        fleets.create(str(tmp_path / "fleet"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    with pytest.raises(OperatorError, match="not empty"):
        fleets.create(str(tmp_path / "full"))
    with pytest.raises(OperatorError, match="not a fleet's directory"):
        fleets.Fleet.open(str(tmp_path / "full"))
