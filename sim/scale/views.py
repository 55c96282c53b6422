"""Views as arrays: the rows of agent/membership.py, and what one exchange does to them.

A row is a box.  Every rule here is one of membership.py, partners.py or
contacts.py, under the same name; numbers are taken from there.
"""

from collections import namedtuple

import numpy as np

from ...agent import membership, partners
from ...agent.contacts import OLD, RECENT
from ...agent.limits import PARTNERS, SHUFFLE, SWAPS, VIEW
from .jit import below, chance, kernel
from .prefetch import LINE_BYTES, hint

# How we came to ask a peer, as in question.py.
LINK, PARTNER, CONTACT = 0, 2, 3
# Burials last one round and what is left of the next: two rows, in turn.
TOMBS = 2 * membership.TIMEOUTS

# What a model may change to be wrong on purpose: see sampling.Rules.
Rules = namedtuple("Rules", ["shuffle", "healing", "timeouts", "partners", "tries", "life", "uses", "calm"])
RULES = Rules(SHUFFLE, membership.HEALING_ROUNDS, membership.TIMEOUTS, PARTNERS, membership.TRIES,
              membership.LIFE_ROUNDS, partners.REUSES, membership.CALM_ROUNDS)
AGE_SLACK, CALM_MOST, CONTACT_ROUNDS = membership.AGE_SLACK, membership.CALM_MOST, membership.CONTACT_ROUNDS


# What a box is: numbers of boxes, counts of rounds.  All of it lies in one row of whole lines
# of the processor's cache: in random order one box of a million costs as many waits as there
# are places where its data lies.
FIELDS = [
    ("links", np.int32, (VIEW,)), ("asked", np.int32, (PARTNERS,)),  # partners.py: whom to ask again
    ("recent", np.int32, (RECENT,)), ("old", np.int32, (OLD,)), ("seen", np.int32),  # contacts.py
    ("tombs", np.int32, (TOMBS,)), ("rounds", np.int32), ("due_ms", np.int64),  # boxes found dead, our rounds
    ("age", np.int8, (VIEW,)), ("count", np.int8),  # of the links; what is at `count` and beyond is not there
    ("uses", np.int8, (PARTNERS,)), ("queue", np.int8),  # how often to ask again, how many
    ("healing", np.int8), ("calm", np.int8), ("swaps", np.int8), ("live", np.bool_)]


