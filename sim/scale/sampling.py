"""Peer sampling as agent/membership.py does it, and averages with whom it met, for a million boxes.

Boxes act in the order of their timers: a round and at most an eighth either way
after the last one.  An exchange happens at once and a silent peer is found out
within the round, so this is the agent at rounds that are long against its
timeouts (3.5 s for a silent peer): 30 s and more.  Left out: boxes behind NAT,
greetings, doors, the limit of one swap a peer and round.

Averages ride on the exchanges, as in agent/aggregate.py: after each answer both
have the mean.  An exchange of averages is repeated until it is certain, so loss
alone takes nothing away; a death takes what lay on the dead box.
"""

import numpy as np

from ...agent.aggregate import KICKS
from ...agent.epoch import ROUNDS, SETTLE_ROUNDS
from ...agent.limits import VIEW
from ..graph import Graph
from . import views
from .errors import ScaleError
from .jit import below, kernel, shuffle, stream
from .newscast import AHEAD, NEAR
from .views import CALM_MOST, CONTACT, CONTACT_ROUNDS, LINK, LINK_TURNS, RULES, TRIAL

ROUND_MS = 30_000
# A box acts at most once in a part of a round.
PARTS = 2
# Rounds after which the row of a box that is gone may be another's: no link lives as long.
REST_ROUNDS = 70
CONTACTS = 4


@kernel
def mean(values, taking, box, peer):
    """Both take the mean of what they hold, if both take part."""
    if taking[box] and taking[peer]:
        for column in range(values.shape[1]):
            middle = (values[box, column] + values[peer, column]) / 2
            values[box, column] = values[peer, column] = middle


@kernel
def choose(r, s, rules, box, links_only, old):
    """membership._begin: whom to ask, and how; -1 if there is nobody."""
    full = s[box].count == VIEW
    if old >= 0:
        if full:
            views.remove(s, box, views.oldest(r, s, box))
        return old, CONTACT
    tries = s[box].count > 0 and (s[box].calm > 0 or not full)
    if s[box].count == 0 or rules.partners and not tries and not links_only and views.ready(s, box):
        if full:
            views.remove(s, box, views.oldest(r, s, box))
        return views.whom(s, box)
    place = views.oldest(r, s, box)
    peer = np.int64(s[box].links[place])
    views.remove(s, box, place)
    return peer, LINK


