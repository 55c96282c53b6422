"""What the machine is to be: the agent's programs in ROM, a home in flash.

ROM is a read-only ext4 image: the program, the launcher, a start script.  Flash is
what is cut.
"""

import shutil
import subprocess
from pathlib import Path

from backfence.firmware_pkg import build

LAUNCHER = build.HERE / "files/usr/lib/backfence/launch"
STATIC = build.REPOSITORY / "build/firmware/static/backfence-armhf"
HOME = "/flash/backfence"
STORE = "/tmp/store"
HEAP = "2wM"
FLASH_MB = 16
ROM_MB = 8
# ext4 flushes a file before it is renamed over another, for programs that forget to;
# no other file system of routers is so kind.
MOUNT = {"ext4": "-t ext4 -o noauto_da_alloc", "f2fs": "-t f2fs"}

START = f"""#!/bin/sh
mount {{options}} /dev/vda /flash || exit 1
mkdir -p {STORE}
export MICROPYPATH={{path}}
sh /rom/launch {HOME} {HEAP} /rom/backfence >/dev/hvc0 2>&1 </dev/null &
"""


class BoxError(Exception):
    """The box's files cannot be made; the text is for a person."""


def make_rom(work, modules=None, kind="ext4"):
    """Path of a ROM image.  modules: a folder of .mpy that go before the program's own (a
    broken agent's), or None."""
    if not STATIC.exists():
        raise BoxError(f"no {STATIC}: run python -m backfence.firmware_pkg.static armhf")
    root = work / "rom"
    root.mkdir()
    shutil.copy2(STATIC, root / "backfence")
    shutil.copy2(LAUNCHER, root / "launch")
    if modules:
        shutil.copytree(modules, root / "modules")
    path = "/rom/modules:.frozen" if modules else ".frozen"
    (root / "start").write_text(START.format(options=MOUNT[kind], path=path))
    return make_image(root, work / "rom.img", ROM_MB)


def make_image(root, path, size_mb, kind="ext4"):
    """A file system's image with the contents of a folder (ext4), or an empty one (f2fs)."""
    with path.open("wb") as file:
        file.truncate(size_mb << 20)
    command = ["mke2fs", "-q", "-t", "ext4", "-d", root, path] if kind == "ext4" else ["mkfs.f2fs", "-q", path]
    if shutil.which(command[0]) is None:
        raise BoxError(f"{command[0]} is missing: install Debian's {'e2fsprogs' if kind == 'ext4' else 'f2fs-tools'}")
    subprocess.run(command, check=True, capture_output=True)
    return path


def make_flash(work, home, settings, kind="ext4"):
    """Bytes of the flash's image, with a box's home (a folder with its key and its trust)."""
    root = work / "flash"
    shutil.copytree(home, root / "backfence")
    for name in ("state", "slots"):
        (root / "backfence" / name).mkdir(exist_ok=True)
    text = "".join(f"{key} = {value}\n" for key, value in settings.items())
    (root / "backfence/agent.conf").write_text(text)
    return Path(make_image(root, work / "flash.img", FLASH_MB, kind)).read_bytes()
