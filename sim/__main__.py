"""`python -m backfence.sim`: lists scenarios, runs one from a seed or many as drawn, and takes the benches.

Exit 0: every check held, every aim was met.  1: one was not; a run's seed and
the command that repeats it are printed.  2: the command was not understood.
"""

import json
import secrets
import sys

import click

from . import bench as benches
from . import run as runs
from . import swarm as swarms
from .lab import Lab
from .scale import cli as scale
from .speech import SPEECH

FORMATS = click.Choice(["text", "json"])


@click.group()
def main():
    """Runs the agent's own classes in virtual time, from a seed."""


@main.command("list")
@click.option("--format", "form", type=FORMATS, default="text", help="How to print.")
def list_scenarios(form):
    """The scenarios, each with its claim."""
    found = runs.names()
    if form == "json":
        click.echo(json.dumps(found, indent=2))
        return
    for name in found:
        click.echo("%-18s %s" % (name, found[name]))


@main.command("run")
@click.argument("scenario")
@click.option("--nodes", type=click.IntRange(2, runs.NODES_MAX), default=None, help="Boxes; default: the scenario's.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The seed of everything.")
@click.option("--speech", type=click.Choice(sorted(SPEECH)), default="sealed", show_default=True,
              help="plain: no greetings and no tags, for large worlds.")
@click.option("--days", type=click.IntRange(1, runs.DAYS_MAX), default=None,
              help="Virtual days, of `month`; default: the scenario's.")
@click.option("--format", "form", type=FORMATS, default="text", help="How to print.")
def run_scenario(scenario, nodes, seed, speech, days, form):
    """Runs SCENARIO and reports its checks, figures and trace hash."""
    if scenario not in runs.names():
        click.echo("Error: there is no scenario %r; see: python -m backfence.sim list" % scenario, err=True)
        sys.exit(2)
    module = runs.load(scenario)
    if days and not hasattr(module, "DAYS"):
        click.echo("Error: scenario %r has no --days; `month` has" % scenario, err=True)
        sys.exit(2)
    lab = Lab(scenario, nodes or module.NODES, seed, progress=True, speech=speech, days=days)
    report = runs.perform(lab, module.play)
    if form == "json":
        click.echo(json.dumps(report, indent=2))
    else:
        _print(report)
    if not report["ok"]:
        for line in report["last_events"] if form == "text" else []:
            click.echo("  " + line, err=True)
        click.echo("Error: %s" % report["failure"], err=True)
        click.echo("seed %d; repeat with: %s" % (seed, report["repeat"]), err=True)
        sys.exit(1)


class Sizes(click.ParamType):
    """Numbers of boxes, separated by commas."""

    name = "N,N,..."

    def convert(self, value, param, ctx):
        """A tuple of ints within what a run may have."""
        try:
            sizes = tuple(int(word) for word in value.split(","))
        except ValueError:
            self.fail("%r is not numbers separated by commas" % value, param, ctx)
        if not all(2 <= size <= runs.NODES_MAX for size in sizes):
            self.fail("a size is 2 to %d" % runs.NODES_MAX, param, ctx)
        return sizes


@main.command("bench")
@click.argument("names", nargs=-1)
@click.option("--nodes", type=Sizes(), default=None, help="Boxes; default: 1000,10000 or the bench's own.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The seed of everything.")
@click.option("--plays", default=None, metavar="PLAY,PLAY,...", help="Only these plays of one bench that has some.")
@click.option("--out", type=click.Path(file_okay=False), default="build/bench", show_default=True,
              help="Where NAME.json goes.")
@click.option("--format", "form", type=FORMATS, default="text", help="How to print.")
def run_benches(names, nodes, seed, plays, out, form):
    """Takes the figures of the benches NAMES (all, if none is named), beside their references."""
    known = benches.names()
    for name in names:
        if name not in known:
            click.echo("Error: there is no bench %r; there are: %s" % (name, ", ".join(sorted(known))), err=True)
            sys.exit(2)
    plays = plays.split(",") if plays is not None else None
    if plays is not None:
        if len(names) != 1 or not hasattr(benches.load(names[0]), "PLAYS"):
            some = ", ".join(name for name in sorted(known) if hasattr(benches.load(name), "PLAYS"))
            click.echo("Error: --plays goes with one bench that has some: " + some, err=True)
            sys.exit(2)
        has = benches.load(names[0]).PLAYS
        wrong = [play for play in plays if play not in has]
        if wrong:
            click.echo("Error: %s has no play %r; it has: %s" % (names[0], wrong[0], ", ".join(has)), err=True)
            sys.exit(2)
    reports = []
    for report in benches.perform_all(names or sorted(known), nodes, seed, out, plays):
        reports.append(report)
        if form == "text":
            click.echo("\n".join(benches.table(report)))
    reports.sort(key=lambda report: report["bench"])
    if form == "json":
        click.echo(json.dumps(reports, indent=2))
    missed = [report["bench"] for report in reports if not report["held"]]
    if missed:
        click.echo("Error: aims were missed by: %s" % ", ".join(missed), err=True)
        for report in reports:
            if not report["held"]:
                click.echo("repeat with: %s" % report["command"], err=True)
        sys.exit(1)


@main.command("swarm")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), required=True, help="How long.")
@click.option("--seed", type=click.IntRange(0), default=None, help="The master seed of all draws; default: a new one.")
@click.option("--runs", "most", type=click.IntRange(1), default=None, help="At most so many runs.")
@click.option("--out", type=click.Path(file_okay=False), default="build/swarm", show_default=True,
              help="Where the logs of failed runs go.")
@click.option("--format", "form", type=FORMATS, default="text", help="How to print.")
def run_swarm(minutes, seed, most, out, form):
    """Runs scenarios, sizes and seeds drawn at random, on two cores."""
    master = secrets.randbelow(1 << 32) if seed is None else seed
    swarm = swarms.Swarm(master, out, lambda text: click.echo(text, err=True))
    swarm.go(minutes, most)
    passed = sum(swarm.passed.values())
    report = {"ok": not swarm.failed, "seed": master, "passed": swarm.passed, "failed": swarm.failed,
              "cut_off": swarm.cut_off}
    if form == "json":
        click.echo(json.dumps(report, indent=2, sort_keys=True))
    else:
        click.echo("master seed %d: %d runs held, %d failed, %d were cut off at the end; %d scenarios" % (
            master, passed, len(swarm.failed), swarm.cut_off, len(swarm.passed)))
    if swarm.failed:
        click.echo("Error: %d runs failed:" % len(swarm.failed), err=True)
        for failed in swarm.failed:
            click.echo("  %s\n    repeat with: %s" % (failed["why"], failed["repeat"]), err=True)
        sys.exit(1)


def _print(report):
    for name, check in report["checks"].items():
        took = " (%.0f s)" % check["took_s"] if check.get("took_s") is not None else ""
        click.echo("%s  %s, %s%s" % ("ok  " if check["ok"] else "FAIL", name, check["kind"], took))
        if check["detail"]:
            click.echo("      " + check["detail"].rstrip().replace("\n", "\n      "))
    for name, value in report["metrics"].items():
        click.echo("%-28s %s" % (name, value))
    click.echo("%-28s %s" % ("trace_hash", report["trace_hash"]))


for command in scale.COMMANDS:
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="python -m backfence.sim")
