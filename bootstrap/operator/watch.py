"""`backfence watch`: a live view on a terminal, plain lines elsewhere."""

import json
import time

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

REFRESH_HZ = 4
# Without a terminal: a line when something changed, but not more often.
PLAIN_EVERY_S = 1.0
CENSUS_ROWS = 12


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
        "fleet": picture.fleet.id.hex(), "doors": picture.doors, "census": picture.census,
        "census_age_s": census_age_s(picture),
        "slices": picture.slices(), "workloads": picture.workloads(), "refused": list(picture.refused),
    }


def summary(picture):
    """Returns one plain line."""
    online = sum(state == "online" for state in picture.doors.values())
    parts = [f"doors {online}/{len(picture.doors)}"]
    for row in picture.slices():
        parts.append(f"slice {row['name']}: {heard(picture, row['name'])}/{row['seats']} seats heard of")
    for row in picture.workloads():
        if not row["ended"]:
            states = ", ".join(f"{count} {state}" for state, count in row["states"].items() if count)
            parts.append(f"workload {row['name']}: {states}")
    parts += [f"refused {each['what']}: {each['why']}" for each in picture.refused]
    return "; ".join(parts)


def census_age_s(picture):
    """Returns how old the last census is by its door's clock, in seconds, or None."""
    told_s = picture.census.get("wall_s")
    return max(0, int(time.time()) - told_s) if isinstance(told_s, int) else None


def heard(picture, name):
    """Returns how many of a slice's seats the last census had heard of."""
    part = picture.census.get("slices")
    part = part.get(name) if isinstance(part, dict) else None
    seats = part.get("heard") if isinstance(part, dict) else None
    return len(seats) if isinstance(seats, list) else 0


def render(picture):
    """Returns the live view for rich."""
    parts = [Text(f"fleet {picture.fleet.id.hex()}", style="bold"), _doors(picture)]
    slices, workloads = picture.slices(), picture.workloads()
    if slices:
        table = _table("slice", "seats", "heard of", "where")
        for row in slices:
            table.add_row(row["name"], str(row["seats"]), str(heard(picture, row["name"])), row["where"])
        parts.append(table)
    if workloads:
        table = _table("workload", "slice", "tasks", "done", "states")
        for row in workloads:
            states = ", ".join(f"{count} {state}" for state, count in row["states"].items() if count)
            done = f"{row['states']['SUCCEEDED']}/{row['tasks']}"
            table.add_row(row["name"], row["slice"], str(row["tasks"]), done, states)
        parts.append(table)
    if picture.census:
        table = _table(f"census, {census_age_s(picture)} s old", "")
        for key, value in sorted(picture.census.items())[:CENSUS_ROWS]:
            table.add_row(key, json.dumps(value)[:200])
        parts.append(table)
    for each in picture.refused:
        parts.append(Text(f"refused by {each['box'][:8]}: {each['what']}: {each['why']}", style="red"))
    return Group(*parts)


def _doors(picture):
    text = Text("doors ")
    for box, state in sorted(picture.doors.items()):
        text.append(box[:8] + " ", style="green" if state == "online" else "red")
    return text if picture.doors else Text("no door has said anything yet", style="yellow")


def _table(*columns):
    table = Table(box=None, header_style="dim")
    for column in columns:
        table.add_column(column)
    return table
