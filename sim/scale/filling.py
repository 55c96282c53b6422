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
# A new holder answers, and pings its neighbours a millisecond later.  When the ping comes
# first, the granter knows, and grants the next seat in its next cycle only (grants.heard).
OVERTAKES = 0.45
# A box that knows of nobody who sits, and of no grant under way.
NOBODY = -1

# By row a box, times in ticks: offers and seats heard of; its rank, if it may sit, when it
# has the manifest; its next round and next cycle in the ring; the seat that it holds, the
# next holder's, who gave it; whom it grants a seat, when that comes and is answered; when a neighbour
# answers its probe, at which it grants on too.
State = namedtuple("State", [
    "offers", "offered", "hints", "hinted", "rank", "may", "knows", "next_round", "next_tick",
    "seat", "until", "giver", "granted", "comes", "back", "acked", "filled", "seats", "told", "part", "overtakes"])


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
def least_of(ids, rank):
    """The least by rank of a table, NOBODY if it is empty."""
    least = NOBODY
    for place in range(len(ids)):
        if ids[place] >= 0 and (least < 0 or rank[ids[place]] < rank[least]):
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
def hear(r, s, box, other, now, some):
    """What `box` takes of what `other` tells: seats, then offers."""
    if s.seat[other] >= 0:
        drop(s.offers[box], other)
        put(s.hints[box], s.hinted[box], SEAT_HINTS, NOBODY, other, now)
    lowest = NOBODY
    for place in range(SEAT_HINTS):
        id = s.hints[other, place]
        if id >= 0 and (lowest < 0 or s.seat[id] < s.seat[lowest]):
            lowest = id
    count = tell(r, s.hints[other], np.int64(s.seat[other] >= 0), lowest, SEATS_TOLD, some)
    for row in range(count):
        id, at = s.hints[other, some[row]], told(s.hinted[other, some[row]], now)
        if id != box:
            drop(s.offers[box], id)
            put(s.hints[box], s.hinted[box], SEAT_HINTS, NOBODY, id, at)
    least = least_of(s.offers[box], s.rank)
    offers = s.may[other] and s.seat[other] < 0
    if offers:
        if least < 0 or s.rank[other] < s.rank[least]:
            least = other
        put(s.offers[box], s.offered[box], CANDIDATES, least, other, now)
    count = tell(r, s.offers[other], np.int64(offers), least_of(s.offers[other], s.rank), s.told, some)
    for row in range(count):
        id, at = s.offers[other, some[row]], told(s.offered[other, some[row]], now)
        sits = False
        for place in range(SEAT_HINTS):
            sits |= s.hints[box, place] == id and s.hinted[box, place] >= at
        if id != box and not sits:
            if least < 0 or s.rank[id] < s.rank[least]:
                least = id
            put(s.offers[box], s.offered[box], CANDIDATES, least, id, at)


@kernel
def way(r):
    """Ticks of a datagram's way."""
    return DELAY[0] + below(r, DELAY[1] - DELAY[0] + 1)


@kernel
def grant(r, s, box, now, loss):
    """grants.fill and one grant's way: to the freshest candidate, who sits down or says that it sits."""
    if s.until[box] - s.seat[box] < 2:
        return
    best = NOBODY
    for place in range(CANDIDATES):
        if s.offers[box, place] >= 0 and (best < 0 or s.offered[box, place] > s.offered[box, best]):
            best = place
    if best < 0:
        return
    s.granted[box] = s.offers[box, best]
    s.back[box] = NEVER
    if loss == 0.0 or chance(r) >= loss:
        s.comes[box] = now + way(r)
        if loss == 0.0 or chance(r) >= loss:
            s.back[box] = s.comes[box] + way(r)


