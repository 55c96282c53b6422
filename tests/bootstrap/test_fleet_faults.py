"""The fleet's directory with the disk full or the power cut at every operation."""

import os
import shutil

import pytest

from backfence.bootstrap.operator import files, results
from backfence.bootstrap.operator import fleet as fleets
from backfence.bootstrap.operator.errors import OperatorError

from faults import FaultyOs, Stopped
from fleets import hands, make_fleet, workload


def at_every_operation(monkeypatch, kind, act, check):
    """Runs `act` with a fault at operation 1, 2, ... until one run has none; `check` after each."""
    step, happened = 0, True
    while happened:
        step += 1
        faulty = FaultyOs(step, kind)
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", faulty)
            try:
                act(step)
            except (OSError, Stopped):
                pass
        happened = faulty.happened
        check(step)
    return step


@pytest.mark.parametrize("kind", ["disk", "power"])
def test_a_sequence_number_is_given_once(tmp_path, monkeypatch, kind):
    fleet = make_fleet(tmp_path / "fleet", boxes=0)
    given = []

    def act(_step):
        given.append(fleet.next_sequence("slice-edge"))

    def check(_step):
        given.append(fleets.Fleet.open(fleet.directory).next_sequence("slice-edge"))

    assert at_every_operation(monkeypatch, kind, act, check) > 5
    assert given == sorted(set(given))


def test_a_fleet_is_made_whole_or_not_at_all(tmp_path, monkeypatch):
    directory = str(tmp_path / "fleet")

    def act(_step):
        shutil.rmtree(directory, ignore_errors=True)
        fleets.create(directory, width=4)

    def check(_step):
        try:
            fleet = fleets.Fleet.open(directory)
        except OperatorError:
            return
        assert fleet.next_sequence("slice-edge") == 1 and len(fleet.owner_public) == 32

    assert at_every_operation(monkeypatch, "power", act, check) > 20
    fleets.Fleet.open(directory)


@pytest.mark.parametrize("kind", ["disk", "power"])
def test_a_result_is_kept_whole_or_not_at_all(tmp_path, monkeypatch, kind):
    fleet = make_fleet(tmp_path / "fleet", boxes=1)
    hand = hands(fleet)[0]
    works = {}

    def act(step):
        # A fresh run each time; its folder is made without faults.
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", os)
            plan = workload(fleet, 1, name=f"run-{step}")
            works[step] = plan, results.Work.create(fleet, plan, fleet.sign(plan))
        plan, work = works[step]
        work.take(*hand.result(plan, 0, b"output"))
        work.sync()

    def check(step):
        again = results.Work.newest(fleet, f"run-{step}")
        assert list(again.outputs()) in ([None], [b"output"])
        # What the broker sends again is taken, or known already.
        again.take(*hand.result(works[step][0], 0, b"output"))
        assert list(again.outputs()) == [b"output"]

    assert at_every_operation(monkeypatch, kind, act, check) >= 4
