"""Memory on MicroPython itself: what does not fit is refused before it starts, and nothing grows."""

import subprocess
from pathlib import Path

import pytest

from backfence.sim.live import interpreters

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[2] / "examples"
# hello has wasi-libc's malloc, the largest function that a job's library brings.
ADMIT = f"""
from backfence.agent.container.arena import reserve
from backfence.agent.container.limits import Limits, NoRoom
from backfence.agent.container.admission import Admission
reserve(1 << 16)
data = open("{EXAMPLES / 'hello.wasm'}", "rb").read()
admission = Admission(data, Limits(), engine="translated")
try:
    while not admission.step():
        pass
    outcome = admission.program.start(b"", [], 1 << 40, 1000, 2, True, bytes(32)).run(lambda: True)
    print(outcome.kind)
except NoRoom as refusal:
    print("no room:", refusal)
"""


def python(heap, *arguments):
    """The output of MicroPython with so much heap."""
    found = interpreters.find("micropython")
    run = subprocess.run(
        found.arguments(*arguments, heap=heap), env=found.environment, capture_output=True, text=True, timeout=200
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.strip()


def test_a_job_that_does_not_fit_is_refused_with_the_amount_that_is_lacking():
    said = python("512k", "-c", ADMIT)
    assert said.startswith("no room: it needs about ") and " KiB more than this box has free: " in said
    need, lacks = (int(word) for word in said.split() if word.isdigit())
    assert 0 < lacks < need < 1024


@pytest.mark.parametrize("heap", ["640k", "1024k"])
def test_what_is_admitted_has_the_memory_it_needs(heap):
    said = python(heap, "-c", ADMIT)
    assert said == "ok" or said.startswith("no room: "), said
    assert said == "ok" or heap != "1024k"


def test_jobs_in_a_row_leave_memory_as_it_was():
    said = python("4M", str(HERE / "jobs_in_a_row.py"), "9", str(EXAMPLES / "words.wasm"), str(EXAMPLES / "trap.wasm"))
    assert "('ok', " in said and "('fuel', " in said
