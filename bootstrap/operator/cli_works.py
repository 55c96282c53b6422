"""The verb that lists the runs kept on disk, and lets go of old ones: works."""

import click

from . import works
from .commands import fleet_option, format_option, main, show


@main.command("works")
@fleet_option
@click.option("--prune", type=float, metavar="DAYS", help="Delete runs that are over and did not change for DAYS days.")
@format_option
def works_command(fleet, prune, style):
    """List the runs that are kept on disk, or delete old ones.

    With a run go its outputs and its receipts: take them out first, with `results` and `receipts`.
    """
    found = works.rows(fleet) if prune is None else works.prune(fleet, prune)
    lines = [line(row) for row in found]
    if prune is not None:
        lines.append(f"{len(found):,} runs deleted, {sum(row['bytes'] for row in found):,} bytes")
    show(style, found, "\n".join(lines) or "no run is kept here")


def line(row):
    """Returns a line for people of one row of works.rows."""
    return (
        f"{row['workload']} {row['run']}: {row['state']}, {row['succeeded']:,}/{row['tasks']:,} tasks, "
        f"{row['receipts']:,} receipts, {row['bytes']:,} bytes, {'over' if row['over'] else 'open'}, "
        f"unchanged for {row['idle_days']:g} days"
    )
