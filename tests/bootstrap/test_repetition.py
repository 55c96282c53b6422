"""Trust by repetition: who is asked, who is believed alone, and what a verifier takes."""

import json
import math
import pathlib
import random

import pytest

from backfence.agent import limits
from backfence.bootstrap.operator import manifests, repetition, results, source
from backfence.bootstrap.operator.errors import OperatorError
from backfence.bootstrap.operator.repetition import RECORD, RECORD_MOST, Rounds, Trust
from backfence.bootstrap.operator.settle import Settlement
from backfence.bootstrap.operator.verifier import Verifier

from fleets import hands, make_fleet, workload

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
WAIT_S = 60
A, B = b"a" * 16, b"b" * 16


@pytest.fixture
def fleet(tmp_path):
    return make_fleet(tmp_path / "fleet", boxes=10)


@pytest.fixture
def boxes(fleet):
    return hands(fleet)


def begin(fleet, tasks=1, **options):
    plan = workload(fleet, tasks, **options)
    return plan, results.Work.create(fleet, plan, fleet.sign(plan))


def ask(work, plan, numbers):
    """Asks one more box, as run.Collector does; the new manifest."""
    again = manifests.asked_again(work.fleet, plan.payload, work.settlement.next_replica, numbers)
    work.add_manifest(again, work.fleet.sign(again))
    again.sizes = plan.sizes
    return again


def reopened(work):
    work.sync()
    work.close()
    return results.Work(work.fleet, work.folder)


# -- attempts

def test_who_disagree_are_followed_by_one_more_box_at_a_time_and_then_the_task_has_failed(fleet, boxes):
    plan, work = begin(fleet, 2, replicas=2, quorum=2, attempts=4)
    rounds = Rounds(work.settlement, 4, WAIT_S)
    for number in (0, 1):
        work.take(*boxes[number].result(plan, 1, b"right"))
        work.take(*boxes[number].result(plan, 0, b"%d" % number))
    assert rounds.step(0) == ([], [])
    assert rounds.step(repetition.SETTLE_S) == ([0], [])
    for attempt in (2, 3):
        plan = ask(work, plan, [0])
        assert work.settlement.tasks[0].asked == attempt + 1 and work.settlement.tasks[1].asked == 2
        work.take(*boxes[attempt].result(plan, 0, b"%d" % attempt))
        rounds.step(attempt * 100)
        asked = rounds.step(attempt * 100 + repetition.SETTLE_S)
    assert asked == ([], [0])
    work.give_up([0])
    work = reopened(work)
    assert work.summary()["problems"] == [
        {"task": 0, "state": "FAILED", "reason": "no quorum among 4 different answers of 4 boxes, after 4 attempts"}]
    assert work.settlement.state == "FAILED" and list(work.outputs()) == [None, b"right"]


def test_silent_boxes_are_waited_for_and_then_another_is_asked(fleet, boxes):
    plan, work = begin(fleet, 3, replicas=2, quorum=2)
    rounds = Rounds(work.settlement, wait_s=WAIT_S)
    for number in (0, 1):
        work.take(*boxes[number].result(plan, 0, b"x"))
        work.take(*boxes[number].result(plan, 2, b"%d" % number))
    # Task 2 is disputed, and waits for the same manifest as the silent one.
    work.take(*boxes[0].result(plan, 1, b"x"))
    assert rounds.step(0) == rounds.step(WAIT_S - 1) == ([], [])
    # A result that comes shows that boxes are at work.
    work.take(*boxes[3].result(plan, 0, b"x"))
    assert rounds.step(WAIT_S) == rounds.step(2 * WAIT_S - 1) == ([], [])
    assert rounds.step(2 * WAIT_S) == ([1, 2], [])


