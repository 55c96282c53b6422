"""What goes with a static executable: the licence texts of all that is in it, and its bill of materials."""

from pathlib import Path

from . import build, ipk, sbom

# What an executable contains beside us: source package, its licence's text, SPDX's words for it.
CONTAINED = {
    "micropython": ("LICENSE", "MIT"),
    "mbedtls": ("LICENSE", "Apache-2.0 OR GPL-2.0-or-later"),
    "musl": ("COPYRIGHT", "MIT"),
}


def licences(trees):
    """The texts (bytes): ours, and each one's of `trees` (source folders named NAME-VERSION)."""
    texts = [("backfence", (build.REPOSITORY / "LICENSE").read_text())]
    for tree in trees:
        name = tree.name.rsplit("-", 1)[0]
        texts.append((tree.name, (tree / CONTAINED[name][0]).read_text()))
    return "\n".join(f"{'=' * 80}\n{name}\n{'=' * 80}\n\n{text.strip()}\n" for name, text in texts).encode()


def write(folder, executables, trees, epoch):
    """Writes LICENCES and, for each executable (a path), its name with .cdx.json into `folder`.

    epoch: UNIX seconds of the build.
    """
    folder = Path(folder)
    (folder / "LICENCES").write_bytes(licences(trees))
    parts = []
    for tree in trees:
        name, version = tree.name.rsplit("-", 1)
        parts.append(sbom.Part(name, version, CONTAINED[name][1], True, f"pkg:generic/{name}@{version}"))
    for path in executables:
        entry = ipk.Entry(path.name, path.read_bytes(), 0o755)
        (folder / f"{path.name}.cdx.json").write_bytes(sbom.document([entry], epoch, parts))
