"""The heap of MicroPython after days of virtual time, past 2^30 ms: nothing grows in it, and a planted leak does."""

import re
import subprocess

import pytest

from backfence.sim import growth
from backfence.sim.live import interpreters

HERE = interpreters.REPOSITORY / "tests" / "agent"
TURNS, HOURS, WARM_TURNS, SAMPLES_A_TURN = 9, 2, 3, 3
_LOOK = re.compile(r"turn \d+ at (\d+): heap (\d+), files (\d+) (\d+)\nqstr pool: n_pool=\d+, n_qstr=(\d+)")
# Rises that are noise: ms, bytes of heap, files, bytes of files, interned names.
LEAST = (0, 1024, 3, 1024, 1)


def looks(interpreter, *words):
    """A tuple of numbers for each look: time, heap, files, their bytes, interned names; after the warm-up."""
    found = interpreters.find(interpreter)
    run = subprocess.run(
        found.arguments("weeks.py", str(TURNS), str(HOURS), *words), env=found.environment, cwd=HERE,
        capture_output=True, text=True)
    rows = [tuple(map(int, row)) for row in _LOOK.findall(run.stdout)]
    assert run.returncode == 0 and len(rows) == TURNS * SAMPLES_A_TURN, run.stdout + run.stderr
    assert rows[0][0] < 1 << 30 < rows[-1][0]
    return list(zip(*rows[WARM_TURNS * SAMPLES_A_TURN :]))


# 31-bit small integers, at the full speed of the machine.
@pytest.mark.timeout(900)
def test_nothing_grows_in_32_bits():
    series = looks("i386")
    assert [growth.grown(row, least) for row, least in zip(series[1:], LEAST[1:])] == [0] * 4, series
    assert len(set(series[4])) == 1, "what comes over the wire is interned"


@pytest.mark.timeout(900)
def test_a_planted_leak_is_found_in_64_bits():
    assert growth.grown(looks("amd64", "leak")[1], LEAST[1]) > 0
