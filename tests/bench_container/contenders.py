"""Who runs the bench's programs, and how each is timed.

Every contender has a name and `run(program, rounds)`, which gives (processor seconds of
the rounds alone, checksum as 8 hexadecimal digits).  A process of its own each time,
except for wasmtime, whose translation is not counted.
"""

import json
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import programs
import wasmtime

from backfence.sim.live import interpreters

HERE = Path(__file__).resolve().parent
RUNNER = HERE / "runner.py"
HEAP = "16M"
# name: bits of the word
MICROPYTHONS = {"micropython": 64, "amd64": 64, "i386": 32, "armhf": 32}


class Failed(Exception):
    """A contender did not do its work; the text is for a person."""


class MicroPython:
    """An engine of ours, or code written by hand, on one MicroPython."""

    def __init__(self, interpreter, how):
        self.found = interpreters.find(interpreter)
        self.interpreter = interpreter
        self.how = how  # an engine's name, "hand", or "unmetered": translated without fuel
        self.bits = MICROPYTHONS[interpreter]
        self.name = f"{how} {interpreter}"
        self.fuel = {}  # (program, rounds): what a run used

    def can(self, program):
        """CoreMark is not written by hand."""
        return self.how != "hand" or program != programs.COREMARK

    def run(self, program, rounds):
        """One run, in a process of its own."""
        what = program if self.how == "hand" else str(programs.OUT / f"{program}.wasm")
        command = self.found.arguments(str(RUNNER), self.how, what, str(rounds), heap=HEAP)
        run = subprocess.run(command, env=self.found.environment, capture_output=True, text=True)
        if run.returncode:
            raise Failed(f"{self.name}, {program}: {(run.stdout + run.stderr).strip()}")
        found = json.loads(run.stdout)
        if "fuel" in found:
            self.fuel[program, rounds] = found["fuel"]
        return found["cpu_s"], found["sum"]


class Wasmtime:
    """The yardstick: compiled to machine code by Cranelift."""

    name = "wasmtime"

    def __init__(self):
        self.engine = wasmtime.Engine()
        self.modules = {}

    def can(self, program):
        """All of them."""
        return True

    def run(self, program, rounds):
        """One run in this process; compiling is not counted."""
        if program not in self.modules:
            path = str(programs.OUT / f"{program}.wasm")
            self.modules[program] = wasmtime.Module.from_file(self.engine, path)
        with tempfile.TemporaryDirectory(prefix="backfence-") as folder:
            wasi = wasmtime.WasiConfig()
            Path(folder, "in").write_text(str(rounds))
            wasi.stdin_file, wasi.stdout_file = f"{folder}/in", f"{folder}/out"
            store = wasmtime.Store(self.engine)
            store.set_wasi(wasi)
            linker = wasmtime.Linker(self.engine)
            linker.define_wasi()
            start = linker.instantiate(store, self.modules[program]).exports(store)["_start"]
            begun = time.process_time()
            start(store)
            return time.process_time() - begun, Path(folder, "out").read_text().strip()


class Wabt:
    """wabt's interpreter, without WASI as Debian builds it: the rounds are in the module."""

    name = "wabt"

    def __init__(self):
        self.program = shutil.which("wasm-interp")
        if not self.program:
            raise Failed("wasm-interp is missing: run tests/setup/debian.py as root")
        self.starting = {}

    def can(self, program):
        """All of them."""
        return True

    def run(self, program, rounds):
        """One run; what starting and a run of no rounds take is subtracted."""
        if program not in self.starting:
            self.starting[program] = min(self.process(program, 0)[0] for _ in range(3))
        cpu_s, total = self.process(program, rounds)
        return max(cpu_s - self.starting[program], 1e-6), total

    def process(self, program, rounds):
        """(processor seconds of the whole process, checksum)."""
        path = programs.planted(program, rounds)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = subprocess.run(
            [self.program, str(path), "--run-all-exports", "--dummy-import-func"], capture_output=True, text=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        last = run.stdout.strip().splitlines()[-1:] or [run.stderr.strip()]
        if run.returncode or " => i32:" not in last[0]:
            raise Failed(f"wabt, {program}: {last[0]}")
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return cpu_s, "%08x" % int(last[0].rpartition(":")[2])


def engines(interpreter):
    """The engines that agent.container has on one interpreter."""
    found = interpreters.find(interpreter)
    code = "from backfence.agent.container.admission import engines; print(*engines())"
    run = subprocess.run(found.arguments("-c", code), env=found.environment, capture_output=True, text=True)
    if run.returncode:
        raise Failed(f"{interpreter}: {(run.stdout + run.stderr).strip()}")
    return run.stdout.split()


def all_of(names):
    """Every contender: on each interpreter the engines and the hand, then the two others."""
    found = []
    for name in names:
        found += [MicroPython(name, how) for how in [*engines(name), "unmetered", "hand"]]
    return [*found, Wasmtime(), Wabt()]