def make(nodes):
    """The rows of `nodes` boxes that know nobody and are not live: a structured array."""
    names, kinds = [row[0] for row in FIELDS], [row[1:] for row in FIELDS]
    ends = np.cumsum([np.dtype((kind[0], kind[1] if len(kind) > 1 else ())).itemsize for kind in kinds]).tolist()
    row_bytes = -(-ends[-1] // LINE_BYTES) * LINE_BYTES
    row = np.dtype({"names": names, "formats": [kind if len(kind) > 1 else kind[0] for kind in kinds],
                    "offsets": [0] + ends[:-1], "itemsize": row_bytes})
    memory = np.zeros(nodes * row_bytes + LINE_BYTES, np.uint8)
    first = -memory.ctypes.data % LINE_BYTES
    made = memory[first : first + nodes * row_bytes].view(row)
    for name in ("links", "asked", "recent", "old", "tombs"):
        made[name] = -1
    return made


@kernel
def begin(r, s, nodes):
    """The first `nodes` are live, each with VIEW others at random."""
    for box in range(nodes):
        s[box].live = True
        while s[box].count < VIEW:
            other = below(r, nodes)
            if other != box and find(s[box].links, s[box].count, other) < 0:
                s[box].links[s[box].count] = other
                s[box].count += 1


@kernel
def soon(s, box):
    """The processor is asked for a box's row."""
    hint(s, box)


@kernel
def soon_met(s, rules, box):
    """And for that of whom it will most likely meet; its own is here by now."""
    if s[box].queue == rules.partners and s[box].calm == 0 and rules.partners:
        hint(s, s[box].asked[0])
        return
    place = 0
    for other in range(1, s[box].count):
        if s[box].age[other] > s[box].age[place]:
            place = other
    if s[box].count:
        hint(s, s[box].links[place])


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
    last = s[box].count - 1
    s[box].links[place], s[box].age[place] = s[box].links[last], s[box].age[last]
    s[box].count = last


@kernel
def oldest(r, s, box):
    """The place of the oldest link, one of the oldest by lot."""
    best, ties = 0, 1
    for place in range(1, s[box].count):
        if s[box].age[place] > s[box].age[best]:
            best, ties = place, 1
        elif s[box].age[place] == s[box].age[best]:
            ties += 1
            if below(r, ties) == 0:
                best = place
    return best


@kernel
def insert(r, s, box, id, age, gone, left, life):
    """membership._insert: a link into a free place, else for one sent away, else, while healing, for the oldest.

    gone[:left]: numbers of the links sent away; returns how many of them are left.
    """
    if id == box or age > life or find(s[box].tombs, TOMBS, id) >= 0:
        return left
    count = np.int64(s[box].count)
    known = find(s[box].links, count, id)
    if known >= 0:
        if age + AGE_SLACK < s[box].age[known]:
            s[box].age[known] = age
        return left
    if count < VIEW:
        s[box].links[count], s[box].age[count] = id, age
        s[box].count = count + 1
        return left
    if left == 0:
        return left
    out = find(s[box].links, count, gone[left - 1])
    if s[box].healing:
        out = oldest(r, s, box)
        if s[box].age[out] < age:
            return left
        place = find(gone, left, s[box].links[out])
        if place >= 0:
            gone[place] = gone[left - 1]
    if out < 0:
        return left
    s[box].links[out], s[box].age[out] = id, age
    return left - 1


@kernel
def merge(r, s, box, got, ages, count, gone, sent, life):
    """membership._merge: takes `count` links; how many of those sent away may still be replaced."""
    left = 0
    for place in range(sent):
        if find(s[box].links, s[box].count, gone[place]) >= 0:
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
    for place in range(s[box].count):
        if s[box].links[place] != but:
            pool[size] = place
            size += 1
    most = min(most, size)
    for place in range(most):
        other = place + below(r, size - place)
        pool[place], pool[other] = pool[other], pool[place]
        ids[place], ages[place] = s[box].links[pool[place]], s[box].age[pool[place]]
    return most


@kernel
def keep_partner(r, s, box, id, most, uses):
    """partners.keep: a box answered after it was greeted; the first in the queue makes room."""
    count = np.int64(s[box].queue)
    if most == 0 or find(s[box].asked, count, id) >= 0:
        return
    if count == most:
        for place in range(1, count):
            s[box].asked[place - 1], s[box].uses[place - 1] = s[box].asked[place], s[box].uses[place]
        count -= 1
    s[box].asked[count], s[box].uses[count] = id, 1 + below(r, 2 * uses - 1)
    s[box].queue = count + 1


@kernel
def next_partner(s, box):
    """partners.next: whose turn it is, -1 if nobody's."""
    count = np.int64(s[box].queue)
    if count == 0:
        return np.int64(-1)
    id, uses = np.int64(s[box].asked[0]), s[box].uses[0]
    for place in range(1, count):
        s[box].asked[place - 1], s[box].uses[place - 1] = s[box].asked[place], s[box].uses[place]
    if uses > 1:
        s[box].asked[count - 1], s[box].uses[count - 1] = id, uses - 1
    else:
        s[box].queue = count - 1
    return id


@kernel
def drop_partner(s, box, id):
    """partners.drop."""
    place = find(s[box].asked, s[box].queue, id)
    if place >= 0:
        for other in range(place + 1, s[box].queue):
            s[box].asked[other - 1], s[box].uses[other - 1] = s[box].asked[other], s[box].uses[other]
        s[box].queue -= 1


@kernel
def met(r, s, box, id):
    """contacts.met: the newest of the recent; the oldest of them may become one of the old."""
    if find(s[box].recent, RECENT, id) >= 0 or find(s[box].old, OLD, id) >= 0:
        return
    out = s[box].recent[0]
    for place in range(1, RECENT):
        s[box].recent[place - 1] = s[box].recent[place]
    s[box].recent[RECENT - 1] = id
    if out < 0:
        return
    s[box].seen += 1
    place = s[box].seen - 1
    if place >= OLD:
        place = below(r, s[box].seen)
    if place < OLD:
        s[box].old[place] = out


@kernel
def contact(r, s, box):
    """contacts.choose: an old one that is not in the view, else any; -1 if there is none."""
    some = np.empty(RECENT + OLD, np.int64)
    count = 0
    for place in range(OLD):
        id = s[box].old[place]
        if id >= 0 and s[box].count and find(s[box].links, s[box].count, id) < 0:
            some[count] = id
            count += 1
    if count == 0:
        for place in range(RECENT + OLD):
            id = s[box].recent[place] if place < RECENT else s[box].old[place - RECENT]
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
    if s[peer].live:
        heard, answered = reached(r, loss, rules.tries)
    if not heard:
        return False
    given = sample(r, s, peer, box, rules.shuffle, theirs, their_ages)
    away = given if s[peer].swaps < SWAPS else 0
    s[peer].swaps += 1 if away else 0
    gone[:away] = theirs[:away]
    merge(r, s, peer, ours, our_ages, sent, gone, away, rules.life)
    if not answered:
        return False
    gone[: sent - 1] = ours[1:sent]
    left = merge(r, s, box, theirs, their_ages, given, gone, sent - 1, rules.life)
    if how != PARTNER:
        met(r, s, box, peer)
        keep_partner(r, s, box, peer, rules.partners, rules.uses)
    if s[box].healing or s[box].count < VIEW:
        insert(r, s, box, peer, 0, gone, left, rules.life)
    return True
