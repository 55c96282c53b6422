"""A rollout in waves among a million boxes, as agent/waves.py decides it.

Each box stands at a place by hash, so its wave is known; a box of a later wave polls
`polled` boxes of those before it and goes when `need` of them have run the image for
`soak_s`.  Of all members that it hears of it polls those with the least hash under a key
of its own, so that until it has heard of all, some of them are others each time; after
REDRAW polls its key is another, and the words heard under the last stay in the count: of
all good and failed the good must be `need` in `polled`.  All boxes of a wave are arrays; of a large wave SAMPLE
boxes are polled for, and the others fare as one of them by lot.

Where finding members and fetching take time there is one number, `fetch_s`.
"""

from math import comb

import numpy as np

from ...agent import waves as rule
from ...agent.limits import SHUFFLE, VIEW

NEVER = np.inf
# A trial lasts this long until its box says that it runs: a tenth of trial_s.
TRIAL_S = 60
SAMPLE = 16_384
# Failures stay in the count, so who has held so long holds on: its chance falls with each key.
KEYS_MOST = 40
# From the start of an image that fails until its box says so: crashes, each with a pause.
FAILED_S = 150
# Of fewer members than so many times those polled the same is not drawn twice: from so many orders.
FEW, ORDERS = 50, 256
# A box that crashed has lost links: others hear of it so much as often as of the rest.  Fitted to
# the recordings of 1,000 boxes.
CRASHED_HEARD = 0.85
# What a model may change to be wrong on purpose: a trial before the soak, polls with one key,
# polls in a soak, the least hash among all members from the start, failures kept in the count,
# how often crashed ones are heard of.
RULES = {"trial_s": 0.0, "redraw": rule.REDRAW, "part": rule.SOAK_PART, "steady": False, "keeps": True,
         "heard": CRASHED_HEARD}


def places(nodes, rng):
    """The places of boxes, 0 to rule.WHOLE - 1."""
    return rng.integers(0, rule.WHOLE, nodes)


def _hopeless(good, polled, need, polls):
    """True if so many polls of `polled` members each would hardly ever find `need` that get good."""
    share = float(np.isfinite(good).mean())
    chance = sum(comb(polled, k) * share**k * (1 - share) ** (polled - k) for k in range(need, polled + 1))
    return chance * polls < 1e-3


def _draw(rng, crashed, boxes, polled, heard):
    """(boxes, polled) numbers of members: whom each box polls; those that crashed `heard` times as often."""
    found = _any(rng, len(crashed), boxes, polled)
    again = crashed[found] & (rng.random(found.shape, np.float32) >= heard)
    return np.where(again, rng.integers(0, len(crashed), found.shape), found)


def _any(rng, members, boxes, polled):
    """(boxes, polled) numbers of members, each once in a row."""
    if members > FEW * polled:
        return rng.integers(0, members, (boxes, polled))  # twice the same is rare
    orders = np.stack([rng.permutation(members) for _ in range(ORDERS)])
    start = (rng.integers(0, members, (boxes, 1)) + np.arange(polled)) % members
    return orders[rng.integers(0, ORDERS, (boxes, 1)), start]


class Hearing:
    """How many different ones of a wave's members a box has heard of, on average.

    share: of the boxes that are members; own: of those that wait as it does, and name whom they know.
    """

    def __init__(self, members, share, own, polled, round_s):
        self.members, self.polled = members, polled
        # Names in a member's answer to a poll, and what each round brings: of the view, and of one box that is asked.
        self.polls = polled * min(rule.NAMES, VIEW * share)
        self.rate = (SHUFFLE * share + min(rule.NAMES, VIEW * share + polled * own)) / round_s

    def more(self, known, named):
        """Different ones known, after so many more were named at random."""
        return self.members - (self.members - known) * (1 - 1 / self.members) ** named

    def staying(self, first_s, pause_s, redraw):
        """The parts of those polled that stay from each poll under one key to the next, redraw - 1 of them."""
        known, parts = self.more(min(self.polled, self.members), self.rate * first_s), []
        for _ in range(redraw - 1):
            before, known = known, self.more(known, self.polls + self.rate * pause_s)
            parts.append(before / known)
        return parts


def _words(good, failed, members, at, need):
    """What one poll of each box hears until it is decided: (good words, words of a failure), arrays.

    good, failed: from when each member says so; members: whom each box polls, in the order in which they answer.
    """
    polled = members.shape[1]
    goods = np.cumsum(good[members] <= at[:, None], axis=1)
    bads = np.cumsum(failed[members] <= at[:, None], axis=1)
    others = np.arange(1, polled + 1) - goods
    last = ((goods >= need) | (others > polled - need)).argmax(1)[:, None]
    return np.stack([np.take_along_axis(words, last, 1)[:, 0] for words in (goods, bads)])


