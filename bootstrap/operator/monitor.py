"""`backfence monitor`, and the words in which `describe` and `query` tell of a census."""

import json
import time

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from . import census as censuses
from . import choice
from .attributes import rounded
from .manifests import BUILT_IN

REFRESH_HZ = 2
PERCENTILES = [f"p{percent}" for percent in censuses.PERCENTILES]


def none_yet(picture):
    """Returns (what is the matter, what to do) while no census has come."""
    if "online" in picture.doors.values():
        return "no census yet", "A door is online and tells one within seconds: ask again."
    if picture.doors:
        return "no census yet: all doors are offline", "Start a door's agent, or look at its log."
    return (
        "no census yet: no door has ever reached this broker",
        "Start an agent whose agent.conf says door = 1 and names this broker.",
    )


def snapshot(picture, now_s=None):
    """Returns what `monitor --format json` prints for a census."""
    return {"fleet": picture.fleet.id.hex(), "doors": picture.doors, "census": censuses.view(picture.census, now_s)}


def headline(census, now_s=None):
    """Returns size, epoch, age and pace in one line."""
    size = "size not counted yet" if census["size"] is None else f"{census['size']:,} boxes"
    return f"{size}; {censuses.when(census, now_s)}"


def source(census, now_s=None):
    """Returns who told it, and when."""
    return f"census by door {census['door'][:8]}, told {censuses.ago(censuses.told_s(census, now_s))} ago"


def lines(census, now_s=None):
    """Returns a census in plain lines."""
    out = [f"{source(census, now_s)}: {headline(census, now_s)}"]
    out += ["slice " + censuses.filling(name, row) for name, row in census["slices"].items()]
    return out + [_spread_line(name, row) for name, row in ordered(census["queries"])] + tallies(census)


def tallies(census):
    """Returns lines of versions, jobs, and what was left out."""
    out = []
    if census["versions"]:
        out.append("versions: " + ", ".join(f"{name} on {count:,}" for name, count in census["versions"].items()))
    if census["jobs"]:
        out.append("jobs: " + ", ".join(f"{count:,} {name}" for name, count in census["jobs"].items()))
    if census["left_out"]:
        out.append("left out, for size: " + ", ".join(census["left_out"]))
    return out


def ordered(queries):
    """Returns the rows of a census's queries, those of every fleet first."""
    own = sorted(name for name in queries if name not in BUILT_IN)
    return [(name, queries[name]) for name in (*BUILT_IN, *own) if name in queries]


def _spread_line(name, row):
    said = f"{name}: {row['count']:,} boxes"
    found = censuses.percentiles(row)
    if found:
        show = [f"{key} {rounded(row['attribute'], value)}" for key, value in found.items()]
        said += f", mean {rounded(row['attribute'], row['mean'])}, " + ", ".join(show)
    return said + _top(row)


def _top(row):
    if row["top"] is None:
        return ""
    share = choice.show_share(row["top"][0])
    bound = "not known yet" if row["threshold"] is None else f"begins at {rounded(row['top'][1], row['threshold'])}"
    return f"; the top {share} by {row['top'][1]}: {bound}"


def answer(payload, census, now_s=None):
    """Returns a standing query's answer, JSON-able, or None if the census has none.

    payload: the query's manifest.  An answer to another question under the same
    name, from before that was ended, does not count.
    """
    row = census["queries"].get(payload["name"]) if census else None
    asked = choice.of(payload)
    if row is None or row["top"] != asked.top or row["attribute"] != asked.attribute:
        return None
    return {
        "name": payload["name"], "choice": choice.show(asked) or "count", "epoch": census["epoch"],
        "quick": census["quick"], "size": census["size"], **row, "age_s": censuses.age_s(census, now_s, row),
        "percentiles": censuses.percentiles(row),
    }


