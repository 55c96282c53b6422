"""The verbs that only look: describe, watch, monitor."""

import json
import time

import click

from . import census as censuses
from . import firmware
from . import monitor as monitoring
from . import picture, push, reshape, results, revoke
from .commands import broker_option, fleet_option, format_option, main, show
from .errors import OperatorError
from .settle import Settlement
from .watch import watch as follow


# What has a name of its own, and more to say than that it was signed.
DESCRIBED = ("slice", "query", "workload", "firmware")


def _look(fleet, broker, offline):
    """Returns a Picture from the broker's retained messages, or from the disk alone."""
    if not offline:
        seen, session = picture.open_picture(fleet, broker or fleet.broker)
        session.close()
        return seen
    return picture.Picture(fleet)


def newer(fleet, seen, label):
    """The newer manifest of what the broker retains and what this fleet signed, or None."""
    found = seen.manifests.get(label) if seen else None
    signed = fleet.signed(label)[1] if label in fleet.labels() else None
    if signed is None or found is None:
        return signed or found
    return signed if signed["seq"] > found["seq"] else found


def find(fleet, seen, words, kinds=DESCRIBED):
    """Returns the newest manifest that [KIND] NAME means; OperatorError if it is none or several."""
    kind, name = words if len(words) == 2 else (None, words[0])
    if kind is not None and kind not in kinds:
        raise OperatorError(f"{kind!r} is not one of {', '.join(kinds)}", "Write a kind and a name, or a name alone.")
    name = fleet.own(name)
    found = [newer(fleet, seen, f"{each}-{name}") for each in kinds if kind in (None, each)]
    found = [payload for payload in found if payload]
    if kind is None and len(found) > 1:
        found = [payload for payload in found if not _over(payload)] or found
    if not found:
        what = kind or (kinds[0] if len(kinds) == 1 else " or ".join(kinds))
        raise OperatorError(f"this fleet never signed a {what} {name!r}", "See `backfence describe`.")
    if len(found) > 1:
        both = " and a ".join(payload["kind"] for payload in found)
        raise OperatorError(f"{name!r} is a {both}", f"Say which, as in `{found[0]['kind']} {name}`.")
    return found[0]


def _over(payload):
    return bool(payload.get("end")) or payload["expires"] <= time.time()


@main.command()
@fleet_option
@broker_option
@click.option("--offline", is_flag=True, help="Only the fleet's directory; ask no broker.")
@click.option("--tasks", "each", is_flag=True, help="Of a workload: each task's state, the boxes that answered, why it failed.")
@format_option
@click.argument("words", metavar="[KIND] [NAME]", nargs=-1)
def describe(fleet, broker, offline, each, style, words):
    """Show the fleet, or one slice, query, workload or firmware by its name.

    KIND is one of these four words, and needed only where two have one name.
    """
    if len(words) > 2:
        raise click.UsageError("write at most a kind and a name")
    seen = _look(fleet, broker, offline)
    if words in ((), ("fleet",)):
        return _describe_fleet(fleet, seen, offline, style)
    payload = find(fleet, seen, words)
    if payload["kind"] == "workload":
        return _describe_workload(fleet, seen, payload, style, each)
    if each:
        raise click.UsageError(f"only a workload has tasks, and {payload['name']} is a {payload['kind']}")
    {"slice": _describe_slice, "query": _describe_query, "firmware": _describe_firmware}[payload["kind"]](
        fleet, seen, payload, style)


def _describe_fleet(fleet, seen, offline, style):
    value = {
        "fleet": fleet.id.hex(), "operator": fleet.operator.hex(), "owner": fleet.owner_public.hex(),
        "signatures_left": fleet.signer.remaining(), "boxes": len(fleet.boxes()), "lots": len(fleet.lots()),
        "revoked": len(revoke.listed(fleet)),
        "manifests": fleet.labels(), "doors": seen.doors,
        "census": censuses.view(seen.census) if seen.census else None,
        "slices": seen.slices(), "queries": seen.queries(), "workloads": seen.workloads(),
        "firmware": seen.firmware(),
    }
    lines = [
        f"fleet {value['fleet']}: {value['boxes']} boxes enrolled in {value['lots']} lots, "
        f"{value['signatures_left']:,} signatures left",
        "signed: " + (", ".join(value["manifests"]) or "nothing yet"),
    ]
    if value["revoked"]:
        lines.append(f"revoked: {value['revoked']} boxes, see `backfence revoke`")
    lines += [f"door {box} {state}" for box, state in sorted(seen.doors.items())]
    lines += [_slice(row) for row in value["slices"]]
    lines += [f"query {row['name']}: {row['choice']}" for row in value["queries"]]
    lines += [f"workload {row['name']}: {_states(row)}" for row in value["workloads"]]
    lines += [f"firmware {row['name']}: sequence {row['sequence']}, {row['size']:,} bytes" for row in value["firmware"]]
    if seen.census:
        first, *rest = monitoring.lines(seen.census)
        lines += [first, *("  " + line for line in rest)]
    elif not offline and not fleet.tenant:
        lines.append(". ".join(monitoring.none_yet(seen)))
    show(style, value, "\n".join(lines))


