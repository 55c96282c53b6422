"""The verbs of a firmware on its way: status, pause, resume, halt."""

import json
import time

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from . import picture, rollout
from .commands import broker_option, fleet_option, format_option, show
from .cli_firmware import firmware_group
from .cli_slice import open_session, publish, wait_option

REFRESH_HZ = 2
TURN_S = 0.25


@firmware_group.command()
@fleet_option
@broker_option
@click.option("--follow", is_flag=True, help="Go on until Ctrl-C: a live view, or a line for each change.")
@click.option("--for", "most_s", type=float, metavar="S", help="With --follow: so many seconds.")
@format_option
@click.argument("name", required=False)
def status(fleet, broker, follow, most_s, style, name):
    """Say how far a firmware has come: its waves, how many boxes run it, on how many it failed.

    Boxes count that themselves; the figures are as old as their last epoch.
    """
    payload = rollout.chosen(fleet, name)
    seen, session = picture.open_picture(fleet, broker or fleet.broker, results=False)
    with session:
        said = lambda: rollout.status(fleet, payload, seen.census)  # noqa: E731
        if not follow:
            return show(style, said(), "\n".join(rollout.lines(said())))
        until_s = None if most_s is None else time.monotonic() + most_s
        console = Console()
        if style == "text" and console.is_terminal:
            with Live(console=console, refresh_per_second=REFRESH_HZ,
                      get_renderable=lambda: Text("\n".join(rollout.lines(said())))):
                _follow(seen, session, until_s, lambda: None)
        else:
            _follow(seen, session, until_s, _Teller(said, style).tell)


class _Teller:
    """Prints a status when something in it but its age has changed."""

    def __init__(self, said, style):
        self._said, self._style, self._last = said, style, None

    def tell(self):
        """Once."""
        said = self._said()
        news = {**said, "age_s": None}
        if news != self._last:
            self._last = news
            text = json.dumps(said, sort_keys=True) if self._style == "json" else "\n".join(rollout.lines(said))
            print(text, flush=True)


def _follow(seen, session, until_s, tell):
    while True:
        tell()
        if until_s is not None and time.monotonic() >= until_s:
            return
        message = session.receive(TURN_S)
        if message is not None:
            session.done(message)
            seen.offer(message)


def _speak(fleet, broker, wait, name, said):
    payload = rollout.chosen(fleet, name)
    made = rollout.spoken(fleet, payload, said)
    with open_session(fleet, broker) as session:
        publish(fleet, session, [made], wait)
    click.echo(f"firmware {payload['name']} {payload['seq']} {rollout.STEPS[said]}")


def _verb(verb, said, text):
    @firmware_group.command(name=verb, help=text)
    @fleet_option
    @broker_option
    @wait_option
    @click.argument("name", required=False)
    def spoken(fleet, broker, wait, name):
        _speak(fleet, broker, wait, name, said)


_verb("pause", "pause", "Let no further box take a firmware until `resume`.")
_verb("resume", "go", "Let a paused firmware go on.")
_verb("halt", "halt", "End a firmware's rollout for good: no box takes it any more, trials of it end.\n\n"
      "Boxes that have confirmed it run it until something newer comes.")
