"""An image that crashes, is mute, leaks or hangs after an hour is held in its first wave; who took it is back."""

from . import rollout as good

NODES = 60
# Longer than a bad image takes to show itself.
SOAK_S = 7_200
# Five crashes, each an hour and a minute after the last, and the watchdog's time.
BACK_S = {"crash": 600, "mute": 1_200, "leak": 16_000, "hang": 22_000}


def play(lab):
    """One after the other."""
    part(lab, BACK_S)


def part(lab, words, soak_s=SOAK_S, **how):
    """Each of these images is published when the one before it is over, and soak_s has passed besides."""
    first = None
    for word in words:
        if first is None:
            first = rollout = good.begin(lab, word, soak_s, **how)
        else:
            rollout = type(first)(lab, word, good.ROWS, good.POLLED, good.NEED, soak_s, **how)
        rollout.push()
        lab.until("%s: the first wave has started it" % word, lambda: "" if rollout.in_wave(0) <= rollout.hit() else "not yet", 600)
        lab.measure(word + "_back_s", lab.until(word + ": all are back", rollout.back, BACK_S[word]))
        lab.go(soak_s * 1000)
        lab.require(word + ": nobody of a later wave started it", lambda: rollout.beyond(0))
        lab.require(word + ": and nobody has it", lambda: "" if not rollout.done() else "some run it")
        lab.measure(word + "_hit", len(rollout.hit()))
