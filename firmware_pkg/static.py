"""Static executables: MicroPython with the agent frozen in, one for each processor.

    python -m backfence.firmware_pkg.static [PROCESSOR ...]

Makes build/firmware/static/backfence-PROCESSOR; all processors, if none is named.
What was compiled is kept under build/static, by version and recipe.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import build, interpreter, musl, processors, steps
from .debian_archive import Archive, ArchiveError
from .processors import BuildError

OUT = build.REPOSITORY / "build/firmware/static"
WORKSHOP = build.REPOSITORY / "build/static"
# What the objects depend on beside Debian's sources and compilers.
RECIPE = (
    "interpreter.py", "musl.py", "processors.py", "variant/mpconfigvariant.h", "variant/mpconfigvariant.mk",
)


class Sources:
    """The unpacked sources of Debian's packages, in a folder, fetched when they are first asked for."""

    def __init__(self, folder, say):
        self.folder = folder
        self._say = say
        self._archive = None

    def tree(self, package):
        """The folder that holds a package's source.  ArchiveError."""
        kept = self.folder / package
        if not kept.exists():
            if self._archive is None:
                self._say("reading Debian's package lists")
                self._archive = Archive(self.folder / "apt", architectures=())
                self._archive.update()
            part = self.folder / f"{package}.part"
            shutil.rmtree(part, ignore_errors=True)
            self._say(f"fetching the source of {package} {self._archive.version(package)}")
            self._archive.source_tree(package, part, patched=package == musl.PACKAGE)
            part.rename(kept)
        return next(path for path in kept.iterdir() if path.is_dir())


def recipe():
    """Eight hexadecimal digits that change when the objects would."""
    state = hashlib.sha256()
    for name in RECIPE:
        state.update((build.HERE / name).read_bytes())
    return state.hexdigest()[:8]


def freeze(folder):
    """Compiles the agent into folder/backfence, its own sequence number in it; what has not changed is not touched."""
    with tempfile.TemporaryDirectory() as fresh:
        made = [path.relative_to(fresh) for path in build.compile_agent(fresh, build.epoch())]
        for path in folder.rglob("*.mpy"):
            if path.relative_to(folder) not in made:
                path.unlink()
        for name in made:
            data = (Path(fresh) / name).read_bytes()
            target = folder / name
            if not target.exists() or target.read_bytes() != data:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)


def make(name, out=OUT, workshop=WORKSHOP, say=lambda text: None):
    """Builds out/backfence-NAME; returns its path.  BuildError, ArchiveError."""
    processor = processors.named(name)
    prefix = processor.prefix()
    workshop.mkdir(parents=True, exist_ok=True)
    with (workshop / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sources = Sources(workshop / "sources", say)
        source, libc = sources.tree(interpreter.PACKAGE), sources.tree(musl.PACKAGE)
        folder = workshop / f"{name}-{source.name}-{libc.name}-{recipe()}"
        folder.mkdir(exist_ok=True)
        log = folder / "log"
        if not (folder / "musl/root").exists():
            say("compiling musl")
            part = folder / "musl.part"
            shutil.rmtree(part, ignore_errors=True)
            musl.build(processor, libc, part, log)
            part.rename(folder / "musl")
        say("compiling MicroPython and the agent")
        freeze(folder / "modules")
        linked = interpreter.build(processor, source, folder / "musl/root", folder / "modules", folder, log)
        out.mkdir(parents=True, exist_ok=True)
        target = out / f"backfence-{name}"
        steps.run([f"{prefix}strip", "--strip-all", "-R", ".comment", "-o", target, linked], folder, log)
    return target


def main():
    """Builds the executables that are named, or all; prints path, size and hash of each."""
    names = sys.argv[1:] or list(processors.PROCESSORS)
    try:
        for name in names:
            target = make(name, say=lambda text, name=name: print(f"static {name}: {text}", flush=True))
            data = target.read_bytes()
            print(f"{target.relative_to(build.REPOSITORY)}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    except (BuildError, build.BuildError, ArchiveError, OSError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
