"""Views as arrays: the rows of agent/membership.py, and what one exchange does to them.

A row is a box.  Every rule here is one of membership.py, partners.py or
contacts.py, under the same name; numbers are taken from there.
"""

from collections import namedtuple

import numpy as np

from ...agent import membership
from ...agent.contacts import OLD, RECENT
from ...agent.limits import PARTNERS, SHUFFLE, SWAPS, VIEW
from ...agent.partners import ENOUGH, TRIAL_ROUNDS
from .jit import below, chance, kernel, mixed
from .prefetch import LINE_BYTES, hint

# How we came to ask a peer, as in question.py.
LINK, PARTNER, CONTACT, TRIAL = 0, 2, 3, 4
# A rank of 16 bits, and no rank.
LAST = 65535
# Ranks in one word of random bits.
A_WORD = 4
# Burials last one round and what is left of the next: two rows, in turn.
TOMBS = 2 * membership.TIMEOUTS

# What a model may change to be wrong on purpose: see sampling.Rules.
Rules = namedtuple("Rules", ["shuffle", "healing", "timeouts", "partners", "tries", "life", "calm"])
RULES = Rules(SHUFFLE, membership.HEALING_ROUNDS, membership.TIMEOUTS, PARTNERS, membership.TRIES,
              membership.LIFE_ROUNDS, membership.CALM_ROUNDS)
AGE_SLACK, CALM_MOST, CONTACT_ROUNDS = membership.AGE_SLACK, membership.CALM_MOST, membership.CONTACT_ROUNDS
LINK_TURNS = membership.LINK_TURNS


# What a box is: numbers of boxes, counts of rounds.  All of it lies in one row of whole lines
# of the processor's cache: in random order one box of a million costs as many waits as there
# are places where its data lies.
FIELDS = [
    ("due_ms", np.int64), ("links", np.int32, (VIEW,)),
    ("asked", np.int32, (PARTNERS,)), ("trial", np.int32),  # partners.py: who is in which place, who is tried next
    ("recent", np.int32, (RECENT,)), ("old", np.int32, (OLD,)), ("seen", np.int32),  # contacts.py
    ("tombs", np.int32, (TOMBS,)), ("rounds", np.int32),  # boxes found dead, our rounds
    ("ranks", np.uint16, (PARTNERS,)), ("masks", np.uint16, (PARTNERS,)), ("least", np.uint16),  # of the partners, of the trial
    ("age", np.int8, (VIEW,)), ("count", np.int8),  # of the links; what is at `count` and beyond is not there
    ("turn", np.int8), ("healing", np.int8), ("calm", np.int8), ("swaps", np.int8), ("live", np.bool_)]


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
    for name in ("links", "asked", "recent", "old", "tombs", "trial"):
        made[name] = -1
    made["ranks"] = made["least"] = LAST
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
    partner = s[box].asked[(s[box].turn + 1) % PARTNERS]
    if partner >= 0 and s[box].calm == 0 and rules.partners:
        hint(s, partner)
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
def first(s, box, id, takes):
    """partners._rank: the least rank with which a box comes first in a place, else LAST; `takes`: it gets those places."""
    least, word = LAST, np.uint64(0)
    for place in range(PARTNERS):
        if place % A_WORD == 0:
            word = mixed(box, id, place)
        rank = np.int64((word >> np.uint64(16 * (place % A_WORD))) & np.uint64(LAST)) ^ np.int64(s[box].masks[place])
        if rank < s[box].ranks[place]:
            least = min(least, rank)
            if takes:
                s[box].asked[place], s[box].ranks[place] = id, rank
    return least


@kernel
def hear(s, box, id):
    """partners.hear, but for boxes found dead just now and ourselves."""
    if id != box and id >= 0 and find(s[box].tombs, TOMBS, id) < 0:
        rank = first(s, box, id, False)
        if rank < s[box].least:
            s[box].trial, s[box].least = id, rank


@kernel
def enough(s, box):
    """partners.enough: there are different boxes in so many places."""
    different = 0
    for place in range(PARTNERS):
        id = s[box].asked[place]
        different += id >= 0 and find(s[box].asked, place, id) < 0
    return different >= ENOUGH


@kernel
def next_partner(s, box):
    """partners.next: whose turn it is, -1 if nobody's."""
    for _ in range(PARTNERS):
        s[box].turn = (s[box].turn + 1) % PARTNERS
        if s[box].asked[s[box].turn] >= 0:
            return np.int64(s[box].asked[s[box].turn])
    return np.int64(-1)


@kernel
def ready(s, box):
    """partners.ready: there is somebody to ask."""
    return s[box].trial >= 0 or enough(s, box)


@kernel
def whom(s, box):
    """partners.whom: who is asked in this round, -1 if nobody, and how."""
    if s[box].rounds % TRIAL_ROUNDS == 0 or not enough(s, box):
        id = np.int64(s[box].trial)
        s[box].trial, s[box].least = -1, LAST
        if id >= 0:
            return id, TRIAL
    return next_partner(s, box), PARTNER


@kernel
def some_partner(r, s, box):
    """partners.some(1): one by lot, else -1."""
    place = below(r, PARTNERS)
    for _ in range(PARTNERS):
        if s[box].asked[place] >= 0:
            break
        place = (place + 1) % PARTNERS
    return np.int64(s[box].asked[place])


@kernel
def drop_partner(r, s, box, id):
    """partners.drop."""
    if s[box].trial == id:
        s[box].trial, s[box].least = -1, LAST
    for place in range(PARTNERS):
        if s[box].asked[place] == id:
            s[box].asked[place], s[box].ranks[place] = -1, LAST
            s[box].masks[place] = below(r, LAST + 1)


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
    if rules.partners:
        if enough(s, peer):
            first(s, peer, box, True)
        for place in range(1, sent):
            hear(s, peer, ours[place])
        hear(s, peer, some_partner(r, s, box))
    if not answered:
        return False
    gone[: sent - 1] = ours[1:sent]
    left = merge(r, s, box, theirs, their_ages, given, gone, sent - 1, rules.life)
    if how != LINK or not enough(s, box):
        met(r, s, box, peer)
    if rules.partners:
        first(s, box, peer, True)
        for place in range(given):
            hear(s, box, theirs[place])
        hear(s, box, some_partner(r, s, peer))
    if s[box].healing or s[box].count < VIEW:
        insert(r, s, box, peer, 0, gone, left, rules.life)
    return True
