"""The commands of `python -m backfence.sim` that are the scale model's."""

import functools
import json
import pathlib
import sys

import click

from .errors import ScaleError

FORMATS = click.Choice(["text", "json"])


class Counts(click.ParamType):
    """Numbers of boxes, separated by commas, of any size."""

    name = "N,N,..."

    def convert(self, value, param, ctx):
        """A tuple of ints of 32 or more."""
        try:
            sizes = tuple(int(word.replace("_", "")) for word in value.split(","))
        except ValueError:
            self.fail("%r is not numbers separated by commas" % value, param, ctx)
        if min(sizes) < 32:
            self.fail("the scale model begins at 32 boxes", param, ctx)
        return sizes


def one_line(command):
    """A ScaleError becomes one line, exit 1."""

    @functools.wraps(command)
    def guarded(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except ScaleError as error:
            click.echo("Error: %s" % error, err=True)
            sys.exit(1)

    return guarded


def say(text):
    """Progress, on stderr."""
    click.echo(text, err=True)


def present(report, form):
    """Prints a bench's report; exit 1 if an aim was missed."""
    from .. import bench

    click.echo(json.dumps(report, indent=2) if form == "json" else "\n".join(bench.table(report)))
    if not report["held"]:
        click.echo("Error: aims were missed; repeat with: %s" % report["command"], err=True)
        sys.exit(1)


@click.command("peersim")
@click.option("--nodes", type=Counts(), default="100000,1000000", show_default=True, help="Nodes.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The seed of everything.")
@click.option("--classpath", default=None, metavar="PATH", help="PeerSim's classes, to run it too, in turn with ours.")
@click.option("--out", type=click.Path(file_okay=False), default="build/bench", show_default=True,
              help="Where peersim.json goes.")
@click.option("--format", "form", type=FORMATS, default="text", help="How to print.")
@one_line
def peersim(nodes, seed, classpath, out, form):
    """Times Newscast and averaging on the scale model, beside PeerSim."""
    from . import versus

    present(versus.report(nodes, seed, lambda text: say("peersim: " + text), classpath, out), form)


@click.command("observe")
@click.argument("kind", type=click.Choice(["sampling", "averaging", "filling", "rumour", "ring", "rollout", "image"]))
@click.option("--nodes", type=click.IntRange(32, 20_000), default=1_000, show_default=True, help="Boxes.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The seed of everything.")
@click.option("--out", type=click.Path(file_okay=False), default="build/observed", show_default=True,
              help="Where KIND-NODES-SEED.json goes.")
@one_line
def observe(kind, nodes, seed, out):
    """Records what the agent's own classes do, to hold the scale model against (10,000 boxes: up to half an hour)."""
    from . import observe as observing

    click.echo(observing.record(kind, nodes, seed, pathlib.Path(out), lambda text: say("observe: " + text)))


@click.command("validate")
@click.option("--nodes", type=Counts(), default=None, help="Sizes of which there are recordings; default: all.")
@click.option("--seeds", type=click.IntRange(2), default=6, show_default=True, help="Seeds of the model at each size.")
@click.option("--format", "form", type=FORMATS, default="text", help="How to print.")
@one_line
def validate(nodes, seeds, form):
    """Holds the scale model against the agent's own classes, and wrong models too, which must be seen."""
    from . import validate as validating

    lacking = [str(size) for size in nodes or () if size not in validating.sizes()]
    if lacking:
        raise ScaleError("nothing was recorded at %s boxes; see: python -m backfence.sim observe -h" % ", ".join(lacking))
    found, failed, unseen = [], 0, {}
    for size in nodes or validating.sizes():
        rows, seen = validating.rows(size, seeds, lambda text: say("validate: " + text))
        failed += sum(not row[1] for row in rows)
        for name, names in seen.items():  # at one size it must be seen
            unseen[name] = unseen.get(name, True) and not names
        keys = ("figure", "held", "deviations_off", "real", "model")
        found.append({"nodes": size, "rows": [dict(zip(keys, row)) for row in rows], "wrong_models_seen_by": seen})
    failed += sum(unseen.values())
    if form == "json":
        click.echo(json.dumps(found, indent=2))
    else:
        for size in found:
            for row in size["rows"]:
                click.echo("%-5s %7d  %-62s real %-10.5g model %-10.5g off %.2f" % (
                    "ok" if row["held"] else "FAIL", size["nodes"], row["figure"], row["real"], row["model"],
                    row["deviations_off"]))
            for name, names in size["wrong_models_seen_by"].items():
                click.echo("%-5s %7d  wrong on purpose, %s: seen by %d tests" % (
                    "FAIL" if unseen[name] else "ok", size["nodes"], name, len(names)))
    if failed:
        raise ScaleError("%d tests failed" % failed)


@click.command("figures")
@click.argument("names", nargs=-1)
@click.option("--nodes", type=click.IntRange(10_000, 10_000_000), default=100_000, show_default=True, help="The largest size.")
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="Seeds of each point.")
@click.option("--out", type=click.Path(file_okay=False), default="build/figures", show_default=True,
              help="Where the PNG and CSV files go; what was run already is in runs/ and is not run again.")
@click.option("--scheduler", default=None, metavar="ADDRESS", help="A Dask scheduler, such as tcp://10.0.0.1:8786; default: a pool here.")
@click.option("--processes", type=click.IntRange(1), default=None, help="Processes of the pool; default: one a processor.")
@one_line
def figures(names, nodes, seeds, out, scheduler, processes):
    """Draws the figures NAMES (all, if none is named), ours beside the published values."""
    from . import figures as drawing

    known = [*drawing.figures(nodes), *drawing.REAL]
    for name in names:
        if name not in known:
            click.echo("Error: there is no figure %r; there are: %s" % (name, ", ".join(known)), err=True)
            sys.exit(2)
    for file in drawing.make(names or known, nodes, seeds, out, lambda text: say("figures: " + text), scheduler, processes):
        click.echo(file)


COMMANDS = (peersim, observe, validate, figures)
