"""A slice that fills, among a million boxes: the first seat, offers that gossip carries, grants that halve.

agent/slicing.py, offers.py and grants.py in ticks of 10 ms.  Each box exchanges its
word of the slice with a random other once a busy round: it offers itself, tells the
least by rank and some other offers, and seats that it heard of.  When nobody has sat
for ELECT_ROUNDS_FULL rounds, the least begins.  A holder grants the middle of the
vacancies that it answers for to the freshest candidate; who gets it answers for the
second half; a box that sits already says so, and the next candidate is asked.

Left out: several slices, boxes that die meanwhile, and idle rounds: there is news
while a slice fills.  An exchange happens at once; a grant takes a datagram's time each
way.  A slice has SEATS at most in the agent; here as many as are asked for.
"""

from collections import namedtuple

import numpy as np

from ...agent.limits import CANDIDATES, CANDIDATES_TOLD, SEAT_HINTS, SEATS_TOLD
from ...agent.slicing import ELECT_ROUNDS_FULL
from .errors import ScaleError
from .jit import below, chance, kernel, shuffle, stream
from .spreading import DELAY, TICK_MS, Rumour

SECOND = 1_000 // TICK_MS
NEVER = np.iinfo(np.int32).max
LIMIT_S = 600
# A box that knows of nobody who sits, and of no grant under way.
NOBODY = -1

# A box, times in ticks: offers and seats heard of; its rank, if it may sit, when it has the
# manifest; its next round and next cycle in the ring; the seat that it holds, the next
# holder's, who gave it; whom it grants a seat, when that comes and is answered; when a
# neighbour answers its probe, at which it grants on too.
BOX = np.dtype([(name, np.int32, width) for name, width in (
    ("offers", (CANDIDATES,)), ("offered", (CANDIDATES,)), ("hints", (SEAT_HINTS,)), ("hinted", (SEAT_HINTS,)))]
    + [(name, np.int32) for name in ("rank", "knows", "next_round", "next_tick", "seat", "until", "giver", "granted",
                                     "comes", "back", "acked")] + [("may", np.bool_)])
# What is wanted, and what a wrong model changes; filled: an array of one number.
Wanted = namedtuple("Wanted", ["seats", "told", "part", "overtakes", "filled"])


@kernel
def put(ids, heard, most, least, id, at):
    """offers.hear, and seats heard of: into a table of `most`; the stalest makes room, never the `least`."""
    free, stalest = -1, -1
    for place in range(most):
        if ids[place] == id:
            heard[place] = max(heard[place], at)
            return
        if ids[place] < 0:
            free = place
        elif ids[place] != least and (stalest < 0 or heard[place] < heard[stalest]):
            stalest = place
    if free < 0:
        if heard[stalest] >= at and ids[stalest] != least and id != least:
            return  # the newcomer is the stalest
        free = stalest
    ids[free], heard[free] = id, at


@kernel
def drop(ids, id):
    """A candidate that sits is one no more."""
    for place in range(len(ids)):
        if ids[place] == id:
            ids[place] = NOBODY


@kernel
def least_of(ids, s):
    """The least by rank of a table, NOBODY if it is empty."""
    least = NOBODY
    for place in range(len(ids)):
        if ids[place] >= 0 and (least < 0 or s[ids[place]].rank < s[least].rank):
            least = ids[place]
    return least


@kernel
def tell(r, ids, own, first, most, out):
    """Up to `most` places of a table into out[0:]: `first` leads, the others by lot; own: one less.  How many."""
    pool = np.empty(len(ids), np.int64)
    size = count = 0
    for place in range(len(ids)):
        if ids[place] >= 0 and ids[place] == first:
            out[count] = place
            count += 1
        elif ids[place] >= 0:
            pool[size] = place
            size += 1
    shuffle(r, pool[:size])
    for place in range(size):
        if count + own < most:
            out[count] = pool[place]
            count += 1
    return count


@kernel
def told(at, now):
    """When something was heard, as another takes it: ages go in whole seconds, rounded up."""
    age = now - at
    return now - (age + SECOND - 1) // SECOND * SECOND


