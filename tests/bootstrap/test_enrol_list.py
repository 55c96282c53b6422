"""A factory's list: what is refused, row by row, and that nothing half-enrolled is left by anything."""

import csv
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from backfence.agent import trust_file
from backfence.agent.wire import merkle
from backfence.agent.wire.seal import Party
from backfence.bootstrap import tree as trees
from backfence.bootstrap.controller.places import Places
from backfence.bootstrap.operator import enrol, factory, files, lots, register
from backfence.bootstrap.operator import fleet as fleets
from backfence.bootstrap.operator.errors import OperatorError

from faults import FaultyOs, Stopped
from fleets import make_fleet
from test_cli import call

RNG = random.Random(7)


def public():
    return X25519PrivateKey.from_private_bytes(RNG.randbytes(32)).public_key().public_bytes_raw()


KEYS = [public().hex() for _ in range(6)]
PRIME = 2**255 - 19


def little(number):
    return number.to_bytes(32, "little").hex()


@pytest.fixture
def fleet(tmp_path):
    return make_fleet(tmp_path / "fleet", boxes=0)


def take(fleet, folder, text, **options):
    (folder / "list.csv").write_text(text)
    return enrol.take(fleet, str(folder / "list.csv"), **options)


@pytest.mark.parametrize("text", [
    "\n".join(KEYS[:2]),
    f"{KEYS[0]},HB2-1\r\n{KEYS[1]},HB2-2\r\n",
    f"public_key,serial\n{KEYS[0]},HB2-1\n{KEYS[1]},\n",
    f"serial,public_key\nHB2-1,{KEYS[0].upper()}\n\n# and another\n HB2-2 , \"{KEYS[1]}\"\n",
    f"public_key\n{KEYS[0]}\n{KEYS[1]}",
], ids=["bare keys", "no names", "a serial left out", "other order, comment, blanks", "keys under a name"])
def test_lists_as_factories_write_them(fleet, tmp_path, text):
    lot = take(fleet, tmp_path, text)
    assert (lot.name, lot.count) == ("lot-1", 2)
    assert {box.public.hex() for box in fleet.boxes().values()} == set(KEYS[:2])
    if "HB2-1" in text:
        assert fleet.boxes().with_serial("HB2-1").public.hex() == KEYS[0]


WRONG = {
    "a letter": ("x" + KEYS[0][1:], 1, "not a public key"),
    "a digit short": (KEYS[0][:-1], 1, "not a public key"),
    "an empty key": (",HB2-1", 1, "not a public key"),
    "too many columns": (f"{KEYS[0]},1,2", 1, "3 columns"),
    "the same key twice": (f"{KEYS[0]}\n{KEYS[1]}\n{KEYS[0]}", 3, "the key of row 1 again"),
    "the same serial twice": (f"{KEYS[0]},S\n{KEYS[1]},S", 2, "the serial of row 1 again"),
    "zero": (little(0), 1, "small order"),
    "one": (little(1), 1, "small order"),
    "minus one": (little(PRIME - 1), 1, "small order"),
    "a point of order 8": (little(factory._ORDER_8[0]), 1, "small order"),
    "the other point of order 8": (little(factory._ORDER_8[1]), 1, "small order"),
    "the prime": (little(PRIME), 1, "not the one way"),
    "the prime and nine": (little(PRIME + 9), 1, "not the one way"),
    "a top bit": (KEYS[0][:-2] + "%02x" % (int(KEYS[0][-2:], 16) | 0x80), 1, "not the one way"),
    "a long serial": (f"{KEYS[0]},{'s' * 65}", 1, "a serial has up to 64"),
    "a serial of no ASCII": (f"{KEYS[0]},n\u00e9", 1, "a serial has up to 64"),
    "a long line": (KEYS[0] + "," + "s" * 2000, 1, "more than 1000 letters"),
    "a quote that never ends": (f'{KEYS[0]},"s', 1, "not CSV"),
}


