"""View, old: as view, but liars name each other as old, to be asked next: who is oldest is asked."""

from . import view

# No honest link is older, as a rule; what is older than LIFE_ROUNDS is not taken.
AGE = 50
NODES = view.NODES


def measure(lab, share, say):
    """As view.measure."""
    return view.measure(lab, share, say, _old)


def _old(liars, count, but):
    found = view.fresh(liars, count, but)
    for friend in found:
        friend.age = AGE
    return found
