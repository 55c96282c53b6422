"""The package on a box of each processor: installed, enrolled, started, upgraded, removed."""

import re
import shutil
import socket
import time

import opkg
import pytest
from backfence.bootstrap.operator import enrol, fleet, register
from backfence.firmware_pkg import build, openwrt as package
from openwrt import Root

ROOTS = ["amd64", "armhf", "s390x", "mips"]
# Where the agent is started again after the upgrade: once at this machine's speed, once with 32 bits.
RESTARTED = ("amd64", "armhf")
KEPT = ("etc/backfence/box.key", "etc/backfence/trust.cbor", "etc/backfence/state", "etc/backfence/slots")
EPOCH = 1_700_000_000


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Two releases of the package: opkg.Package of the older and the newer one."""
    folder = tmp_path_factory.mktemp("packages")
    compiled = package.modules(folder / "work", EPOCH)
    older = opkg.Package(package.package(folder / "older", compiled, EPOCH))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "version", lambda: "0.1.0-2")
        newer = opkg.Package(package.package(folder / "newer", compiled, EPOCH + 1))
    return older, newer


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    return fleet.create(str(tmp_path_factory.mktemp("fleet") / "fleet"), width=4)


def enrol_key(operator, key, folder):
    """Enrols the box with a public key in hexadecimal; its identity in hexadecimal, and where its trust.cbor lies."""
    (folder / "keys.csv").write_text(key + "\n")
    enrol.take(operator, str(folder / "keys.csv"), str(folder / "enrolled"))
    name = register.box_id(bytes.fromhex(key)).hex()
    return name, folder / "enrolled" / name / "trust.cbor"


def free_port():
    """A UDP port of the loopback interface that nobody uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_status(root, home="etc/backfence", limit_s=200):
    """Waits until the agent has said how it is; its words."""
    path = root.folder / home / "status.json"
    end = time.monotonic() + limit_s
    while not path.exists():
        said = root.read("tmp/agent.log")  # the launcher's and the agent's; they have nothing to say
        assert not said and time.monotonic() < end, f"no status.json: {said} {root.read('tmp/log')}"
        time.sleep(0.1)
    return path.read_text()


@pytest.mark.parametrize("name", ROOTS)
def test_a_box_is_installed_enrolled_upgraded_and_cleared(packages, operator, tmp_path, name):
    older, newer = packages
    root = Root(tmp_path / "root", name)
    before = root.paths()

    # Installed: enabled, and as it has no enrolment, its key is told and nothing runs.
    opkg.install(root, older)
    assert (root.folder / "etc/rc.d/S95backfence").is_symlink()
    assert "backfence:x:" in root.read("etc/passwd")
    key = re.search(r"whose public key is ([0-9a-f]{64})$", root.read("tmp/log"), re.M)
    assert key, root.read("tmp/log")
    assert (root.folder / "etc/backfence/box.key").stat().st_mode & 0o777 == 0o600
    assert not (root.folder / "tmp/procd.pid").exists()

    # Enrolled and configured: the agent runs under the launcher.
    name, proof = enrol_key(operator, key[1], tmp_path)
    shutil.copy(proof, root.folder / "etc/backfence/trust.cbor")
    own = root.read("etc/config/backfence") + f"option listen '127.0.0.1:{free_port()}'\noption status_ms '200'\n"
    root.write("etc/config/backfence", own, 0o600)
    root.write("tmp/procd.run", "")
    _, run = root.service("start")
    assert run.returncode == 0, run.stdout
    try:
        assert name in wait_for_status(root)

        # Upgraded: stopped in good order, all that was kept is the same, and it runs again.
        seen = {}

        def between():
            assert not (root.folder / "tmp/procd.pid").exists()
            assert root.read("etc/config/backfence") == own
            seen.update(opkg.digest(root, KEPT))
            (root.folder / "etc/backfence/status.json").unlink()
            if name not in RESTARTED:
                (root.folder / "tmp/procd.run").unlink()

        kept = opkg.digest(root, KEPT[:2])
        opkg.upgrade(root, older, newer, between)
        assert kept.items() <= seen.items() and any("state" in path for path in seen)
        if name in RESTARTED:
            assert name in wait_for_status(root)
        assert opkg.digest(root, KEPT[:2]) == kept
        assert (root.folder / "etc/config/backfence-opkg").exists()
        assert root.read(f"{opkg.INFO}/backfence.control").splitlines()[1] == "Version: 0.1.0-2"
    finally:
        # Removed: what is left is what the keep list names, and what the person wrote.
        opkg.remove(root, newer)
    assert opkg.digest(root, KEPT[:2]) == kept
    left = {path for path in root.paths() - before if not path.startswith(("etc/backfence", "tmp/"))}
    folders = {path for path in left if (root.folder / path).is_dir()}
    assert left - folders == {"etc/config/backfence", "etc/config/backfence-opkg"}
    assert not [path for path in folders if path.endswith("backfence")]
    assert not (root.folder / "tmp/backfence").exists()
    assert "killed_hard" not in root.read("tmp/procd.log")
    assert root.read("tmp/agent.log") == ""


def test_a_sysupgrade_keeps_what_the_box_is(packages):
    older, _ = packages
    [folder] = older.data["lib/upgrade/keep.d/backfence"][1].decode().split()
    assert folder.endswith("/")
    for kept in KEPT:
        assert f"/{kept}".startswith(folder)
    # And what makes the service say where the home is.
    script = older.data["etc/init.d/backfence"][1].decode()
    assert f"home:maxlength(128):{folder.rstrip('/')} " in script
