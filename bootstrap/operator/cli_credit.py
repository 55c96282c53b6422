"""The verb of measured service: receipts."""

import datetime
import sys
import time

import click

from . import credit, revoke
from . import source as sources
from .commands import fleet_option, main
from .errors import OperatorError


def _since(_ctx, _parameter, value):
    """Unix seconds of "30d" (so long ago) or of a date."""
    if value is None:
        return 0
    try:
        day = datetime.datetime.fromisoformat(value)
        return int(day.replace(tzinfo=day.tzinfo or datetime.timezone.utc).timestamp())
    except ValueError:
        pass
    try:
        return int(time.time()) - sources.duration(value)
    except OperatorError:
        raise click.BadParameter("a date such as 2026-11-01 (UTC), or how long ago, such as 30d") from None


@main.command()
@fleet_option
@click.option("--workload", metavar="NAME", help="Only of this workload.")
@click.option("--slice", metavar="NAME", help="Only of workloads on this slice.")
@click.option("--box", metavar="ID", help="Only of this box: its identity, or at least 8 digits of it.")
@click.option("--since", callback=_since, metavar="WHEN", help="Only what came since: a date, or how long ago, such as 30d.")
@click.option("--by", multiple=True, type=click.Choice(credit.GROUPS),
              help="Totals for each tenant, slice, workload or box; given more than once, for each of them together.")
@click.option("--format", "style", type=click.Choice(["text", "csv", "jsonl", "json"]), default="text", show_default=True)
def receipts(fleet, workload, slice, box, since, by, style):
    """Show or export the measured service: each receipt, what it is credited, or why it is not.

    As text, and with --by, totals.  Asks no broker: of what `run`, `map` and `results` collected.
    """
    if box is not None:
        box = fleet.first_id(revoke.find(fleet.boxes(), box, "enrolled")).hex()
    entries = credit.ledger(fleet, workload, slice, box, since)
    columns = credit.COLUMNS
    if by or style == "text":
        by = tuple(dict.fromkeys(by)) or ("box",)
        entries, columns = credit.totals(entries, by), (*by, *credit.TOTALS)
    if style == "text":
        for row in entries:
            click.echo(line(row, by))
    else:
        credit.export(entries, columns, style, sys.stdout)


def line(row, by):
    """Returns a line for people of one row of credit.totals."""
    return (
        f"{'  '.join(row[group] or '(operator)' for group in by)}  {row['credited']:,}/{row['receipts']:,} receipts credited: "
        f"{row['credit_fuel']:,} fuel, {row['credit_byte_s']:,} byte-s  "
        f"(measured {row['fuel']:,} fuel, {row['byte_s']:,} byte-s, {row['ms']:,} ms, "
        f"{row['bytes_in']:,} bytes in, {row['bytes_out']:,} out)"
    )
