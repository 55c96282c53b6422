"""A box's key is renewed: who may ask, what goes over to the new key, and a cut at every step."""

import os
import shutil
import subprocess

import pytest

from backfence.agent.edge import disk, files as box_files, renew as box_renew
from backfence.agent.peers import Identity
from backfence.bootstrap.operator import credit, delegations, enrol, files, lots, results, revoke, settle, tenants
from backfence.bootstrap.operator import fleet as fleets
from backfence.bootstrap.operator import renew
from backfence.bootstrap.operator.errors import OperatorError
from backfence.sim.live import interpreters

from faults import FaultyOs, Stopped
from fleets import BoxHand, make_fleet, mosquitto, workload
from test_cli import call


@pytest.fixture
def fleet(tmp_path):
    return make_fleet(tmp_path / "fleet", boxes=3)


def boxes(fleet):
    return sorted(fleet.boxes().values(), key=lambda box: box.home)


def ask(box):
    return box_renew.request(box.home).hex()


def renewed(fleet, box):
    """The Box under its new key, the old one silenced."""
    pairs = renew.renew(fleet, [ask(box)])
    enrol.write_at_hand(fleet)
    fleet.sign(renew.silence(fleet))
    return fleet.boxes()[pairs[0][1]]


def test_all_that_belongs_to_a_box_goes_over_to_its_new_key(fleet):
    box = boxes(fleet)[0]
    fleet.register.db.execute("UPDATE boxes SET serial = 'HB2-1' WHERE id = ?", (box.id,))
    os.makedirs(os.path.join(box.home, "state"), exist_ok=True)
    files.write_whole(os.path.join(box.home, "state", "state-availability"), b"history")
    request = ask(box)
    assert ask(box) == request, "asked again, it is the same key"
    new = renewed(fleet, box)
    assert (new.before, new.serial, new.address, new.home) == (box.id, "HB2-1", box.address, box.home)
    assert fleet.boxes().with_serial("HB2-1").id == new.id and fleet.revoked() == {box.id}
    assert fleet.first_id(new.id) == box.id == fleet.first_id(box.id)
    identity, anchors = box_files.load_identity(box.home)
    assert identity.id == new.id and anchors.fleet == fleet.id
    assert not os.path.exists(os.path.join(box.home, "next.key"))
    assert box_files.load_identity(box.home)[0].id == new.id
    assert files.read(os.path.join(box.home, "state", "state-availability")) == b"history"
    # And once more: the chain goes on.
    third = renewed(fleet, new)
    assert fleet.first_id(third.id) == box.id and fleet.revoked() == {box.id, new.id}


def test_both_keys_have_one_vote_on_a_task_and_the_old_one_none_after_the_renewal(fleet):
    box, other = boxes(fleet)[:2]
    plan = workload(fleet, tasks=2, replicas=2, quorum=2, deterministic=True)
    work = results.Work.create(fleet, plan, fleet.sign(plan))
    old = BoxHand(fleet, box)
    assert work.take(*old.result(plan, 0, b"one")) == settle.ACCEPTED
    new_box = renewed(fleet, box)
    box_files.load_identity(box.home)
    new = BoxHand(fleet, new_box)
    assert work.take(*new.result(plan, 0, b"one")) == settle.DUPLICATE
    assert work.take(*old.result(plan, 1, b"two")) == settle.REVOKED
    assert work.take(*new.result(plan, 1, b"two")) == settle.ACCEPTED
    assert work.settlement.counts()["SUCCEEDED"] == 0
    [row] = work.settlement.metering()
    assert (row["box"], row["tasks"]) == (box.id.hex(), 2)
    assert {row["box"] for row in credit.rows(work)} == {box.id.hex()}
    assert work.take(*BoxHand(fleet, other).result(plan, 0, b"one")) == settle.ACCEPTED
    assert work.settlement.counts()["SUCCEEDED"] == 1


def parts(request):
    data = bytes.fromhex(request)
    return data[:32], data[32:64], data[64:80], data[80:]


def joined(*pieces):
    return b"".join(pieces).hex()


def attacks(fleet):
    """{what is tried: (requests, what is said)}."""
    one, two, three = boxes(fleet)
    good, theirs = parts(ask(one)), parts(ask(two))
    revoked = ask(three)
    fleet.sign(revoke.changed(fleet, [three.id.hex()]))
    return {
        "another's key, with one's own tags": ([joined(theirs[0], good[1], good[2], good[3])], "not made by the box"),
        "another's new key for oneself": ([joined(good[0], theirs[1], good[2], theirs[3])], "not made by the box"),
        "tags changed about": ([joined(good[0], good[1], good[3], good[2])], "not made by the box"),
        "the old key as the new one": ([joined(good[0], good[0], good[2], good[2])], "not made by the box"),
        "without the new key's tag": ([joined(good[0], good[1], good[2], bytes(16))], "not made by the box"),
        "without the old key's tag": ([joined(good[0], good[1], bytes(16), good[3])], "not made by the box"),
        "a point of small order": ([joined(good[0], bytes(32), *good[2:])], "small order"),
        "cut short": ([joined(*good)[:-2]], "no request"),
        "no hexadecimal digits": (["renew me"], "no request"),
        "a revoked box asks": ([revoked], "is revoked"),
        "one box twice": ([joined(*good), joined(*good)], "two requests are for one box"),
        "another fleet's box": ([ask(boxes(make_fleet(fleet.path("works", "other"), boxes=1))[0])], "not made by the box"),
    }