def answer_lines(found, census, now_s=None):
    """Returns an answer in plain lines."""
    of = "" if found["size"] is None else f" of {found['size']:,}"
    out = [f"query {found['name']}: {found['choice']}", censuses.when(census, now_s),
           f"{found['count']:,}{of} boxes match, counted {censuses.ago(found['age_s'])} ago"]
    attribute = found["attribute"]
    if found["percentiles"]:
        show = {key: rounded(attribute, found[key]) for key in ("mean", "sd", "least", "most")}
        out.append(f"{attribute}: " + ", ".join(f"{key} {value}" for key, value in show.items()))
        out.append(", ".join(f"{key} {rounded(attribute, value)}" for key, value in found["percentiles"].items()))
    return out + ([_top(found).removeprefix("; ")] if found["top"] else [])


def monitor(picture, session, style="text", until_s=None, console=None):
    """Shows each census as it comes, until Ctrl-C or time.monotonic() passes until_s.

    On a terminal a live view; elsewhere plain lines, or with style "json" one
    JSON object a line.  Returns how many were shown; a live view counts as one.
    """
    console = console or Console()
    if style == "text" and console.is_terminal:
        with Live(console=console, refresh_per_second=REFRESH_HZ, get_renderable=lambda: render(picture)):
            _follow(picture, session, until_s, lambda: None)
        return 1
    shown = []

    def tell():
        # Another census, or another door's: the one that spoke before may have gone.
        news = picture.census and (picture.told, picture.census["door"])
        if news and shown[-1:] != [news]:
            shown.append(news)
            if style == "json":
                print(json.dumps(snapshot(picture), sort_keys=True), flush=True)
            else:
                print("\n".join(lines(picture.census)), flush=True)
        elif not news and not shown:
            shown.append(None)
            problem, hint = none_yet(picture)
            click.echo(f"{problem}. {hint}", err=True)

    _follow(picture, session, until_s, tell)
    return sum(news is not None for news in shown)


def _follow(picture, session, until_s, tell):
    while True:
        tell()
        if until_s is not None and time.monotonic() >= until_s:
            return
        message = session.receive(0.25)
        if message is not None:
            session.done(message)
            picture.offer(message)


def render(picture):
    """Returns the live view for rich."""
    census = picture.census
    parts = [Text(f"fleet {picture.fleet.id.hex()}", style="bold"), doors(picture)]
    if census is None:
        parts.append(Text(". ".join(none_yet(picture)), style="yellow"))
        return Group(*parts)
    parts.append(Text(headline(census), style="bold"))
    if census["slices"]:
        slices = table("slice", "wanted", "filled", "match", "")
        for name, row in census["slices"].items():
            short = censuses.short_by(row)
            says = censuses.filling(name, row).rpartition(": ")[2] if short else ""
            cells = [_count(row[key]) for key in ("seats", "filled", "matching")]
            add(slices, name, *cells, says, style="yellow" if short else None)
        parts.append(slices)
    parts.append(spread_table(census))
    parts += [Text(line) for line in (*tallies(census), source(census))]
    return Group(*parts)


def spread_table(census):
    """Returns a table of what is asked, with percentiles."""
    found = table("query", "boxes", "mean", *PERCENTILES, "top")
    for name, row in ordered(census["queries"]):
        spread = censuses.percentiles(row)
        cells = [rounded(row["attribute"], spread.get(key)) for key in PERCENTILES]
        mean = rounded(row["attribute"], row["mean"]) if spread else "-"
        add(found, name, _count(row["count"]), mean, *cells, _top(row).removeprefix("; the top "))
    return found


def doors(picture):
    """Returns the doors in colours."""
    text = Text("doors ")
    for box, state in sorted(picture.doors.items()):
        text.append(box[:8] + " ", style="green" if state == "online" else "red")
    return text if picture.doors else Text("no door has said anything yet", style="yellow")


def table(*columns):
    """Returns an empty table with these columns."""
    made = Table(box=None, header_style="dim")
    for column in columns:
        made.add_column(column)
    return made


def add(made, *cells, style=None):
    """Adds a row to a table; what looks like rich's markup stays what it is."""
    made.add_row(*(Text(cell) for cell in cells), style=style)


def _count(value):
    return "-" if value is None else f"{value:,}"
