"""View: liars name only each other in every shuffle, as fresh, and ask more often than is their due.

Besides, all of them ask each of a few victims once a round (an eclipse).  What
counts is whom honest boxes then ask: averages, polls and names come from those.
"""

from ...agent.question import KEPT
from . import Figure
from .colluders import Colluders, descriptor, mean

ROUND_MS = 30_000
# With fewer a view holds half of the fleet.
NODES = 120
# Rounds before they begin to lie, and for which they do; what they get is taken in the last of them.
HONEST, LYING, TAKEN = 60, 60, 40
# Boxes that a liar asks a round besides the one that is its due.
PUSHES = 5
VICTIMS = 4


def fresh(liars, count, but):
    """Descriptors of up to `count` liars, fresh, so that they are kept for long."""
    return liars.friends(count, but)


def measure(lab, share, say, naming=fresh):
    """Liars' shares of views, of old contacts and of the boxes that are asked, against their share of the fleet.

    naming(liars, count, but): what the liar `but` names in a shuffle.
    """
    lab.settings.update(round_ms=str(ROUND_MS), busy_round_ms=str(ROUND_MS))
    lab.boot_joined(view=min(20, lab.nodes - 1), contacts=4)
    lab.world.run_until(ROUND_MS)
    for box in lab.world.boxes:
        box.node.aggregate.exchange = lambda peer: None
    lab.world.run_for(HONEST * ROUND_MS)
    liars = Colluders(lab, share)
    for box in liars.boxes:
        box.node.membership._sample = _naming(liars, box, naming)
        box.node.membership.partners.some = lambda count, box=box: naming(liars, count, box)
    victims = liars.rng.sample(liars.honest, VICTIMS)
    liars.every(ROUND_MS, lambda box: _push(liars, box, victims))
    asked = {}
    for lied in range(LYING):
        if lied == LYING - TAKEN:
            asked = {box: _watch(box) for box in liars.honest}
        lab.world.run_for(ROUND_MS)
        if lied % 20 == 19:
            say("view: %d rounds of lies: %.0f %% of links" % (lied + 1, 100 * mean(_views(liars, liars.honest))))
    plain = [box for box in liars.honest if box not in victims]
    true = len(liars.boxes) / len(lab.world.boxes)
    got = lambda boxes: liars.share_of(id for box in boxes for id in asked[box])
    say("view: of the boxes asked %.0f %% are liars, of those that victims ask %.0f %%" % (100 * got(plain), 100 * got(victims)))
    return [
        Figure("liars' share of the boxes that are asked and answer, times their share of the fleet", got(plain) / true, "<= 1.5"),
        Figure("the same of victims", got(victims) / true, "<= 2"),
        Figure("the same of old contacts", mean(_contacts(liars, plain)) / true, "<= 1.5"),
        Figure("the same of victims' old contacts", mean(_contacts(liars, victims)) / true, "<= 2"),
        # Nothing is decided by a view: there is no other bound than all of it.
        Figure("the same of views", mean(_views(liars, plain)) / true, "<= %.4g" % (1 / true)),
        Figure("liars' share of a victim's view, %", 100 * mean(_views(liars, victims)), "<= 100"),
        Figure("honest boxes that ask liars alone, %", 100 * mean(got([box]) == 1 for box in liars.honest), "<= 0"),
    ]


def _naming(liars, box, naming):
    return lambda peer_id, count: naming(liars, count, box)


def _push(liars, box, victims):
    for other in liars.rng.sample(liars.honest, PUSHES) + victims:
        box.tell(box.node.membership._ask, descriptor(other), KEPT)


def _watch(box):
    """A list to which every box is added that answers a shuffle of this one."""
    found, node = [], box.node
    answered = node.answered

    def hear(peer, partner):
        found.append(partner.id)
        answered(peer, partner)

    node.answered = hear
    return found


def _views(liars, boxes):
    return [liars.share_of(box.node.membership.view) for box in boxes]


def _contacts(liars, boxes):
    return [liars.share_of(contact.id for contact in box.node.membership.contacts) for box in boxes]
