"""The verb that makes a slice larger or smaller while it works: scale."""

import json
import time

import click

from . import picture, push, scale
from .commands import broker_option, fleet_option, format_option, main, warn
from .cli_show import find
from .cli_slice import open_session, publish, wait_option
from .errors import OperatorError

LOOK_S = 1.0


@main.command("scale")
@fleet_option
@broker_option
@wait_option
@click.option("--backlog", type=int, metavar="TASKS", help="Follow what is open: a seat for every so many open tasks.")
@click.option("--min", "least", type=int, default=1, show_default=True, help="With --backlog: never fewer seats.")
@click.option("--max", "most", type=int, metavar="N", help="With --backlog: never more.  [default: what may be]")
@click.option("--seconds", type=float, metavar="S", help="With --backlog: stop after S seconds.  [default: on Ctrl-C]")
@format_option
@click.argument("name", metavar="SLICE")
@click.argument("seats", metavar="[N]", type=int, required=False)
def scale_command(fleet, broker, wait, backlog, least, most, seconds, style, name, seats):
    """Give a slice N seats from now on, or as many as its backlog asks for.

    What runs goes on.  With --backlog it grows at once, at most once a minute, and shrinks
    once three quarters of its seats would have done for five minutes; each step takes a
    signature.  It works on as long as this command runs.
    """
    if (seats is None) == (backlog is None):
        raise click.UsageError("give either N seats or --backlog TASKS")
    payload = find(fleet, None, ("slice", name))
    if backlog is None:
        made = scale.scaled(fleet, payload, seats)
        with open_session(fleet, broker) as session:
            return publish(fleet, session, [made], wait)
    may = scale.most_seats(fleet, payload)
    if most is not None and most > may:
        raise OperatorError(f"{name!r} may have at most {may:,} seats", "Give a smaller --max, or ask the operator for more.")
    policy = scale.Policy(backlog, least, may if most is None else most, len(payload.get("regions", "-")))
    _follow(fleet, broker, payload, policy, seconds, style)


def _follow(fleet, broker, payload, policy, seconds, style):
    seen, session = picture.open_picture(fleet, broker or fleet.broker)
    until_s = None if seconds is None else time.monotonic() + seconds
    try:
        while until_s is None or time.monotonic() < until_s:
            payload = _step(fleet, seen, session, payload, policy, style)
            look_s = time.monotonic() + LOOK_S
            while (left_s := look_s - time.monotonic()) > 0:
                message = session.receive(left_s)
                if message is not None:
                    session.done(message)
                    seen.offer(message)
    except KeyboardInterrupt:
        click.echo("", err=True)
    finally:
        session.close()


def _step(fleet, seen, session, payload, policy, style):
    """Looks once; returns the slice's payload, the next one if a step was taken."""
    payload = find(fleet, seen, ("slice", payload["name"].rpartition("/")[2]))
    if payload.get("end"):
        raise OperatorError(f"the slice {payload['name']!r} has ended")
    tasks = scale.open_tasks(seen, scale.names(payload))
    wanted = policy.step(time.monotonic(), tasks, payload["seats"])
    if wanted is None:
        return payload
    made = scale.scaled(fleet, payload, wanted)
    push.publish(session.broker, fleet, fleet.sign(made), session=session)
    warn(fleet)
    row = {"slice": payload["name"], "open": tasks, "seats": wanted, "before": payload["seats"]}
    line = f"{row['slice']}: {tasks:,} open tasks: from {row['before']:,} to {wanted:,} seats"
    click.echo(json.dumps(row) if style == "json" else line)
    return made.payload