@kernel
def hear(r, s, w, box, other, now, some):
    """What `box` takes of what `other` tells: seats, then offers."""
    if s[other].seat >= 0:
        drop(s[box].offers, other)
        put(s[box].hints, s[box].hinted, SEAT_HINTS, NOBODY, other, now)
    lowest = NOBODY
    for place in range(SEAT_HINTS):
        id = s[other].hints[place]
        if id >= 0 and (lowest < 0 or s[id].seat < s[lowest].seat):
            lowest = id
    count = tell(r, s[other].hints, np.int64(s[other].seat >= 0), lowest, SEATS_TOLD, some)
    for row in range(count):
        id, at = s[other].hints[some[row]], told(s[other].hinted[some[row]], now)
        if id != box:
            drop(s[box].offers, id)
            put(s[box].hints, s[box].hinted, SEAT_HINTS, NOBODY, id, at)
    least = least_of(s[box].offers, s)
    offers = s[other].may and s[other].seat < 0
    if offers:
        if least < 0 or s[other].rank < s[least].rank:
            least = other
        put(s[box].offers, s[box].offered, CANDIDATES, least, other, now)
    count = tell(r, s[other].offers, np.int64(offers), least_of(s[other].offers, s), w.told, some)
    for row in range(count):
        id, at = s[other].offers[some[row]], told(s[other].offered[some[row]], now)
        sits = False
        for place in range(SEAT_HINTS):
            sits |= s[box].hints[place] == id and s[box].hinted[place] >= at
        if id != box and not sits:
            if least < 0 or s[id].rank < s[least].rank:
                least = id
            put(s[box].offers, s[box].offered, CANDIDATES, least, id, at)


@kernel
def way(r):
    """Ticks of a datagram's way."""
    return DELAY[0] + below(r, DELAY[1] - DELAY[0] + 1)


@kernel
def grant(r, s, box, now, loss):
    """grants.fill and one grant's way: to the freshest candidate, who sits down or says that it sits."""
    if s[box].until - s[box].seat < 2:
        return
    best = NOBODY
    for place in range(CANDIDATES):
        if s[box].offers[place] >= 0 and (best < 0 or s[box].offered[place] > s[box].offered[best]):
            best = place
    if best < 0:
        return
    s[box].granted = s[box].offers[best]
    s[box].back = NEVER
    if loss == 0.0 or chance(r) >= loss:
        s[box].comes = now + way(r)
        if loss == 0.0 or chance(r) >= loss:
            s[box].back = s[box].comes + way(r)