def test_attacks_are_refused_and_the_record_stays_as_it_was(fleet):
    table = attacks(fleet)
    for what, (requests, says) in table.items():
        left, before = fleet.signer.remaining(), fleet.register.signed_list()
        with pytest.raises(OperatorError, match=says):
            renew.renew(fleet, requests)
        assert fleet.signer.remaining() == left and fleet.register.signed_list() == before, what
        assert len(fleet.boxes()) == 3, what
    one = boxes(fleet)[0]
    request = ask(one)
    new = renewed(fleet, one)
    # The thief of the old key has the old trust.cbor too.
    with pytest.raises(OperatorError, match="was renewed already"):
        renew.renew(fleet, [_as_thief(fleet, one)])
    left = fleet.signer.remaining()
    assert renew.renew(fleet, [request]) == [(one.id, new.id)] and fleet.signer.remaining() == left
    with pytest.raises(OperatorError, match="has another key now"):
        revoke.changed(fleet, [one.id.hex()], undo=True)
    assert fleet.first_id(new.id) == one.id and len(fleet.boxes()) == 4


def _as_thief(fleet, box):
    home = fleet.path("thief")
    os.mkdir(home)
    shutil.copy(os.path.join(box.home, "box.key"), home)
    with enrol.Proofs(fleet) as proofs:
        files.write_whole(os.path.join(home, "trust.cbor"), proofs.trust(box))
    return box_renew.request(home).hex()


def test_a_new_key_is_taken_once(fleet):
    one, two, _ = boxes(fleet)
    new = renewed(fleet, one)
    box_files.load_identity(one.home)
    # Another box offers the key that the first has now.
    shutil.copy(os.path.join(one.home, "box.key"), os.path.join(two.home, "next.key"))
    with pytest.raises(OperatorError, match="this key is enrolled already"):
        renew.renew(fleet, [ask(two)])
    assert fleet.boxes()[new.id].before == one.id and fleet.register.successor(two.id) is None


@pytest.mark.parametrize("moment", ["asking", "taking"])
def test_a_power_cut_at_any_step_leaves_the_box_a_key_that_its_trust_fits(tmp_path, monkeypatch, moment):
    fleet = make_fleet(tmp_path / "fleet", boxes=1)
    [box] = boxes(fleet)
    if moment == "taking":
        renew.renew(fleet, [ask(box)])
        enrol.write_at_hand(fleet)
    shutil.copytree(box.home, tmp_path / "before")
    wanted = {box.id} if moment == "asking" else {Identity(files.read(os.path.join(box.home, "next.key"))).id}
    step, happened = 0, True
    while happened:
        step += 1
        shutil.rmtree(box.home)
        shutil.copytree(tmp_path / "before", box.home)
        faulty = FaultyOs(step, "power")
        with monkeypatch.context() as patch:
            for module in (disk, box_files, box_renew):
                patch.setattr(module, "os", faulty)
            try:
                box_renew.request(box.home) if moment == "asking" else box_files.load_identity(box.home)
            except Stopped:
                pass
        happened = faulty.happened
        assert box_files.load_identity(box.home)[0].id in wanted
        if moment == "asking":
            assert len(box_renew.request(box.home)) == renew.REQUEST_BYTES
    assert step > (3 if moment == "asking" else 1)


def _restore(fleet, before):
    """The Fleet as its directory was copied, but for the signer, whose leaves are gone for good."""
    fleet.register.db.close()
    for name in ("boxes.db", "lots", "manifests", "sequence.json"):
        target, source = fleet.path(name), before / name
        shutil.rmtree(target) if os.path.isdir(target) else os.path.exists(target) and os.remove(target)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    return fleets.Fleet.open(fleet.directory)


