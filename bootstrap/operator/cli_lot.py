"""The verbs of lots, and of single boxes' proofs and keys: lot, proof, renew."""

import os
import time

import click

from . import access, enrol, files, lots, push, renew, revoke
from .commands import broker_option, fleet_option, format_option, main, show, warn
from .cli_slice import open_session, publish, wait_option
from .errors import OperatorError


@main.command()
@fleet_option
@click.option("--out", required=True, metavar="DIR", help="Each box's trust.cbor goes to DIR/ID/.")
@click.option("--all", "everybody", is_flag=True, help="For every enrolled box.")
@click.argument("boxes", metavar="[ID]...", nargs=-1)
def proof(fleet, out, everybody, boxes):
    """Write the trust.cbor of enrolled boxes: what makes each one of the fleet.

    ID is a box's identity in hexadecimal, its first digits, at least 8, or its serial.
    """
    if bool(boxes) == everybody:
        raise click.UsageError("name boxes, or give --all")
    known = fleet.boxes()
    found = known.values() if everybody else [known[revoke.find(known, text, "enrolled")] for text in boxes]
    written = enrol.carry(fleet, found, out)
    click.echo(f"{written:,} trust.cbor in {out}")


@main.group()
def lot():
    """List, publish, replace or end the lots in which boxes are enrolled."""


@lot.command("list")
@fleet_option
@format_option
def list_lots(fleet, style):
    """Show the fleet's lots: boxes, how many of them are revoked, and when each ends."""
    known = fleet.boxes()
    revoked = [known[id].lot for id in revoke.listed(fleet) if id in known]
    rows = [
        {"lot": each.name, "boxes": each.count, "revoked": revoked.count(each.name), "until": each.until,
         "root": each.root.hex()}
        for each in fleet.lots().values()
    ]
    lines = [f"{row['lot']:10} {row['boxes']:>9,} boxes  {row['revoked']:>3} revoked  {_until(row['until'])}" for row in rows]
    show(style, rows, "\n".join([*lines, f"{len(rows)} lots"]))


def _until(until):
    if not until:
        return "stays"
    return time.strftime("ends %Y-%m-%d %H:%M UTC" if until > time.time() else "ended %Y-%m-%d %H:%M UTC", time.gmtime(until))


@lot.command("push")
@fleet_option
@broker_option
@wait_option
def push_list(fleet, broker, wait):
    """Publish the list of lots, so that boxes of earlier lots believe those of later ones."""
    if fleet.register.signed_list() is None:
        raise OperatorError("this fleet has no lots", "Begin with `backfence enrol`.")
    with open_session(fleet, broker) as session:
        _publish(fleet, session, wait)


def _publish(fleet, session, wait):
    """Publishes the signed list; says so, and what doors refused.  Exit 1 if one did."""
    report = push.publish(session.broker, fleet, fleet.register.signed_list(), session=session)
    warn(fleet)
    click.echo(f"{report.label} {report.sequence}: pushed", err=True)
    refused = push.listen(session, {report.label}, wait)
    for each in refused:
        click.echo(f"refused by {each['box'][:8]}: {each['what']}: {each['why']}", err=True)
    if refused:
        raise SystemExit(1)


@lot.command()
@fleet_option
@broker_option
@wait_option
@click.option("--without", multiple=True, metavar="ID", help="Leave this box out too, though it is not revoked.")
@click.option("--overlap-days", type=float, default=30, show_default=True,
              help="How long the old lots are believed beside the new one.")
@click.argument("names", metavar="[LOT]...", nargs=-1)
def replace(fleet, broker, wait, without, overlap_days, names):
    """Enrol the honest boxes of some lots anew, in one new lot, and let the old ones end.

    Without LOT: those with revoked boxes.  Boxes get their new places from the
    controller while both count.
    """
    if not overlap_days > 0:
        raise click.UsageError("--overlap-days must be above 0")
    out = [revoke.find(fleet.boxes(), text, "enrolled") for text in without]
    with open_session(fleet, broker) as session:
        new, old = lots.replace(fleet, names, out, int(overlap_days * 86400))
        enrol.write_at_hand(fleet)
        known = fleet.lots()
        click.echo(f"{new}: {known[new].count:,} boxes; {', '.join(old)} {_until(known[old[0]].until)}")
        _publish(fleet, session, wait)


@lot.command()
@fleet_option
@broker_option
@wait_option
@click.argument("name", metavar="LOT")
def end(fleet, broker, wait, name):
    """Take a lot off the list: no other box believes its boxes any more.

    Revoked boxes of it need no place on the list of revoked boxes then: they leave it,
    now if the lot's time was over, else with the next list.
    """
    with open_session(fleet, broker) as session:
        over = lots.end(fleet, name)
        _publish(fleet, session, wait)
        revoked = [id for id in revoke.listed(fleet) if id not in fleet.boxes()]
        if over and revoked:
            publish(fleet, session, [revoke.changed(fleet, ())], wait)


@main.command("renew")
@fleet_option
@broker_option
@wait_option
@click.option("--out", metavar="DIR", help="Each new trust.cbor goes to DIR/ID/, with a door's new lines for agent.conf.")
@click.argument("requests", metavar="[REQUEST]...", nargs=-1)
def renew_keys(fleet, broker, wait, out, requests):
    """Enrol boxes' new keys in place of their old ones, which are silenced.

    REQUEST is what a box prints for `-m backfence.agent.edge.renew --home DIR`.  What
    the fleet knows of the box goes over to the new key; both count as one box.  If it was
    cut short, the same again, or without REQUEST, brings it to its end.
    """
    if not requests and not fleet.renewed():
        raise click.UsageError("no box's key was renewed yet: give what the box printed")
    with open_session(fleet, broker) as session:
        pairs = renew.renew(fleet, requests)
        enrol.write_at_hand(fleet)
        if out:
            enrol.carry(fleet, [fleet.boxes()[new] for _, new in pairs], out)
            for _, new in pairs:
                text = access.door_lines(fleet, new.hex())
                files.write_whole(os.path.join(out, new.hex(), "broker"), text.encode(), files.SECRET)
        for old, new in pairs:
            click.echo(f"{old.hex()} is {new.hex()} now")
        _publish(fleet, session, wait)
        publish(fleet, session, [renew.silence(fleet)], wait)
