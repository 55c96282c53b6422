"""The verbs of further signing machines: subtree ask, grant, take."""

import click

from . import files
from . import subtree as subtrees
from .commands import fleet_option, main, warn


@main.group()
def subtree():
    """Let a further machine sign for the fleet, by one-time keys of its own."""


def _read(path, most):
    with open(path, "rb") as file:
        return file.read(most + 1)


def out_option(command):
    """Adds -o FILE as `out`."""
    return click.option("-o", "--out", required=True, metavar="FILE", help="Where it goes.")(command)


FILE = click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False))


@subtree.command()
@click.argument("directory", metavar="DIR")
@click.option("--height", type=click.Choice(["5", "10", "15"]), default="5", show_default=True,
              help="Of the tree: 2 to this many signatures.")
@click.option("--width", type=click.Choice(["4", "8"]), default="8", show_default=True, help="As of `backfence init`.")
@out_option
def ask(directory, height, width, out):
    """On the further machine: make a tree in DIR, and ask for its signature by FILE.

    The tree's secret stays in DIR; FILE holds none.
    """
    files.write_whole(out, subtrees.ask(directory, int(height), int(width)))
    click.echo(f"{out}: to be granted where the fleet was made: `backfence subtree grant {out} -o GRANT`")


@subtree.command()
@fleet_option
@FILE
@out_option
def grant(fleet, path, out):
    """Where the fleet was made: sign the tree that FILE asks for.

    Takes as much of the signing key as a lower tree of its own. Ask who sent FILE
    whether it is theirs: who has a subtree signs for the whole fleet.
    """
    files.write_whole(out, subtrees.grant(fleet, _read(path, subtrees.ASK_BYTES)))
    warn(fleet)
    click.echo(f"{out}: to be taken where it was asked: `backfence subtree take DIR {out}`")


@subtree.command()
@click.argument("directory", metavar="DIR")
@FILE
def take(directory, path):
    """On the further machine: take the grant in FILE; DIR signs for the fleet from now on."""
    made = subtrees.take(directory, _read(path, subtrees.GRANT_BYTES))
    click.echo(f"{directory} signs for fleet {made.id.hex()}, {made.signer.remaining():,} times")
