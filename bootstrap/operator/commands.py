"""The manners of the `backfence` command: the group `main`, the options that verbs share, errors as one line.

Exit codes: 0 done, 1 not done, 2 the command was written wrongly.  Errors go
to stderr as "Error: ...", with a hint.  The verbs are in cli_*.py, and cli.py is all of it.
"""

import importlib

import click

from . import fleet as fleets
from . import results
from .errors import OperatorError

FLEET = "fleet"
# What works from a tenant's home.
TENANTS_VERBS = ("sign", "push", "scale", "run", "results", "cancel", "end", "describe", "receipts", "works")


class Commands(click.Group):
    """A group whose OperatorErrors and OSErrors become one line each, exit 1."""

    # name: module and attribute, imported only when used
    LAZY = {"demo": (".demo", "demo")}

    def list_commands(self, ctx):
        """Names of all commands, the lazy ones too."""
        return sorted([*super().list_commands(ctx), *self.LAZY])

    def get_command(self, ctx, name):
        """The command of that name, imported if it is lazy."""
        if name in self.LAZY:
            module, attribute = self.LAZY[name]
            return getattr(importlib.import_module(module, __package__), attribute)
        return super().get_command(ctx, name)

    def invoke(self, ctx):
        """Runs the command; what a person can put right becomes click's "Error: ..."."""
        try:
            return super().invoke(ctx)
        except OperatorError as error:
            hint = f"\nHint: {error.hint}" if error.hint else ""
            raise click.ClickException(error.message + hint) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            raise click.ClickException(f"{error.strerror or error}{where}") from None


def fleet_option(command):
    """Adds --fleet; the command gets an open Fleet as `fleet`."""

    def opened(_ctx, _parameter, value):
        if _ctx.resilient_parsing:
            return None
        fleet = fleets.Fleet.open(value)
        verb = _ctx.command.name if _ctx.parent and _ctx.parent.parent is None else ""
        if fleet.tenant and verb not in TENANTS_VERBS:
            raise OperatorError(
                f"{value} is the home of the tenant {fleet.tenant!r}, who cannot do that",
                "A tenant may: " + ", ".join(TENANTS_VERBS) + ".",
            )
        return fleet

    return click.option(
        "--fleet", envvar="BACKFENCE_FLEET", default=FLEET, show_default=True, metavar="DIR",
        callback=opened, help="The fleet's directory.",
    )(command)


def broker_option(command):
    """Adds --broker, host:port or mqtts://host:port; default: the fleet's."""
    return click.option(
        "--broker", envvar="BACKFENCE_BROKER", metavar="HOST:PORT", help="The MQTT broker, if not the fleet's own."
    )(command)


def format_option(command):
    """Adds --format text|json as `style`."""
    return click.option(
        "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
    )(command)


def warn(fleet):
    """Says on stderr when the signing key nears its end."""
    line = fleet.signer.warning()
    if line:
        click.echo(f"Warning: {line}.", err=True)


def show(style, value, text):
    """Prints `value` as JSON, or `text`."""
    click.echo(results.as_json(value) if style == "json" else text)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="backfence")
def main():
    """Run jobs on the gateways and set-top boxes that an ISP already owns.

    Start with `backfence init DIR`, or see everything at once with `backfence demo`.
    """
