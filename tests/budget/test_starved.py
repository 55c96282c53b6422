"""A node survives a heap that is full at any moment: on a real MicroPython (starved.py)."""

import subprocess

import pytest
from backfence.sim.live import interpreters

HERE = interpreters.REPOSITORY / "tests/budget"


@pytest.mark.parametrize("name", ["amd64", "i386"])
def test_memory_that_runs_out_inside_a_node_does_not_end_it(name):
    found = interpreters.find(name)
    path = f".frozen:{interpreters.compiled_agent()}:{HERE.parent / 'agent'}"
    run = subprocess.run(
        ["nice", *found.arguments(str(HERE / "starved.py"), heap="1400K")], capture_output=True, text=True,
        env=dict(found.environment, MICROPYPATH=path), timeout=600,
    )
    assert run.returncode == 0, run.stdout + run.stderr
