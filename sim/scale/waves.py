"""A rollout in waves among a million boxes, as agent/waves.py decides it.

Each box stands at a place by hash, so its wave is known; a box of a later wave asks
`polled` boxes of those before it and goes when `need` of them have run the image for
`soak_s`.  Who is asked stays for REDRAW polls, then others are.  All boxes of a wave
are arrays; a poll is the need-th smallest of the times from which its members are good.
Where finding members and fetching take time there is one number, `fetch_s`.
"""

from math import comb

import numpy as np

from ...agent import waves as rule

NEVER = np.inf
# A trial lasts this long until its box says that it runs, or that it is back: a tenth of trial_s, or three starts.
TRIAL_S = 60
PART = 65_536


def places(nodes, rng):
    """The places of boxes, 0 to rule.WHOLE - 1."""
    return rng.integers(0, rule.WHOLE, nodes)


def _pauses(rng, count, soak_s):
    """Seconds between two polls of each box."""
    wait = min(max(soak_s / rule.SOAK_PART, rule.AGAIN_LEAST_MS / 1000), rule.AGAIN_MOST_MS / 1000)
    return wait * rng.uniform(7 / 8, 9 / 8, count)


def _hopeless(good, polled, need, polls):
    """True if so many polls of `polled` members each would hardly ever find `need` that get good."""
    share = float(np.isfinite(good).mean())
    chance = sum(comb(polled, k) * share**k * (1 - share) ** (polled - k) for k in range(need, polled + 1))
    return chance * polls < 1e-3


def _polls(rng, good, polled, need, first, soak_s, most_s):
    """When each box of one wave goes; NEVER if it holds until most_s.

    good: from when each member of the waves before is good; first: each box's first poll, s.
    """
    count = len(first)
    gone = np.full(count, NEVER)
    waiting, at = np.arange(count), first.copy()
    pause = _pauses(rng, count, soak_s)
    if _hopeless(good, polled, need, count * most_s / (rule.REDRAW * float(pause.mean()))):
        return gone
    while len(waiting):
        members = rng.integers(0, len(good), (len(waiting), polled))
        ready = np.partition(good[members], need - 1, axis=1)[:, need - 1]
        step = pause[waiting]
        polls = np.ceil(np.maximum(0.0, ready - at[waiting]) / step)
        soon = polls < rule.REDRAW
        gone[waiting[soon]] = at[waiting[soon]] + polls[soon] * step[soon]
        at[waiting] += rule.REDRAW * step
        waiting = waiting[~soon & (at[waiting] <= most_s)]
    gone[gone > most_s] = NEVER
    return gone


def rollout(nodes, seed, shares, polled, need, soak_s, bad=0.0, shows_s=0.0, liars=0.0, liars_say_good=True,
            fetch_s=60.0, most_s=30 * 86400.0):
    """dict of one rollout.

    shares: of the waves, rising to 1.  bad: share of the boxes on which the image
    fails, shows_s after it was installed.  liars: share of the boxes that always say
    good, or always bad.  "hit": boxes that had an image that fails there, of all; "done_s":
    when 99 % of the boxes run it (inf: never); "waves": when half of each wave had gone.
    """
    rng = np.random.default_rng([seed, 29])
    place = places(nodes, rng)
    fails = rng.random(nodes) < bad
    lies = rng.random(nodes) < liars
    tens = [round(share * rule.WHOLE) for share in shares]
    installed, good = np.full(nodes, NEVER), np.full(nodes, NEVER)
    halves, before = [], 0
    for wave, most in enumerate(tens):
        boxes = np.flatnonzero((place >= before) & (place < most))
        if wave == 0:
            gone = rng.uniform(0, fetch_s, len(boxes))
        else:
            members = good[place < before]
            first = wave * soak_s + rng.uniform(0, soak_s / rule.SOAK_PART, len(boxes))
            gone = np.concatenate([
                _polls(rng, members, polled, need, first[start : start + PART], soak_s, most_s)
                for start in range(0, len(boxes), PART)] or [np.empty(0)]) if len(members) >= polled else np.full(len(boxes), NEVER)
        installed[boxes] = gone + fetch_s
        good[boxes] = installed[boxes] + TRIAL_S + soak_s
        # What shows itself only after soak_s was good until then.
        seen = fails[boxes] & (shows_s < TRIAL_S + soak_s)
        good[boxes[seen]] = NEVER
        good[boxes[lies[boxes]]] = 0.0 if liars_say_good else NEVER
        halves.append(float(np.median(gone)) if len(gone) else NEVER)
        before = most
    runs = np.sort(installed)
    return {"hit": float((fails & np.isfinite(installed)).mean()), "reached": float(np.isfinite(installed).mean()),
            "done_s": float(runs[int(0.99 * nodes)]), "waves": halves}
