"""The verbs of the keys themselves: root, rotate."""

import time

import click

from . import enrol as enrolment
from . import manifests, push
from . import root as roots
from .commands import broker_option, fleet_option, format_option, main, show
from .cli_slice import open_session, wait_option
from .errors import OperatorError

DEADLINE_S = 60.0
TOPIC = "root-root"


@main.command("root")
@fleet_option
@format_option
def show_root(fleet, style):
    """Show which keys count: the root keys, how many of them must sign, the operator's key, what is kept."""
    root, kept = fleet.root, roots.kept(fleet)
    used = roots.used_leaves(fleet.signed_roots())
    value = {
        "fleet": fleet.id.hex(), "version": root.version, "issued": root.issued, "expires": root.expires,
        "threshold": root.threshold, "operator": roots.key_name(root.operator),
        "root_keys": [
            {"id": roots.key_name(key), "roots_signed": used.get(bytes.fromhex(roots.key_name(key)), -1) + 1}
            for key in root.keys
        ],
        "kept": sorted(label for label, signed in kept.items() if fleet.keys.keeps(roots.digest(signed))),
    }
    day = time.strftime("%Y-%m-%d", time.gmtime(root.expires))
    lines = [f"root {root.version} of fleet {value['fleet']}, until {day}", f"operator's key {value['operator']}"]
    lines += [f"root key {row['id']}, signed {row['roots_signed']} roots" for row in value["root_keys"]]
    lines.append(f"{root.threshold} of {len(root.keys)} root keys sign the next root")
    if value["kept"]:
        lines.append("kept from earlier operator's keys: " + ", ".join(value["kept"]))
    show(style, value, "\n".join(lines))


@main.command()
@fleet_option
@broker_option
@wait_option
@click.option("--root", "keys", multiple=True, metavar="DIR",
              help="A root key's directory; once for each that signs.  [default: root-key in the fleet's directory]")
@click.option("--new-root", "add", multiple=True, metavar="DIR", help="Make a further root key in DIR, and let it count.")
@click.option("--drop-root", "drop", multiple=True, metavar="ID", help="Let a root key count no more.")
@click.option("--threshold", type=int, metavar="N", help="How many root keys must sign the next root.  [default: as now]")
@click.option("--keep-operator", is_flag=True, help="Leave the operator's key as it is.")
@click.option("--without", multiple=True, metavar="KIND-NAME", help="A live manifest that is not to count any more.")
@click.option("--again", is_flag=True, help="Sign nothing; publish the newest root, and what it keeps, again.")
def rotate(fleet, broker, wait, keys, add, drop, threshold, keep_operator, without, again):
    """Replace the operator's key, or the root keys, by a new root.

    Boxes drop all that the old operator's key signed, but for what is live and
    this directory signed: lots, slices, queries, workloads, firmware, first
    contacts and the list of revoked boxes stay as they are.
    """
    if again and (keys or add or drop or threshold or keep_operator or without):
        raise click.UsageError("--again signs nothing: it takes no keys and no changes")
    if again and fleet.root.version == 1:
        raise OperatorError("this fleet has its first root, which boxes have from their enrolment", "Leave --again out.")
    with open_session(fleet, broker) as session:
        if not again:
            _sign(fleet, keys, add, drop, threshold, not keep_operator, without)
        _publish(fleet, session, wait)


def _sign(fleet, keys, add, drop, threshold, replace, without):
    dropped = [_find(fleet, text) for text in drop]
    signers = [roots.open_key(directory) for directory in keys or [fleet.path("root-key")]]
    added = [roots.create_key(directory) for directory in add]
    version = roots.rotate(fleet, signers, added, dropped, threshold, replace, without)
    enrolment.write_at_hand(fleet)
    click.echo(f"root {version} signed, operator's key {roots.key_name(fleet.operator)}", err=True)


def _find(fleet, text):
    found = [key for key in fleet.root.keys if roots.key_name(key).startswith(text.lower())]
    if len(found) != 1 or len(text) < roots.DIGITS:
        raise OperatorError(f"{text} names no root key", f"Write at least {roots.DIGITS} digits of its ID: see `backfence root`.")
    return found[0]


def _publish(fleet, session, wait):
    """The root, first; then all that is live, of which a thief may have put other things in the broker."""
    chain = roots.chain(fleet.signed_roots())
    session.publish([(fleet.topic("manifest", TOPIC), chain)], DEADLINE_S)
    refused = push.listen(session, {TOPIC}, wait)
    live = {label: signed for label, signed in roots.kept(fleet).items() if label.partition("-")[0] in manifests.PUSHED}
    if live and not refused:
        session.publish([(fleet.topic("manifest", label), signed) for label, signed in live.items()], DEADLINE_S)
        refused = push.listen(session, set(live), wait)
    click.echo(f"root {fleet.root.version}: published, with {len(live)} live manifests", err=True)
    for each in refused:
        click.echo(f"refused by {each['box'][:8]}: {each['what']}: {each['why']}", err=True)
    if refused:
        click.echo("Hint: put right what the door says, then `backfence rotate --again`.", err=True)
        raise SystemExit(1)
