"""`backfence watch`: a live view on a terminal, plain lines elsewhere."""

import json
import time

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from . import census as censuses
from .monitor import add, doors, headline, table

REFRESH_HZ = 4
# Without a terminal: a line when something changed, but not more often.
PLAIN_EVERY_S = 1.0


def watch(picture, session, style="text", until_s=None, console=None):
    """Shows the picture as messages come, until Ctrl-C or time.monotonic() passes until_s.

    style "json" prints one JSON object a line for each change.
    """
    console = console or Console()
    if style == "text" and console.is_terminal:
        with Live(console=console, refresh_per_second=REFRESH_HZ, get_renderable=lambda: render(picture)):
            _follow(picture, session, until_s, lambda: None)
        return
    told = {"line": "", "at": 0.0}

    def tell():
        line = json.dumps(snapshot(picture), sort_keys=True) if style == "json" else summary(picture)
        if line != told["line"] and time.monotonic() - told["at"] >= PLAIN_EVERY_S:
            told["line"], told["at"] = line, time.monotonic()
            print(line, flush=True)

    _follow(picture, session, until_s, tell)


def _follow(picture, session, until_s, tell):
    while until_s is None or time.monotonic() < until_s:
        tell()
        message = session.receive(0.25)
        if message is not None:
            session.done(message)
            picture.offer(message)


def snapshot(picture):
    """Returns all of a Picture, JSON-able."""
    return {
        "fleet": picture.fleet.id.hex(), "doors": picture.doors,
        "census": censuses.view(picture.census) if picture.census else None,
        "slices": picture.slices(), "queries": picture.queries(), "workloads": picture.workloads(),
        "refused": list(picture.refused),
    }


def summary(picture):
    """Returns one plain line."""
    online = sum(state == "online" for state in picture.doors.values())
    parts = [f"doors {online}/{len(picture.doors)}"]
    if picture.census:
        size = picture.census["size"]
        parts.append(f"{size:,} boxes" if size is not None else "not counted yet")
    parts += [f"slice {row['name']}: {heard(picture, row)}" for row in picture.slices()]
    for row in picture.workloads():
        if not row["ended"]:
            states = ", ".join(f"{count} {state}" for state, count in row["states"].items() if count)
            parts.append(f"workload {row['name']}: {states}")
    parts += [f"refused {each['what']}: {each['why']}" for each in picture.refused]
    return "; ".join(parts)


def heard(picture, row):
    """Returns "3/8 seats heard of" for a slice's row: how many of them the last census had."""
    counted = picture.census["slices"].get(row["name"]) if picture.census else None
    seats = len(counted["heard"]) if counted else 0
    wanted = row["share"] or row["seats"]
    if row["seats"] is None and counted and counted["seats"] is not None:
        wanted = counted["seats"]
    return f"{seats}/{wanted} seats heard of"


def render(picture):
    """Returns the live view for rich."""
    parts = [Text(f"fleet {picture.fleet.id.hex()}", style="bold"), doors(picture)]
    slices, workloads = picture.slices(), picture.workloads()
    if slices:
        rows = table("slice", "", "where")
        for row in slices:
            add(rows, row["name"], heard(picture, row), row["where"])
        parts.append(rows)
    if workloads:
        rows = table("workload", "slice", "tasks", "done", "states")
        for row in workloads:
            states = ", ".join(f"{count} {state}" for state, count in row["states"].items() if count)
            done = f"{row['states']['SUCCEEDED']}/{row['tasks']}"
            add(rows, row["name"], row["slice"], str(row["tasks"]), done, states)
        parts.append(rows)
    if picture.census:
        parts.append(Text("census: " + headline(picture.census)))
    for each in picture.refused:
        parts.append(Text(f"refused by {each['box'][:8]}: {each['what']}: {each['why']}", style="red"))
    return Group(*parts)
