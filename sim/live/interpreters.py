"""The interpreters that agents and portable tests run on, and how each is started.

Two languages' implementations, two word sizes, both byte orders.  Processors are named
as Debian names them (firmware_pkg/processors.py).
"""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from ...firmware_pkg import build, processors

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "backfence"
# Installed as a package there is no build folder of ours.
BUILD = REPOSITORY / "build" if (REPOSITORY / "pyproject.toml").exists() else CACHE
SYSROOTS = BUILD / "sysroots"

# Every portable test file (`proto_*.py`) must pass on each of these.
KNOWN = {
    "cpython": "CPython, this environment's",
    "micropython": "MicroPython, the one `make run` uses",
    "amd64": "Debian's MicroPython, x86-64",
    "armhf": "Debian's MicroPython, 32-bit ARM",
    "s390x": "Debian's MicroPython, 64-bit big-endian",
    "mips": "the static executable's MicroPython, 32-bit big-endian",
}

# Found by name, but not among those that CI runs on.
BY_NAME = {
    "arm64": "Debian's MicroPython, 64-bit ARM",
    "riscv64": "Debian's MicroPython, 64-bit RISC-V",
    "mipsel": "the static executable's MicroPython, 32-bit little-endian",
    # 32 bits at the full speed of an x86-64 machine, for benches and for the impatient.
    "i386": "Debian's MicroPython, 32-bit x86",
}

EMULATED = ("armhf", "s390x", "mips", "arm64", "riscv64", "mipsel")

# Debian's arm64 signs return addresses.  qemu's default processor has the instructions for
# it, and twenty times the cost: 7.5 s for what takes 0.4 on one without, as in most gateways.
PROCESSOR_MODEL = {"arm64": ("-cpu", "cortex-a53")}

# Large enough for a test's tables beside its compiled source; tests of memory
# start interpreters of their own.
HEAP = "8M"


class Missing(Exception):
    """An interpreter is not there; the text is one line and says how to get it."""


class Interpreter:
    """One way to run Python source: a name, a command prefix, an environment."""

    def __init__(self, name, command, environment):
        self.name = name
        self.command = command
        self.environment = environment

    def arguments(self, *rest, heap=HEAP):
        """The command line that runs `rest`; `heap` is a size such as "512K"."""
        if self.name == "cpython":
            return [*self.command, *rest]
        return [*self.command, "-X", f"heapsize={heap}", *rest]


def find(name, root=None):
    """The named Interpreter; raises Missing with one line that says what to do.

    `root` is a copy of its sysroot to use instead.
    """
    if name not in KNOWN and name not in BY_NAME:
        raise Missing(f"there is no interpreter {name!r}; known: {', '.join([*KNOWN, *BY_NAME])}")
    if name == "cpython":
        return Interpreter(name, [sys.executable], dict(os.environ, PYTHONHASHSEED="0"))
    environment = {
        "MICROPYPATH": f".frozen:{import_root()}",
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", "/"),
    }
    if name == "micropython":
        return Interpreter(name, [_native_micropython()], environment)
    return Interpreter(name, _sysroot_command(name, root or SYSROOTS / name), environment)


def import_root():
    """A directory whose entry `backfence` is this repository, for MicroPython's path."""
    root = BUILD / "import"
    link = root / "backfence"
    if not link.is_symlink():
        root.mkdir(parents=True, exist_ok=True)
        try:
            link.symlink_to(os.path.relpath(REPOSITORY, root))
        except FileExistsError:
            pass  # another process was faster
    return root


def _native_micropython():
    beside = Path(sys.executable).parent / "micropython"
    for candidate in (shutil.which("micropython"), beside):
        if candidate and os.access(candidate, os.X_OK) and _is_recent(candidate):
            return str(candidate)
    raise Missing("no MicroPython >= 1.23 for this processor: run `make setup`, or put one on PATH")


def _is_recent(path):
    probe = "import sys; print(sys.implementation[1][:2] >= (1, 23))"
    run = subprocess.run([path, "-c", probe], capture_output=True, text=True, timeout=20)
    return run.stdout.strip() == "True"


def _sysroot_command(name, root):
    program = root / "usr/bin/micropython"
    if not program.exists():
        raise Missing(f"no MicroPython for {name}: run `python -m backfence.sim.live.sysroots {name}`")
    if name == "amd64" and os.uname().machine == "x86_64":
        libraries = f"{root}/usr/lib/x86_64-linux-gnu"
        return [f"{libraries}/ld-linux-x86-64.so.2", "--library-path", libraries, str(program)]
    if name == "i386" and _runs_i386(root):
        libraries = f"{root}/usr/lib/i386-linux-gnu"
        return [f"{libraries}/ld-linux.so.2", "--library-path", libraries, str(program)]
    return [emulator(name), *PROCESSOR_MODEL.get(name, ()), "-L", str(root), str(program)]


def emulator(name):
    """The path of qemu-user for a processor; Missing."""
    program = f"qemu-{processors.named(name).emulator}-static"
    found = shutil.which(program)
    if found is None:
        raise Missing(f"no {program} for {name}: install qemu-user-static")
    return found


def _runs_i386(root):
    """Does this kernel execute 32-bit x86 programs?  Not every x86-64 one does."""
    try:
        run = subprocess.run([f"{root}/usr/lib/i386-linux-gnu/ld-linux.so.2", "--version"], capture_output=True)
    except OSError:
        return False
    return run.returncode == 0


def compiled_agent():
    """A folder whose entry `backfence` is the agent as .mpy files, made once in this process."""
    with _COMPILING:
        return _compiled().name


_COMPILING = threading.Lock()


@functools.cache
def _compiled():
    folder = tempfile.TemporaryDirectory(prefix="backfence-mpy-")
    build.compile_agent(folder.name)
    return folder  # goes with this process
