"""`backfence works`: what is kept, and what a prune deletes and leaves."""

import json
import os
import time

import pytest

from backfence.bootstrap.operator import results, works
from backfence.bootstrap.operator.errors import OperatorError

from fleets import hands, make_fleet, workload
from test_cli import call

DAY_S = 86_400


def run(fleet, name, days_old, ended, settled=2, **options):
    """A run of two tasks whose files have not changed for so many days."""
    plan = workload(fleet, 2, name=name, **options)
    work = results.Work.create(fleet, plan, fleet.sign(plan))
    for task in range(settled):
        work.take(*hands(fleet)[0].result(plan, task, b"out"))
    work.sync()
    if ended:
        work.mark_ended()
    work.close()
    then_s = time.time() - days_old * DAY_S
    for entry in os.listdir(work.folder):
        os.utime(os.path.join(work.folder, entry), (then_s, then_s))
    return work.folder


def test_only_old_runs_that_are_over_go(tmp_path):
    fleet = make_fleet(tmp_path / "fleet", boxes=1)
    old = run(fleet, "old", 40, True)
    again = run(fleet, "old", 3, True)
    late = run(fleet, "late", 40, False, settled=1, deadline_s=30 * DAY_S, valid_s=31 * DAY_S, issued=int(time.time()) - 20 * DAY_S)
    held = run(fleet, "held", 40, True)
    rows = json.loads(call("works", "--fleet", fleet.directory, "--format", "json").output)
    assert [(row["workload"], row["over"], row["succeeded"], row["receipts"]) for row in rows] == [
        ("held", True, 2, 2), ("late", False, 1, 1), ("old", True, 2, 2), ("old", True, 2, 2)]
    assert all(row["bytes"] == sum(os.path.getsize(os.path.join(folder, entry)) for entry in os.listdir(folder))
               for row, folder in zip(rows, (held, late, old, again)))
    with pytest.raises(OperatorError):
        works.prune(fleet, -1)
    collecting = results.Work(fleet, held)
    collecting.journal.begin()
    done = call("works", "--fleet", fleet.directory, "--prune", 30)
    assert done.exit_code == 0 and "1 runs deleted" in done.output and "old 1: SUCCEEDED, 2/2 tasks" in done.output, done.output
    assert [os.path.exists(folder) for folder in (old, again, late, held)] == [False, True, True, True]
    collecting.close()
    assert len(results.Work.newest(fleet, "old").settlement.receipts) == 2
    call("works", "--fleet", fleet.directory, "--prune", 0)
    assert results.workloads(fleet) == ["late"]
    assert "unchanged for" in call("works", "--fleet", fleet.directory).output


def test_nothing_kept_nothing_deleted(tmp_path):
    fleet = make_fleet(tmp_path / "fleet", boxes=0)
    assert call("works", "--fleet", fleet.directory).output == "no run is kept here\n"
    assert "0 runs deleted, 0 bytes" in call("works", "--fleet", fleet.directory, "--prune", 0).output