@kernel
def arrive(r, s, box, now, loss):
    """A grant has come to its candidate."""
    id = s.granted[box]
    s.comes[box] = NEVER
    if s.seat[id] >= 0 or not s.may[id] or s.knows[id] > now:
        return
    middle = s.seat[box] + max(1, (s.until[box] - s.seat[box]) // s.part)
    s.seat[id], s.until[id], s.giver[id] = middle, s.until[box], box
    s.next_tick[id], s.acked[id] = now + jitter(r), now + way(r) + way(r)
    s.filled[0] += 1
    grant(r, s, id, now, loss)


@kernel
def answered(r, s, box, now, loss):
    """The candidate's answer is here, or it was found out otherwise; the next one is asked."""
    id = s.granted[box]
    s.granted[box], s.back[box] = NOBODY, NEVER
    drop(s.offers[box], id)
    if s.giver[id] == box:
        s.until[box] = s.seat[id]
        if chance(r) < s.overtakes:
            return
    grant(r, s, box, now, loss)


@kernel
def jitter(r):
    """Ticks of a round, or of a probe's cycle: a second, an eighth either way."""
    return SECOND * 7 // 8 + below(r, SECOND // 4 + 1)


@kernel
def begins(s, box, now):
    """True if nobody was heard of for so long, and of all that offer themselves it is the least."""
    if not s.may[box] or now - s.knows[box] < ELECT_ROUNDS_FULL * SECOND:
        return False
    for place in range(SEAT_HINTS):
        if s.hints[box, place] >= 0:
            return False
    least = least_of(s.offers[box], s.rank)
    return least < 0 or s.rank[box] < s.rank[least]


@kernel
def run(r, s, begin, end, loss):
    """The ticks from `begin` to `end`."""
    some = np.empty(max(SEAT_HINTS, CANDIDATES), np.int64)
    nodes = len(s.seat)
    for now in range(begin, end):
        for box in range(nodes):
            if s.next_round[box] == now:
                s.next_round[box] += jitter(r)
                other = below(r, nodes)
                if other != box and s.knows[box] <= now and s.knows[other] <= now:
                    hear(r, s, other, box, now, some)
                    hear(r, s, box, other, now, some)
                if s.seat[box] < 0 and begins(s, box, now):
                    s.seat[box], s.until[box] = 0, s.seats
                    s.next_tick[box] = now + jitter(r)
                    s.filled[0] += 1
                    grant(r, s, box, now, loss)
            if s.granted[box] >= 0:
                if s.comes[box] == now:
                    arrive(r, s, box, now, loss)
                if s.back[box] == now:
                    answered(r, s, box, now, loss)
            if s.acked[box] == now and s.granted[box] < 0:
                grant(r, s, box, now, loss)
            if s.next_tick[box] == now:
                s.next_tick[box] += jitter(r)
                s.acked[box] = now + way(r) + way(r)
                if s.granted[box] < 0:
                    grant(r, s, box, now, loss)
                elif s.giver[s.granted[box]] == box:
                    answered(r, s, box, now, loss)  # it sits, and its answer was lost
                elif s.back[box] == NEVER:
                    grant(r, s, box, now, loss)
        if s.filled[0] >= s.seats:
            return now + 1
    return end


class Filling:
    """A slice of `seats` in `nodes` boxes, pushed at a door.

    match: share of the boxes that may sit.  loss: share of datagrams lost.  told, part,
    overtakes: what a wrong model changes: offers in a message, which part of its vacancies a
    holder keeps, how often it waits a cycle after a grant.
    """

    def __init__(self, nodes, seed, seats, match=1.0, loss=0.0, told=CANDIDATES_TOLD, part=2, overtakes=OVERTAKES):
        self._rng, self.loss, self.seats = stream(seed, "filling"), loss, seats
        lots = np.random.default_rng([seed, 7])
        spread = Rumour(nodes, seed, loss)
        spread.go()
        self._state = State(
            offers=np.full((nodes, CANDIDATES), NOBODY, np.int32), offered=np.zeros((nodes, CANDIDATES), np.int32),
            hints=np.full((nodes, SEAT_HINTS), NOBODY, np.int32), hinted=np.zeros((nodes, SEAT_HINTS), np.int32),
            rank=lots.permutation(nodes).astype(np.int32), may=lots.random(nodes) < match, knows=spread.has.astype(np.int32),
            next_round=lots.integers(0, SECOND, nodes, np.int32), next_tick=np.full(nodes, NEVER, np.int32),
            seat=np.full(nodes, NOBODY, np.int32), until=np.zeros(nodes, np.int32), giver=np.full(nodes, NOBODY, np.int32),
            granted=np.full(nodes, NOBODY, np.int32), comes=np.full(nodes, NEVER, np.int32), back=np.full(nodes, NEVER, np.int32),
            acked=np.full(nodes, NEVER, np.int32),
            filled=np.zeros(1, np.int64), seats=seats, told=told, part=part, overtakes=overtakes)
        if seats > self._state.may.sum():
            raise ScaleError("%d boxes match, and %d seats are wanted" % (self._state.may.sum(), seats))

    def go(self, look_s=0.25, limit_s=LIMIT_S):
        """Seats filled every look_s from the push on, until all are, as a list."""
        step, filled, now = round(look_s * SECOND), [], 0
        while not self._state.filled[0] >= self.seats and now < limit_s * SECOND:
            run(self._rng, self._state, now, now + step, self.loss)
            now += step
            filled.append(int(self._state.filled[0]))
        return filled


def when(filled, look_s):
    """(first, half, 90 %, all): seconds until the first seat, and from then to so many, of a list of seats filled."""
    filled = np.asarray(filled, dtype=float)
    at = [look_s * (1 + int(np.argmax(filled >= max(1.0, share * filled[-1])))) for share in (0.0, 0.5, 0.9, 1.0)]
    return at[0], at[1] - at[0], at[2] - at[0], at[3] - at[0]
