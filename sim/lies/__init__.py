"""Swarms of enrolled liars: boxes of the agent's own classes that act together.

A lie is a file here with `measure(lab, share, say)`: it plays the lie in a lab
that has not begun, and returns a list of Figure.  The liars are a share of all
boxes, never doors or first contacts.  They know each other, everybody's address
and who holds what: more than real ones.  `python -m backfence.sim bench liars` takes
the table.
"""

import importlib

# The lies, in the order of the table.
NAMES = ("view", "view_old", "view_invented", "count", "seats", "seats_silent", "grants", "suspicion", "progress", "chunks", "manifests")
# Shares of the fleet that lie.
SHARES = (0.1, 0.3)


class Figure:
    """What was measured: name, ours (a number), and its bound such as "<= 2", or None where there is none."""

    def __init__(self, name, ours, bound=None):
        self.name = name
        self.ours = ours
        self.bound = bound


def load(name):
    """A lie's module."""
    return importlib.import_module(__name__ + "." + name)
