"""The heap of an agent, gated: bytes that the collector counts, on each processor (docs/memory.md).

The scenario is seeded and in virtual time, so that a figure is the same in each run but
for some hundred bytes that the collector finds on the stack.  A processor under emulation
is asked for what its loaded agent takes; what a joined box takes beside that depends on
the size of a word alone.
"""

import functools
import subprocess

import pytest
from backfence.firmware_pkg import processors, static
from backfence.sim.live import interpreters

HERE = interpreters.REPOSITORY / "tests/budget"
PROGRAM = interpreters.REPOSITORY / "examples/words.wasm"
KIB = 1024
# The heap that firmware gives a box, by the bits of a word; and what is set aside in it for jobs.
HEAP = {64: 2 << 20, 32: 1 << 20}
ASIDE = 2 << 16
# FIGURES: an idle agent that has joined, 20 links in its view, no job.
JOINED = {64: 384 * KIB, 32: 256 * KIB}
JOINED_FROZEN = {64: 192 * KIB, 32: 128 * KIB}
# As it is loaded, before it is started; a joined box takes 80 / 43 KB more.
LOADED = {64: 300 * KIB, 32: 214 * KIB}
LOADED_FROZEN = {64: 110 * KIB, 32: 60 * KIB}
# One job of words.wasm: the container, the program, its run.
JOB = {64: 256 * KIB, 32: 200 * KIB}
# The interpreter's own book-keeping takes a share of the heap, and so may holes.
USABLE = 0.85
# What this program and the others' code take in the heap with the box.
OURS = 80 * KIB
LIMIT_S = 900


def command(name, frozen):
    """(argument list up to the script, environment) of a processor's MicroPython."""
    if not frozen:
        found = interpreters.find(name)
        return found.arguments, dict(found.environment, MICROPYPATH=path(f".frozen:{interpreters.compiled_agent()}"))
    target = static.path_of(name)
    static.Workshop().executable(name, target)
    emulator = [] if name == "amd64" else [f"qemu-{processors.named(name).emulator}-static"]
    arguments = lambda *rest, heap: [*emulator, str(target), "-X", f"heapsize={heap}", *rest]  # noqa: E731
    return arguments, {"PATH": "/usr/bin:/bin", "MICROPYPATH": path(".frozen")}


def path(agent):
    """MicroPython's path: the agent, then the programs of these tests."""
    return f"{agent}:{HERE}:{HERE.parent / 'agent'}"


def run(name, frozen, heap, folder, *words):
    """{figure: bytes} that the script printed."""
    arguments, environment = command(name, frozen)
    done = subprocess.run(
        ["nice", *arguments(str(HERE / "joined.py"), words[0], str(folder), str(PROGRAM), *words[1:], heap=heap)],
        env=environment, capture_output=True, text=True, timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines()}


@functools.cache
def bits(name):
    """The bits of a processor's word."""
    return {"i386": 32}.get(name) or processors.named(name).bits


@pytest.mark.parametrize("name", ["amd64", "i386"])
def test_a_joined_box_with_full_tables_or_a_job_from_mpy(name, tmp_path):
    figures = run(name, False, "12M", tmp_path, "measure")
    print(name, figures)
    word = bits(name)
    assert figures["loaded"] <= LOADED[word]
    assert figures["joined"] <= JOINED[word]
    assert figures["job"] <= JOB[word]
    assert figures["full"] + ASIDE <= HEAP[word] * USABLE


def test_a_joined_box_of_the_static_executable(tmp_path):
    figures = run("amd64", True, "12M", tmp_path, "measure")
    print("amd64 frozen", figures)
    assert figures["loaded"] <= LOADED_FROZEN[64] and figures["joined"] <= JOINED_FROZEN[64]


@pytest.mark.parametrize("name", ["armhf", "s390x", "mips"])
def test_the_loaded_agent_under_emulation_from_mpy(name, tmp_path):
    figures = run(name, False, "4M", tmp_path, "loaded")
    print(name, figures)
    assert figures["loaded"] <= LOADED[bits(name)]


def test_the_loaded_agent_of_the_static_executable_under_emulation(tmp_path):
    figures = run("mips", True, "4M", tmp_path, "loaded")
    print("mips frozen", figures)
    assert figures["loaded"] <= LOADED_FROZEN[32]


@pytest.mark.parametrize("name", ["amd64", "i386"])
def test_a_job_runs_in_the_usual_heap_with_every_table_full(name, tmp_path):
    figures = run(name, False, f"{(HEAP[bits(name)] + OURS) // KIB}K", tmp_path, "fit")
    assert 0 < figures["fits"] <= HEAP[bits(name)] + OURS
