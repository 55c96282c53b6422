"""Manifests: liars freeze what they know, say that all agree with it, and never pass on what is newer."""

from ...agent import telling
from ...agent.wire.messages import HAVE
from . import Figure
from .chunks import with_and_without


def measure(lab, share, say):
    """Seconds until all honest boxes have a newer manifest than the one that liars keep and show."""
    honest, lying = with_and_without(lab, share, _freeze, _show)
    say("manifests: all were informed after %.1f s, %.1f s among liars" % (honest, lying))
    # Whom nobody tells compares with another box in its next idle round.
    most = int(lab.settings["round_ms"]) / 1000
    return [Figure("seconds until all honest boxes have a newer manifest, more than without lies", lying - honest, "<= %g" % most)]


def _freeze(box):
    """Nothing newer is taken, and every digest is agreed with."""
    node = box.node
    node.rumours._consider = lambda peer, id, seq, digest, size: None
    node.rumours.compare = lambda peer, digest: None


def _show(liars, box):
    entries = [telling.entry_of(manifest) for manifest in box.node.rumours.manifests.values()]
    for other in liars.rng.sample(liars.honest, 5):
        if entries:
            box.tell(box.node.send, other.node.id, other.address, HAVE, entries)
