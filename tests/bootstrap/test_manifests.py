"""What the operator signs is what a box takes; what a box would not take is not signed."""

import hashlib
import os
import time

import cbor2
import pytest

from backfence.agent import limits, manifest as agent
from backfence.agent.errors import RemoteError
from backfence.bootstrap.operator import manifests
from backfence.bootstrap.operator.errors import OperatorError

from fleets import PROGRAM, make_fleet, workload


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    return make_fleet(tmp_path_factory.mktemp("fleet") / "fleet")


def box_reads(fleet, signed):
    """The agent's own check of a signed manifest, to its end."""
    check = agent.Check(signed, fleet.keys)
    while not check.step():
        pass
    return check.manifest


def test_a_box_takes_each_kind(fleet):
    boxes = list(fleet.boxes().values())
    plans = [
        manifests.slice_manifest(fleet, "edge", 8, 'arch == "mipsel" and not (door == 1 or mem_free < 1 MiB)'),
        workload(fleet, 4, args=["-n", "3"], replicas=3, quorum=2),
        manifests.lots_manifest(fleet, [[bytes(32), 4, 0]]),
        manifests.seeds_manifest(fleet, [(boxes[0].id, b"\x7f\0\0\1\x1b\x58"), (boxes[1].id, bytes(16) + b"\0\7")]),
    ]
    for plan in plans:
        taken = box_reads(fleet, fleet.sign(plan))
        assert taken.fields == plan.payload
        assert f"{taken.kind}-{taken.name}" == plan.label


def test_seats_are_kept_for_regions_alike(fleet):
    plan = manifests.slice_manifest(fleet, "edge", 6, 'door == 0', regions=["north", "south", "west"])
    assert box_reads(fleet, fleet.sign(plan)).fields["regions"] == ["north", "south", "west"]
    for seats, regions, problem in (
        (6, ["north"], "number of regions"), (18, [f"r{number}" for number in range(9)], "number of regions"),
        (6, ["north", "north"], "different names"), (6, ["north", ""], "different names"), (6, ["north", 7], "different names"),
        (7, ["north", "south"], "7 seats cannot be shared out to 2 regions"), ("10 %", ["north", "south"], "has no regions"),
    ):
        with pytest.raises(OperatorError, match=problem):
            manifests.slice_manifest(fleet, "edge", seats, regions=regions)


def test_the_signed_form_is_plain_cose(fleet):
    """Another library reads it: COSE_Sign1, HSS-LMS, and nothing unsigned."""
    plan = manifests.slice_manifest(fleet, "edge", 8)
    outer = cbor2.loads(fleet.sign(plan))
    protected, unprotected, payload, signature = outer.value
    assert outer.tag == 18 and unprotected == {}
    assert cbor2.loads(protected) == {1: -46, 4: hashlib.sha256(fleet.operator).digest()[:16]}
    assert cbor2.loads(payload) == plan.payload and len(signature) > 1000


def test_the_largest_workload_fits_a_box(fleet):
    # Inputs that differ, as many as fit: eight index blobs.
    inputs = [b"%d" % number for number in range(limits.TASKS)]
    plan = manifests.workload_manifest(
        fleet, "w" * 32, "s" * 32, PROGRAM, inputs, args=["x" * 64] * 8, deterministic=True
    )
    signed = fleet.sign(plan)
    assert len(signed) <= limits.MANIFEST_BYTES
    assert box_reads(fleet, signed).fields["tasks"] == 8192
    assert [len(plan.blobs[digest]) for digest in plan.payload["index"]] == [32768] * 8


def test_index_blobs_name_the_inputs_in_order(fleet):
    plan = workload(fleet, 1030)
    index = b"".join(plan.blobs[digest] for digest in plan.payload["index"])
    names = [index[at:at + 32] for at in range(0, len(index), 32)]
    assert [plan.blobs[name] for name in names] == [b"input %d" % number for number in range(1030)]
    assert names == plan.inputs
    assert plan.blobs[plan.payload["program"]] == PROGRAM
    assert all(hashlib.sha256(data).digest() == digest for digest, data in plan.blobs.items())


def test_sequence_numbers_rise_for_each_name_and_outlive_the_process(fleet):
    first = manifests.slice_manifest(fleet, "rising", 1).payload["seq"]
    again = type(fleet).open(fleet.directory)
    assert manifests.slice_manifest(again, "rising", 1).payload["seq"] == first + 1
    assert manifests.slice_manifest(fleet, "rising", 1).payload["seq"] == first + 2
    assert manifests.slice_manifest(fleet, "other", 1).payload["seq"] == 1


def test_an_end_is_later_and_outlives_what_it_ends(fleet):
    plan = manifests.slice_manifest(fleet, "ending", 3, valid_s=10**6)
    fleet.sign(plan)
    ending = manifests.end_manifest(fleet, plan.payload)
    assert ending.payload["seq"] > plan.payload["seq"]
    assert ending.payload["expires"] >= plan.payload["expires"]
    assert box_reads(fleet, fleet.sign(ending)).end is True


def test_asking_again_keeps_the_deadline(fleet):
    plan = workload(fleet, 2, replicas=2, quorum=2, deadline_s=1000, issued=5000)
    more = manifests.asked_again(fleet, plan.payload, 2, [1], issued=5400).payload
    assert (more["replicas"], more["quorum"], more["seq"]) == (1, 2, plan.payload["seq"] + 1)
    assert more["again"] == [2, b"\x02"]
    assert more["issued"] + more["deadline_s"] == 6000


