"""A feed folder, from which OpenWrt's build system or SDK makes the package itself.

The modules go in as source and are compiled there, by the mpy-cross that OpenWrt's
micropython package leaves in the staging folder: the package needs micropython at run
time, so that build is made anyway, bytecode and interpreter are of one version
whatever the tree's is, and who builds the firmware builds all of it from source.
"""

import shutil
from pathlib import Path

from . import build, openwrt

HERE = build.HERE / "sdk_files"
# What a file of the package is called in the feed folder, by OpenWrt's custom.
NAMES = {
    "etc/init.d/backfence": "backfence.init",
    "etc/config/backfence": "backfence.config",
    "lib/upgrade/keep.d/backfence": "backfence.keep",
    "usr/lib/backfence/launch": "backfence.launch",
    openwrt.SBOM: "backfence.cdx.json",
}


def makefile(epoch):
    """The package's Makefile, as text."""
    upstream, release = build.version().rsplit("-", 1)
    values = {
        "VERSION": build.version(), "UPSTREAM": upstream, "RELEASE": release, "EPOCH": epoch,
        "BITS": build.SMALL_INT_BITS, "DESCRIPTION": openwrt.DESCRIPTION,
        "REMOVED": openwrt.REMOVED.strip().replace("$", "$$"),
    }
    text = (HERE / "Makefile").read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def write(folder, entries, epoch):
    """Writes the feed folder anew: folder/backfence/...; returns folder/backfence.

    entries: what openwrt.entries() gave for this epoch (UNIX seconds).
    """
    package = Path(folder) / "backfence"
    shutil.rmtree(package, ignore_errors=True)
    texts = {"Makefile": makefile(epoch).encode()}
    for name in ("test.sh", "test-version.sh"):
        texts[name] = (HERE / name).read_bytes()
    for entry in entries:
        if entry.path in NAMES:
            texts["files/" + NAMES[entry.path]] = entry.data
    for source in build.sources():
        texts[f"src/backfence/{source}"] = (build.REPOSITORY / source).read_bytes()
    texts[f"src/backfence/{build.RELEASE}"] = build.release_source(epoch).encode()
    texts["src/compile.sh"] = (HERE / "compile.sh").read_bytes()
    texts["src/LICENSE"] = (build.REPOSITORY / "LICENSE").read_bytes()
    for name, data in texts.items():
        target = package / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(0o755 if name.endswith(".sh") else 0o644)
    return package
