"""Puts a MicroPython for each other processor under build/sysroots (interpreters.SYSROOTS).

    python -m backfence.sim.live.sysroots [PROCESSOR ... | none]

amd64, armhf, s390x, i386, arm64 and riscv64 are Debian trixie's packages, unpacked, with
a busybox for the tests of our packages.  Debian has no MIPS any more: mips and mipsel are
the interpreter of our static executable, with nothing frozen in, and without a busybox.
If none is named, those of CI.  Folders are named by version and kept: what is there is
not fetched again.

A mirror may list a package that it no longer holds.  The processor then comes from the
next suite, whole, and a line says so.
"""

import concurrent.futures
import fcntl
import functools
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ...firmware_pkg import static
from ...firmware_pkg.debian_archive import Archive, ArchiveError
from ...firmware_pkg.processors import BuildError
from . import interpreters

BUILD = interpreters.BUILD
ROOTS = interpreters.SYSROOTS
# Tried in this order.
SUITES = ("trixie", "forky")
COMPILED = ("mips", "mipsel")
FETCHED = ("amd64", "armhf", "s390x", "i386", "arm64", "riscv64")
ALL = (*FETCHED, *COMPILED)
# The portable tests' own, and 32 bits at the machine's full speed for tests of memory.
OF_CI = (*(name for name in ALL if name in interpreters.KNOWN), "i386")
# Part of the folders' names: raise it when what unpack() takes changes.
RECIPE = 2
# Where the Debian package is installed for real, what its scripts call.
LAB = {"amd64", "armhf"}
LAB_PACKAGES = ("init-system-helpers:all", "perl-base", "libcrypt1")


@functools.cache
def suite(name, architectures):
    """The Archive of a suite for some processors, its lists read once.  Raises ArchiveError."""
    archive = Archive(BUILD / "apt" / name, name, architectures)
    say("", f"reading Debian's package lists of {name}")
    archive.update()
    return archive


def unpack(archive, architecture, root):
    """Unpacks MicroPython and the libraries it needs into `root`."""
    names = ("busybox-static", *(LAB_PACKAGES if architecture in LAB else ()))
    packages = archive.closure("micropython", architecture) + [
        name if ":" in name else f"{name}:{architecture}" for name in names
    ]
    say(architecture, f"fetching {len(packages)} packages")
    for package in archive.download(packages, root.with_name("download")):
        subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    # The program's interpreter is /lib/ld-..., which an installed Debian links to /usr/lib.
    for name in ("lib", "lib64"):
        if (root / "usr" / name).exists() and not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")


def fetch(architecture, together):
    """Debian's MicroPython for one of the processors `together`, from the first suite whose files are all there.

    Returns its folder's name.
    """
    problems = []
    for name in SUITES:
        try:
            archive = suite(name, together)
            kept = f"{architecture}-{archive.version('micropython')}-{RECIPE}"
            make(kept, lambda root, archive=archive: unpack(archive, architecture, root))
            return kept
        except ArchiveError as error:
            say(architecture, f"{name} does not give it: {error}")
            problems.append(str(error))
    raise ArchiveError("; ".join(problems))


def compile_bare(architecture):
    """The interpreter of our static executable; its folder's name."""
    workshop = static.Workshop(BUILD / "static", lambda text: say(architecture, text))
    kept = workshop.kept(architecture).name
    make(kept, lambda root: workshop.bare(architecture, root / "usr/bin/micropython"))
    return kept


def make(name, fill):
    """Makes ROOTS/name by fill(folder); nothing is left half-made under that name."""
    if (ROOTS / name).exists():
        return
    with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=ROOTS) as folder:
        made = Path(folder) / "root"
        made.mkdir()
        fill(made)
        made.rename(ROOTS / name)


def provide(architecture, together=FETCHED):
    """Makes ROOTS/ARCHITECTURE, a link to the folder that is named by version.

    together: the processors that are fetched in this run, a tuple.
    """
    start = time.monotonic()
    name = compile_bare(architecture) if architecture in COMPILED else fetch(architecture, together)
    link, fresh = ROOTS / architecture, ROOTS / f"{architecture}.link"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(name)
    fresh.rename(link)
    say(architecture, f"{name} is ready ({time.monotonic() - start:.0f} s)")


def provide_all(names):
    """Provides MIPS, which is compiled, while the others are fetched one by one; raises what failed first."""
    compiled = [name for name in names if name in COMPILED]
    fetched = tuple(name for name in names if name not in COMPILED)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for future in [pool.submit(lambda group=group: [provide(name, fetched) for name in group])
                       for group in (compiled, fetched)]:
            future.result()


def ready(name):
    """Is the processor's root there, as this recipe makes it?"""
    made = (ROOTS / name / "usr/bin").resolve()
    if not (made / "micropython").exists():
        return False
    root = (ROOTS / name).resolve().name
    if name in COMPILED:
        return root == static.Workshop(BUILD / "static").kept(name).name
    return root.endswith(f"-{RECIPE}")


def say(architecture, text):
    """A line of progress."""
    print(f"sysroot {architecture}: {text}" if architecture else f"sysroots: {text}", flush=True)


def missing(names):
    """Provides those of the processors that are not there yet.  ArchiveError, BuildError."""
    ROOTS.mkdir(parents=True, exist_ok=True)
    with (ROOTS / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = [name for name in names if not ready(name)]
        if wanted:
            provide_all(wanted)
            shutil.rmtree(BUILD / "apt", ignore_errors=True)


def main(arguments):
    """Provides the processors that are named (those of CI, if none is); the exit code."""
    names = [] if arguments == ["none"] else arguments or list(OF_CI)
    for name in names:
        if name not in ALL:
            print(f"Error: there is no sysroot {name!r}; known: {' '.join(ALL)}", file=sys.stderr)
            return 1
    try:
        missing(names)
    except (ArchiveError, BuildError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
