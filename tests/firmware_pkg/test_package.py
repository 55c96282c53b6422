"""The package: the same bytes each time, OpenWrt's format, and portable modules."""

import gzip
import io
import subprocess
import tarfile

import pytest
from backfence.firmware_pkg import build, ipk


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    return build.package(folder / "out", folder / "work")


def members(data):
    """{name: (TarInfo, bytes or None)} of a gzipped tar."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        return {
            info.name: (info, archive.extractfile(info).read() if info.isfile() else None)
            for info in archive.getmembers()
        }


def test_two_builds_give_the_same_bytes(package, tmp_path):
    again = build.package(tmp_path / "elsewhere", tmp_path / "work")
    assert again.read_bytes() == package.read_bytes()


def test_source_date_epoch_is_the_members_time(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    data = build.package(tmp_path, tmp_path / "work").read_bytes()
    inner = members(data)
    assert inner["./debian-binary"][0].mtime == 1700000000
    assert {info.mtime for info, _ in members(inner["./data.tar.gz"][1]).values()} == {1700000000}


def test_the_package_is_three_members_in_openwrts_order(package):
    outer = members(package.read_bytes())
    assert list(outer) == ["./debian-binary", "./data.tar.gz", "./control.tar.gz"]
    assert outer["./debian-binary"][1] == b"2.0\n"


def test_control_says_what_it_needs_and_who_it_runs_as(package):
    about = members(members(package.read_bytes())["./control.tar.gz"][1])
    fields = dict(line.split(": ", 1) for line in about["./control"][1].decode().splitlines())
    assert fields["Package"] == "backfence"
    assert fields["Version"] == build.version()
    assert fields["Depends"] == "micropython | micropython-nossl"
    assert fields["Architecture"] == "all"
    assert fields["Require-User"] == "backfence:backfence"
    data = members(members(package.read_bytes())["./data.tar.gz"][1])
    assert int(fields["Installed-Size"]) == sum(info.size for info, _ in data.values())
    for name in ("./postinst", "./prerm"):
        info, text = about[name]
        assert info.mode == 0o755 and text.startswith(b"#!/bin/sh\n")
        subprocess.run(["sh", "-n"], input=text, check=True)
    assert about["./conffiles"][1] == b"/etc/config/backfence\n"


def test_everything_belongs_to_root_and_passwords_are_not_for_others(package):
    data = members(members(package.read_bytes())["./data.tar.gz"][1])
    assert {(info.uid, info.gid, info.uname, info.gname) for info, _ in data.values()} == {(0, 0, "", "")}
    assert data["./etc/config/backfence"][0].mode == 0o600
    assert data["./etc/init.d/backfence"][0].mode == 0o755
    assert data["./etc"][0].isdir()
    assert data["./lib/upgrade/keep.d/backfence"][1] == b"/etc/backfence/\n"
    assert b"Apache License" in data["./usr/share/licenses/backfence/LICENSE"][1]


def test_every_module_of_the_agent_is_in_and_is_portable_bytecode(package):
    data = members(members(package.read_bytes())["./data.tar.gz"][1])
    found = {name: content for name, (_, content) in data.items() if name.endswith(".mpy")}
    expected = {f"./{build.LIBRARY}/backfence/{source.with_suffix('.mpy')}" for source in build.sources()}
    assert set(found) == expected and len(expected) > 30
    # "M", version 6, no native code and no processor, small integers of 31 bits
    assert {content[:4] for content in found.values()} == {b"M\x06\x00\x1f"}


def test_a_module_that_does_not_compile_is_named(tmp_path, monkeypatch):
    (tmp_path / "agent").mkdir()
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "agent/broken.py").write_text("def :\n")
    monkeypatch.setattr(build, "REPOSITORY", tmp_path)
    with pytest.raises(build.BuildError, match="refuses agent/broken.py: .*SyntaxError"):
        build.compile_agent(tmp_path / "out")


def test_compiling_again_leaves_no_module_that_is_gone(tmp_path):
    stale = tmp_path / "backfence/agent/stale.mpy"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"")
    assert stale not in build.compile_agent(tmp_path)
    assert not stale.exists()


def test_gzip_is_read_by_others_and_names_no_time():
    data = bytes(range(256)) * 300
    packed = ipk.gzip(data)
    assert gzip.decompress(packed) == data
    assert packed[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03"


def test_a_tar_does_not_depend_on_the_order_of_its_entries():
    entries = [ipk.Entry("b/c", b"1"), ipk.Entry("a", b"2", 0o600), ipk.Entry("b/a", b"")]
    packed = ipk.tar(entries, 0)
    assert packed == ipk.tar(entries[::-1], 0)
    # Sorted, so that no run's order of hashes shows: this process has but one.
    assert list(members(ipk.gzip(packed))) == [".", "./a", "./b", "./b/a", "./b/c"]


def test_two_entries_of_one_path_are_refused():
    with pytest.raises(ValueError, match="same path"):
        ipk.tar([ipk.Entry("a", b"1"), ipk.Entry("a", b"2")], 0)
