"""What a box says about itself: each attribute's type, its unit, and its text for people.

A box compares whole numbers and texts.  The units here exist on the operator's
side alone: `mem_free >= 32 MiB` and `availability >= 99.5 %` become whole
numbers before anything is signed.
"""

import dataclasses
import fractions

SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
TIMES = {"s": 1, "min": 60, "h": 3600, "d": 86400}


@dataclasses.dataclass(frozen=True)
class Attribute:
    """kind: str or int; unit: what 1 is, for people; units: {suffix: how many of 1}."""

    kind: type
    unit: str = ""
    units: dict = dataclasses.field(default_factory=dict)


ATTRIBUTES = {
    "arch": Attribute(str), "byteorder": Attribute(str), "version": Attribute(str),
    "class": Attribute(str), "region": Attribute(str),
    "firmware": Attribute(int, "sequence of what runs"), "firmware_failed": Attribute(int, "last sequence that failed"),
    "word_bits": Attribute(int, "bits"), "door": Attribute(int, "1 if it is a door, else 0"),
    "mem_total": Attribute(int, "bytes", SIZES), "mem_free": Attribute(int, "bytes", SIZES),
    # A load of 1.00, one process that always wants to run, is 100 %.
    "load": Attribute(int, "hundredths", {"%": 1}),
    "availability": Attribute(int, "millionths of the time", {"%": 10_000}),
    "uptime_s": Attribute(int, "seconds", TIMES),
}
UNITS = {unit for attribute in ATTRIBUTES.values() for unit in attribute.units}


def numeric():
    """Returns the names of the attributes that have an order."""
    return [name for name, attribute in ATTRIBUTES.items() if attribute.kind is int]


def exact(name, value):
    """Returns a number of an attribute as text that parses to the same: 33554432 as "32 MiB"."""
    units = ATTRIBUTES[name].units if name in ATTRIBUTES else {}
    if "%" in units:
        shown = fractions.Fraction(value, units["%"])
        return f"{_decimal(shown)} %"
    best = max((unit for unit in units if value and value % units[unit] == 0), key=units.get, default=None)
    return f"{value // units[best]} {best}" if best and units[best] > 1 else str(value)


def rounded(name, value):
    """Returns a number of an attribute for people, to three figures or so; "-" for None."""
    if value is None:
        return "-"
    if name == "load":
        return f"{value / 100:.2f}"
    if name == "availability":
        return f"{value / 10_000:.2f} %"
    units = ATTRIBUTES[name].units if name in ATTRIBUTES else {}
    # Of the two families of sizes, the one that memory is made in.
    fitting = [unit for unit in units if unit not in ("kB", "MB", "GB") and abs(value) >= units[unit]]
    if not fitting:
        return f"{value:,}"
    best = max(fitting, key=units.get)
    return f"{value:,} {best}" if units[best] == 1 else f"{value / units[best]:.1f} {best}"


def _decimal(value):
    """A Fraction whose denominator divides a power of ten, as digits."""
    digits = 0
    while value.denominator != 1 and digits < 12:
        value, digits = value * 10, digits + 1
    if not digits:
        return str(value.numerator)
    sign, text = "-" * (value < 0), str(abs(value.numerator)).rjust(digits + 1, "0")
    return f"{sign}{text[:-digits]}.{text[-digits:]}"