@kernel
def arrive(r, s, w, box, now, loss):
    """A grant has come to its candidate."""
    id = s[box].granted
    s[box].comes = NEVER
    if s[id].seat >= 0 or not s[id].may or s[id].knows > now:
        return
    middle = s[box].seat + max(1, (s[box].until - s[box].seat) // w.part)
    s[id].seat, s[id].until, s[id].giver = middle, s[box].until, box
    s[id].next_tick, s[id].acked = now + jitter(r), now + way(r) + way(r)
    w.filled[0] += 1
    grant(r, s, id, now, loss)


@kernel
def answered(r, s, w, box, now, loss):
    """The candidate's answer is here, or it was found out otherwise; the next one is asked."""
    id = s[box].granted
    s[box].granted, s[box].back = NOBODY, NEVER
    drop(s[box].offers, id)
    if s[id].giver == box:
        s[box].until = s[id].seat
        if chance(r) < w.overtakes:
            return
    grant(r, s, box, now, loss)


@kernel
def jitter(r):
    """Ticks of a round, or of a probe's cycle: a second, an eighth either way."""
    return SECOND * 7 // 8 + below(r, SECOND // 4 + 1)


@kernel
def begins(s, box, now):
    """True if nobody was heard of for so long, and of all that offer themselves it is the least."""
    if not s[box].may or now - s[box].knows < ELECT_ROUNDS_FULL * SECOND:
        return False
    for place in range(SEAT_HINTS):
        if s[box].hints[place] >= 0:
            return False
    least = least_of(s[box].offers, s)
    return least < 0 or s[box].rank < s[least].rank


@kernel
def run(r, s, w, begin, end, loss):
    """The ticks from `begin` to `end`."""
    some = np.empty(max(SEAT_HINTS, CANDIDATES), np.int64)
    nodes = len(s)
    for now in range(begin, end):
        for box in range(nodes):
            if s[box].next_round == now:
                s[box].next_round += jitter(r)
                other = below(r, nodes)
                if other != box and s[box].knows <= now and s[other].knows <= now:
                    hear(r, s, w, other, box, now, some)
                    hear(r, s, w, box, other, now, some)
                if s[box].seat < 0 and begins(s, box, now):
                    s[box].seat, s[box].until = 0, w.seats
                    s[box].next_tick = now + jitter(r)
                    w.filled[0] += 1
                    grant(r, s, box, now, loss)
            if s[box].granted >= 0:
                if s[box].comes == now:
                    arrive(r, s, w, box, now, loss)
                if s[box].back == now:
                    answered(r, s, w, box, now, loss)
            if s[box].acked == now and s[box].granted < 0:
                grant(r, s, box, now, loss)
            if s[box].next_tick == now:
                s[box].next_tick += jitter(r)
                s[box].acked = now + way(r) + way(r)
                if s[box].granted < 0:
                    grant(r, s, box, now, loss)
                elif s[s[box].granted].giver == box:
                    answered(r, s, w, box, now, loss)  # it sits, and its answer was lost
                elif s[box].back == NEVER:
                    grant(r, s, box, now, loss)
        if w.filled[0] >= w.seats:
            return now + 1
    return end


class Filling:
    """A slice of `seats` in `nodes` boxes, pushed at a door.

    match: share of the boxes that may sit.  loss: share of datagrams lost.  told, part,
    overtakes: what a wrong model changes: offers in a message, which part of its vacancies a
    holder keeps, how often it waits a cycle after a grant.
    """

    def __init__(self, nodes, seed, seats, match=1.0, loss=0.0, told=CANDIDATES_TOLD, part=2, overtakes=0.0):
        self._rng, self.loss, self.seats = stream(seed, "filling"), loss, seats
        lots = np.random.default_rng([seed, 7])
        spread = Rumour(nodes, seed, loss)
        spread.go()
        self._state = s = np.zeros(nodes, BOX)
        for name in ("offers", "hints", "seat", "giver", "granted"):
            s[name] = NOBODY
        for name in ("next_tick", "comes", "back", "acked"):
            s[name] = NEVER
        s["rank"], s["may"] = lots.permutation(nodes), lots.random(nodes) < match
        s["knows"], s["next_round"] = spread.has, lots.integers(0, SECOND, nodes, np.int32)
        self._wanted = Wanted(seats, told, part, overtakes, np.zeros(1, np.int64))
        if seats > s["may"].sum():
            raise ScaleError("%d boxes match, and %d seats are wanted" % (s["may"].sum(), seats))

    def seats_of(self):
        """The seat that each box holds, NOBODY if none, and whether it may, as arrays."""
        return self._state["seat"], self._state["may"]

    def go(self, look_s=0.25, limit_s=LIMIT_S):
        """Seats filled every look_s from the push on, until all are, as a list."""
        step, filled, now = round(look_s * SECOND), [], 0
        while not self._wanted.filled[0] >= self.seats and now < limit_s * SECOND:
            run(self._rng, self._state, self._wanted, now, now + step, self.loss)
            now += step
            filled.append(int(self._wanted.filled[0]))
        return filled


def when(filled, look_s):
    """(first, half, 90 %, all): seconds until the first seat, and from then to so many, of a list of seats filled."""
    filled = np.asarray(filled, dtype=float)
    at = [look_s * (1 + int(np.argmax(filled >= max(1.0, share * filled[-1])))) for share in (0.0, 0.5, 0.9, 1.0)]
    return at[0], at[1] - at[0], at[2] - at[0], at[3] - at[0]
