"""The verbs of tenants: tenant add, list, end for the operator; join for a tenant."""

import os
import time

import click

from . import delegations, files, manifests, tenants
from . import follow as followers
from . import source as sources
from .commands import Commands, broker_option, fleet_option, format_option, main, show
from .cli_slice import open_session, publish, wait_option
from .errors import OperatorError

# A million boxes' keys, and what stands around them.
PASS_BYTES = 1 << 26


def quota_options(command):
    """Adds an option for each member of a quota."""
    for member, (usual, _most, what) in reversed(delegations.QUOTA.items()):
        text = f"{what}  [default: as before, or {usual:,}]"
        command = click.option(f"--{member}", type=int, metavar="N", help=text)(command)
    return command


@main.group(cls=Commands)
def tenant():
    """Let others push work of their own, each within a quota that you sign."""


@tenant.command()
@fleet_option
@broker_option
@wait_option
@quota_options
@click.option("--valid", default="90d", show_default=True, help="How long the delegation holds.")
@click.option("-o", "--out", metavar="FILE", help="Where the tenant's pass goes.  [default: NAME.pass]")
@click.argument("name", metavar="NAME")
@click.argument("keys", metavar="[KEYS]", required=False, type=click.Path(exists=True, dir_okay=False))
def add(fleet, broker, wait, valid, out, name, keys, **quota):
    """Sign and publish a tenant's delegation, and write the pass that he joins with.

    KEYS is the file of public keys that he made with `backfence init DIR --tenant`.
    Again, without KEYS, it changes the quota, or renews what expires.
    """
    found = tenants.read_keys(keys) if keys else None
    made = delegations.delegation(fleet, name, found, quota, sources.duration(valid))
    with open_session(fleet, broker) as session:
        publish(fleet, session, [made], wait)
    out = out or f"{name}.pass"
    files.write_whole(out, tenants.make_pass(fleet, name))
    click.echo(f"give {out} to the tenant: `backfence join DIR {out}`")


@tenant.command(name="list")
@fleet_option
@format_option
def list_command(fleet, style):
    """List the tenants and their quotas."""
    now_s = time.time()
    rows = [
        {
            "name": payload["name"], "live": delegations.live(payload, now_s), "expires": payload["expires"],
            "sequence": payload["seq"], **{member: payload[member] for member in delegations.QUOTA},
        }
        for payload in delegations.newest(fleet)
    ]
    lines = []
    for row in rows:
        until = time.strftime("until %Y-%m-%d %H:%M", time.localtime(row["expires"])) if row["live"] else "ended"
        lines.append(f"{row['name']}: {until}; " + ", ".join(f"{row[member]:,} {member}" for member in delegations.QUOTA))
    show(style, rows, "\n".join([*lines, f"{sum(row['live'] for row in rows)} tenants"]))


@tenant.command()
@fleet_option
@broker_option
@wait_option
@click.argument("name", metavar="NAME")
def end(fleet, broker, wait, name):
    """End a tenant's delegation: his slices and workloads end everywhere, a few rounds later."""
    payload = delegations.find(fleet, name)
    if not delegations.live(payload):
        raise OperatorError(f"the tenant {name!r} has ended already", "See `backfence tenant list`.")
    with open_session(fleet, broker) as session:
        publish(fleet, session, [manifests.end_manifest(fleet, payload)], wait)


@tenant.command()
@fleet_option
@broker_option
@click.option("--seconds", type=float, help="How long.  [default: until Ctrl-C]")
@format_option
def follow(fleet, broker, seconds, style):
    """Keep the books of what tenants have done, for `backfence receipts --by tenant`.

    From the first time on the broker keeps what comes while this command does not run.
    """
    books = followers.Follower(fleet, broker or fleet.broker)
    until_s = None if seconds is None else time.monotonic() + seconds
    try:
        while until_s is None or time.monotonic() < until_s:
            books.step(0.5 if until_s is None else min(0.5, max(0.0, until_s - time.monotonic())))
    except KeyboardInterrupt:
        click.echo("", err=True)
    finally:
        books.close()
    show(style, {"taken": books.taken, "odd": books.odd}, f"{books.taken:,} results taken; see `backfence receipts --by tenant`")


@main.command()
@click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False))
@click.argument("file", metavar="PASS", type=click.Path(exists=True, dir_okay=False))
def join(directory, file):
    """Make DIR, with a tenant's keys, his home by the operator's pass; or renew it.

    From then on `backfence --fleet DIR push`, `run`, `results`, `cancel` and `end` are his.
    """
    if os.path.getsize(file) > PASS_BYTES:
        raise OperatorError(f"{file} is too large for a pass")
    home = tenants.join(directory, files.read(file))
    quota = home.delegation
    click.echo(f"tenant {home.tenant} of fleet {home.id.hex()} in {directory}, {len(home.boxes()):,} boxes")
    click.echo("quota: " + ", ".join(f"{quota[member]:,} {member}" for member in delegations.QUOTA))
