"""A run on the owner's disk: opened again, it is what it was."""

import os

import pytest
from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from backfence.bootstrap.operator import files, manifests, results
from backfence.bootstrap.operator.errors import OperatorError

from fleets import hands, make_fleet, workload

TASKS = 3
LATER_S = 1 << 33  # past every deadline


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    return make_fleet(tmp_path_factory.mktemp("fleet") / "fleet", boxes=5)


@pytest.fixture(scope="module")
def boxes(fleet):
    return hands(fleet)


def seen(work):
    """All that a person or a bill may ask of a run."""
    settlement = work.settlement
    return (
        settlement.counts(), settlement.state, list(work.outputs()),
        [(task.state, task.reason, task.winner, list(task.votes.items())) for task in settlement.tasks],
        work.came_s, settlement.sequences, settlement.next_replica, settlement.trust.streaks,
    )


class Restarted(RuleBasedStateMachine):
    """Results, deadlines, ends, more replicas and kills in any order."""

    fleet = None
    boxes = None

    def __init__(self):
        super().__init__()
        self.plan = workload(self.fleet, TASKS, replicas=2, quorum=2)
        self.work = results.Work.create(self.fleet, self.plan, self.fleet.sign(self.plan))
        self.newest = self.plan
        self.decided = {}

    @rule(box=some.integers(0, 4), task=some.integers(0, TASKS - 1), output=some.sampled_from([b"x", b"y"]),
          outcome=some.sampled_from(["ok", "ok", "trap", "refused"]), fuel=some.sampled_from([7, 7, 8]),
          newest=some.booleans())
    def result(self, box, task, output, outcome, fuel, newest):
        plan = self.newest if newest else self.plan
        message = self.boxes[box].result(plan, task, output, outcome=outcome, fuel=fuel)
        self.work.take(*message)

    @rule()
    def deadline(self):
        self.work.expire(LATER_S)

    @rule()
    def end(self):
        self.work.mark_ended()

    @rule()
    def one_more_replica(self):
        first = self.work.settlement.next_replica
        if first < 4:
            self.newest = manifests.asked_again(self.fleet, self.newest.payload, first, range(first % 2, TASKS))
            self.newest.sizes = self.plan.sizes
            self.work.add_manifest(self.newest, self.fleet.sign(self.newest))

    @rule()
    def restart(self):
        before = seen(self.work)
        self.work.sync()
        self.work.close()
        self.work = results.Work(self.fleet, self.work.folder)
        assert seen(self.work) == before

    @invariant()
    def counts_add_up(self):
        counts = self.work.settlement.counts()
        assert sum(counts.values()) == TASKS and min(counts.values()) >= 0
        for state, count in counts.items():
            assert count == sum(task.state == state for task in self.work.settlement.tasks)

    @invariant()
    def what_is_decided_stays(self):
        for number, task in enumerate(self.work.settlement.tasks):
            if task.state not in ("QUEUED", "IN_PROGRESS"):
                now = task.state, task.winner, self.work.output(number)
                assert self.decided.setdefault(number, now) == now

    def teardown(self):
        self.restart()
        self.work.close()


def test_a_run_that_is_opened_again_is_what_it_was(fleet, boxes):
    machine = type("Machine", (Restarted,), {"fleet": fleet, "boxes": boxes})
    run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=25, deadline=None))


def begin(fleet, tasks=2, merge="concat", **options):
    plan = workload(fleet, tasks, **options)
    return plan, results.Work.create(fleet, plan, fleet.sign(plan), merge)


def test_a_result_after_the_end_changes_nothing_even_after_a_restart(fleet, boxes):
    plan, work = begin(fleet)
    work.take(*boxes[0].result(plan, 0, b"in time"))
    work.mark_ended()
    assert work.take(*boxes[0].result(plan, 1, b"late")) == "accepted"
    work.sync()
    work.close()
    again = results.Work.newest(fleet, "words")
    assert list(again.outputs()) == [b"in time", None] and again.settlement.state == "CANCELED"


def test_who_ends_a_run_that_another_collects_leaves_the_noting_to_him(fleet, boxes):
    plan, collecting = begin(fleet)
    collecting.take(*boxes[0].result(plan, 0, b"x"))
    ending = results.Work.newest(fleet, "words")
    ending.mark_ended()
    assert ending.settlement.counts()["CANCELED"] == 1
    assert not collecting.settlement.settled
    collecting.follow_plan()
    assert collecting.settlement.state == "CANCELED"
    collecting.close()
    assert results.Work.newest(fleet, "words").settlement.counts() == collecting.settlement.counts()


def test_outputs_are_read_from_the_disk_one_at_a_time(fleet, boxes, tmp_path):
    plan, work = begin(fleet, 3)
    for task in (2, 0, 1):
        work.take(*boxes[0].result(plan, task, b"%d\n" % task))
    work.sync()
    files.write_parts(str(tmp_path / "out"), work.merged_parts())
    assert (tmp_path / "out").read_bytes() == b"0\n1\n2\n"
    assert [task.output for task in work.settlement.tasks] == [b""] * 3
    work.write(str(tmp_path / "each"))
    assert sorted(os.listdir(tmp_path / "each")) == ["0.out", "1.out", "2.out", "receipts.json", "summary.json"]


def test_a_run_with_gaps_has_no_merged_output(fleet, boxes, tmp_path):
    plan, work = begin(fleet, 3)
    work.take(*boxes[0].result(plan, 1, b"x"))
    with pytest.raises(OperatorError, match="2 of 3 tasks have no output"):
        files.write_parts(str(tmp_path / "out"), work.merged_parts())
    assert not os.path.exists(tmp_path / "out")
