"""Views as arrays: the rows of agent/membership.py, and what one exchange does to them.

A row of State is a box.  Every rule here is one of membership.py, partners.py or
contacts.py, under the same name; numbers are taken from there.
"""

from collections import namedtuple

import numpy as np

from ...agent import membership, partners
from ...agent.contacts import OLD, RECENT
from ...agent.limits import PARTNERS, SHUFFLE, SWAPS, VIEW
from .jit import below, chance, kernel

# How we came to ask a peer, as in question.py.
LINK, PARTNER, CONTACT = 0, 2, 3
# Burials last one round and what is left of the next: two rows, in turn.
TOMBS = 2 * membership.TIMEOUTS

# What a box is, by row: int32 numbers of boxes, int8 counts of rounds.
State = namedtuple("State", [
    "links", "age", "count",  # links; what is at `count` and beyond is not there
    "asked", "uses", "queue",  # partners.py: whom to ask again, how often, how many
    "recent", "old", "seen",  # contacts.py
    "tombs", "rounds",  # boxes found dead, our rounds
    "healing", "calm", "swaps", "live", "due_ms"])

# What a model may change to be wrong on purpose: see sampling.Rules.
Rules = namedtuple("Rules", ["shuffle", "healing", "timeouts", "partners", "tries", "life", "uses", "calm"])
RULES = Rules(SHUFFLE, membership.HEALING_ROUNDS, membership.TIMEOUTS, PARTNERS, membership.TRIES,
              membership.LIFE_ROUNDS, partners.REUSES, membership.CALM_ROUNDS)
AGE_SLACK, CALM_MOST, CONTACT_ROUNDS = membership.AGE_SLACK, membership.CALM_MOST, membership.CONTACT_ROUNDS


def make(nodes):
    """The State of `nodes` boxes that know nobody and are not live."""
    def numbers(width):
        return np.full((nodes, width), -1, np.int32)

    def small(*shape):
        return np.zeros((nodes,) + shape, np.int8)

    return State(
        numbers(VIEW), small(VIEW), small(), numbers(PARTNERS), small(PARTNERS), small(),
        numbers(RECENT), numbers(OLD), np.zeros(nodes, np.int32), numbers(TOMBS), np.zeros(nodes, np.int32),
        small(), small(), small(), np.zeros(nodes, np.bool_), np.zeros(nodes, np.int64))


@kernel
def find(row, count, id):
    """The place of a number among the first `count` of a row, else -1."""
    for place in range(count):
        if row[place] == id:
            return place
    return -1


@kernel
def remove(s, box, place):
    """Takes a link out of a view; the last takes its place."""
    last = s.count[box] - 1
    s.links[box, place], s.age[box, place] = s.links[box, last], s.age[box, last]
    s.count[box] = last


@kernel
def oldest(r, s, box):
    """The place of the oldest link, one of the oldest by lot."""
    best, ties = 0, 1
    for place in range(1, s.count[box]):
        if s.age[box, place] > s.age[box, best]:
            best, ties = place, 1
        elif s.age[box, place] == s.age[box, best]:
            ties += 1
            if below(r, ties) == 0:
                best = place
    return best


@kernel
def insert(r, s, box, id, age, gone, left, life):
    """membership._insert: a link into a free place, else for one sent away, else, while healing, for the oldest.

    gone[:left]: numbers of the links sent away; returns how many of them are left.
    """
    if id == box or age > life or find(s.tombs[box], TOMBS, id) >= 0:
        return left
    count = np.int64(s.count[box])
    known = find(s.links[box], count, id)
    if known >= 0:
        if age + AGE_SLACK < s.age[box, known]:
            s.age[box, known] = age
        return left
    if count < VIEW:
        s.links[box, count], s.age[box, count] = id, age
        s.count[box] = count + 1
        return left
    if left == 0:
        return left
    out = find(s.links[box], count, gone[left - 1])
    if s.healing[box]:
        out = oldest(r, s, box)
        if s.age[box, out] < age:
            return left
        place = find(gone, left, s.links[box, out])
        if place >= 0:
            gone[place] = gone[left - 1]
    if out < 0:
        return left
    s.links[box, out], s.age[box, out] = id, age
    return left - 1


@kernel
def merge(r, s, box, got, ages, count, gone, sent, life):
    """membership._merge: takes `count` links; how many of those sent away may still be replaced."""
    left = 0
    for place in range(sent):
        if find(s.links[box], s.count[box], gone[place]) >= 0:
            gone[left] = gone[place]
            left += 1
    for place in range(count):
        left = insert(r, s, box, got[place], ages[place], gone, left, life)
    return left


