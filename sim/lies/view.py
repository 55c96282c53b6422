"""View: liars name only each other, as fresh, in every shuffle, and ask more often than is their due.

Besides, all of them ask each of a few victims once a round (an eclipse).
"""

from ...agent.question import KEPT
from . import Figure
from .colluders import Colluders, descriptor, mean

ROUND_MS = 30_000
# Rounds before they begin to lie, and for which they do.
HONEST, LYING = 15, 60
# Boxes that a liar asks a round besides the one that is its due.
PUSHES = 5
VICTIMS = 4


def measure(lab, share, say):
    """Liars' shares of views, old contacts and partners, against their share of the fleet."""
    lab.settings.update(round_ms=str(ROUND_MS), busy_round_ms=str(ROUND_MS))
    lab.boot_joined(view=min(20, lab.nodes - 1), contacts=4)
    lab.world.run_until(ROUND_MS)
    for box in lab.world.boxes:
        box.node.aggregate.exchange = lambda peer: None
    lab.world.run_for(HONEST * ROUND_MS)
    liars = Colluders(lab, share)
    for box in liars.boxes:
        box.node.membership._sample = _naming(liars, box)
    victims = liars.rng.sample(liars.honest, VICTIMS)
    liars.every(ROUND_MS, lambda box: _push(liars, box, victims))
    for lied in range(LYING):
        lab.world.run_for(ROUND_MS)
        if lied % 20 == 19:
            say("view: %d rounds of lies: %.0f %% of links" % (lied + 1, 100 * mean(_views(liars, liars.honest))))
    plain = [box for box in liars.honest if box not in victims]
    true = len(liars.boxes) / len(lab.world.boxes)
    contacts = mean(_contacts(liars, plain)) / true
    return [
        Figure("liars' share of views, times their share of the fleet", mean(_views(liars, plain)) / true),
        Figure("the same of partners", mean(_partners(liars, plain)) / true),
        Figure("the same of old contacts", contacts),
        Figure("honest boxes without an honest link and contact, %", 100 * _alone(liars)),
        Figure("liars' share of a victim's view, %", 100 * mean(_views(liars, victims))),
        Figure("liars' share of a victim's old contacts, %", 100 * mean(_contacts(liars, victims))),
    ]


def _naming(liars, box):
    return lambda peer_id, count: liars.friends(count, box)


def _push(liars, box, victims):
    for other in liars.rng.sample(liars.honest, PUSHES) + victims:
        box.tell(box.node.membership._ask, descriptor(other), KEPT)


def _views(liars, boxes):
    return [liars.share_of(box.node.membership.view) for box in boxes]


def _contacts(liars, boxes):
    return [liars.share_of(contact.id for contact in box.node.membership.contacts) for box in boxes]


def _partners(liars, boxes):
    return [liars.share_of(row[0].id for row in box.node.membership.partners._rows) for box in boxes]


def _alone(liars):
    pairs = zip(_views(liars, liars.honest), _contacts(liars, liars.honest))
    return mean(view == 1 and contacts == 1 for view, contacts in pairs)
