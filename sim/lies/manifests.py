"""Manifests: liars freeze what they know, say that all agree with it, and never pass on what is newer.
"""

from ...agent import telling
from ...agent.wire.messages import HAVE
from . import Figure
from .chunks import informed
from .colluders import Colluders

NAME = "edge"


def measure(lab, share, say):
    """Seconds until all honest boxes have a newer manifest than the one that liars keep and show."""
    lab.boot_joined(view=min(20, lab.nodes - 1), doors=1, contacts=4, spread_ms=3_000)
    lab.go(10_000)
    lab.operator.push_slice(NAME, 1)
    honest = informed(lab)
    lab.go(60_000)
    liars = Colluders(lab, share)
    for box in liars.boxes:
        _freeze(box.node)
    liars.every(1_000, lambda box: _show(liars, box))
    lab.operator.push_slice(NAME, 2)
    lying = informed(lab)
    say("manifests: all were informed after %.1f s, %.1f s among liars" % (honest, lying))
    return [Figure("seconds until all honest boxes have a newer manifest, more than without lies", lying - honest)]


def _freeze(node):
    """Nothing newer is taken, and every digest is agreed with."""
    node.rumours._consider = lambda peer, id, seq, digest, size: None
    node.rumours.compare = lambda peer, digest: None


def _show(liars, box):
    entries = [telling.entry_of(manifest) for manifest in box.node.rumours.manifests.values()]
    for other in liars.rng.sample(liars.honest, 5):
        if entries:
            box.tell(box.node.send, other.node.id, other.address, HAVE, entries)
