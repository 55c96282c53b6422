"""MicroPython for 32-bit big-endian MIPS, cross-built from Debian's source package.

Debian has no MIPS any more; the source is the one its other processors' packages
are built from.  Static, and without TLS and foreign functions: the least that
a gateway's firmware may offer (OpenWrt's micropython-nossl).
"""

import os
import shutil
import subprocess

# Part of the cache's name: raise it when the build below changes.
RECIPE = 1
SETTINGS = (
    "CROSS_COMPILE=mips-linux-gnu-",
    "MICROPY_PY_SSL=0",
    "MICROPY_PY_FFI=0",
    "MICROPY_PY_BTREE=0",
    "MICROPY_PY_THREAD=0",
    "FROZEN_MANIFEST=",
    "LDFLAGS_EXTRA=-static",
)


class BuildError(Exception):
    """The build failed; the text is for a person."""


def build(archive, root, say):
    """Builds usr/bin/micropython in `root`; `say` takes lines of progress."""
    if shutil.which("mips-linux-gnu-gcc") is None:
        raise BuildError(
            "mips-linux-gnu-gcc is missing: install gcc-mips-linux-gnu and libc6-dev-mips-cross"
        )
    work = root.with_name(root.name + ".build")
    shutil.rmtree(work, ignore_errors=True)
    say("fetching MicroPython's source")
    source = archive.source("micropython", work)
    subprocess.run(["tar", "--extract", "--file", source, "--directory", work], check=True)
    port = next(work.glob("micropython-*/ports/unix"))
    say("compiling MicroPython (about half a minute)")
    log = root.with_name(root.name + ".log")
    with log.open("wb") as output:
        run = subprocess.run(
            ["make", "-C", port, f"-j{os.cpu_count() or 1}", *SETTINGS],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            # A calling make's flags and targets are not this build's.
            env={key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
        )
    if run.returncode:
        raise BuildError(f"MicroPython for mips did not compile; see {log}")
    (root / "usr/bin").mkdir(parents=True)
    shutil.copy2(port / "build-standard/micropython", root / "usr/bin/micropython")
    shutil.rmtree(work)
    log.unlink()
