"""View, invented: as view, but half of what liars name are boxes that do not exist, as old: silence makes boxes try others."""

from ...agent.descriptor import Descriptor
from . import view
from .view_old import AGE
NODES = view.NODES


def measure(lab, share, say):
    """As view.measure."""
    return view.measure(lab, share, say, _invented)


def _invented(liars, count, but):
    found = view.fresh(liars, count, but)
    for place in range(0, len(found), 2):
        address = bytes((10, 255)) + liars.rng.randbytes(2) + b"\x1b\x58"
        found[place] = Descriptor(liars.rng.randbytes(16), address, AGE)
    return found
