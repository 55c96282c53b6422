"""The verbs that make a fleet: init, enrol, seeds."""

import click

from ...agent import config
from ...agent.errors import LocalError
from . import enrol as enrolment
from . import files, manifests, tenants
from . import fleet as fleets
from .commands import broker_option, fleet_option, format_option, main, show, warn
from .errors import OperatorError


def _heights(_ctx, _parameter, value):
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter("two numbers with a comma between, such as 5,5") from None


@main.command()
@click.argument("directory", metavar="DIR")
@click.option("--heights", default="5,5", show_default=True, callback=_heights,
              help="Heights of the signing key's two trees: 5, 10 or 15 each. 5,5 signs 1,024 times, "
              "10,10 a million times, and takes 10 s to make.")
@click.option("--width", type=click.Choice(["4", "8"]), default="8", show_default=True,
              help="8: small signatures. 4: eight times faster to verify, twice as large.")
@click.option("--broker", default=fleets.BROKER, show_default=True, help="The fleet's usual MQTT broker.")
@click.option("--root", "root_key", metavar="DIR", help="Where to make the root key.  [default: root-key in DIR]")
@click.option("--moved", is_flag=True, help="DIR is a fleet that was moved here and is gone where it was.")
@click.option("--restored", type=click.IntRange(1), metavar="N",
              help="DIR was put back from a backup, and at most N signatures were made since.")
@click.option("--tenant", is_flag=True, help="Make a tenant's keys in DIR; the operator lets them in.")
def init(directory, heights, width, broker, root_key, moved, restored, tenant):
    """Make a fleet: its root key, signing key, owner key and state, in DIR."""
    if tenant:
        path = tenants.request(directory, heights, int(width))
        click.echo(f"give {path} to the operator, for `backfence tenant add NAME {tenants.PUBLIC}`")
        click.echo("Keep the directory secret, and sign from it alone: never from a copy or a backup.")
        return
    if moved or restored:
        fleet = fleets.Fleet.open(directory)
        fleet.signer.adopt(restored or 0)
        click.echo(f"{directory} may sign again; {fleet.signer.remaining():,} signatures are left")
        return
    fleet = fleets.create(directory, heights, int(width), broker, root_key)
    click.echo(f"fleet {fleet.id.hex()} in {directory}, {fleet.signer.capacity():,} signatures")
    click.echo("Keep the directory secret, and sign from it alone: never from a copy or a backup.")
    key = root_key or fleet.path("root-key")
    click.echo(f"The root key is {key}. Move it to a medium that lies in a safe: only it can replace a stolen signing key.")


def _settings(_ctx, _parameter, values):
    pairs = [value.partition("=") for value in values]
    if not all(equals for _, equals, _ in pairs):
        raise click.BadParameter("KEY=VALUE, such as region=north")
    return {key.strip(): value.strip() for key, _, value in pairs}


@main.command()
@fleet_option
@broker_option
@click.option("--make", "count", type=int, metavar="N", help="Make N boxes with ready homes, for a lab.")
@click.option("--base-port", type=int, default=7000, show_default=True, help="First of the N UDP ports.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address the boxes listen on.")
@click.option("--doors", type=int, default=1, show_default=True, help="How many of the N are doors to the broker.")
@click.option("--homes", metavar="DIR", help="Where the homes go.  [default: homes/ in the fleet's directory]")
@click.option("--keys", type=click.Path(exists=True, dir_okay=False),
              help="Enrol boxes that made their own keys: CSV of public_key and, if you like, serial.")
@click.option("--out", metavar="DIR", help="With --keys: write each box's trust.cbor and agent.conf there, in DIR/ID/.")
@click.option("--set", "extra", multiple=True, callback=_settings, metavar="KEY=VALUE",
              help="A further line of every agent.conf.")
@format_option
def enrol(fleet, broker, count, base_port, host, doors, homes, keys, out, extra, style):
    """Make boxes part of the fleet, as one lot: up to 1,048,576 at once.

    With --keys and without --out nothing is written for single boxes: get it later,
    when a box asks for it, with `backfence proof`.
    """
    if (count is None) == (keys is None):
        raise click.UsageError("give either --make N or --keys FILE")
    if out and not keys:
        raise click.UsageError("--out goes with --keys")
    made = fleet.enrol(count, base_port, host, doors, broker, extra, homes) if count is not None else []
    lot = fleet.lots()[made[0].lot] if made else enrolment.take(fleet, keys, out, extra, broker)
    warn(fleet)
    rows = [{"id": box.id.hex(), "address": box.address, "home": box.home} for box in made]
    lines = [f"{row['id']}  {row['address'] or '-':21}  {row['home']}" for row in rows]
    value = {"lot": lot.name, "count": lot.count, "made": rows}
    show(style, value, "\n".join([*lines, f"{lot.count:,} boxes enrolled in {lot.name}"]))
    if len(fleet.lots()) > 1:
        click.echo("Boxes of earlier lots believe these after `backfence lot push`.", err=True)


@main.command()
@fleet_option
@click.option("--contact", "contacts", multiple=True, metavar="ID@HOST:PORT",
              help="A box to begin with; up to 16.  [default: the first 8 with a known address]")
@click.option("--valid-days", type=int, default=365, show_default=True)
@click.option("-o", "--out", default="seeds.cose", show_default=True, help="File for the controller.")
def seeds(fleet, contacts, valid_days, out):
    """Sign the list of first contacts that the controller hands out."""
    if contacts:
        pairs = [_contact(fleet, text) for text in contacts]
    else:
        pairs = [(box.id, enrolment.pack_address(box.address)) for box in fleet.boxes().with_address(8)]
    if not pairs:
        raise OperatorError("no enrolled box has a known address", "Name some with --contact ID@HOST:PORT.")
    manifest = manifests.seeds_manifest(fleet, pairs, valid_s=valid_days * manifests.DAY_S)
    files.write_whole(out, fleet.sign(manifest))
    warn(fleet)
    click.echo(f"{len(pairs)} first contacts in {out}")


def _contact(fleet, text):
    name, at, address = text.partition("@")
    try:
        identity = bytes.fromhex(name)
        config.check_address(address)
    except (ValueError, LocalError):
        raise OperatorError(f"{text!r} is not a contact", "Write ID@HOST:PORT, ID in hexadecimal.") from None
    if identity not in fleet.boxes():
        raise OperatorError(f"no box {name} is enrolled", "See `backfence describe`.")
    return identity, enrolment.pack_address(address)
