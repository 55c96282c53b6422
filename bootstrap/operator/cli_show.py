"""The verbs that only look: describe, watch."""

import json
import time

import click

from . import picture, results
from .cli import broker_option, fleet_option, format_option, main, show
from .errors import OperatorError
from .settle import Settlement
from .watch import census_age_s
from .watch import watch as follow


def _look(fleet, broker, offline):
    """Returns a Picture from the broker's retained messages, or from the disk alone."""
    if not offline:
        seen, session = picture.open_picture(fleet, broker or fleet.broker)
        session.close()
        return seen
    return picture.Picture(fleet)


def _manifest(fleet, seen, label):
    """The newer of what the broker retains and what this fleet signed."""
    found = seen.manifests.get(label)
    try:
        signed = fleet.signed(label)[1]
    except OperatorError:
        if found is None:
            raise
        return found
    return signed if found is None or signed["seq"] > found["seq"] else found


def offline_option(command):
    """Adds --offline."""
    return click.option("--offline", is_flag=True, help="Only the fleet's directory; ask no broker.")(command)


@main.group()
def describe():
    """Show the fleet, a slice or a workload."""


@describe.command(name="fleet")
@fleet_option
@broker_option
@offline_option
@format_option
def describe_fleet(fleet, broker, offline, style):
    """Keys, boxes, manifests, and the census that a door published."""
    seen = _look(fleet, broker, offline)
    value = {
        "fleet": fleet.id.hex(), "operator": fleet.operator.hex(), "owner": fleet.owner_public.hex(),
        "signatures_left": fleet.signer.remaining(), "boxes": len(fleet.boxes()), "lots": len(fleet.lots()),
        "manifests": fleet.labels(), "doors": seen.doors, "census": seen.census,
        "census_age_s": census_age_s(seen),
        "slices": seen.slices(), "workloads": seen.workloads(),
    }
    lines = [
        f"fleet {value['fleet']}: {value['boxes']} boxes in {value['lots']} lots, "
        f"{value['signatures_left']:,} signatures left",
        "signed: " + (", ".join(value["manifests"]) or "nothing yet"),
    ]
    lines += [f"door {box} {state}" for box, state in sorted(seen.doors.items())]
    lines += [f"slice {row['name']}: {row['seats']} seats {row['where']}" for row in value["slices"]]
    lines += [f"workload {row['name']}: {_states(row)}" for row in value["workloads"]]
    if seen.census:
        lines.append(f"census, {value['census_age_s']} s old:")
    lines += [f"  {key}: {json.dumps(inner)}" for key, inner in sorted(seen.census.items())]
    show(style, value, "\n".join(lines))


@describe.command(name="slice")
@fleet_option
@broker_option
@offline_option
@format_option
@click.argument("name", metavar="SLICE")
def describe_slice(fleet, broker, offline, style, name):
    """A slice's manifest, and what the census says of it."""
    seen = _look(fleet, broker, offline)
    value = picture.slice_row(_manifest(fleet, seen, f"slice-{name}"))
    value["census"] = _of(seen.census, "slices", name)
    lines = [f"{key}: {_text(inner)}" for key, inner in value.items()]
    show(style, value, "\n".join(lines))


@describe.command(name="workload")
@fleet_option
@broker_option
@offline_option
@format_option
@click.argument("name", metavar="WORKLOAD")
def describe_workload(fleet, broker, offline, style, name):
    """A workload's manifest, the states of its tasks, and what the census says of it."""
    seen = _look(fleet, broker, offline)
    payload = _manifest(fleet, seen, f"workload-{name}")
    settlement = seen.settlements.get(name)
    if settlement is None:
        try:
            settlement = results.Work.newest(fleet, name).settlement
        except OperatorError:
            settlement = Settlement(payload, fleet)
    value = picture.workload_row(payload, settlement)
    value["census"] = _of(seen.census, "workloads", name)
    lines = [f"{key}: {_text(inner)}" for key, inner in value.items() if key != "states"]
    show(style, value, "\n".join([*lines, f"states: {_states(value)}"]))


def _of(census, key, name):
    part = census.get(key)
    return part.get(name) if isinstance(part, dict) else None


def _states(row):
    return ", ".join(f"{count} {state}" for state, count in row["states"].items() if count)


def _text(value):
    return value if isinstance(value, str) else json.dumps(value)


@main.command()
@fleet_option
@broker_option
@click.option("--seconds", type=float, metavar="S", help="Stop after S seconds.  [default: on Ctrl-C]")
@format_option
def watch(fleet, broker, seconds, style):
    """Follow doors, slices, tasks and refusals as they happen."""
    seen, session = picture.open_picture(fleet, broker or fleet.broker)
    try:
        follow(seen, session, style, None if seconds is None else time.monotonic() + seconds)
    except KeyboardInterrupt:
        click.echo("", err=True)
    finally:
        session.close()
