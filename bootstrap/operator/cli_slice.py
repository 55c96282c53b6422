"""The verbs that shape slices and ask queries: merge, split, end, query."""

import time

import click

from ...agent import limits
from . import choice, manifests, picture, push, reshape
from . import monitor as monitoring
from .commands import broker_option, fleet_option, format_option, main, show, warn
from .cli_show import find, newer
from .cli_work import end_label
from .errors import OperatorError


def wait_option(command):
    """Adds --wait, seconds to listen for doors' refusals, as `wait`."""
    return click.option(
        "--wait", type=float, default=2.0, show_default=True, help="Seconds to listen for doors' refusals."
    )(command)


def publish(fleet, session, made, wait):
    """Signs and publishes Manifests in order; says so, and what doors refused.  Exit 1 if one did."""
    refused, reports = [], []
    for manifest in made:
        signed = fleet.sign(manifest)
        reports.append(push.publish(session.broker, fleet, signed, session=session))
    warn(fleet)
    names = {report.label for report in reports}
    refused = push.listen(session, names, wait)
    for report in reports:
        click.echo(f"{report.label} {report.sequence}: pushed", err=True)
    for each in refused:
        click.echo(f"refused by {each['box'][:8]}: {each['what']}: {each['why']}", err=True)
    if refused:
        raise SystemExit(1)


def open_session(fleet, broker):
    """Returns an open push.Session that listens to doors' refusals."""
    session = push.Session(broker or fleet.broker)
    session.subscribe(fleet.refused_topic())
    return session


@main.command()
@fleet_option
@broker_option
@wait_option
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
def merge(fleet, broker, wait, first, second):
    """Make slices A and B one slice, A: B's seats follow A's, and its tasks go on."""
    pair = [find(fleet, None, ("slice", name)) for name in (first, second)]
    with open_session(fleet, broker) as session:
        publish(fleet, session, [reshape.merge(fleet, *pair)], wait)


@main.command()
@fleet_option
@broker_option
@wait_option
@click.argument("name", metavar="A")
@click.argument("seats", metavar="N", type=int)
@click.argument("new", metavar="NEW")
def split(fleet, broker, wait, name, seats, new):
    """Make the N highest seats of slice A a slice of their own, NEW."""
    payload = find(fleet, None, ("slice", name))
    with open_session(fleet, broker) as session:
        publish(fleet, session, reshape.split(fleet, payload, seats, new), wait)


@main.command()
@fleet_option
@broker_option
@click.argument("words", metavar="[KIND] NAME", nargs=-1, required=True)
def end(fleet, broker, words):
    """End a slice, whose boxes leave their seats, or a query."""
    if len(words) > 2:
        raise click.UsageError("write a name, or a kind and a name")
    end_label(fleet, broker, manifests.label(find(fleet, None, words, ("slice", "query"))))


@main.command()
@fleet_option
@broker_option
@click.option("--wait", type=float, metavar="S", help="Wait up to S seconds for the first answer.")
@format_option
@click.argument("name", required=False)
@click.argument("asked", metavar="[CHOICE]", required=False)
def query(fleet, broker, wait, style, name, asked):
    """Ask all boxes: which match, and how an attribute is spread among them.

    With CHOICE, ask it under NAME from now on, unless that is asked already:
    "top 10 % by availability where arch == 'mipsel'".  With NAME, show the last
    complete answer and its age.  Without, list what is asked.  Exit 1 if there
    is no answer yet.
    """
    seen, session = picture.open_picture(fleet, broker or fleet.broker, results=False)
    with session:
        if name is None:
            return _list(seen, style)
        payload, new = _asked(fleet, seen, session, name, asked)
        if new:
            click.echo(f"query-{name} {payload['seq']}: pushed", err=True)
        found = _await(seen, session, payload, wait)
    if found:
        return show(style, found, "\n".join(monitoring.answer_lines(found, seen.census)))
    if new and wait is None:
        hint = f"The first answer comes when the next epoch is complete, in a minute or so: `backfence query {name}`."
        value = {"name": name, "choice": choice.show(choice.of(payload)) or "count", "answer": None}
        return show(style, value, hint)
    if seen.census is None:
        raise OperatorError(*monitoring.none_yet(seen))
    raise OperatorError(
        f"no answer to {name!r} yet: {monitoring.headline(seen.census)}",
        "It comes when the next epoch is complete; wait for it with --wait S.",
    )


def _list(seen, style):
    rows = [{**row, "answer": monitoring.answer(seen.manifests["query-" + row["name"]], seen.census)}
            for row in seen.queries()]
    lines = []
    for row in rows:
        found = row["answer"]
        said = f"{found['count']:,} boxes match" if found else "no answer yet"
        lines.append(f"query {row['name']}: {row['choice']}: {said}")
    if not rows:
        lines.append("nothing is asked; ask with `backfence query NAME 'CHOICE'`")
    if seen.census:
        lines.append(monitoring.headline(seen.census))
    show(style, rows, "\n".join(lines))


def _asked(fleet, seen, session, name, asked):
    """Returns (the query's manifest, True if it is new and was pushed just now)."""
    known = newer(fleet, seen, f"query-{name}")
    live = known is not None and not known.get("end") and known["expires"] > time.time()
    if asked is None:
        if not live:
            raise OperatorError(f"nothing is asked under the name {name!r}", f"Ask: backfence query {name} 'CHOICE'.")
        return known, False
    wanted = choice.parse(asked)
    if live:
        if choice.show(choice.of(known)) == choice.show(wanted):
            return known, False
        raise OperatorError(
            f"{name!r} asks something else: {choice.show(choice.of(known)) or 'count'}",
            f"Choose another name, or end it first: backfence end query {name}.",
        )
    check_room(seen, name)
    manifest = manifests.query_manifest(fleet, name, asked)
    push.publish(session.broker, fleet, fleet.sign(manifest), session=session)
    warn(fleet)
    for census in seen.censuses.values():
        census["queries"].pop(name, None)  # what was asked under this name before
    return manifest.payload, True


def check_room(seen, name):
    """OperatorError if boxes already count as many distributions as they can, or one of that name."""
    ranked = [row["name"] for row in seen.slices() if row["where"].startswith("top ")]
    if name in ranked:
        raise OperatorError(f"a slice that ranks its boxes is called {name!r}", "Choose another name.")
    counted = ranked + [row["name"] for row in seen.queries()]
    most = limits.QUERIES - len(manifests.BUILT_IN)
    if len(counted) >= most:
        raise OperatorError(
            f"{len(counted)} queries and ranked slices are live, and boxes count at most {most}",
            "End one with `backfence end query NAME`.",
        )


def _await(seen, session, payload, wait):
    """Returns the query's answer, after at most `wait` seconds; None if there is none."""
    until_s = time.monotonic() + (wait or 0)
    while True:
        found = monitoring.answer(payload, seen.census)
        left = until_s - time.monotonic()
        if found or left <= 0:
            return found
        message = session.receive(min(left, 0.25))
        if message is not None:
            session.done(message)
            seen.offer(message)
