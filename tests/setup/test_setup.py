"""The set-up's own promises: signatures are checked, and words for people are one line."""

import subprocess
import sys
from pathlib import Path

import pytest
import specification
from backfence.firmware_pkg import debian_archive
from backfence.sim.live import sysroots

HERE = Path(__file__).parent
RELEASE = "Origin: Debian\nSuite: trixie\nCodename: trixie\nArchitectures: amd64 armhf s390x\nComponents: main\n"


@pytest.mark.parametrize("name", ["Release", "InRelease"])
def test_an_archive_without_debians_signature_is_refused(tmp_path, monkeypatch, name):
    dists = tmp_path / "mirror/dists/trixie"
    dists.mkdir(parents=True)
    (dists / name).write_text(RELEASE)
    monkeypatch.setattr(debian_archive, "mirrors", lambda: [f"file://{tmp_path}/mirror"])
    with pytest.raises(debian_archive.ArchiveError, match="sign"):
        debian_archive.Archive(tmp_path / "apt").update()


def test_a_machine_without_a_debian_mirror_is_told_so(monkeypatch):
    monkeypatch.setattr(debian_archive, "_run", lambda command: "bookworm-security main http://x\n")
    with pytest.raises(debian_archive.ArchiveError, match="name no Debian mirror"):
        debian_archive.mirrors()


def test_a_processor_that_the_mirror_lists_but_lacks_comes_from_the_next_suite(tmp_path, monkeypatch, capsys):
    class Lists:
        def __init__(self, name, _architectures):
            self.name = name

        def version(self, package):
            return f"of-{self.name}"

        def closure(self, package, architecture):
            return [f"{package}:{architecture}"]

        def download(self, packages, folder):
            if self.name == sysroots.SUITES[0]:
                raise debian_archive.ArchiveError("404  Not Found")
            return []

    monkeypatch.setattr(sysroots, "ROOTS", tmp_path)
    monkeypatch.setattr(sysroots, "suite", Lists)
    sysroots.provide("s390x")
    assert (tmp_path / "s390x").resolve().name == f"s390x-of-{sysroots.SUITES[1]}-{sysroots.RECIPE}"
    assert f"{sysroots.SUITES[0]} does not give it: 404  Not Found" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s390x", (tmp_path / "s390x").resolve().name]
    monkeypatch.setattr(sysroots, "SUITES", sysroots.SUITES[:1])
    with pytest.raises(debian_archive.ArchiveError, match="404"):
        sysroots.provide("armhf")
    assert not [path for path in tmp_path.iterdir() if "armhf" in path.name]


def test_an_unknown_sysroot_is_refused_in_one_line():
    run = subprocess.run(
        [sys.executable, "-m", "backfence.sim.live.sysroots", "vax"], capture_output=True, text=True
    )
    assert run.returncode == 1
    assert run.stderr == "Error: there is no sysroot 'vax'; known: amd64 armhf s390x i386 arm64 riscv64 mips mipsel\n"


def test_a_user_who_is_not_root_is_told_what_to_install(tmp_path):
    # A package database in which nothing is installed, and somebody who may not install.
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "apt-get").write_text("#!/bin/sh\necho used; exit 1\n")
    for tool in tmp_path.iterdir():
        tool.chmod(0o755)
    code = f"import os, sys; sys.path.insert(0, {str(HERE)!r}); os.geteuid = lambda: 1000\n"
    code += "import debian; debian.main()"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PATH": str(tmp_path)}
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.count("\n") == 1
    assert "sudo apt-get install mosquitto mosquitto-clients " in run.stderr and " qemu-user-static " in run.stderr


def test_a_source_without_webassemblys_tests_is_refused(tmp_path, monkeypatch):
    (tmp_path / "binaryen-1/test/spec").mkdir(parents=True)
    (tmp_path / "binaryen-1/test/spec/one.wast").touch()
    subprocess.run(["tar", "-cf", "b.orig.tar.gz", "binaryen-1"], cwd=tmp_path, check=True)
    monkeypatch.setattr(debian_archive.Archive, "update", lambda self: None)
    monkeypatch.setattr(debian_archive.Archive, "version", lambda self, package: "1-1")
    monkeypatch.setattr(debian_archive.Archive, "source", lambda self, package, folder: tmp_path / "b.orig.tar.gz")
    with pytest.raises(debian_archive.ArchiveError, match="binaryen 1-1 does not hold WebAssembly's tests"):
        specification.provide(tmp_path / "specification")
    assert not (tmp_path / "specification/wast").exists()
