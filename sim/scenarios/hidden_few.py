"""Three boxes of ten are behind NATs, shared and symmetric ones too: all seats are filled and kept, also when a porter dies."""

from . import hidden

NODES = 40
SHARE = 0.3


def play(lab):
    """Some boxes are hidden."""
    hidden.part(lab, SHARE)
