"""A good image goes to all boxes in waves, and no box of a wave starts it before enough of the last have soaked."""

from ..rollout import SETTINGS, Rollout

NODES = 60
ROWS = ((2000, ""), (5000, ""), (10000, ""))
# Of a wave of six boxes three are asked.
POLLED, NEED = 3, 2
SOAK_S = 120


def begin(lab, word, soak_s=SOAK_S, rows=ROWS, **how):
    """A fleet that has met, its boxes with launchers; its Rollout, not published yet."""
    for key, value in SETTINGS.items():
        lab.settings.setdefault(key, value)
    rollout = Rollout(lab, word, rows, POLLED, NEED, soak_s, **how)
    lab.boot_joined(doors=1, spread_ms=5_000)
    rollout.equip()
    lab.go(10_000)
    lab.until("overlay connected", lab.connected, 120)
    return rollout


def play(lab):
    """Three waves, with a pause in the second."""
    rollout = begin(lab, "good")
    first = rollout.in_wave(0)
    lab.measure("boxes_in_waves", [len(rollout.in_wave(wave)) for wave in range(len(ROWS))])
    rollout.push()
    lab.measure("first_wave_s", lab.until(
        "the first wave has it", lambda: "" if first <= rollout.done() else "not yet", 300))
    lab.go(SOAK_S * 500)
    lab.require("nobody else started it yet", lambda: rollout.beyond(0))
    lab.until("the second wave begins", lambda: "" if rollout.hit() > first else "not yet", 3 * SOAK_S)
    lab.require("the third did not", lambda: rollout.beyond(1))
    rollout.say("pause")
    lab.go(3 * SOAK_S * 1000)
    lab.require("nobody of the third wave started it in the pause", lambda: rollout.beyond(1))
    rollout.say("go")
    lab.until("all have it", rollout.everywhere, 6 * SOAK_S)
    lab.measure("all_s", rollout.elapsed_s())
