"""What OpenWrt's package manager does to a root, step by step, in its order.

Observed of opkg itself (libopkg/opkg_install.c, opkg_remove.c): scripts are called
with PKG_UPGRADE; a configuration file that the person changed is kept, the package's
own goes beside it as FILE-opkg; folders stay.
"""

import hashlib
import io
import tarfile

INFO = "usr/lib/opkg/info"
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


class Package:
    """A package that is unpacked in memory."""

    def __init__(self, path):
        with tarfile.open(path, mode="r:gz") as outer:
            self.control = _members(outer.extractfile("./control.tar.gz").read())
            self.data = _members(outer.extractfile("./data.tar.gz").read())
        fields = dict(line.split(": ", 1) for line in self.control["control"][1].decode().splitlines())
        self.name, self.version = fields["Package"], fields["Version"]
        conffiles = self.control.get("conffiles", (None, b""))[1]
        self.conffiles = [name.lstrip("/") for name in conffiles.decode().split()]

    def files(self):
        """{path: (TarInfo, bytes)} of what is no folder."""
        return {name: member for name, member in self.data.items() if member[0].isfile()}


def _members(data):
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for info in archive.getmembers():
            name = info.name.removeprefix("./").removeprefix(".")
            if name:
                found[name] = (info, archive.extractfile(info).read() if info.isfile() else None)
    return found


def _script(root, package, name, *words, upgrade=False):
    if name not in package.control:
        return ""
    run = root.run(f"/{INFO}/{package.name}.{name}", *words, PKG_ROOT="/", PKG_UPGRADE=str(int(upgrade)))
    assert run.returncode == 0, f"{name} {words}: {run.stdout}"
    return run.stdout


def _changed(root, package, name):
    return (root.folder / name).read_bytes() != package.data[name][1]


def _unpack(root, package, changed):
    for name, (info, data) in package.data.items():
        if info.isdir():
            (root.folder / name).mkdir(exist_ok=True)
        else:
            root.write(name + ("-opkg" if name in changed else ""), data, info.mode)
    for name, (_, data) in package.control.items():
        root.write(f"{INFO}/{package.name}.{name}", data, 0o755 if name in SCRIPTS else 0o644)
    root.write(f"{INFO}/{package.name}.list", "".join(f"/{name}\n" for name in package.files()))


def _delete(root, package, keep=()):
    for name in package.files():
        if name not in keep:
            (root.folder / name).unlink()
    for path in (root.folder / INFO).glob(f"{package.name}.*"):
        path.unlink()


def install(root, package):
    """`opkg install`: unpacks and configures; what the scripts said."""
    _unpack(root, package, ())
    return _script(root, package, "postinst", "configure")


def upgrade(root, old, new, between=lambda: None):
    """`opkg install` of a newer one; `between` is called when the new files are there
    and the new postinst is still to come."""
    said = _script(root, old, "prerm", "upgrade", new.version)
    changed = {name for name in old.conffiles if _changed(root, old, name)}
    said += _script(root, old, "postrm", "upgrade", new.version)
    _delete(root, old, keep=changed)
    _unpack(root, new, changed)
    between()
    return said + _script(root, new, "postinst", "configure", upgrade=True)


def remove(root, package):
    """`opkg remove`; what the scripts said."""
    said = _script(root, package, "prerm", "remove")
    changed = {name for name in package.conffiles if _changed(root, package, name)}
    postrm = package.control["postrm"][1]
    _delete(root, package, keep=changed)
    root.write("tmp/postrm", postrm, 0o755)  # opkg calls it before it deletes it
    said += root.run("/tmp/postrm", "remove", PKG_ROOT="/", PKG_UPGRADE="0").stdout
    (root.folder / "tmp/postrm").unlink()
    return said


def digest(root, names):
    """{path: SHA-256} of files, folders with all they hold."""
    found = {}
    for name in names:
        path = root.folder / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                found[str(file.relative_to(root.folder))] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found