def test_a_renewal_that_is_killed_at_any_step_is_whole_after_the_same_command(tmp_path, monkeypatch):
    fleet = make_fleet(tmp_path / "fleet", boxes=2)
    box, other = boxes(fleet)
    shutil.copytree(fleet.directory, tmp_path / "before", symlinks=True)
    request, unsilenced, seen = ask(box), 0, []
    step, happened = 0, True
    while happened:
        step += 1
        fleet = _restore(fleet, tmp_path / "before")
        faulty = FaultyOs(step, "power")
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", faulty)
            try:
                renew.renew(fleet, [request])
                fleet.sign(renew.silence(fleet))
            except (Stopped, OperatorError):
                pass
        happened = faulty.happened
        fleet.register.db.close()
        fleet = fleets.Fleet.open(fleet.directory)
        done = fleet.register.successor(box.id) is not None
        unsilenced += renew.unfinished(fleet)
        # The operator's own tables never believe both keys.
        assert (box.id in fleet.revoked()) == done
        with enrol.Proofs(fleet) as proofs:
            assert all(proofs.trust(each) for each in fleet.boxes().values()) and len(fleet.boxes()) == 2 + done
        state = done, renew.unfinished(fleet), sorted(os.listdir(fleet.path("manifests")))
        if seen.count(state) < 2:  # more of a kind shows nothing new
            seen.append(state)
            if done and seen.count(state) == 2:
                fleet.sign(revoke.changed(fleet, [other.id.hex()]))  # whatever list is signed next has it
            [(old, new)] = renew.renew(fleet, [request])
            fleet.sign(renew.silence(fleet))
            assert old == box.id and fleet.register.successor(box.id) == new and len(fleet.boxes()) == 3
            assert box.id in revoke.listed(fleet) and new not in fleet.revoked() and not renew.unfinished(fleet)
    assert unsilenced > 0 and step > 10 and len(seen) > 4


def test_an_old_key_gets_no_place_in_a_new_lot_though_the_renewal_was_cut_short(fleet):
    box = boxes(fleet)[0]
    [(_, new)] = renew.renew(fleet, [ask(box)])
    assert renew.unfinished(fleet) and box.id in fleet.revoked()
    lots.replace(fleet, sorted(fleet.lots()))
    assert fleet.boxes()[box.id].lot != fleet.boxes()[new].lot


def test_by_a_tenants_pass_a_renewed_box_has_one_vote(fleet, tmp_path):
    box, other = boxes(fleet)[:2]
    keys = tenants.read_keys(tenants.request(str(tmp_path / "acme"), width=4))
    fleet.sign(delegations.delegation(fleet, "acme", keys, {"slices": 1, "seats": 6, "workloads": 1, "tasks": 4,
                                                             "fuel": 10**9, "pages": 16, "output": 1000}))
    new = renewed(fleet, box)
    box_files.load_identity(box.home)
    new = renewed(fleet, new)
    box_files.load_identity(box.home)
    home = tenants.join(str(tmp_path / "acme"), tenants.make_pass(fleet, "acme"))
    plan = workload(home, tasks=1, replicas=2, quorum=2, deterministic=True)
    assert home.first_id(new.id) == box.id == home.first_id(box.id)
    votes = settle.Settlement(plan, home)
    verdicts = []
    for each in (other, new, new):
        hand = BoxHand(fleet, each)
        hand.keys.append(hand.key_for(home.owner_public))
        verdicts.append(votes.offer(*hand.result(plan, 0, b"one")))
    assert verdicts == [settle.ACCEPTED, settle.ACCEPTED, settle.DUPLICATE]
    assert sorted(row["box"] for row in votes.metering()) == sorted([box.id.hex(), other.id.hex()])


def test_the_way_by_hand_with_the_boxs_own_interpreter(tmp_path, monkeypatch):
    fleet = make_fleet(tmp_path / "fleet", boxes=2)
    monkeypatch.setenv("BACKFENCE_FLEET", fleet.directory)
    box = boxes(fleet)[0]
    found = interpreters.find("micropython")
    environment = dict(found.environment, MICROPYPATH=f".frozen:{interpreters.compiled_agent()}")
    done = subprocess.run(
        found.arguments("-m", "backfence.agent.edge.renew", "--home", box.home, heap="2M"), env=environment, capture_output=True,
        text=True, timeout=60)
    assert done.returncode == 0 and len(done.stdout.strip()) == 2 * renew.REQUEST_BYTES, done.stderr
    with mosquitto(tmp_path) as broker:
        said = call("renew", "--broker", broker, "--wait", "0.1", "--out", tmp_path / "out", done.stdout.strip())
    assert said.exit_code == 0 and "lots-all 2: pushed" in said.stderr and "revocation-boxes 1: pushed" in said.stderr
    [name] = os.listdir(tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out" / name)) == ["broker", "trust.cbor"] and name in said.output
    assert (tmp_path / "out" / name / "broker").read_text().startswith(f"broker_user = {name}\nbroker_password = ")
    assert box_files.load_identity(box.home)[0].id.hex() == name
    wrong = call("renew", "--broker", "127.0.0.1:1", "x")
    assert wrong.exit_code == 1 and wrong.stderr.startswith("Error: ")
