"""Swarms of enrolled liars: boxes of the agent's own classes that act together.

A lie is a file here with `measure(lab, share, say)`: it plays the lie in a lab
that has not begun, and returns a list of Figure.  The liars are a share of all
boxes, never doors or first contacts.  They know each other, everybody's address
and who holds what: more than real ones.  `python -m backfence.sim bench liars` takes
the table.  A lie whose claim needs other shares, or more boxes, has SHARES or NODES.
"""

import importlib

# The lies, in the order of the table.
NAMES = (
    "view", "view_old", "view_invented", "count", "means", "seats", "seats_silent", "grants", "vacancies", "suspicion",
    "progress", "chunks", "manifests",
)
# Shares of the fleet that lie.
SHARES = (0.1, 0.3)


class Figure:
    """What was measured: name, ours (a number), its bound such as "<= 2" or None where there is none, and
    what chance alone would give, where that is reckoned."""

    def __init__(self, name, ours, bound=None, reckoned=None):
        self.name = name
        self.ours = ours
        self.bound = bound
        self.reckoned = reckoned


def load(name):
    """A lie's module."""
    return importlib.import_module(__name__ + "." + name)


def shares(name):
    """The shares of the fleet at which a lie is measured."""
    return getattr(load(name), "SHARES", SHARES)


def nodes(name, wanted):
    """How many boxes a lie is measured with: as many as wanted, or as many as its claim needs."""
    return max(wanted, getattr(load(name), "NODES", 0))