@kernel
def sample(r, s, box, but, most, ids, ages):
    """Up to `most` random links of a view, none to `but`, into ids and ages; how many."""
    pool = np.empty(VIEW, np.int64)
    size = 0
    for place in range(s.count[box]):
        if s.links[box, place] != but:
            pool[size] = place
            size += 1
    most = min(most, size)
    for place in range(most):
        other = place + below(r, size - place)
        pool[place], pool[other] = pool[other], pool[place]
        ids[place], ages[place] = s.links[box, pool[place]], s.age[box, pool[place]]
    return most


@kernel
def keep_partner(r, s, box, id, most, uses):
    """partners.keep: a box answered after it was greeted; the first in the queue makes room."""
    count = np.int64(s.queue[box])
    if most == 0 or find(s.asked[box], count, id) >= 0:
        return
    if count == most:
        for place in range(1, count):
            s.asked[box, place - 1], s.uses[box, place - 1] = s.asked[box, place], s.uses[box, place]
        count -= 1
    s.asked[box, count], s.uses[box, count] = id, 1 + below(r, 2 * uses - 1)
    s.queue[box] = count + 1


@kernel
def next_partner(s, box):
    """partners.next: whose turn it is, -1 if nobody's."""
    count = np.int64(s.queue[box])
    if count == 0:
        return np.int64(-1)
    id, uses = np.int64(s.asked[box, 0]), s.uses[box, 0]
    for place in range(1, count):
        s.asked[box, place - 1], s.uses[box, place - 1] = s.asked[box, place], s.uses[box, place]
    if uses > 1:
        s.asked[box, count - 1], s.uses[box, count - 1] = id, uses - 1
    else:
        s.queue[box] = count - 1
    return id


@kernel
def drop_partner(s, box, id):
    """partners.drop."""
    place = find(s.asked[box], s.queue[box], id)
    if place >= 0:
        for other in range(place + 1, s.queue[box]):
            s.asked[box, other - 1], s.uses[box, other - 1] = s.asked[box, other], s.uses[box, other]
        s.queue[box] -= 1


@kernel
def met(r, s, box, id):
    """contacts.met: the newest of the recent; the oldest of them may become one of the old."""
    if find(s.recent[box], RECENT, id) >= 0 or find(s.old[box], OLD, id) >= 0:
        return
    out = s.recent[box, 0]
    for place in range(1, RECENT):
        s.recent[box, place - 1] = s.recent[box, place]
    s.recent[box, RECENT - 1] = id
    if out < 0:
        return
    s.seen[box] += 1
    place = s.seen[box] - 1
    if place >= OLD:
        place = below(r, s.seen[box])
    if place < OLD:
        s.old[box, place] = out


@kernel
def contact(r, s, box):
    """contacts.choose: an old one that is not in the view, else any; -1 if there is none."""
    some = np.empty(RECENT + OLD, np.int64)
    count = 0
    for place in range(OLD):
        id = s.old[box, place]
        if id >= 0 and s.count[box] and find(s.links[box], s.count[box], id) < 0:
            some[count] = id
            count += 1
    if count == 0:
        for place in range(RECENT + OLD):
            id = s.recent[box, place] if place < RECENT else s.old[box, place - RECENT]
            if id >= 0:
                some[count] = id
                count += 1
    return some[below(r, count)] if count else np.int64(-1)


@kernel
def reached(r, loss, tries):
    """(the question came, its answer came): a question repeated, the same answer each time."""
    heard = False
    for _ in range(tries):
        if loss == 0.0 or chance(r) >= loss:
            heard = True
            if loss == 0.0 or chance(r) >= loss:
                return True, True
    return heard, False


@kernel
def swap(r, s, rules, box, peer, how, loss, scratch):
    """One exchange, begun by `box`; True if it had its answer."""
    ours, our_ages, theirs, their_ages, gone = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    ours[0], our_ages[0] = box, 0
    sent = 1 + sample(r, s, box, peer, rules.shuffle - 1, ours[1:], our_ages[1:])
    heard, answered = False, False
    if s.live[peer]:
        heard, answered = reached(r, loss, rules.tries)
    if not heard:
        return False
    given = sample(r, s, peer, box, rules.shuffle, theirs, their_ages)
    away = given if s.swaps[peer] < SWAPS else 0
    s.swaps[peer] += 1 if away else 0
    gone[:away] = theirs[:away]
    merge(r, s, peer, ours, our_ages, sent, gone, away, rules.life)
    if not answered:
        return False
    gone[: sent - 1] = ours[1:sent]
    left = merge(r, s, box, theirs, their_ages, given, gone, sent - 1, rules.life)
    if how != PARTNER:
        met(r, s, box, peer)
        keep_partner(r, s, box, peer, rules.partners, rules.uses)
    if s.healing[box] or s.count[box] < VIEW:
        insert(r, s, box, peer, 0, gone, left, rules.life)
    return True
