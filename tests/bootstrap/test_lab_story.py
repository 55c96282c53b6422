"""The disaster is refused when there is nothing to lose, and the story fails with a reason."""

import io
import types

import pytest

from backfence.bootstrap.operator import demo, settle, story
from backfence.bootstrap.operator.errors import OperatorError
from backfence.bootstrap.operator.view import PlainView
from test_lab_world import box, ring


class Tale(story.Story):
    """A story whose world is given: statuses, and how many of ten tasks have succeeded at each turn."""

    def __init__(self, statuses, done, tmp_path):
        super().__init__(demo.Knobs(agents="6", seats="4"), str(tmp_path), PlainView(io.StringIO()))
        self.statuses = statuses
        self.done = iter(done)
        self.tasks = [settle.Task() for _ in range(10)]
        self.pieces = [b""] * 10
        self.plugs = []
        self.lab = types.SimpleNamespace(statuses=lambda: self.statuses)
        self.settlement = types.SimpleNamespace(counts=self._counts, tasks=self.tasks)

    def _counts(self):
        succeeded = sum(task.state == settle.SUCCEEDED for task in self.tasks)
        return {settle.QUEUED: 10 - succeeded, settle.SUCCEEDED: succeeded}

    def _turn(self):
        for task in self.tasks[:next(self.done)]:
            task.state = settle.SUCCEEDED
        return self.statuses

    def _kill(self, name):
        self.plugs.append(name)


def boxes(*open_tasks):
    return ring([box(number, number, tasks) for number, tasks in enumerate(open_tasks)])


def test_the_plug_is_pulled_in_mid_run_where_most_is_lost(tmp_path):
    tale = Tale(boxes(1, 3, 2, 0), [0, 1, 2, 2, 2], tmp_path)
    tale._disaster()
    assert tale.plugs == [tale.statuses[1]["id"], tale.statuses[2]["id"]]
    assert tale.settlement.counts()[settle.SUCCEEDED] == 2


def test_it_fails_when_nothing_was_at_stake(tmp_path):
    tale = Tale(boxes(0, 0, 5, 0), [0, 2, 5, 8], tmp_path)
    with pytest.raises(OperatorError, match="nothing was at stake: no 2 agents held a seat and open tasks"):
        tale._disaster()
    assert tale.plugs == []


def test_it_fails_when_the_ring_stays_open(tmp_path, monkeypatch):
    monkeypatch.setattr(story, "RING_S", 0)
    tale = Tale(boxes(1, 3, 2, 0), [2] * 9, tmp_path)
    tale.statuses[0]["seats"][0]["successor"] = None
    with pytest.raises(OperatorError, match="ring did not close over the gap within 0 s: seat 0 has no successor"):
        tale._disaster()
    assert len(tale.plugs) == 2


def test_it_fails_when_seats_stay_vacant(tmp_path, monkeypatch):
    monkeypatch.setattr(story, "RING_S", 0)
    tale = Tale(boxes(1, 3, 2), [2] * 9, tmp_path)
    with pytest.raises(OperatorError, match="seats were not refilled within 0 s: 1 of 4 seats are vacant"):
        tale._disaster()


def test_a_task_that_failed_ends_the_waiting_at_once(tmp_path):
    tale = Tale(boxes(1), [0], tmp_path)
    tale.tasks[3].reason = "trap: unreachable"
    tale.settlement.counts = lambda: {settle.QUEUED: 9, settle.FAILED: 1}
    with pytest.raises(OperatorError, match="tasks ended as 1 FAILED: trap: unreachable"):
        tale._open_work()


def test_a_disputed_result_is_no_success(tmp_path):
    tale = Tale(boxes(1), [0], tmp_path)
    tale.settlement.succeeded = False
    assert tale._open_work() == "0 of 10 tasks succeeded"
    tale.settlement.succeeded = True
    assert tale._open_work() is None
