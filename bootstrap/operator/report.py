"""The run's report: metering per box, `report.json`, and what makes a run a bad one."""

import json

from rich.table import Table

from .files import write_whole

SUMS = ("tasks", "fuel", "byte_s", "bytes_in", "bytes_out", "ms")


def rows(metering, names):
    """A settlement's metering with a name for people in each row, sorted by it.

    metering -- list of dicts (Settlement.metering()); names -- {box id in hex: str}
    """
    named = [dict(row, name=names.get(row["box"], row["box"][:8])) for row in metering]
    return sorted(named, key=lambda row: row["name"])


def meter_table(rows):
    """The metering as a table for people."""
    table = Table(title="metering: what each box did, by its receipts", title_justify="left")
    table.add_column("box")
    for title in ("tasks", "fuel", "memory byte-s", "bytes in", "bytes out", "busy s"):
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(row["name"], *_cells(row))
    total = {key: sum(row[key] for row in rows) for key in SUMS}
    table.add_section()
    table.add_row("all", *_cells(total), style="bold")
    return table


def _cells(row):
    numbers = [row["tasks"], row["fuel"], row["byte_s"], row["bytes_in"], row["bytes_out"]]
    return [f"{number:,}" for number in numbers] + ["%.1f" % (row["ms"] / 1000)]


def failures(report):
    """Why a report is not one of a good run, a list of sentences; empty if it is."""
    faults = []
    tasks, slice_ = report["tasks"], report["slice"]
    if not report["controller_stopped"]:
        faults.append("the controller was not stopped")
    if slice_["filled"] != slice_["wanted"]:
        faults.append("%d of %d seats are filled" % (slice_["filled"], slice_["wanted"]))
    if len(report["killed"]) != report["kills_wanted"]:
        faults.append("%d of %d agents were killed" % (len(report["killed"]), report["kills_wanted"]))
    for victim in report["killed"]:
        if not victim["seats"] or not victim["open_tasks"]:
            faults.append("agent %s had nothing to lose when it was killed" % victim["name"])
        elif not victim["rescued"]:
            faults.append("no task of agent %s was left for another box" % victim["name"])
    if tasks["succeeded"] != tasks["total"] or not tasks["total"]:
        faults.append("%d of %d tasks succeeded" % (tasks["succeeded"], tasks["total"]))
    if report["matches_reference"] is not True:
        faults.append("the merged result differs from CPython's count")
    if sum(row["tasks"] for row in report["receipts"]) < tasks["succeeded"]:
        faults.append("there are fewer receipts than finished tasks")
    return faults


def write(path, report):
    """Writes the report as JSON, whole or not at all."""
    write_whole(path, (json.dumps(report, indent=2, sort_keys=True) + "\n").encode())
