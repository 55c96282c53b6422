"""Manifests whose key nobody here knows, or not yet: they wait for what names it, within bounds.

Who tells of one may know a delegation that we do not know, so he is not shunned
for long.  But he may as well have made the key up: few bodies of one box wait, and
few in all, without a fetch slot and no longer than other announcements.
"""

from .compat import const
from .limits import RUMOURS_STRANGE, RUMOURS_STRANGE_PER_PEER

# A box that has told of too many is not asked for so long.
SHUN_MS = const(10000)


def put_off(node, entry):
    """Let a wanted.Entry wait whose body is here; False, and counted, if too many do."""
    strange = [known for known in node.rumours.wanted if known.strange]
    of_peer = [known for known in strange if known.server == entry.server]
    entry.strange = len(strange) < RUMOURS_STRANGE and len(of_peer) < RUMOURS_STRANGE_PER_PEER
    if entry.strange:
        entry.checking = False
        entry.since_ms = None
        return True
    node.counters.bump("manifests_strange")
    if entry.server:
        node.chunks.shun(entry.server, SHUN_MS)
    return False


def resume(wanted):
    """A key has come: those that waited are tried again."""
    for entry in wanted:
        entry.strange = False
