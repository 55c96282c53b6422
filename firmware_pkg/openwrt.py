"""OpenWrt's package: what is in it, and what it tells the package manager."""

from pathlib import Path

from . import build, ipk, sbom

# Where OpenWrt's own packages have what we call the program and the files around it.
FILES = build.HERE / "files"
PROGRAMS = ("etc/init.d/backfence", "usr/lib/backfence/launch")
# It may hold the broker's password.
PRIVATE = ("etc/config/backfence",)
SBOM = "usr/share/sbom/backfence.cdx.json"
LICENCE = "usr/share/licenses/backfence/LICENSE"
DEPENDS = "micropython | micropython-nossl"
DESCRIPTION = "Agent of Backfence, a peer-to-peer cloud on an ISP's own boxes"
# opkg leaves folders behind.  The store is memory; what the agent keeps on flash stays.
REMOVED = (
    '[ "${PKG_UPGRADE}" = "1" ] || [ "$1" = upgrade ] ||'
    " rm -rf /tmp/backfence /usr/lib/backfence /usr/share/licenses/backfence\n"
)


def control():
    """The control fields, in OpenWrt's order."""
    return [
        ("Package", "backfence"),
        ("Version", build.version()),
        ("Depends", DEPENDS),
        ("License", "Apache-2.0"),
        ("Section", "net"),
        ("Require-User", "backfence:backfence"),
        ("Architecture", "all"),
        ("Description", DESCRIPTION),
    ]


def scripts():
    """OpenWrt's default scripts: they enable and start the service, and stop it again."""
    functions = "${IPKG_INSTROOT}/lib/functions.sh"
    body = f'[ -s "{functions}" ] || exit 0\n. "{functions}"\n'
    skip = '[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0\n'
    return [
        ipk.Entry("postinst", f'#!/bin/sh\n{skip}{body}default_postinst "$0" "$@"\n'.encode(), 0o755),
        ipk.Entry("prerm", f'#!/bin/sh\n{body}default_prerm "$0" "$@"\n'.encode(), 0o755),
        ipk.Entry("postrm", f"#!/bin/sh\n{REMOVED}".encode(), 0o755),
        ipk.Entry("conffiles", b"/etc/config/backfence\n"),
    ]


def modules(work_dir, epoch):
    """The agent's modules as they are installed, an ipk.Entry list; compiled in work_dir.

    epoch: UNIX seconds of the build, the agent's own sequence number.
    """
    compiled = build.compile_agent(work_dir, epoch)
    return [ipk.Entry(f"{build.LIBRARY}/{path.relative_to(work_dir)}", path.read_bytes()) for path in compiled]


def entries(compiled, epoch):
    """All that is installed, as ipk.Entry list; `compiled` are modules() of the same epoch."""
    found = list(compiled)
    for path in sorted(FILES.rglob("*")):
        name = str(path.relative_to(FILES))
        if path.is_file():
            mode = 0o755 if name in PROGRAMS else 0o600 if name in PRIVATE else 0o644
            found.append(ipk.Entry(name, path.read_bytes(), mode))
    found.append(ipk.Entry(LICENCE, (build.REPOSITORY / "LICENSE").read_bytes()))
    parts = sbom.packaged_micropython()
    found.append(ipk.Entry(SBOM, sbom.document(found, epoch, parts, with_files=False)))
    return found


def package(out_dir, compiled, epoch):
    """Builds the agent's .ipk in out_dir of modules() of the same epoch; returns its path.

    Beside it lies its bill of materials with each file's hash, as .cdx.json.

    The bytes depend on the sources, mpy-cross and epoch (UNIX seconds) alone.
    """
    found = entries(compiled, epoch)
    target = Path(out_dir) / f"backfence_{build.version()}_all.ipk"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(ipk.build(control(), scripts(), found, epoch))
    target.with_suffix(".cdx.json").write_bytes(sbom.document(found, epoch, sbom.packaged_micropython()))
    return target
