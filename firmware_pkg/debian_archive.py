"""Debian's packages for any processor, and its sources, without touching the system's apt.

An apt configuration of its own: own lists, own cache, an empty package
database.  The mirror is the one the machine's own sources name.  The builds and
the tests' set-up fetch by it.
"""

import os
import subprocess

SUITE = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What apt takes for the machine's own where only sources are asked.
NATIVE = ("amd64",)


class ArchiveError(Exception):
    """Debian's archive did not give what was asked; the text is for a person."""


def mirrors():
    """The base addresses of the machine's Debian sources, the main archive first."""
    targets = _run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(SITE)", "Created-By: Packages"]
    )
    sites = []
    for line in targets.splitlines():
        release, component, site = line.split(maxsplit=2)
        if component == "main" and "security" not in release and site not in sites:
            sites.append(site)
    if not sites:
        raise ArchiveError("the machine's apt sources name no Debian mirror (component main)")
    return sites


class Archive:
    """A suite in `folder`: packages for some architectures (with none: not any), and sources."""

    def __init__(self, folder, suite=SUITE, architectures=NATIVE):
        self.folder = folder
        self.suite = suite
        self.architectures = architectures
        self.options = []

    def update(self):
        """Reads the package lists from the first mirror that has the suite, signed."""
        if not os.path.exists(KEYRING):
            raise ArchiveError("Debian's keyring is missing: install debian-archive-keyring")
        for name in ("state/lists/partial", "cache/archives/partial", "download"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        (self.folder / "empty").touch()
        settings = {
            "Dir::State": self.folder / "state",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder / "cache",
            # Containers' apt is told to keep none, and would read all lists at each call.
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferences": self.folder / "empty",
            "Dir::Etc::preferencesparts": "-",
            "APT::Architecture": (self.architectures or NATIVE)[0],
            "APT::Architectures": ",".join(self.architectures or NATIVE),
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
        }
        self.options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        problems = []
        for site in mirrors():
            kinds = [f"deb [arch={','.join(self.architectures)} "] if self.architectures else []
            kinds.append("deb-src [")
            lines = [f"{kind}signed-by={KEYRING}] {site} {self.suite} main\n" for kind in kinds]
            (self.folder / "sources.list").write_text("".join(lines))
            try:
                self._apt("apt-get", "update")
                return
            except ArchiveError as error:
                problems.append(str(error))
        raise ArchiveError("; ".join(problems))

    def version(self, package):
        """The version of a source package."""
        for line in self._apt("apt-cache", "showsrc", "--only-source", package).splitlines():
            if line.startswith("Version: "):
                return line.split()[1]
        raise ArchiveError(f"{self.suite} has no source package {package}")

    def closure(self, package, architecture):
        """The names of a package and of all that it depends on."""
        kinds = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
        text = self._apt(
            "apt-cache", "depends", "--recurse", *(f"--no-{kind}" for kind in kinds),
            f"{package}:{architecture}",
        )
        names = [line for line in text.splitlines() if not line.startswith((" ", "|", "<"))]
        return [name if ":" in name else f"{name}:{architecture}" for name in names]

    def download(self, packages, folder):
        """Fetches .deb files, their hashes checked against the signed lists; returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        self._apt("apt-get", "download", *packages, folder=folder)
        return sorted(folder.glob("*.deb"))

    def source(self, package, folder):
        """Fetches a source package's upstream files; returns the main tar's path."""
        folder.mkdir(parents=True, exist_ok=True)
        self._apt("apt-get", "source", "--tar-only", "--download-only", "--only-source", package, folder=folder)
        return _tar(folder, "orig")

    def source_tree(self, package, folder, patched):
        """Unpacks a source package, Debian's patches applied if `patched`; returns its tree, a folder in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self._apt("apt-get", "source", "--download-only", "--only-source", package, folder=folder)
        _run(["tar", "--extract", "--file", _tar(folder, "orig")], folder)
        tree = next(path for path in folder.iterdir() if path.is_dir())
        if patched:
            _run(["tar", "--extract", "--file", _tar(folder, "debian")], tree)
            for name in (tree / "debian/patches/series").read_text().split():
                # Outside of any repository, git patches files as the program `patch` does.
                _run(["git", "apply", f"debian/patches/{name}"], tree, GIT_CEILING_DIRECTORIES=str(tree.parent))
        return tree

    def _apt(self, program, *arguments, folder=None):
        return _run([program, "-q", *self.options, *arguments], folder)


def _tar(folder, part):
    """The path of a source package's part, "orig" or "debian"; its signature may lie beside it."""
    paths = [path.resolve() for path in folder.glob(f"*.{part}.tar.*")]
    return next(path for path in paths if path.suffix != ".asc")


def _run(command, folder=None, **environment):
    run = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    if run.returncode:
        words = [line for line in run.stderr.splitlines() if line.startswith("E:")] or [run.stderr.strip()]
        raise ArchiveError(f"{command[0]}: {words[0]}")
    return run.stdout


