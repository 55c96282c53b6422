"""The verb that asks the scale model before anything is pushed: plan."""

import dataclasses
import math

import click

from .commands import format_option, main, show
from .errors import OperatorError


class Share(click.ParamType):
    """A share: 2% or 0.02."""

    name = "SHARE"

    def convert(self, value, param, ctx):
        """A float from 0 to 1."""
        try:
            share = float(value[:-1]) / 100 if str(value).endswith("%") else float(value)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail("%r is not a share such as 2%% or 0.02" % value, param, ctx)
        return share


class Shares(click.ParamType):
    """Shares in percent, with commas between."""

    name = "PERCENT,..."

    def convert(self, value, param, ctx):
        """A tuple of floats from 0 to 1."""
        try:
            return tuple(float(word.rstrip("%")) / 100 for word in value.split(","))
        except ValueError:
            self.fail("%r is not percents with commas between, such as 1,10,50,100" % value, param, ctx)


class Scaled(click.ParamType):
    """A number with a unit, as seconds or bytes."""

    def __init__(self, name, units):
        self.name, self._units = name, units

    def convert(self, value, param, ctx):
        """A float in the least unit."""
        word = str(value)
        unit = max((unit for unit in self._units if word.endswith(unit)), key=len, default="")
        try:
            return float(word[: len(word) - len(unit)] or "x") * self._units.get(unit, 1)
        except ValueError:
            self.fail("%r is not a number with one of the units %s" % (value, ", ".join(self._units)), param, ctx)


TIME = Scaled("TIME", {"s": 1, "min": 60, "h": 3600, "d": 86400})
SIZE = Scaled("SIZE", {"B": 1, "kB": 1_000, "KiB": 1 << 10, "MB": 1_000_000, "MiB": 1 << 20})


@main.command()
@click.option("--fleet", "boxes", type=click.IntRange(100, 20_000_000), required=True, metavar="N", help="How many boxes.")
@click.option("--loss", type=Share(), default="2%", show_default=True, help="Share of the datagrams that are lost.")
@click.option("--off", type=Share(), default="5%", show_default=True, help="Share of the boxes that are off.")
@click.option("--churn", type=Share(), default="0%", show_default=True, help="Share of the boxes replaced in each busy round of a second.")
@click.option("--rollout", type=Shares(), default="1,10,50,100", show_default=True, help="The waves.")
@click.option("--polled", type=click.IntRange(1, 64), default=20, show_default=True, help="Boxes asked in a poll.")
@click.option("--need", type=click.IntRange(1, 64), default=18, show_default=True, help="How many of them must run it.")
@click.option("--soak", type=TIME, default="1h", show_default=True, help="For how long.")
@click.option("--image", type=SIZE, default="2MiB", show_default=True, help="The image.")
@click.option("--uplink", type=SIZE, default="32KiB", show_default=True, help="What a box uploads a second.")
@click.option("--bad", type=Share(), default="100%", show_default=True, help="Share of the boxes on which a bad image fails.")
@click.option("--liars", type=Share(), default="1%", show_default=True, help="Share of the boxes that lie when polled.")
@click.option("--doors", type=click.IntRange(1), default=3, show_default=True, help="Boxes with a broker connection.")
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="Runs of the model.")
@format_option
def plan(boxes, seeds, style, **wishes):
    """Ask the model what a rollout to a fleet takes: time, bytes, boxes hit by a bad image.

    Answers by simulation, for N boxes, in less than a minute; nothing is sent. The ranges are
    over seeds. docs/scale.md says what is modelled and what is not.
    """
    try:
        from ...sim.scale import plan as model
    except ImportError as error:
        raise OperatorError("the scale model needs NumPy (%s)" % error, "pip install 'backfence[scale]'") from None
    from ...sim.scale.errors import ScaleError

    soak, image, uplink = wishes.pop("soak"), wishes.pop("image"), wishes.pop("uplink")
    wish = model.Wish(boxes, soak_s=soak, image=int(image), uplink=int(uplink), **wishes)
    try:
        found = model.plan(wish, seeds, lambda text: click.echo(text, err=True))
    except ScaleError as error:
        raise OperatorError(str(error)) from None
    rows = [{"figure": figure, "median": _finite(row[0]), "least": _finite(row[1]), "most": _finite(row[2])}
            for figure, row in found.items()]
    value = {"wish": dataclasses.asdict(wish), "seeds": seeds, "figures": rows}
    wide = max(len(row["figure"]) for row in rows)
    lines = ["%s  %12s  %s" % (row["figure"].ljust(wide), _text(row["median"]), _range(row)) for row in rows]
    show(style, value, "\n".join(lines))


def _finite(number):
    return number if math.isfinite(number) else None


def _text(number):
    if number is None:
        return "never"
    return "{:,.0f}".format(number) if abs(number) >= 100 or number == int(number) else "%.3g" % number


def _range(row):
    return "" if row["least"] == row["most"] else "%s to %s" % (_text(row["least"]), _text(row["most"]))