def _polls(rng, good, failed, polled, need, first, wait_s, most_s, hearing, rules):
    """When each box of one wave goes; NEVER if it holds until most_s, or for KEYS_MOST keys.

    good, failed: from when each member of the waves before says that it is good, and that it
    failed; first: each box's first poll, s; wait_s: between two polls.
    """
    count, redraw = len(first), rules["redraw"]
    gone = np.full(count, NEVER)
    wait_s = min(max(wait_s, rule.AGAIN_LEAST_MS / 1000), rule.AGAIN_MOST_MS / 1000)
    if _hopeless(good, polled, need, count * most_s / wait_s):
        return gone
    waiting, at, poll = np.arange(count), first.copy(), 0
    crashed = np.isfinite(failed) & (failed > 0)
    members = _draw(rng, crashed, count, polled, rules["heard"])
    staying = hearing.staying(float(first.mean()), wait_s, redraw)
    past = np.zeros((2, count), np.int64)  # good words and failures under the keys before
    while len(waiting) and poll < KEYS_MOST * redraw:
        words = past + _words(good, failed, members, at, need)
        found = (words[0] - past[0] >= need) & (words[0] * polled >= need * words.sum(0))
        gone[waiting[found]] = at[found]
        at = at + wait_s * rng.uniform(7 / 8, 9 / 8, len(at))
        left = ~found & (at <= most_s)
        waiting, at, members, past, words = waiting[left], at[left], members[left], past[:, left], words[:, left]
        poll += 1
        others = _draw(rng, crashed, len(waiting), polled, rules["heard"])
        if poll % redraw == 0:
            members, staying = others, hearing.staying(wait_s, wait_s, redraw)
            past = words if rules["keeps"] else past
        elif not rules["steady"]:
            members = np.where(rng.random(members.shape, np.float32) < staying[poll % redraw - 1], members, others)
    return gone


def _wave(rng, count, good, failed, polled, need, begins_s, soak_s, most_s, hearing, rules):
    """When each of `count` boxes of a later wave goes."""
    if len(good) < polled:
        return np.full(count, NEVER)
    wait_s = soak_s / rules["part"]
    first = begins_s + rng.uniform(0, wait_s, min(count, SAMPLE))
    gone = _polls(rng, good, failed, polled, need, first, wait_s, most_s, hearing, rules)
    return gone if count <= SAMPLE else gone[rng.integers(0, SAMPLE, count)]


def rollout(nodes, seed, shares, polled, need, soak_s, bad=0.0, shows_s=0.0, liars=0.0, liars_say_good=True,
            fetch_s=60.0, most_s=30 * 86400.0, round_s=60.0, given=None, **wrong):
    """dict of one rollout.

    shares: of the waves, rising to 1.  bad: share of the boxes on which the image fails,
    shows_s after it was installed.  liars: share of the boxes that always say good, or
    always bad.  given: [(boxes, of these it fails on)] by wave, and when the first wave's
    boxes started it, in place of lots.  wrong: see RULES.

    "hit": boxes that had an image that fails there, of all; "done_s": when 99 % of the boxes
    run it (inf: never); "waves": when half of each wave had gone; "gone": when each box of
    each wave had, s (NEVER: not by most_s).
    """
    rules = dict(RULES, **wrong)
    rng = np.random.default_rng([seed, 29])
    place, fails = places(nodes, rng), rng.random(nodes) < bad
    if given:
        place = np.repeat([round(share * rule.WHOLE) - 1 for share in shares], [boxes for boxes, _ in given[0]])
        fails = np.concatenate([np.arange(boxes) < failing for boxes, failing in given[0]])
    lies = rng.random(nodes) < liars
    installed, good, failed = np.full(nodes, NEVER), np.full(nodes, NEVER), np.full(nodes, NEVER)
    crashes = fails & (shows_s < max(TRIAL_S, soak_s))
    goes, before = [], 0
    for wave, share in enumerate(shares):
        most = round(share * rule.WHOLE)
        boxes = np.flatnonzero((place >= before) & (place < most))
        if wave == 0:
            gone = rng.choice(given[1], len(boxes)) - fetch_s if given else rng.uniform(0, fetch_s, len(boxes))
        else:
            hearing = Hearing(max(1, int((place < before).sum())), shares[wave - 1], share - shares[wave - 1], polled, round_s)
            ahead = place < before
            gone = _wave(rng, len(boxes), good[ahead], failed[ahead], polled, need, wave * soak_s, soak_s, most_s, hearing, rules)
        installed[boxes] = gone + fetch_s
        # Its trial is a part of its soak.
        good[boxes] = installed[boxes] + rules["trial_s"] + max(TRIAL_S, soak_s)
        # What shows itself only after soak_s was good until then.
        broken, liar = boxes[crashes[boxes]], boxes[lies[boxes]]
        good[broken], failed[broken] = NEVER, installed[broken] + shows_s + FAILED_S
        good[liar], failed[liar] = (0.0, NEVER) if liars_say_good else (NEVER, 0.0)
        goes.append(gone)
        before = most
    runs = np.sort(installed)
    return {"hit": float((fails & np.isfinite(installed)).mean()), "reached": float(np.isfinite(installed).mean()),
            "done_s": float(runs[int(0.99 * nodes)]), "gone": goes,
            "waves": [float(np.median(gone)) if len(gone) else NEVER for gone in goes]}