def _describe_slice(fleet, seen, payload, style):
    value = {**picture.slice_row(payload), "part_of": reshape.absorber(fleet, payload["name"])}
    row = _counted(seen, "slices", payload)
    value["census"] = _aged(seen, row)
    if row and not value["ended"]:
        value["short"], value["says"] = censuses.short_by(row), censuses.filling(payload["name"], row)
    lines = [f"{key}: {_text(inner)}" for key, inner in value.items() if key not in ("census", "says")]
    if value["part_of"]:
        lines.append(f"its seats are a part of {value['part_of']}: see `backfence describe {value['part_of']}`")
    else:
        lines += _told(seen, value.get("says"))
    show(style, value, "\n".join(lines))


def _describe_query(_fleet, seen, payload, style):
    value = picture.query_row(payload)
    found = monitoring.answer(payload, seen.census)
    value["answer"] = found
    lines = [f"{key}: {_text(inner)}" for key, inner in value.items() if key != "answer"]
    lines += monitoring.answer_lines(found, seen.census)[1:] if found else _told(seen, None)
    show(style, value, "\n".join(lines))


def _describe_workload(fleet, seen, payload, style, each):
    settlement = seen.settlements.get(payload["name"])
    if settlement is None:
        try:
            settlement = results.Work.newest(fleet, payload["name"]).settlement
        except OperatorError:
            settlement = Settlement(payload, fleet, keep=False)
    value = picture.workload_row(payload, settlement)
    row = _counted(seen, "workloads", payload)
    value["census"] = _aged(seen, row)
    lines = [f"{key}: {_text(inner)}" for key, inner in value.items() if key not in ("states", "census")]
    lines.append(f"states: {_states(value)}")
    if each:
        value["each"] = [
            {"task": number, "state": task.state, "boxes": [box.hex() for box in task.votes], "reason": task.reason}
            for number, task in enumerate(settlement.tasks)
        ]
        lines += [
            " ".join([f"task {row['task']}: {row['state']}", *(box[:8] for box in row["boxes"]), push.clean(row["reason"])])
            .rstrip() for row in value["each"]
        ]
    show(style, value, "\n".join(lines))


def _describe_firmware(_fleet, _seen, payload, style):
    value = firmware.row(payload)
    show(style, value, "\n".join(firmware.lines(value)))


def _counted(seen, key, payload):
    return seen.census[key].get(payload["name"]) if seen.census else None


def _aged(seen, row):
    """A row of the census with what says how old it is, or None."""
    if row is None:
        return None
    return {**row, **{key: censuses.view(seen.census)[key] for key in ("epoch", "age_s", "quick", "told_s")}}


def _told(seen, says):
    """Lines: what the census says, and how old it is; or why there is none."""
    if seen.census is None:
        return [". ".join(monitoring.none_yet(seen))]
    return [says or "not in the census yet", censuses.when(seen.census)]


def _slice(row):
    regions = f" for {', '.join(row['regions'])} in turn" if row["regions"] else ""
    return f"slice {row['name']}: {row['share'] or row['seats']} seats{regions} {row['where']}"


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


@main.command()
@fleet_option
@broker_option
@click.option("--seconds", type=float, metavar="S", help="Stop after S seconds.  [default: on Ctrl-C]")
@format_option
def monitor(fleet, broker, seconds, style):
    """Show what gossip counted: size, slices, queries, versions, jobs, each with its age.

    A live view on a terminal, lines elsewhere; with --format json one JSON
    object a line for each census.  Exit 1 if none came.
    """
    seen, session = picture.open_picture(fleet, broker or fleet.broker, results=False)
    shown = 1
    try:
        shown = monitoring.monitor(seen, session, style, None if seconds is None else time.monotonic() + seconds)
    except KeyboardInterrupt:
        click.echo("", err=True)
    finally:
        session.close()
    if not shown:
        raise OperatorError(*monitoring.none_yet(seen))
