"""Chunks: liars are the first to tell of what is new, and send nothing of it.

The second word of the operator is told of so; the first one, before, honestly.
"""

from ...agent import telling
from ...agent.chunks import SILENT_MS
from ...agent.limits import FETCH_SOURCES
from ...agent.wire.messages import HAVE, PULL
from . import Figure
from .colluders import Colluders

NAME = "edge"
LIMIT_S = 300


def measure(lab, share, say):
    """Seconds until all honest boxes have a manifest, with and without boxes that tell of it and do not send it."""
    honest, lying = with_and_without(lab, share, _withhold, _tell)
    say("chunks: all were informed after %.1f s, %.1f s among liars" % (honest, lying))
    # As many sources as a fetch remembers are silent, one after the other.
    most = FETCH_SOURCES * SILENT_MS / 1000
    return [Figure("seconds until all honest boxes have a manifest, more than without lies", lying - honest, "<= %g" % most)]


def with_and_without(lab, share, turn, act):
    """Seconds until all honest boxes have a manifest, and then the next one among liars.

    turn(box) makes a box a liar, act(liars, box) is what each does every second.
    """
    lab.boot_joined(view=min(20, lab.nodes - 1), doors=1, contacts=4, spread_ms=3_000)
    lab.go(10_000)
    lab.operator.push_slice(NAME, 1)
    honest = _informed(lab)
    lab.go(60_000)
    liars = Colluders(lab, share)
    for box in liars.boxes:
        turn(box)
    liars.every(1_000, lambda box: act(liars, box))
    lab.operator.push_slice(NAME, 2)
    return honest, _informed(lab)


def _informed(lab):
    """Seconds until every honest box has what is live."""
    begun = lab.world.now_ms
    while lab.informed() and lab.world.now_ms - begun < LIMIT_S * 1000:
        lab.world.run_for(500)
    return (lab.world.now_ms - begun) / 1000


def _withhold(box):
    """Nothing that is asked for is sent."""
    box.node._handlers[PULL] = lambda peer, message: None


def _tell(liars, box):
    """Tell ten honest boxes of all that we have, or that another liar has."""
    known = {}
    for other in liars.boxes:
        for id, manifest in other.node.rumours.manifests.items():
            if id not in known or manifest.seq > known[id].seq:
                known[id] = manifest
    entries = [telling.entry_of(manifest) for manifest in known.values()]
    for other in liars.rng.sample(liars.honest, 10):
        box.tell(box.node.send, other.node.id, other.address, HAVE, entries)