def test_a_task_that_nobody_answers_is_asked_for_so_often_and_times_out(fleet, boxes):
    plan, work = begin(fleet)
    rounds, now_s = Rounds(work.settlement, limits.ATTEMPTS + 9, WAIT_S), 0
    for _ in range(limits.ATTEMPTS - 1):
        rounds.step(now_s)
        now_s += WAIT_S
        assert rounds.step(now_s) == ([0], [])
        plan = ask(work, plan, [0])
    rounds.step(now_s)
    assert rounds.step(now_s + WAIT_S) == ([], [])
    with pytest.raises(OperatorError, match="must be from 1 to 15"):
        ask(work, plan, [0])
    work.expire(plan.payload["expires"])
    assert work.settlement.state == "TIMED_OUT"


def test_a_failure_that_a_quorum_tells_is_one_and_a_box_that_cannot_is_no_liar(fleet, boxes):
    plan, work = begin(fleet, 2, replicas=3, quorum=2)
    for number, outcome in enumerate(("trap", "refused", "trap")):
        work.take(*boxes[number].result(plan, 0, outcome=outcome, code=3))
    for number, outcome in enumerate(("ok", "memory", "ok")):
        work.take(*boxes[number].result(plan, 1, outcome=outcome))
    trust = work.settlement.trust
    assert work.settlement.counts()["FAILED"] == work.settlement.counts()["SUCCEEDED"] == 1
    assert not trust.liars and trust.streaks == {boxes[0].box.id: 2, boxes[2].box.id: 2}


# -- records

def test_a_box_without_a_record_is_checked_until_it_has_one(fleet, boxes):
    tasks = 40
    plan, work = begin(fleet, tasks, adaptive=True, quorum=2)
    for number in range(tasks):
        work.take(*boxes[0].result(plan, number, b"x"))
    rounds = Rounds(work.settlement, wait_s=WAIT_S)
    rounds.step(0)
    checked, _ = rounds.step(repetition.SETTLE_S)
    by_lot = sorted(range(tasks), key=lambda task: work.settlement.trust.lot(task, boxes[0].box.id))
    chance = sum(work.settlement.trust.lot(task, boxes[0].box.id) < 1 / RECORD for task in range(tasks))
    assert checked == sorted(by_lot[:max(RECORD, chance)]) and work.settlement.counts()["IN_PROGRESS"] == tasks
    again = ask(work, plan, checked)
    for number in checked[:-1]:
        work.take(*boxes[1].result(again, number, b"x"))
    if len(checked) == RECORD:
        assert work.settlement.counts()["SUCCEEDED"] == RECORD - 1
    work.take(*boxes[1].result(again, checked[-1], b"x"))
    assert work.settlement.succeeded and reopened(work).settlement.succeeded


def test_a_box_with_a_record_is_believed_but_for_the_answers_that_chance_picks(fleet, boxes):
    record = {boxes[0].box.id: 20}
    repetition.save(fleet.path("record.json"), record)
    plan, work = begin(fleet, 60, adaptive=True, quorum=2)
    picked = [task for task in range(60) if work.settlement.trust.lot(task, boxes[0].box.id) < 1 / 20]
    for number in range(60):
        work.take(*boxes[0].result(plan, number, b"x"))
    assert [number for number, task in enumerate(work.settlement.tasks) if task.state != "SUCCEEDED"] == picked
    # Another run of the same name draws others.
    plan, other = begin(fleet, 60, adaptive=True, quorum=2)
    assert [other.settlement.trust.lot(task, A) for task in range(60)] != [
        work.settlement.trust.lot(task, A) for task in range(60)]


def test_one_lie_ends_a_record_and_all_that_box_says_is_checked(fleet, boxes):
    repetition.save(fleet.path("record.json"), {boxes[0].box.id: RECORD_MOST})
    plan, work = begin(fleet, 20, adaptive=True, quorum=2)
    for number in (1, 2):
        work.take(*boxes[number].result(plan, 0, b"right"))
    # It comes late, and is held against the quorum all the same.
    work.take(*boxes[0].result(plan, 0, b"wrong"))
    for number in range(1, 20):
        work.take(*boxes[0].result(plan, number, b"x"))
    assert work.settlement.counts()["IN_PROGRESS"] == 19
    assert sorted(work.settlement.undecided()[0]) == list(range(1, 20))
    work.mark_ended()
    assert repetition.load(fleet.path("record.json"))[boxes[0].box.id] == 0


