"""The signed index of a package feed, as opkg reads it."""

import hashlib
import io
import tarfile
from pathlib import Path

from . import ipk, usign

KEY_HINT = "FEED_KEY=FILE signs with your own; `python -m backfence.firmware_pkg key FILE` makes one"


def _control(data):
    """The text of a package's control file."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as outer:
        inner = outer.extractfile("./control.tar.gz").read()
    with tarfile.open(fileobj=io.BytesIO(inner), mode="r:gz") as archive:
        return archive.extractfile("./control").read().decode()


def index(packages):
    """`Packages` (bytes) of .ipk files: each one's control fields, with name, size and hash.

    They stand before the description, as OpenWrt's own index has them.
    """
    paragraphs = []
    for path in sorted(packages, key=lambda path: path.name):
        data = path.read_bytes()
        found = (
            f"Filename: {path.name}\nSize: {len(data)}\n"
            f"SHA256sum: {hashlib.sha256(data).hexdigest()}\n"
        )
        fields = _control(data)
        before, description, after = fields.partition("Description:")
        paragraphs.append(before + found + description + after)
    return "\n".join(text + "\n" for text in paragraphs).encode()


def write(folder, packages, key):
    """Writes Packages, Packages.gz, Packages.sig and the public key into the packages' folder.

    key: usign.Key.  Returns the index's path.
    """
    folder = Path(folder)
    text = index(packages)
    (folder / "Packages").write_bytes(text)
    (folder / "Packages.gz").write_bytes(ipk.gzip(text))
    (folder / "Packages.sig").write_bytes(key.sign(text))
    for old in folder.glob("keys/*"):
        old.unlink()
    (folder / "keys").mkdir(exist_ok=True)
    (folder / "keys" / key.number.hex()).write_bytes(key.public_file())
    return folder / "Packages"


def signing_key(named, lab_path):
    """(usign.Key, a note for a person or None): the named key file's, else the lab's own.

    named: a path or "".  lab_path: where the lab's key is kept; it is made if it is
    not there.  usign.UsignError, OSError.
    """
    if named:
        return usign.Key.load(named), None
    lab_path = Path(lab_path)
    if not lab_path.exists():
        lab_path.parent.mkdir(parents=True, exist_ok=True)
        usign.Key.make().save(lab_path)
    note = f"the feed is signed by a lab key, {lab_path}, that this build made for itself: {KEY_HINT}"
    return usign.Key.load(lab_path), note
