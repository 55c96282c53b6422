"""Checks by boxes before the owner's: over a real mosquitto; the boxes are played by the test, the verifier is real."""

import hashlib
import os
import threading

import pytest

import backfence
from backfence.agent import limits
from backfence.bootstrap import Executor
from backfence.bootstrap.operator import checking, manifests, repetition, results, run, source
from backfence.bootstrap.operator.errors import OperatorError
from backfence.bootstrap.operator.verifier import Verifier

from fleets import FleetHands, hands, make_fleet, mosquitto, retained

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(backfence.__file__)), "examples")
PROGRAM = open(os.path.join(EXAMPLES, "pow.wasm"), "rb").read()
VERIFIER = os.path.join(EXAMPLES, "powcheck.wasm")
TASKS, BOXES = 6, 5
INPUTS = [b"fence%d 6 0 400\n" % task for task in range(TASKS)]


def found(data):
    """What pow.wasm gives, by CPython."""
    text = data.split()[0]
    number = next(n for n in range(400) if hashlib.sha256(text + b"%d" % n).digest()[0] < 4)
    return b"%s 6 %d %s\n" % (text, number, hashlib.sha256(text + b"%d" % number).hexdigest().encode())


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with mosquitto(tmp_path_factory.mktemp("broker")) as address:
        yield address


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Nobody waits for long."""
    monkeypatch.setattr(checking, "LINGER_S", 0.2)
    monkeypatch.setattr(repetition, "SETTLE_S", 0.4)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    fleet = make_fleet(tmp_path_factory.mktemp("fleet") / "fleet", boxes=BOXES)
    fleet.sign(manifests.slice_manifest(fleet, "edge", BOXES))
    return fleet


class Boxes:
    """Answers as boxes do; those in `liars` give wrong outputs, and say that wrong ones are right, and right ones wrong."""

    def __init__(self, liars=(), grudge=False):
        self.liars, self.grudge = liars, grudge
        self.verifier = Verifier(open(VERIFIER, "rb").read())
        self.checks = []
        self.lock = threading.Lock()

    def __call__(self, payload, task, data, replica=0):
        lies = (task + replica) % BOXES in self.liars
        if not payload["name"].endswith("-checks"):
            return b"fence%d 6 none\n" % task if lies else found(data)
        with self.lock:
            size = int.from_bytes(data[:4], "little")
            good = self.verifier.holds(data[4:4 + size], data[4 + size:])
            self.checks.append(good)
        if self.grudge or lies:
            good = not good
        return b"" if good else {"outcome": "exit", "code": 2}


def perform(fleet, broker, boxes, **options):
    """Runs the work; the closed results.Work, and how often the owner looked."""
    with FleetHands(fleet, broker, boxes), run.open_session(fleet, "pow", broker) as session:
        manifest = manifests.workload_manifest(
            fleet, "pow", "edge", PROGRAM, INPUTS, verifier=open(VERIFIER, "rb").read(), deadline_s=200, **options)
        work, _report = run.start(fleet, manifest, "concat", session)
        run.Collector(work, session).collect(10 ** 9)
        run.finish(work, session)
    return work


def test_boxes_look_first_and_the_owner_at_what_they_take(fleet, broker):
    boxes = Boxes()
    work = perform(fleet, broker, boxes, checkers=2)
    assert list(work.outputs()) == [found(data) for data in INPUTS]
    assert work.verified == TASKS and boxes.checks == [True] * (2 * TASKS)
    # Both are over, and what boxes earned by checking is in the books.
    left = retained(broker, fleet.topic("#"))
    assert not [topic for topic in left if "/blob/" in topic]
    assert manifests.read(left[fleet.topic("manifest", "workload-pow-checks")], fleet.keys)["end"] is True
    assert len(results.Work.newest(fleet, "pow-checks").settlement.receipts) == 2 * TASKS
    # Whoever computed gains by it, and nobody by checking.
    assert sorted(repetition.load(fleet.path("record.json")).values()) == [1, 1, 1, 1, 2]


def test_what_all_boxes_refuse_the_owner_does_not_look_at_and_nobody_is_blamed(fleet, broker):
    boxes = Boxes({1})
    # One liar among five: its lies are checked by others, who refuse them; so are its refusals overruled.
    work = perform(fleet, broker, boxes, checkers=3)
    assert list(work.outputs()) == [found(data) for data in INPUTS]
    lies = boxes.checks.count(False)
    assert lies and work.verified >= TASKS
    again = results.Work(fleet, work.folder)
    assert list(again.outputs()) == list(work.outputs()) and again.settlement.trust.liars == work.settlement.trust.liars


def test_liars_of_one_mind_who_check_each_other_are_caught_by_the_owner(fleet, broker):
    work = perform(fleet, broker, Boxes({0, 1}), checkers=1, attempts=4)
    assert list(work.outputs()) == [found(data) for data in INPUTS]
    ids = [hand.box.id for hand in hands(fleet)]
    assert work.settlement.trust.liars <= {ids[number] for number in (0, 1)}
    # Liars' checks refuse what is right: after four boxes the owner looks at all that came.
    assert TASKS <= work.verified <= 4 * TASKS


def test_no_task_fails_because_boxes_refuse_what_is_right(fleet, broker):
    work = perform(fleet, broker, Boxes(grudge=True), checkers=1, attempts=2)
    assert list(work.outputs()) == [found(data) for data in INPUTS]
    assert not work.settlement.trust.liars and work.verified == TASKS


def test_a_run_that_is_cut_short_leaves_no_bag_of_checks(fleet, broker):
    silent = lambda payload, task, data, replica=0: None if payload["name"].endswith("-checks") else found(data)
    with FleetHands(fleet, broker, silent), run.open_session(fleet, "pow", broker) as session:
        manifest = manifests.workload_manifest(
            fleet, "pow", "edge", PROGRAM, INPUTS, verifier=open(VERIFIER, "rb").read(), deadline_s=200, checkers=1)
        work, _report = run.start(fleet, manifest, "concat", session)
        collector = run.Collector(work, session)
        before = results.runs(fleet, "pow-checks")
        while results.runs(fleet, "pow-checks") == before:
            collector.step(0.1)
        run.finish(work, session)
    assert results.Work.newest(fleet, "pow-checks").plan["ended"]


def test_where_no_bag_can_be_sent_the_owner_looks(fleet, broker, monkeypatch):
    real = manifests.workload_manifest

    def refuses(fleet, name, *rest, **options):
        if name.endswith("-checks"):
            raise OperatorError("beyond the quota")
        return real(fleet, name, *rest, **options)

    monkeypatch.setattr(manifests, "workload_manifest", refuses)
    boxes = Boxes()
    work = perform(fleet, broker, boxes, checkers=2)
    assert list(work.outputs()) == [found(data) for data in INPUTS] and work.verified == TASKS and not boxes.checks


def test_the_executor_takes_a_path_and_checkers(fleet, broker):
    with FleetHands(fleet, broker, Boxes()):
        with Executor(fleet.directory, "edge", program=os.path.join(EXAMPLES, "pow.wasm"), broker=broker,
                      verifier=VERIFIER, checkers=1) as boxes:
            assert list(boxes.map(None, INPUTS)) == [found(data) for data in INPUTS]


def test_what_is_no_way_to_trust(fleet):
    for options, problem in (
        ({"checkers": 1}, "checkers need a verifier"),
        ({"checkers": limits.REPLICAS + 1, "verifier": b"\0asm"}, "checkers is 9"),
    ):
        with pytest.raises(OperatorError, match=problem):
            manifests.workload_manifest(fleet, "pow", "edge", PROGRAM, INPUTS, **options)
    with pytest.raises(OperatorError, match="a box would refuse the verifier"):
        source.trusting({"verifier": b"\0asm\1\0\0\0"})
    assert source.trusting({"quorum": 3, "attempts": None}) == {"quorum": 3}
    assert source.trusting({"adaptive": True}) == {"adaptive": True, "quorum": 2}
    assert checking.name_of("acme/" + "w" * 32) != checking.name_of("w" * 31) and len(checking.name_of("w" * 32)) == 32
    assert checking.name_of("acme/words") == "words-checks"