def test_a_run_is_told_to_the_record_once(fleet, boxes):
    plan, work = begin(fleet, 3, replicas=2, quorum=2)
    for number in range(3):
        for box in boxes[:2]:
            work.take(*box.result(plan, number, b"x"))
    for _ in range(2):
        work.mark_ended()
        work = reopened(work)
        assert repetition.load(fleet.path("record.json")) == {box.box.id: 3 for box in boxes[:2]}


def test_runs_at_the_same_time_add_up_in_the_record():
    first, second = Trust(base={A: 4, B: 4}), Trust(base={A: 4, B: 4})
    for trust in (first, second):
        trust.confirmed(A)
        trust.confirmed(B)
    second.contradicted(B)
    second.confirmed(B)
    assert second.merged(first.merged({A: 4, B: 4})) == {A: 6, B: 1}


def test_a_record_costs_one_run_in_n_as_boinc_has_it():
    rng = random.Random(1)
    tasks = 20_000
    for streak in (RECORD, 25, RECORD_MOST, 5 * RECORD_MOST):
        trust = Trust(rng.randbytes(32), {A: streak}, True)
        share = sum(not trust.suffices(task, A) for task in range(tasks)) / tasks
        wanted = 1 / min(streak, RECORD_MOST)
        assert abs(share - wanted) < 4 * math.sqrt(wanted / tasks), (streak, share)
    assert not Trust(b"", {A: RECORD - 1}, True).suffices(0, A) and not Trust(b"", {A: RECORD}).suffices(0, A)


def test_an_adaptive_workload_begins_with_one_box_and_has_a_quorum(fleet):
    for wrong in ({"replicas": 2, "quorum": 2}, {"quorum": 1}, {"quorum": 9}, {"quorum": 2, "deterministic": False}):
        with pytest.raises(OperatorError):
            workload(fleet, 1, adaptive=True, **wrong)
    with pytest.raises(OperatorError, match="attempts"):
        workload(fleet, 1, replicas=3, attempts=2)


# -- verifiers

POW = b"fence 8 0 400\nneighbour 64 5 9\n"


@pytest.fixture(scope="module")
def verifier():
    return Verifier((EXAMPLES / "powcheck.wasm").read_bytes())


@pytest.fixture(scope="module")
def found():
    import hashlib

    number = next(n for n in range(400) if hashlib.sha256(b"fence%d" % n).digest()[0] == 0)
    digest = hashlib.sha256(b"fence%d" % number).hexdigest()
    return b"fence 8 %d %s\nneighbour 64 none\n" % (number, digest.encode())


def test_a_verifier_takes_what_is_right_and_nothing_else(verifier, found):
    assert verifier.holds(POW, found)
    first, second = found.splitlines(True)
    wrong = {
        "nothing": b"", "half of it": first, "one line too many": found + first, "in another order": second + first,
        "no number, where there is one": b"fence 8 none\n" + second,
        "a number, where there is none": first + b"neighbour 64 5 " + b"0" * 64 + b"\n",
        "a number out of the range": found.replace(b"fence 8 ", b"fence 8 9"),
        "of easier work": found.replace(b"fence 8", b"fence 7"),
        "of another text": found.replace(b"fence", b"hence"),
        "another hash": found.replace(b"\nn", b"0\nn").replace(b" 8 ", b" 8 ", 1),
        "rubbish": bytes(range(256)), "a very long line": b"fence " * 100,
    }
    for name, output in wrong.items():
        assert not verifier.holds(POW, output), name


