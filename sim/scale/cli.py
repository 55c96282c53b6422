"""The commands of `python -m backfence.sim` that are the scale model's."""

import functools
import json
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


COMMANDS = (peersim,)
