"""Puts WebAssembly's own tests under build/specification.

    specification.py

They come with the source of Debian's binaryen, of the release below: later ones
leave most of them out.  What is there is not fetched again.
"""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from backfence.firmware_pkg.debian_archive import Archive, ArchiveError

BUILD = Path(__file__).resolve().parent.parent.parent / "build"
SUITE = "bookworm"
PACKAGE = "binaryen"
# What it must have, so that a package that lost its tests is found out at once.
LEAST_FILES = 100


def provide(folder):
    """Makes FOLDER/wast, the .wast files, and FOLDER/version; nothing is left half-made."""
    archive = Archive(folder / "apt", SUITE, ())
    print(f"specification: reading Debian's package lists for {PACKAGE}", flush=True)
    archive.update()
    version = archive.version(PACKAGE)
    tar = archive.source(PACKAGE, folder / "download")
    made = folder / "wast.part"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    inside = ["--strip-components=3", "--wildcards", "*/test/spec/*.wast"]
    run = subprocess.run(["tar", "-xf", tar, "-C", made, *inside], capture_output=True, text=True)
    if run.returncode or len(list(made.glob("*.wast"))) < LEAST_FILES:
        raise ArchiveError(f"{PACKAGE} {version} does not hold WebAssembly's tests: {run.stderr.strip()}")
    (folder / "version").write_text(version + "\n")
    made.rename(folder / "wast")
    for name in ("apt", "download"):
        shutil.rmtree(folder / name)
    print(f"specification: the tests of {PACKAGE} {version} are ready", flush=True)


def main():
    """Provides the tests, if they are not there yet."""
    folder = BUILD / "specification"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "wast").exists():
            return
        try:
            provide(folder)
        except ArchiveError as error:
            sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