@pytest.mark.parametrize("name, problem", [
    ("", "not a name"), ("Edge", "not a name"), ("a" * 33, "not a name"), ("a/b", "not a name"),
    ("a b", "not a name"), ("edge\n", "not a name"),
])
def test_names_that_boxes_refuse_are_refused(fleet, name, problem):
    with pytest.raises(OperatorError, match=problem):
        manifests.slice_manifest(fleet, name, 1)


@pytest.mark.parametrize("options, problem", [
    ({"tasks": 0}, "number of tasks is 0"),
    ({"tasks": 8193}, "from 1 to 8,192"),
    ({"tasks": 4097, "replicas": 2}, "from 1 to 4,096"),
    ({"replicas": 9}, "replicas is 9"),
    ({"replicas": 2, "quorum": 3}, "quorum is 3"),
    ({"replicas": 2, "quorum": 2, "deterministic": False}, "quorum needs deterministic"),
    ({"args": ["x"] * 9}, "arguments is 9"),
    ({"args": ["x" * 65]}, "size of argument"),
    ({"args": ["a\0b"]}, "a box would refuse the manifest: manifest field args"),
    ({"fuel": 0}, "fuel is 0"),
    ({"fuel": 1 << 60}, "fuel is"),
    ({"output": 40000}, "output is 40000"),
    ({"deadline_s": 0}, "deadline in seconds is 0"),
])
def test_workloads_that_boxes_refuse_are_refused(fleet, options, problem):
    with pytest.raises(OperatorError, match=problem):
        fleet.sign(workload(fleet, **options))


@pytest.mark.parametrize("program, problem", [
    (b"", "not WebAssembly"), (b"\x7fELF....", "not WebAssembly"), (b"\0asm\1", "size"),
    (PROGRAM + bytes(32768), "32,768"),
])
def test_programs_that_are_none_are_refused(fleet, program, problem):
    with pytest.raises(OperatorError, match=problem):
        manifests.workload_manifest(fleet, "words", "edge", program, [b"x"])


def test_an_input_over_the_cap_is_named(fleet):
    with pytest.raises(OperatorError, match="task 1's input is 32769"):
        manifests.workload_manifest(fleet, "words", "edge", PROGRAM, [b"x", bytes(32769)])


def tampered(signed):
    changed = bytearray(signed)
    changed[changed.index(b"edge")] ^= 1
    return bytes(changed)


def with_members(change):
    def changed(signed):
        outer = cbor2.loads(signed)
        return cbor2.dumps(cbor2.CBORTag(18, change(list(outer.value))), canonical=True)

    return changed


@pytest.mark.parametrize("attack, problem", [
    (lambda signed: b"", "not a signed manifest"),
    (lambda signed: b"hello", "not a signed manifest"),
    (lambda signed: signed[:-1], "not a signed manifest"),
    (lambda signed: signed[:1000], "not a signed manifest"),
    (lambda signed: signed + b"\0", "not a signed manifest"),
    (lambda signed: signed + bytes(8192), "larger than"),
    (tampered, "signature does not hold"),
    (with_members(lambda members: members[:3] + [b""]), "not a signed manifest"),
    (with_members(lambda members: members[:3] + [bytes(len(members[3]))]), "not a signed manifest"),
    (with_members(lambda members: members[:1] + [{4: b"x"}] + members[2:]), "not a signed manifest"),
    (lambda signed: cbor2.loads(signed).value[2], "not a signed manifest"),
], ids=[
    "empty", "no CBOR", "one byte short", "truncated", "one byte long", "too large", "payload changed",
    "signature emptied", "signature zeroed", "unsigned header", "unsigned payload",
])
def test_a_bad_manifest_is_refused_by_operator_and_box_alike(fleet, attack, problem):
    bad = attack(fleet.sign(manifests.slice_manifest(fleet, "edge", 8)))
    with pytest.raises(OperatorError, match=problem):
        manifests.read(bad, fleet.keys)
    with pytest.raises(RemoteError):
        box_reads(fleet, bad)


def test_another_fleets_manifest_is_refused(fleet, tmp_path):
    other = make_fleet(tmp_path / "other", boxes=0)
    signed = other.sign(manifests.slice_manifest(other, "edge", 8))
    with pytest.raises(OperatorError, match="not signed by this fleet's operator"):
        manifests.read(signed, fleet.keys)


def test_an_expired_manifest_is_refused(fleet):
    signed = fleet.sign(manifests.slice_manifest(fleet, "edge", 8, valid_s=10, issued=int(time.time()) - 100))
    with pytest.raises(OperatorError, match="slice-edge has expired"):
        manifests.read(signed, fleet.keys)
    assert manifests.read(signed, fleet.keys, now_s=0)["seats"] == 8


def test_what_would_set_boxes_clocks_wrong_is_not_signed(tmp_path):
    fleet, now_s = make_fleet(tmp_path / "fleet", boxes=1), int(time.time())
    left, state = fleet.signer.remaining(), os.path.join(fleet.signer.directory, "state.json")
    with pytest.raises(OperatorError, match="ahead of this machine's clock"):
        fleet.sign(manifests.slice_manifest(fleet, "edge", 1, issued=now_s + manifests.AHEAD_S + 60))
    # The machine's clock is wrong by years: what it signed last says so.
    os.utime(state, (now_s, now_s - manifests.LEAP_S - 60))
    for sign in (lambda: fleet.sign(manifests.slice_manifest(fleet, "edge", 1)), lambda: fleet.enrol(1, 7900)):
        with pytest.raises(OperatorError, match="400 days after the last signature"):
            sign()
    assert fleet.signer.remaining() == left and len(fleet.boxes()) == 1
    os.utime(state)
    assert fleet.sign(manifests.slice_manifest(fleet, "edge", 1, issued=now_s + manifests.AHEAD_S - 60))