@pytest.mark.parametrize("text, row, what", WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_named_and_nobody_is_enrolled(fleet, tmp_path, text, row, what):
    left = fleet.signer.remaining()
    with pytest.raises(OperatorError, match=f"list.csv: row {row}: .*{what}"):
        take(fleet, tmp_path, text)
    assert not fleet.lots() and not len(fleet.boxes()) and fleet.signer.remaining() == left
    assert os.listdir(fleet.path("lots")) == []
    assert take(fleet, tmp_path, KEYS[5]).count == 1


def test_every_wrong_row_is_counted_and_the_first_are_told(fleet, tmp_path):
    with pytest.raises(OperatorError) as caught:
        take(fleet, tmp_path, "public_key\n" + "x\n" * 30 + KEYS[0])
    assert "row 2: not a" in caught.value.message and "row 6: " in caught.value.message
    assert "row 7" not in caught.value.message and "and 25 more" in caught.value.message


@pytest.mark.parametrize("text, problem", [("", "no boxes to enrol"), ("public_key,colour\n", "the columns are"),
                                           ("serial\nx", "the columns are"), ("# nobody\n", "no boxes")])
def test_lists_without_a_row_or_with_other_columns(fleet, tmp_path, text, problem):
    with pytest.raises(OperatorError, match=problem):
        take(fleet, tmp_path, text)


def test_who_is_enrolled_already_is_named_with_his_lot(fleet, tmp_path):
    take(fleet, tmp_path, f"{KEYS[0]},A\n{KEYS[1]},B")
    id = register.box_id(bytes.fromhex(KEYS[1])).hex()
    with pytest.raises(OperatorError, match=f"row 2: this key is enrolled already, box {id} in lot-1"):
        take(fleet, tmp_path, f"{KEYS[2]}\n{KEYS[1]}")
    with pytest.raises(OperatorError, match="row 1: this serial is enrolled already"):
        take(fleet, tmp_path, f"{KEYS[2]},A")
    assert len(fleet.boxes()) == 2 and list(fleet.lots()) == ["lot-1"]


def test_a_lot_has_a_cap(fleet, tmp_path, monkeypatch):
    monkeypatch.setattr(lots, "BOXES", 2)
    with pytest.raises(OperatorError, match="more than 2 boxes"):
        take(fleet, tmp_path, "\n".join(KEYS[:3]))
    assert take(fleet, tmp_path, "\n".join(KEYS[:2])).count == 2


def test_one_boxs_proof_comes_later_and_holds(fleet, tmp_path):
    keys = [RNG.randbytes(31).hex() + "00" for _ in range(200)]
    take(fleet, tmp_path, "\n".join(f"{key},S{number}" for number, key in enumerate(keys)))
    assert not os.path.exists(tmp_path / "out")
    id = register.box_id(bytes.fromhex(keys[9])).hex()
    for name in ("S9", id, id[:8].upper()):
        done = call("proof", "--fleet", fleet.directory, "--out", tmp_path / "out", name)
        assert done.exit_code == 0 and os.listdir(tmp_path / "out") == [id], done.output
    believed = trust_file.load(files.read(str(tmp_path / "out" / id / "trust.cbor")))
    for number, key in enumerate(keys):
        assert believed.enrolled(Party(bytes.fromhex(key), 0, 0, believed.lot, believed.leaf, believed.path)) == (number == 9)
    done = call("proof", "--fleet", fleet.directory, "--out", tmp_path / "all", "--all")
    assert done.output.startswith("200 trust.cbor") and len(os.listdir(tmp_path / "all")) == 200


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 100, 257])
def test_the_trees_file_is_the_tree_of_the_wire(tmp_path, count):
    keys = sorted((b"%032d" % number for number in range(count)), key=register.box_id)
    leaves = [merkle.leaf(key) for key in keys]
    path = str(tmp_path / "x.tree")
    files.write_parts(path, trees.chunks(iter(keys), count))
    with trees.Tree(path) as tree:
        assert (tree.count, tree.root) == (count, merkle.root(leaves))
        for place, key in enumerate(keys):
            assert tree.find(register.box_id(key)) == place and tree.path(place) == merkle.path(leaves, place)
        assert tree.find(bytes(16)) is None and tree.find(b"\xff" * 16) is None
    whole = files.read(path)
    for wrong in (whole[:-1], whole + b"x", b"BFLX" + whole[4:], whole[:4] + bytes(4) + whole[8:], b""):
        files.write_whole(path, wrong)
        with pytest.raises(Exception, match="not a whole tree"):
            trees.Tree(path)


def test_a_fault_at_any_step_leaves_the_old_fleet_or_the_new_one(tmp_path, monkeypatch):
    fleet = make_fleet(tmp_path / "fleet", boxes=0)
    take(fleet, tmp_path, KEYS[0])
    for kind in ("disk", "power"):
        step, happened = 0, True
        while happened:
            step += 1
            before = len(fleet.boxes())
            faulty = FaultyOs(step, kind)
            with monkeypatch.context() as patch:
                patch.setattr(files, "os", faulty)
                try:
                    take(fleet, tmp_path, public().hex())
                except (OSError, Stopped, OperatorError):
                    pass
            happened = faulty.happened
            again = fleets.Fleet.open(fleet.directory)
            assert len(again.boxes()) in (before, before + 1)
            # The controller's copy is the record's, and every box on the list has a proof.
            assert Places(fleet.path("lots")).data == again.register.signed_list()
            with enrol.Proofs(again) as proofs:
                for box in again.boxes().values():
                    assert trust_file.load(proofs.trust(box)).enrolled(Party(box.public, 0, 0, *_place(proofs.trust(box))))
            if len(again.lots()) > 10:
                fleet = make_fleet(tmp_path / f"fleet-{kind}-{step}", boxes=0)
                take(fleet, tmp_path, KEYS[0])
        assert step > 8


def _place(data):
    believed = trust_file.load(data)
    return believed.lot, believed.leaf, believed.path


def test_a_killed_enrolment_leaves_the_old_fleet_or_the_new_one(tmp_path):
    fleet = make_fleet(tmp_path / "fleet", boxes=0)
    take(fleet, tmp_path, KEYS[0])
    seen = set()
    for number in range(12):
        with open(tmp_path / "many.csv", "w", newline="") as file:
            csv.writer(file).writerows([[RNG.randbytes(31).hex() + "00"] for _ in range(3000)])
        process = subprocess.Popen(
            [sys.executable, "-c", "from backfence.bootstrap.operator.cli import main; main()", "enrol", "--fleet",
             fleet.directory, "--keys", str(tmp_path / "many.csv")], stdout=subprocess.DEVNULL)
        # From the middle of the list to after the end.
        time.sleep(0.3 + 0.06 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
        again = fleets.Fleet.open(fleet.directory)
        counts = [lot.count for lot in again.lots().values()]
        assert counts[0] == 1 and set(counts[1:]) <= {3000} and len(again.boxes()) == sum(counts)
        seen.add(len(counts))
        if len(counts) > 1:
            break
    assert take(again, tmp_path, KEYS[1]).count == 1 and seen
