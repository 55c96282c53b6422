"""The Debian package: dpkg itself installs, upgrades, removes and purges it in a root of its processor."""

import configparser
import os
import re
import shutil
import subprocess

import pytest
from backfence.bootstrap.operator import fleet
from backfence.firmware_pkg import build, debian, openwrt
from openwrt import Root, as_root, chroot
from test_installed import enrol_key, free_port, wait_for_status

EPOCH = 1_700_000_000
HOME = "var/lib/backfence"


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Two releases: the paths of the older and the newer package."""
    folder = tmp_path_factory.mktemp("packages")
    compiled = openwrt.modules(folder / "modules", EPOCH)
    older = debian.package(folder / "older", folder / "work", compiled, EPOCH)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "version", lambda: "0.1.0-2")
        newer = debian.package(folder / "newer", folder / "work", compiled, EPOCH + 1)
    return older, newer


def lab(folder, processor):
    """A root with a package database that says MicroPython is installed."""
    root = Root(folder, processor)
    if (root.folder / "usr/bin/perl").exists() and root.emulated:
        root.emulate("usr/bin/perl", '/usr/bin/perl.real "$@"')
    (root.folder / "usr/bin/install").symlink_to("/usr/bin/busybox")
    system = root.system.name.removeprefix(processor + "-").rsplit("-", 1)[0]
    for name in ("updates", "info", "triggers"):
        (root.folder / "var/lib/dpkg" / name).mkdir(parents=True)
    # This machine's dpkg holds the root's processor for its own.
    own = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout
    root.write("var/lib/dpkg/status", (
        f"Package: micropython\nStatus: install ok installed\nArchitecture: {own.strip()}\n"
        f"Maintainer: x <x@x.invalid>\nVersion: {system}\nDescription: x\n"))
    return root


def dpkg(root, *words):
    """Runs this machine's dpkg on the root, whose own scripts it calls there."""
    run = subprocess.run(
        [*as_root("dpkg"), f"--root={root.folder}", "--log=/dev/null", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"},
    )
    assert run.returncode == 0, run.stdout
    return run.stdout


def state(root):
    """What dpkg's database says of the package."""
    found = re.search(r"Package: backfence\nStatus: (.*)\n", root.read("var/lib/dpkg/status"))
    return found and found[1]


def started(root):
    """The unit's own command, run as systemd would, without its hardening; the process."""
    unit = configparser.RawConfigParser(strict=False, delimiters=("=",))
    unit.optionxform = str
    unit.read_string(root.read(debian.UNIT))
    variables = {
        "STATE_DIRECTORY": f"/{HOME}", "CREDENTIALS_DIRECTORY": "/etc/backfence",
        **dict([unit["Service"]["Environment"].split("=", 1)]),
    }
    for name in (HOME, "run/backfence"):  # StateDirectory=, RuntimeDirectory=
        (root.folder / name).mkdir(parents=True, exist_ok=True)
    lines = []
    for line in (unit["Service"]["ExecStartPre"], unit["Service"]["ExecStart"]):
        for name, value in variables.items():
            line = line.replace("${%s}" % name, value)
        lines.append(line)
    return subprocess.Popen(
        [*chroot(root.folder), "/bin/sh", "-c", f"{lines[0]} && exec {lines[1]}"],
        env={"PATH": "/usr/bin:/bin", **variables}, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )


@pytest.mark.parametrize("name", ["amd64", "armhf"])
def test_dpkg_installs_upgrades_removes_and_purges(packages, tmp_path, name):
    older, newer = packages
    root = lab(tmp_path / "root", name)
    before = root.paths()
    dpkg(root, "--install", str(older))
    assert state(root) == "install ok installed"
    link = root.folder / "etc/systemd/system/multi-user.target.wants/backfence.service"
    assert os.readlink(link) in ("/lib/systemd/system/backfence.service", "/usr/lib/systemd/system/backfence.service")

    # The person's configuration and the box's key outlive an upgrade and a removal.
    own = root.read(debian.CONFIGURATION) + f"listen = 127.0.0.1:{free_port()}\nstatus_ms = 200\n"
    root.write(debian.CONFIGURATION, own, 0o600)
    process = started(root)
    try:
        said, key = "", None
        while not key:
            line = process.stdout.readline()
            said += line
            key = re.search(r"whose public key is ([0-9a-f]{64})$", said, re.M)
            assert key or line and "the next start is in" not in line, said
        process.terminate()
        assert process.wait(60) == 0
        operator = fleet.create(str(tmp_path / "fleet"), width=4)
        name, proof = enrol_key(operator, key[1], tmp_path)
        shutil.copy(proof, root.folder / HOME / "trust.cbor")
        process = started(root)
        assert name in wait_for_status(root, HOME)
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.stdout.close()
    kept = {path: (root.folder / HOME / path).read_bytes() for path in ("box.key", "trust.cbor")}
    dpkg(root, "--install", str(newer))
    assert "Version: 0.1.0-2\n" in root.read("var/lib/dpkg/status") and link.is_symlink()
    dpkg(root, "--remove", "backfence")
    assert state(root) == "deinstall ok config-files"
    assert root.read(debian.CONFIGURATION) == own
    assert {path: (root.folder / HOME / path).read_bytes() for path in kept} == kept
    assert not (root.folder / "usr/lib/backfence").exists()
    dpkg(root, "--purge", "backfence")
    assert state(root) is None
    left = {path for path in root.paths() - before if (root.folder / path).is_file()}
    assert {path for path in left if not path.startswith(("var/lib/dpkg/", "run/", "tmp/", "dev/"))} == set()
    assert not (root.folder / HOME).exists() and not link.is_symlink()
