"""The verbs of whom to believe: revoke, access."""

import click

from . import access as accesses
from . import renew
from . import revoke as revocations
from .commands import broker_option, fleet_option, format_option, main, show
from .cli_slice import open_session, publish, wait_option


@main.command()
@fleet_option
@broker_option
@wait_option
@format_option
@click.option("--undo", is_flag=True, help="Take the boxes off the list again.")
@click.argument("boxes", metavar="[ID]...", nargs=-1)
def revoke(fleet, broker, wait, style, undo, boxes):
    """Silence stolen boxes: no other box answers them or believes them any more.

    ID is a box's identity in hexadecimal, or its first digits, at least 8.
    Without ID, list the revoked boxes.  The list that goes out is always the
    whole one, so a box that misses one version is put right by the next.
    """
    if not boxes:
        if undo:
            raise click.UsageError("--undo needs the boxes to take off the list")
        return _list(fleet, style)
    made = revocations.changed(fleet, boxes, undo)
    with open_session(fleet, broker) as session:
        publish(fleet, session, [made], wait)
    _list(fleet, style)


def _list(fleet, style):
    known = fleet.boxes()
    rows = [
        {"id": id.hex(), "address": known[id].address if id in known else "", "lot": known[id].lot if id in known else ""}
        for id in revocations.listed(fleet)
    ]
    lines = [f"{row['id']}  {row['address'] or '-':21}  {row['lot'] or '-'}" for row in rows]
    if renew.unfinished(fleet):
        click.echo("Warning: a renewal was cut short, and its old keys are believed: `backfence renew` ends it.", err=True)
    show(style, rows, "\n".join([*lines, f"{len(rows)} boxes revoked"]))


@main.command()
@fleet_option
@click.argument("directory", metavar="DIR")
@click.argument("boxes", metavar="[ID]...", nargs=-1)
def access(fleet, directory, boxes):
    """Write mosquitto's access list and passwords for doors into DIR.

    ID is a box that may be a door, as in `backfence revoke`; without ID all boxes
    that are not revoked.  DIR/acl and DIR/passwords are for mosquitto, DIR/secrets
    has what each door adds to its agent.conf, and the operator's own password.
    """
    users = accesses.write(fleet, directory, accesses.doors(fleet, boxes))
    click.echo(f"{len(users)} users in {directory}: {', '.join(accesses.counted(users))}")
