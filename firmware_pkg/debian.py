"""A Debian package of the agent, for a lab: the same modules, under systemd."""

import hashlib
import os
import shutil
import subprocess
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from . import build, ipk, openwrt, sbom

HERE = build.HERE / "debian_files"
DOCUMENTS = "usr/share/doc/backfence"
UNIT = "usr/lib/systemd/system/backfence.service"
CONFIGURATION = "etc/backfence/agent.conf"
SCRIPTS = ("postinst", "prerm", "postrm")


def entries(compiled, epoch):
    """All that is installed, as ipk.Entry list; `compiled` are openwrt.modules() of the same epoch."""
    found = list(compiled)
    for name, source, mode in (
        ("usr/lib/backfence/launch", openwrt.FILES / "usr/lib/backfence/launch", 0o755),
        (UNIT, HERE / "backfence.service", 0o644),
        (CONFIGURATION, HERE / "agent.conf", 0o600),  # it may hold the broker's password
        (f"{DOCUMENTS}/copyright", HERE / "copyright", 0o644),
        (f"{DOCUMENTS}/README", HERE / "README", 0o644),
        ("usr/share/lintian/overrides/backfence", HERE / "overrides", 0o644),
    ):
        found.append(ipk.Entry(name, source.read_bytes(), mode))
    found.append(ipk.Entry(f"{DOCUMENTS}/changelog.Debian.gz", ipk.gzip(_changelog(epoch))))
    parts = sbom.packaged_micropython()
    found.append(ipk.Entry(f"{DOCUMENTS}/backfence.cdx.json", sbom.document(found, epoch, parts, with_files=False)))
    return found


def _changelog(epoch):
    date = format_datetime(datetime.fromtimestamp(epoch, UTC))
    return (
        f"backfence ({build.version()}) unstable; urgency=medium\n\n"
        f"  * Built from the sources of version {build.version()}.\n\n"
        f" -- Backfence <maintainer@backfence.invalid>  {date}\n"
    ).encode()


def package(out_dir, work_dir, compiled, epoch):
    """Builds the .deb in out_dir, laid out in work_dir; returns its path.

    compiled: openwrt.modules() of the same epoch.  The bytes depend on the sources, mpy-cross, dpkg-deb and epoch (UNIX seconds) alone.
    Raises build.BuildError.
    """
    if shutil.which("dpkg-deb") is None:
        raise build.BuildError("dpkg-deb is missing: the Debian package is built on Debian (install dpkg)")
    found = entries(compiled, epoch)
    root = Path(work_dir) / "root"
    shutil.rmtree(root, ignore_errors=True)
    sums = [(entry.path, hashlib.md5(entry.data, usedforsecurity=False).hexdigest()) for entry in found]
    size = sum(-(-len(entry.data) // 1024) for entry in found)
    control = (HERE / "control").read_text().replace("@VERSION@", build.version()).replace("@SIZE@", str(size))
    about = [
        ipk.Entry("DEBIAN/control", control.encode()),
        ipk.Entry("DEBIAN/conffiles", f"/{CONFIGURATION}\n".encode()),
        ipk.Entry("DEBIAN/md5sums", "".join(
            f"{md5}  {path}\n" for path, md5 in sorted(sums) if path != CONFIGURATION).encode()),
        *(ipk.Entry(f"DEBIAN/{name}", (HERE / name).read_bytes(), 0o755) for name in SCRIPTS),
    ]
    _lay_out(root, [*found, *about], epoch)
    target = Path(out_dir) / f"backfence_{build.version()}_all.deb"
    target.parent.mkdir(parents=True, exist_ok=True)
    run = subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zxz", "-z6", "--threads-max=1", "--build", root, target],
        capture_output=True, text=True, env=dict(os.environ, SOURCE_DATE_EPOCH=str(epoch), LC_ALL="C.UTF-8"),
    )
    if run.returncode:
        raise build.BuildError(f"dpkg-deb: {run.stderr.strip().splitlines()[-1]}")
    return target


def _lay_out(root, found, epoch):
    """Writes the entries below root, each with its mode and the build's time."""
    for entry in found:
        path = root / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.data)
        path.chmod(entry.mode)
    for path in [root, *root.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
        os.utime(path, (epoch, epoch))
