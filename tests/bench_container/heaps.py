"""The least heap in which CoreMark is admitted and run, beside its aim."""

import subprocess
from pathlib import Path

import contenders
import programs

from backfence.sim.live import interpreters

FITS = Path(__file__).resolve().parent / "fits.py"
# KiB of heap for a job, without what the agent itself takes, by the bits of the word.
AIMS_KIB = {32: 320, 64: 448}
STEP_KIB = 16
MOST_KIB = 2048


def container_bytes(interpreter, engine, heap_kib):
    """What the container takes of a heap in which CoreMark fits; None if it does not."""
    found = interpreters.find(interpreter)
    command = found.arguments(str(FITS), engine, str(programs.OUT / "coremark.wasm"), heap=f"{heap_kib}K")
    run = subprocess.run(command, env=found.environment, capture_output=True, text=True)
    return int(run.stdout.split()[0]) if run.returncode == 0 else None


def least(interpreter, engine):
    """(KiB of the least heap found by halving, KiB of it that are the container's own)."""
    low, high = 0, MOST_KIB // STEP_KIB
    own = container_bytes(interpreter, engine, high * STEP_KIB)
    if own is None:
        raise contenders.Failed(f"{engine} {interpreter}: CoreMark does not fit {MOST_KIB} KiB")
    while high - low > 1:
        middle = (low + high) // 2
        took = container_bytes(interpreter, engine, middle * STEP_KIB)
        if took is None:
            low = middle
        else:
            high, own = middle, took
    return high * STEP_KIB, -(-own // 1024)


def rows(names):
    """Aims, as figures.aims has them, for each interpreter and engine."""
    found = []
    for name in names:
        for engine in contenders.engines(name):
            whole, own = least(name, engine)
            aim = AIMS_KIB[contenders.MICROPYTHONS[name]]
            found.append({
                "figure": f"{engine} {name}: CoreMark's heap beside the container's own {own}, KiB",
                "value": whole - own, "aim": f"<= {aim}", "held": whole - own <= aim,
            })  # fmt: skip
    return found