@kernel
def silent(r, s, rules, box, peer, how, timeouts):
    """membership._missed, and what the node forgets of a silent box."""
    if how != CONTACT:
        place = views.find(s[box].links, s[box].count, peer)
        if place >= 0:
            views.remove(s, box, place)
        views.drop_partner(r, s, box, peer)
        s[box].tombs[(s[box].rounds & 1) * (views.TOMBS // 2) + timeouts % (views.TOMBS // 2)] = peer
    if how == LINK:
        s[box].healing = rules.healing
        s[box].calm = min(CALM_MOST, s[box].calm + rules.calm)


@kernel
def begin_round(r, s, rules, box):
    """What a round begins with: ages, counters; the old contact to ask, or -1."""
    s[box].rounds += 1
    half = views.TOMBS // 2
    for place in range(half):
        s[box].tombs[(s[box].rounds & 1) * half + place] = -1
    s[box].swaps = 0
    s[box].healing = max(0, s[box].healing - 1)
    s[box].calm = max(0, s[box].calm - 1)
    place = 0
    while place < s[box].count:
        s[box].age[place] += 1
        if s[box].age[place] > rules.life:
            views.remove(s, box, place)
        else:
            place += 1
    if s[box].count == 0 or below(r, CONTACT_ROUNDS) == 0:
        return np.int64(views.contact(r, s, box))
    return np.int64(-1)


@kernel
def besides(r, s, rules, box, loss, values, taking, mixing, scratch, tally):
    """A partner is asked besides a link; 1 if it is silent, else 0."""
    peer, how = views.whom(s, box)
    if peer < 0:
        return 0
    tally[0] += 1
    if views.swap(r, s, rules, box, peer, how, loss, scratch):
        tally[1] += 1
        if mixing:
            mean(values, taking, box, peer)
        return 0
    silent(r, s, rules, box, peer, how, 0)
    tally[2] += 1
    return 1


@kernel
def rounds(r, s, rules, order, loss, values, taking, mixing, scratch, tally):
    """One round of each box in `order`; tally: questions, answers, timeouts."""
    count = len(order)
    for turn in range(-AHEAD, count):
        if turn + AHEAD < count:
            views.soon(s, order[turn + AHEAD])
        if 0 <= turn + NEAR < count:
            views.soon_met(s, rules, order[turn + NEAR])
        if turn < 0 or not s[order[turn]].live:
            continue
        box = order[turn]
        old = begin_round(r, s, rules, box)
        timeouts, links_only = 0, False
        if rules.partners and old < 0 and s[box].count and s[box].rounds & LINK_TURNS == 0:
            if s[box].calm > 0 or s[box].count < VIEW:
                timeouts = besides(r, s, rules, box, loss, values, taking, mixing, scratch, tally)
        while timeouts < rules.timeouts:
            peer, how = choose(r, s, rules, box, links_only, old)
            old = np.int64(-1)
            if peer < 0:
                break
            tally[0] += 1
            if views.swap(r, s, rules, box, peer, how, loss, scratch):
                tally[1] += 1
                if mixing:
                    other = views.next_partner(s, box) if how == LINK and views.enough(s, box) else peer
                    if s[other].live:
                        mean(values, taking, box, other)
                break
            silent(r, s, rules, box, peer, how, timeouts)
            links_only = how != TRIAL
            timeouts += 1
            tally[2] += 1


@kernel
def kick(r, s, values, taking):
    """aggregate._kick: each box averages once more with a partner, or one of its view."""
    for box in range(len(taking)):
        if s[box].live and s[box].count:
            peer = np.int64(s[box].links[below(r, s[box].count)])
            if views.enough(s, box):
                peer = views.some_partner(r, s, box)
            if s[peer].live:
                mean(values, taking, box, peer)


@kernel
def joined(r, s, boxes, known):
    """Boxes are up, with what they know."""
    for row in range(len(boxes)):
        box = boxes[row]
        s[box].live = True
        s[box].count = s[box].healing = s[box].calm = 0
        s[box].asked[:], s[box].ranks[:], s[box].trial, s[box].least = -1, views.LAST, -1, views.LAST
        s[box].seen = s[box].rounds = 0
        s[box].recent[:], s[box].old[:], s[box].tombs[:] = -1, -1, -1
        for place in range(known.shape[1]):
            views.insert(r, s, box, known[row, place], 0, known[row], 0, VIEW)
            views.met(r, s, box, known[row, place])


class Fleet:
    """`nodes` boxes with random views of 20.

    loss: share of datagrams lost.  churn: share of the boxes replaced in each
    cycle, by fresh ones.  columns: numbers that each box averages.
    """

    def __init__(self, nodes, seed, loss=0.0, churn=0.0, columns=1, rules=RULES):
        if nodes <= VIEW + 1:
            raise ScaleError("the scale model begins at %d boxes" % (VIEW + 2))
        self.nodes, self.loss, self.churn, self.rules = nodes, loss, churn, rules
        rows = nodes + int(nodes * churn * REST_ROUNDS + 1) if churn else nodes
        self.state = views.make(rows)
        self.values = np.zeros((rows, columns), np.float64)
        self.taking = np.zeros(rows, np.bool_)
        self.mixing = False
        self.cycles = 0
        self.tally = np.zeros(3, np.int64)
        self._rng = stream(seed, "sampling")
        self._lots = np.random.default_rng(stream(seed, "sampling lots"))
        self._free = list(range(rows - 1, nodes - 1, -1))
        self._resting = []  # rows whose boxes are gone, by cycle
        self._owed = 0.0
        self._scratch = np.zeros((5, VIEW + 1), np.int64)
        s = self.state
        views.begin(self._rng, s, nodes)
        s["due_ms"][:nodes] = self._lots.integers(0, ROUND_MS, nodes)

    def live(self):
        """Numbers of the live boxes."""
        return np.flatnonzero(self.state["live"])

    def links(self):
        """(who, whom, share of the links that lead to dead boxes): the live boxes' links to live ones, by row."""
        live = self.live()
        there = np.arange(VIEW)[None, :] < self.state["count"][live][:, None]
        whom = self.state["links"][live][there]
        who = np.repeat(live, self.state["count"][live])
        held = self.state["live"][whom]
        return who[held], whom[held], 1.0 - float(held.mean())

    def in_degrees(self):
        """In how many views of live boxes each live box is, an array."""
        return np.bincount(self.links()[1], minlength=len(self.state))[self.live()]

    def graph(self):
        """The live boxes' overlay, as a sim.graph.Graph."""
        who, whom, share = self.links()
        place = np.cumsum(self.state["live"]) - 1
        return Graph(len(self.live()), place[who], place[whom], round(share / (1 - share) * len(who)))

    def cycle(self):
        """A round's time: every live box acts about once."""
        s = self.state
        for part in range(1, PARTS + 1):
            end = self.cycles * ROUND_MS + part * ROUND_MS // PARTS
            due = np.flatnonzero(s["live"] & (s["due_ms"] < end)).astype(np.int32)
            # Of 16 bits NumPy sorts by digits, in a time that does not grow with their number.
            left = np.maximum(0, s["due_ms"][due] - (end - ROUND_MS // PARTS)).astype(np.uint16)
            order = due[np.argsort(left, kind="stable")]
            rounds(self._rng, s, self.rules, order, self.loss, self.values, self.taking, self.mixing,
                   self._scratch, self.tally)
            s["due_ms"][order] += self._lots.integers(ROUND_MS * 7 // 8, ROUND_MS * 9 // 8 + 1, len(order))
            self._replace()
        self.cycles += 1

    def kill(self, share):
        """Sudden death of a random share of the live boxes."""
        live = self.live()
        shuffle(self._rng, live)
        self.state["live"][live[: round(share * len(live))]] = False

    def _replace(self):
        self._owed += self.churn * self.nodes / PARTS
        count = int(self._owed)
        if not count:
            return
        self._owed -= count
        while self._resting and self._resting[0][0] + REST_ROUNDS <= self.cycles:
            self._free[:0] = self._resting.pop(0)[1]
        live = self.live()
        gone = self._lots.choice(live, count, replace=False)
        self.state["live"][gone] = False
        self._resting.append((self.cycles, list(gone)))
        new = np.array([self._free.pop() for _ in range(count)])
        known = self._lots.choice(self.live(), (count, CONTACTS)).astype(np.int64)
        self.taking[new] = False
        joined(self._rng, self.state, new, known)
        self.state["due_ms"][new] = self.cycles * ROUND_MS + self._lots.integers(0, ROUND_MS, count)

    def epoch(self, watch=None):
        """One epoch of averages over what `values` holds: ROUNDS cycles; watch() after each."""
        self.taking[:] = self.state["live"]
        for number in range(ROUNDS):
            self.mixing = number < ROUNDS - SETTLE_ROUNDS
            for _ in range(KICKS if number == 0 else 0):
                kick(self._rng, self.state, self.values, self.taking)
            self.cycle()
            if watch:
                watch()
        self.mixing = False
