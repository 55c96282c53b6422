"""Static executables: MicroPython with the agent frozen in, one for each processor.

    python -m backfence.firmware_pkg.static [--twice] [PROCESSOR ...]

Makes build/firmware/static/backfence-PROCESSOR; all processors, if none is named.
What was compiled is kept under build/static, by version and recipe.  --twice builds each
again in another folder and compares.
"""

import contextlib
import fcntl
import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

from . import build, interpreter, musl, processors, steps
from .debian_archive import Archive, ArchiveError
from .processors import BuildError

OUT = build.REPOSITORY / "build/firmware/static"
WORKSHOP = build.REPOSITORY / "build/static"
PACKAGES = (interpreter.PACKAGE, interpreter.CRYPTO, musl.PACKAGE)
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


def recipe(processor):
    """Eight hexadecimal digits that change when the processor's objects would."""
    constants = (
        musl.RECIPE, musl.FLAGS, musl.FILES, interpreter.RECIPE, interpreter.FLAGS, interpreter.EXTRA_FILES,
        processor.triplet, processor.musl, processor.flags,
    )
    state = hashlib.sha256(repr(constants).encode())
    for path in sorted(interpreter.VARIANT.iterdir()):
        state.update(path.read_bytes())
    return state.hexdigest()[:8]


def freeze(folder):
    """Compiles the agent into folder/backfence, its own sequence number in it.

    Files that have not changed are not touched.
    """
    with tempfile.TemporaryDirectory() as fresh:
        made = [path.relative_to(fresh) for path in build.compile_agent(fresh, build.epoch(), lines=True)]
        for path in folder.rglob("*.mpy"):
            if path.relative_to(folder) not in made:
                path.unlink()
        for name in made:
            data = (Path(fresh) / name).read_bytes()
            target = folder / name
            if not target.exists() or target.read_bytes() != data:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)


class Workshop:
    """Where executables are built: sources and objects in `folder`; `say` takes lines of progress.

    Used by one process at a time, others wait.
    """

    def __init__(self, folder=WORKSHOP, say=lambda text: None):
        self._folder = folder
        self._say = say

    def bare(self, name, target):
        """Puts a processor's MicroPython, nothing frozen in, at `target`.  BuildError, ArchiveError."""
        with self._locked():
            self._strip(name, self._builder(name).bare(), target)

    def executable(self, name, target):
        """Puts a processor's MicroPython with the agent frozen in at `target`.  BuildError, ArchiveError."""
        with self._locked():
            builder = self._builder(name)
            self._say("compiling and freezing the agent")
            modules = self.kept(name) / "modules"
            freeze(modules)
            self._strip(name, builder.frozen(modules), target)

    def trees(self):
        """The sources of MicroPython, Mbed TLS and musl, as folders named NAME-VERSION; fetched if need be.

        ArchiveError.
        """
        sources = Sources(self._folder / "sources", self._say)
        return [sources.tree(package) for package in PACKAGES]

    def kept(self, name):
        """The folder that keeps a processor's objects: in it musl/, objects/, modules/ and log."""
        versions = [tree.name for tree in self.trees()]
        return self._folder / "-".join((name, *versions, recipe(processors.named(name))))

    @contextlib.contextmanager
    def _locked(self):
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _builder(self, name):
        processor = processors.named(name)
        processor.prefix()
        source, crypto, libc = self.trees()
        folder = self.kept(name)
        folder.mkdir(exist_ok=True)
        log = folder / "log"
        root = folder / "musl/root"
        if not root.exists():
            self._say("compiling musl")
            part = folder / "musl.part"
            shutil.rmtree(part, ignore_errors=True)
            musl.build(processor, libc, part, log)
            part.rename(folder / "musl")
        builder = interpreter.Builder(processor, source, crypto, root, folder, log)
        if not (folder / "objects/micropython").exists():
            self._say("compiling MicroPython")
            builder.bare()
        return builder

    def _strip(self, name, linked, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        prefix = processors.named(name).prefix()
        command = [f"{prefix}strip", "--strip-all", "-R", ".comment", "-o", part, linked]
        steps.run(command, self._folder, self.kept(name) / "log")
        part.rename(target)


def path_of(name, out=OUT):
    """Where a processor's executable is put."""
    return out / f"backfence-{name}"


def twice(name, target):
    """Builds a processor's executable a second time, all of it, elsewhere; BuildError if it is not `target`'s bytes."""
    with tempfile.TemporaryDirectory(prefix="backfence-twice-") as folder:
        other = Path(folder) / "another" / "workshop"
        other.mkdir(parents=True)
        (other / "sources").symlink_to(WORKSHOP / "sources")
        Workshop(other).executable(name, other / "made")
        if (other / "made").read_bytes() != target.read_bytes():
            raise BuildError(f"{target} built again in another folder has other bytes")


def main(argv):
    """Builds the executables that are named, or all; the exit code."""
    from . import notices  # its library comes with [test]; sysroots do without

    again = argv[:1] == ["--twice"]
    names = argv[again:] or list(processors.PROCESSORS)
    made = []
    try:
        for name in names:
            processors.named(name).prefix()  # what is missing is said before the first is built
        for name in names:
            workshop = Workshop(say=lambda text, name=name: print(f"static {name}: {text}", flush=True))
            target = path_of(name)
            workshop.executable(name, target)
            made.append(target)
            data = target.read_bytes()
            print(f"{target.relative_to(build.REPOSITORY)}: {len(data)} bytes,"
                  f" sha256 {hashlib.sha256(data).hexdigest()}")
            if again:
                twice(name, target)
                print("built again in another folder: the same bytes")
        notices.write(OUT, made, workshop.trees(), build.epoch())
    except (BuildError, build.BuildError, ArchiveError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
