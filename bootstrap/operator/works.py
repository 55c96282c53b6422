"""The runs that a fleet's directory keeps, and letting go of old ones: nothing else ever deletes under works/."""

import os
import shutil
import time

from . import results
from .errors import OperatorError

DAY_S = 86_400


def rows(fleet, now_s=None):
    """Returns a JSON-able row for each run kept here, by workload and sequence number."""
    now_s = time.time() if now_s is None else now_s
    return [_row(fleet, folder, now_s) for name in results.workloads(fleet) for folder in _runs(fleet, name)]


def prune(fleet, days, now_s=None):
    """Deletes the runs that are over and have not changed for so many days; returns their rows.

    One that another process collects is left.  What was in them is gone: outputs,
    and the receipts that `backfence receipts` reads.
    """
    if days < 0:
        raise OperatorError("--prune takes a number of days, 0 or more")
    gone = []
    now_s = time.time() if now_s is None else now_s
    for name in results.workloads(fleet):
        for folder in _runs(fleet, name):
            row = _row(fleet, folder, now_s)
            if row["over"] and row["idle_days"] >= days and _delete(fleet, folder):
                gone.append(row)
    return gone


def _runs(fleet, name):
    # Names in works/ have their tenant before them already.
    return results.runs(fleet, name.rpartition("/")[2] if fleet.tenant else name)


def _row(fleet, folder, now_s):
    work = results.Work(fleet, folder)
    try:
        payload = work.settlement.payload
        over = work.plan["ended"] or now_s >= payload["issued"] + payload["deadline_s"]
        paths = [os.path.join(folder, entry) for entry in os.listdir(folder)]
        stats = [os.stat(path) for path in paths]
        counts = work.settlement.counts()
        return {
            "workload": work.name, "sequence": payload["seq"], "run": int(os.path.basename(folder)), "over": bool(over),
            "state": work.settlement.state, "tasks": payload["tasks"], "succeeded": counts["SUCCEEDED"],
            "receipts": len(work.settlement.receipts), "bytes": sum(stat.st_size for stat in stats),
            "idle_days": round((now_s - max(stat.st_mtime for stat in stats)) / DAY_S, 2),
        }
    finally:
        work.close()


def _delete(fleet, folder):
    """Deletes a run, unless another process collects it."""
    work = results.Work(fleet, folder)
    try:
        work.journal.begin()
        # First what makes it a run: who is interrupted leaves none that is half there.
        os.unlink(os.path.join(folder, "plan.json"))
    except OperatorError:
        return False
    finally:
        work.close()
    shutil.rmtree(folder)
    above = os.path.dirname(folder)
    if not os.listdir(above):
        os.rmdir(above)
    return True
