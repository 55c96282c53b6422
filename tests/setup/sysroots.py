"""Puts a MicroPython for each other processor under build/sysroots.

    sysroots.py [ARCH ... | none]

amd64, armhf, s390x and i386 are Debian trixie's packages, unpacked, with a busybox for
the tests of our packages.  Debian has no MIPS any more: mips is the interpreter of our
static executable, with nothing frozen in, and without a busybox.  i386 only when it is
named.  Folders are named by version and kept: what is there is not fetched again.

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

from backfence.firmware_pkg import static
from backfence.firmware_pkg.debian_archive import ARCHITECTURES, Archive, ArchiveError
from backfence.firmware_pkg.processors import BuildError

BUILD = Path(__file__).resolve().parent.parent.parent / "build"
ROOTS = BUILD / "sysroots"
# Tried in this order.
SUITES = ("trixie", "forky")
ALL = (*ARCHITECTURES, "mips")
# The portable tests do without: they have 32 bits in armhf and mips.
BY_NAME = ("i386",)
# Part of the folders' names: raise it when what unpack() takes changes.
RECIPE = 2
# Where the Debian package is installed for real, what its scripts call.
LAB = {"amd64", "armhf"}
LAB_PACKAGES = ("init-system-helpers:all", "perl-base", "libcrypt1")


@functools.cache
def suite(name):
    """The Archive of a suite, its lists read once.  Raises ArchiveError."""
    archive = Archive(BUILD / "apt" / name, name)
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


def fetch(architecture):
    """Debian's MicroPython for the processor, from the first suite whose files are all there; its folder's name."""
    problems = []
    for name in SUITES:
        try:
            archive = suite(name)
            kept = f"{architecture}-{archive.version('micropython')}-{RECIPE}"
            make(kept, lambda root, archive=archive: unpack(archive, architecture, root))
            return kept
        except ArchiveError as error:
            say(architecture, f"{name} does not give it: {error}")
            problems.append(str(error))
    raise ArchiveError("; ".join(problems))


def compile_mips():
    """The interpreter of our static executable; its folder's name."""
    workshop = static.Workshop(say=lambda text: say("mips", text))
    kept = workshop.kept("mips").name
    make(kept, lambda root: workshop.bare("mips", root / "usr/bin/micropython"))
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


def provide(architecture):
    """Makes build/sysroots/ARCHITECTURE, a link to the folder that is named by version."""
    start = time.monotonic()
    name = compile_mips() if architecture == "mips" else fetch(architecture)
    link, fresh = ROOTS / architecture, ROOTS / f"{architecture}.link"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(name)
    fresh.rename(link)
    say(architecture, f"{name} is ready ({time.monotonic() - start:.0f} s)")


def provide_all(names):
    """Provides MIPS, which is compiled, while the others are fetched one by one; raises what failed first."""
    compiled, fetched = ([name for name in names if (name == "mips") == there] for there in (True, False))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for future in [pool.submit(lambda group=group: [provide(name) for name in group])
                       for group in (compiled, fetched)]:
            future.result()


def ready(name):
    """Is the processor's root there, as this recipe makes it?"""
    made = (ROOTS / name / "usr/bin").resolve()
    if not (made / "micropython").exists():
        return False
    root = (ROOTS / name).resolve().name
    return root == static.Workshop().kept(name).name if name == "mips" else root.endswith(f"-{RECIPE}")


def say(architecture, text):
    """A line of progress."""
    print(f"sysroot {architecture}: {text}" if architecture else f"sysroots: {text}", flush=True)


def main():
    """Provides the processors that are named (all, if none is) and not there yet."""
    names = [] if sys.argv[1:] == ["none"] else sys.argv[1:] or [name for name in ALL if name not in BY_NAME]
    for name in names:
        if name not in ALL:
            sys.exit(f"Error: there is no sysroot {name!r}; known: {' '.join(ALL)}")
    ROOTS.mkdir(parents=True, exist_ok=True)
    with (ROOTS / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = [name for name in names if not ready(name)]
        if not wanted:
            return
        try:
            provide_all(wanted)
            shutil.rmtree(BUILD / "apt", ignore_errors=True)
        except (ArchiveError, BuildError) as error:
            sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
