"""`python -m backfence.bootstrap.controller --listen 127.0.0.1:6999 --seeds seeds.cose`"""

import os
import signal

import click

from ...agent.errors import LocalError
from .chain import Chain
from .places import Places
from .server import SeedList, Server


@click.command(name="backfence-controller")
@click.option("--listen", default="127.0.0.1:6999", show_default=True, help="UDP address, host:port or [v6]:port.")
@click.option("--seeds", required=True, type=click.Path(), help="File made by `backfence seeds`.")
@click.option("--roots", type=click.Path(), help="The fleet's roots/, or a copy: for boxes that hear of a new root from nobody.")
@click.option("--lots", type=click.Path(), help="The fleet's lots/, or a copy: for boxes whose lot was replaced.")
def main(listen, seeds, roots, lots):
    """Hands boxes their first contacts, roots, and their places in new lots.  Changed files are taken up by themselves."""
    try:
        server = Server(listen, SeedList(seeds), Places(lots) if lots else None, Chain(roots) if roots else None)
    except LocalError as error:
        hint = (
            "Make the list with `backfence seeds`; --lots and --roots are the folders lots/ that `backfence enrol`"
            " and roots/ that `backfence init` writes."
        )
        raise click.ClickException(f"{error}\nHint: {hint}") from None
    reading, writing = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(writing, b"."))
    click.echo(f"seeds on {listen}")
    try:
        server.serve(reading, click.echo)
    finally:
        server.close()
    counted = ", ".join(f"{count} {name}" for name, count in server.counters.items())
    click.echo(f"stopped: {counted}")


if __name__ == "__main__":
    main()
