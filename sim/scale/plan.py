"""What a fleet's rollout and its rumours will cost, by the scale model, with ranges over seeds.

Needs NumPy only.  Time and shares come from the models of spreading.py, waves.py and
chunks.py at the fleet's own size (an image among peers at SWARM boxes and PARTS parts at most:
from there on by what each further doubling and part costs).  Bytes are those measured with the
agent's own classes, scaled by the round and the sizes; each constant names its bench.
"""

import math
from dataclasses import dataclass

import numpy as np

from ...agent.limits import CHUNK_BYTES
from . import chunks, spreading, waves
from .errors import ScaleError

# What chunks.py is asked for at most, and beyond that: parts' times for each further part (4,096 boxes,
# 64 to 128 parts), and for each doubling of the boxes (1,024 to 2,048).
SWARM, PARTS = 1_024, 128
PART_COSTS, DOUBLING_COSTS = 1.8, 6
# python -m backfence.sim bench idle: 57 bytes a second at a round of 60 s, IPv6, both ways.
IDLE_ROUND_BYTES = 57 * 60
# An announcement on the wire (docs/dissemination.md), a manifest's body, headers of a chunk.
ANNOUNCEMENT_BYTES, MANIFEST_BYTES, CHUNK_EXTRA = 118, 4_096, 130
# A poll and its answer with six names, headers included.
POLL_BYTES = 400
TOP = 20_000_000


@dataclass(frozen=True)
class Wish:
    """What is asked: shares are 0 to 1, sizes bytes, times seconds; uplink is bytes a second of a box."""

    fleet: int
    loss: float = 0.02
    off: float = 0.05
    churn: float = 0.0
    rollout: tuple = (0.01, 0.1, 0.5, 1.0)
    polled: int = 20
    need: int = 18
    soak_s: float = 3_600.0
    image: int = 2 << 20
    uplink: int = 32_768
    bad: float = 1.0
    liars: float = 0.01
    doors: int = 3
    busy_s: float = 1.0
    round_s: float = 60.0

    def check(self):
        """Raises ScaleError, in one line, for what makes no sense."""
        if not 100 <= self.fleet <= TOP:
            raise ScaleError("a plan is for 100 to %d boxes" % TOP)
        if list(self.rollout) != sorted(set(self.rollout)) or self.rollout[-1] != 1.0 or self.rollout[0] <= 0:
            raise ScaleError("the waves' shares rise and end with 100%")
        if not 1 <= self.need <= self.polled:
            raise ScaleError("of %d polled boxes %d cannot be needed" % (self.polled, self.need))
        if self.fleet * self.rollout[0] < self.polled:
            raise ScaleError("the first wave has %d boxes, and %d are polled: make it larger"
                             % (self.fleet * self.rollout[0], self.polled))
        if not 1 <= self.doors < self.fleet or self.uplink < 1 or self.image < 1:
            raise ScaleError("doors, uplink and image are at least 1, and doors fewer than boxes")


def _image_s(wish, seed):
    """Seconds in which the last box has the image, when all of a wave fetch at once, and copies that doors upload."""
    parts, boxes = chunks.parts_of(wish.image), min(wish.fleet, SWARM)
    how = {"doors": min(wish.doors, boxes // 2), "uplink": wish.uplink, "loss": wish.loss}
    found = chunks.swarm(boxes, min(parts, PARTS), seed, **how)
    seconds = found["all"] + max(0, parts - PARTS) * chunks.part_s(wish.uplink) * PART_COSTS
    return seconds + math.log2(wish.fleet / boxes) * DOUBLING_COSTS * chunks.part_s(wish.uplink), found["uploads"]


def once(wish, seed, say=lambda text: None):
    """{figure: number} of one seed."""
    wish.check()
    rumour = spreading.Rumour(wish.fleet, seed, wish.loss, wish.busy_s, wish.off, wish.churn, wish.doors, wish.round_s)
    half, most, last = rumour.go()
    told = rumour.told / wish.fleet
    say("seed %d: a manifest has reached all after %.1f s" % (seed, last))
    image_s, copies = _image_s(wish, seed)
    say("seed %d: an image is everywhere %.0f min after its wave began" % (seed, image_s / 60))
    settings = (wish.fleet, seed, wish.rollout, wish.polled, wish.need, wish.soak_s)
    good = waves.rollout(*settings, liars=wish.liars, liars_say_good=False, fetch_s=image_s)
    bad = waves.rollout(*settings, bad=wish.bad, liars=wish.liars, fetch_s=image_s)
    late = waves.rollout(*settings, bad=wish.bad, shows_s=2 * wish.soak_s, liars=wish.liars, fetch_s=image_s)
    say("seed %d: rollouts done" % seed)
    image = wish.image * (1 + CHUNK_EXTRA / CHUNK_BYTES) / (1 - wish.loss)
    return {
        "a manifest at half of the boxes, s": half,
        "a manifest at 99.9 %, s": most,
        "a manifest at the last box that is on, s": last,
        "an image at the last box of a wave, min": image_s / 60,
        "a good image on 99 % of the boxes, h": good["done_s"] / 3600,
        "hit by a bad image before it is held, % of the fleet": 100 * bad["hit"],
        "hit if it shows itself after twice the soak, %": 100 * late["hit"],
        "bytes of a manifest, a box": told * 2 * ANNOUNCEMENT_BYTES + MANIFEST_BYTES * (1 + CHUNK_EXTRA / CHUNK_BYTES),
        "MB of an image, a box, down": image / 1e6,
        "MB of an image, a box, up on average": image / 1e6,
        "kB of polls, a box": wish.polled * POLL_BYTES / 1e3,
        "MB a day of an idle box": IDLE_ROUND_BYTES * 86_400 / wish.round_s / 1e6,
        "broker connections": wish.doors,
        "MB that the doors upload of an image": copies * wish.image / 1e6,
        "MB a server would upload": wish.fleet * image / 1e6,
    }


def plan(wish, seeds, say=lambda text: None):
    """{figure: (median, least, most)} over seeds 1..seeds."""
    found = [once(wish, seed, say) for seed in range(1, seeds + 1)]
    out = {}
    for figure in found[0]:
        values = [row[figure] for row in found]
        out[figure] = tuple(float(fold(values)) for fold in (np.median, np.min, np.max))
    return out
