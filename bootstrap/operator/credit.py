"""What receipts are worth: which of them are credited, for how much, and their totals.

A receipt is credited if

1. its task was decided, its program ran, and it tells what was decided: the same
   output, or the same failure;
2. a quorum of the boxes that tell this tell its fuel and its pages too, which follow
   from program and input and are equal on every box;
3. it is among the first of those that came, as many as were asked: nobody asked for more.

The credit is two numbers, because processor time and memory are priced apart:

    credit_fuel   = fuel
    credit_byte_s = pages * 65,536 bytes * fuel / REFERENCE_FUEL_S

The second is the memory for as long as a reference box holds it, not as long as
this box says that it did: so all that is credited has been agreed on by a quorum.
"""

import collections
import csv
import json

from . import receipt as receipts
from . import results
from .errors import OperatorError
from .settle import ballot

# Fuel a second of the reference box: a PC does five times as much, a slow box a tenth.
REFERENCE_FUEL_S = 1_000_000

MEASURED = ("fuel", "ms", "byte_s", "bytes_in", "bytes_out")
CREDITED = ("credit_fuel", "credit_byte_s")
COLUMNS = (
    "tenant", "slice", "workload", "sequence", "task", "box", "came_s", "state", "outcome", "code", "pages",
    *MEASURED, *CREDITED, "refused",
)
GROUPS = ("tenant", "slice", "workload", "box")
TOTALS = ("receipts", "credited", *MEASURED, *CREDITED)


def judged(settlement, number):
    """Yields (receipt map, why it is not credited or "") of a task's receipts, in the order in which they came."""
    task = settlement.tasks[number]
    votes = list(task.votes.values())
    decided = ballot(task.votes[task.winner]) if task.winner else None
    agreeing = [each for each in votes if ballot(each) == decided]
    costs = collections.Counter((each["fuel"], each["pages"]) for each in agreeing)
    left = task.asked
    for each in votes:
        if decided is None:
            yield each, "no quorum"
        elif ballot(each) != decided:
            yield each, "not what the quorum found"
        elif each["outcome"] in ("memory", "refused"):
            yield each, "it did not run"
        elif costs[each["fuel"], each["pages"]] < task.needed:
            yield each, "no quorum for its fuel"
        elif left == 0:
            yield each, "more replicas than were asked for"
        else:
            left -= 1
            yield each, ""


def rows(work):
    """Yields a dict of COLUMNS for each receipt of a results.Work, JSON-able."""
    settlement = work.settlement
    for number, task in enumerate(settlement.tasks):
        for receipt, refused in judged(settlement, number):
            fuel = 0 if refused else receipt["fuel"]
            yield {
                "tenant": work.tenant, "slice": settlement.payload["slice"], "workload": work.name,
                "sequence": receipt["seq"], "task": number, "box": work.fleet.first_id(receipt["box"]).hex(),
                "came_s": work.came_s[number, receipt["box"]], "state": task.state,
                "outcome": receipt["outcome"], "code": receipt["code"], "pages": receipt["pages"],
                **{key: receipt[key] for key in MEASURED},
                "credit_fuel": fuel,
                "credit_byte_s": receipt["pages"] * receipts.PAGE_BYTES * fuel // REFERENCE_FUEL_S,
                "refused": refused,
            }


def ledger(fleet, workload=None, slice=None, box=None, since_s=0):
    """Yields the rows of every run of a fleet, one run in memory at a time.

    workload, slice: their names; box: its first identity in hexadecimal; since_s: unix
    seconds, from when on receipts came.  None: all of them.
    """
    names = results.workloads(fleet) if workload is None else [workload]
    if workload is not None and not results.runs(fleet, workload):
        raise OperatorError(f"this fleet never ran a workload {workload!r}", "See `backfence describe`.")
    for name in names:
        for folder in results.runs(fleet, name):
            work = results.Work(fleet, folder)
            try:
                if slice not in (None, work.settlement.payload["slice"]):
                    continue
                for row in rows(work):
                    if box in (None, row["box"]) and row["came_s"] >= since_s:
                        yield row
            finally:
                work.close()


def totals(entries, groups):
    """Returns a row for each value of the columns `groups` (of GROUPS) together, sorted: they and TOTALS."""
    found = {}
    for entry in entries:
        key = tuple(entry[group] for group in groups)
        total = found.setdefault(key, {**dict(zip(groups, key)), **dict.fromkeys(TOTALS, 0)})
        total["receipts"] += 1
        total["credited"] += not entry["refused"]
        for key in MEASURED + CREDITED:
            total[key] += entry[key]
    return [found[key] for key in sorted(found)]


def export(entries, columns, style, file):
    """Writes rows to an open text file as "csv", "jsonl" or "json", one at a time."""
    if style == "csv":
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(entries)
    elif style == "jsonl":
        for entry in entries:
            file.write(json.dumps(entry) + "\n")
    else:
        head = "[\n"
        for entry in entries:
            file.write(head + json.dumps(entry))
            head = ",\n"
        file.write("[]\n" if head == "[\n" else "\n]\n")
