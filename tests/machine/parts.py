"""What the emulated machine is made of: Debian's armhf kernel, its modules, busybox.

Fetched once into build/machine, by an apt of its own, and named by version.  The
kernel is unpacked here: the machine would spend most of its boot on that.
"""

import fcntl
import lzma
import re
import shutil
import struct
import subprocess
from pathlib import Path

from backfence.firmware_pkg.debian_archive import Archive, ArchiveError

ROOT = Path(__file__).resolve().parent.parent.parent / "build" / "machine"
ARCHITECTURE = "armhf"
# Where qemu puts a raw kernel, and where Debian's armmp kernel expects to be, from the
# start of memory (its TEXT_OFFSET).
LOADED_AT = 0x10000
RUNS_AT = 0x208000
XZ_MAGIC = b"\xfd7zXZ\x00"
# What boots, mounts and talks; each brings what it depends on.
MODULES = ("crc32c_generic", "ext4", "f2fs", "virtio_blk", "virtio_net", "virtio_rng")


class PartsError(Exception):
    """The machine cannot be put together; the text is for a person."""


def provide():
    """The folder with `kernel`, `busybox` and `modules/`, made if it is not there.

    Raises PartsError.
    """
    ROOT.mkdir(parents=True, exist_ok=True)
    with (ROOT / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        current = ROOT / "current"
        if (current / "kernel").exists():
            return current.resolve()
        try:
            made = _make()
        except ArchiveError as error:
            raise PartsError(str(error)) from None
        current.unlink(missing_ok=True)
        current.symlink_to(made.name)
        return made


def _make():
    print("machine: reading Debian's package lists", flush=True)
    archive = Archive(ROOT / "apt", architectures=("amd64", ARCHITECTURE))
    archive.update()
    image = next(name for name in archive.closure("linux-image-armmp", ARCHITECTURE)
                 if re.match(r"linux-image-\d", name))
    version = image.removeprefix("linux-image-").partition(":")[0]
    print(f"machine: fetching Linux {version} and busybox (some 55 MB)", flush=True)
    part = ROOT / f"{version}.part"
    shutil.rmtree(part, ignore_errors=True)
    for package in archive.download([image, f"busybox-static:{ARCHITECTURE}"], part / "packages"):
        subprocess.run(["dpkg-deb", "--extract", package, part / "root"], check=True)
    (part / "kernel").write_bytes(with_jump(unpack_kernel(next((part / "root/boot").glob("vmlinuz-*")).read_bytes())))
    shutil.copy2(part / "root/usr/bin/busybox", part / "busybox")
    _copy_modules(part / "root/usr/lib/modules", part / "modules")
    shutil.rmtree(part / "packages")
    shutil.rmtree(part / "root")
    shutil.rmtree(archive.folder)
    made = ROOT / version
    shutil.rmtree(made, ignore_errors=True)
    part.rename(made)
    return made


def unpack_kernel(packed):
    """The kernel inside a self-extracting ARM one (zImage, xz).  PartsError."""
    at = packed.find(XZ_MAGIC)
    while at >= 0:
        unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_XZ)
        try:
            kernel = unpacker.decompress(packed[at:])
            if unpacker.eof:
                return kernel
        except lzma.LZMAError:
            pass  # the unpacking code names the magic too
        at = packed.find(XZ_MAGIC, at + 1)
    raise PartsError("the kernel is not packed as xz: tests/machine/parts.py no longer knows it")


def with_jump(kernel):
    """A kernel that qemu's loader starts: one branch instruction, then the kernel at its place."""
    distance = RUNS_AT - LOADED_AT
    branch = 0xEA000000 | (distance - 8) // 4
    return struct.pack("<I", branch) + bytes(distance - 4) + kernel


def _copy_modules(found, target):
    """Unpacks MODULES and what they depend on, and writes the order they load in."""
    paths = {path.name.partition(".")[0].replace("-", "_"): path for path in found.rglob("*.ko.xz")}
    target.mkdir()
    order = []

    def add(name):
        name = name.replace("-", "_")
        if name in order or name not in paths:
            return  # what has no file is built into the kernel
        data = lzma.decompress(paths[name].read_bytes())
        for needed in re.findall(rb"(?:^|\0)depends=([^\0]*)", data):
            for other in filter(None, needed.decode().split(",")):
                add(other)
        (target / f"{name}.ko").write_bytes(data)
        order.append(name)

    for name in MODULES:
        if name not in paths:
            raise PartsError(f"Debian's kernel has no module {name}")
        add(name)
    (target / "order").write_text(" ".join(order) + "\n")