def test_with_a_verifier_nothing_wrong_succeeds_whoever_agrees_on_it(fleet, boxes, found):
    plan, work = begin(
        fleet, 0, inputs=[POW], verifier=(EXAMPLES / "powcheck.wasm").read_bytes(), quorum=2, replicas=3)
    for box in boxes[:3]:
        work.take(*box.result(plan, 0, b"fence 8 none\nneighbour 64 none\n"))
    assert work.settlement.state == "IN_PROGRESS" and work.verify() == 1 and work.verify() == 0
    assert work.settlement.state == "IN_PROGRESS" and work.settlement.undecided() == ([0], [])
    assert work.settlement.trust.liars == {box.box.id for box in boxes[:3]}
    again = ask(work, plan, [0])
    work.take(*boxes[3].result(again, 0, found))
    # A kill between a result and the verifier's word on it.
    work = reopened(work)
    assert work.settlement.state == "IN_PROGRESS" and work.verify() == 1
    assert list(work.outputs()) == [found]
    work = reopened(work)
    assert list(work.outputs()) == [found] and work.settlement.tasks[0].winner == boxes[3].box.id
    assert work.verify() == 0


def test_whom_the_verifier_has_caught_it_sees_no_more_but_before_a_task_fails(fleet, boxes, found):
    tasks = 5
    plan, work = begin(
        fleet, 0, inputs=[POW] * tasks, verifier=(EXAMPLES / "powcheck.wasm").read_bytes(), attempts=2)
    lie = b"fence 8 none\nneighbour 64 none\n"
    work.take(*boxes[0].result(plan, 0, lie))
    assert work.verify() == 1
    for number in range(1, tasks):
        work.take(*boxes[0].result(plan, number, lie if number < 3 else found))
    assert work.verify() == 0 and work.settlement.undecided() == (list(range(tasks)), [])
    again = ask(work, plan, range(tasks))
    for number in range(tasks - 1):
        work.take(*boxes[1].result(again, number, found if number < 2 else lie))
    assert work.verify() == 3 and work.settlement.counts()["SUCCEEDED"] == 2
    # Of task 3 both boxes have been caught, and the first was right; of task 4 only it has answered.
    work.give_up([2, 3, 4])
    assert [task.state for task in work.settlement.tasks] == ["SUCCEEDED", "SUCCEEDED", "FAILED", "SUCCEEDED", "SUCCEEDED"]
    work = reopened(work)
    assert list(work.outputs()) == [found, found, None, found, found]


def test_outputs_that_a_verifier_takes_contradict_nobody(fleet, boxes, found):
    plan, work = begin(fleet, 0, inputs=[POW], verifier=(EXAMPLES / "powcheck.wasm").read_bytes(), replicas=2)
    work.take(*boxes[0].result(plan, 0, found))
    work.take(*boxes[1].result(plan, 0, found, fuel=9))
    assert work.verify() == 1 and work.settlement.succeeded and not work.settlement.trust.liars
    work.take(*boxes[2].result(plan, 0, outcome="trap", code=1))
    assert work.settlement.trust.liars == {boxes[2].box.id}


def test_a_workloads_file_names_its_verifier(fleet, tmp_path):
    settings = source.load(EXAMPLES / "pow.toml")
    plan = source.build(fleet, settings)
    assert plan.trusted.verifier == (EXAMPLES / "powcheck.wasm").read_bytes()
    (tmp_path / "bad.wasm").write_bytes(b"\0asm\1\0\0\0")
    with pytest.raises(OperatorError, match="a box would refuse the verifier .*bad.wasm"):
        source.build(fleet, source.load(EXAMPLES / "pow.toml", {"verifier": str(tmp_path / "bad.wasm")}))


def test_a_settlement_without_a_plan_of_trust_believes_quorums_only(fleet, boxes):
    plan = workload(fleet, 1, replicas=2, quorum=2)
    settlement = Settlement(plan, fleet)
    settlement.offer(*boxes[0].result(plan, 0, b"x"))
    assert settlement.state == "IN_PROGRESS" and json.dumps(settlement.counts())
