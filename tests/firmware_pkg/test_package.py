"""The package: OpenWrt's format, portable modules, and what OpenWrt is told of it."""

import gzip
import hashlib
import io
import json
import subprocess
import tarfile

import pytest
from backfence.firmware_pkg import build, ipk, openwrt
from backfence.sim.live import interpreters
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

EPOCH = 1_700_000_000


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    return openwrt.package(folder / "out", openwrt.modules(folder / "work", EPOCH), EPOCH)


def members(data):
    """{name: (TarInfo, bytes or None)} of a gzipped tar."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        return {
            info.name: (info, archive.extractfile(info).read() if info.isfile() else None)
            for info in archive.getmembers()
        }


def test_the_builds_time_is_the_members_time(package):
    inner = members(package.read_bytes())
    assert inner["./debian-binary"][0].mtime == EPOCH
    assert {info.mtime for info, _ in members(inner["./data.tar.gz"][1]).values()} == {EPOCH}


def test_source_date_epoch_is_the_builds_time_and_must_be_a_number(monkeypatch, tmp_path):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000123")
    assert build.epoch() == 1700000123
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(build.BuildError, match="takes UNIX seconds, not 'yesterday'"):
        build.epoch()
    # Without it, the last commit's; and a tree that is none must say its time.
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    monkeypatch.setattr(build, "REPOSITORY", tmp_path)
    with pytest.raises(build.BuildError, match="set SOURCE_DATE_EPOCH"):
        build.epoch()
    environment = {"GIT_COMMITTER_DATE": "1700000077 +0200", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    for words in (["init", "-q"], ["-c", "user.name=x", "-c", "user.email=x@x.invalid", "commit",
                                   "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, env=environment)
    assert build.epoch() == 1700000077


def test_the_packaged_agent_knows_the_builds_time_as_its_sequence(package, tmp_path, monkeypatch):
    code = "import backfence.agent.release as r; print(r.SEQUENCE)"
    data = members(members(package.read_bytes())["./data.tar.gz"][1])
    for name in ("__init__", "agent/__init__", "agent/release"):
        path = tmp_path / f"backfence/{name}.mpy"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data[f"./{build.LIBRARY}/backfence/{name}.mpy"][1])
    found = interpreters.find("micropython")
    run = subprocess.run(found.arguments("-c", code), capture_output=True, text=True,
                         env={"MICROPYPATH": f".frozen:{tmp_path}"}, cwd=tmp_path)
    assert (run.stdout, run.stderr) == (f"{EPOCH}\n", "")
    assert build.release_source(0) == (build.REPOSITORY / build.RELEASE).read_text()
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent/release.py").write_text("SEQUENCE = None\n")
    monkeypatch.setattr(build, "REPOSITORY", tmp_path)
    with pytest.raises(build.BuildError, match="no line SEQUENCE = 0"):
        build.release_source(EPOCH)


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
    for name in ("./postinst", "./prerm", "./postrm"):
        info, text = about[name]
        assert info.mode == 0o755 and text.startswith(b"#!/bin/sh\n")
        subprocess.run(["sh", "-n"], input=text, check=True)
    assert about["./conffiles"][1] == b"/etc/config/backfence\n"


def test_everything_belongs_to_root_and_passwords_are_not_for_others(package):
    data = members(members(package.read_bytes())["./data.tar.gz"][1])
    assert {(info.uid, info.gid, info.uname, info.gname) for info, _ in data.values()} == {(0, 0, "", "")}
    assert data["./etc/config/backfence"][0].mode == 0o600
    assert data["./etc/init.d/backfence"][0].mode == 0o755
    assert data["./usr/lib/backfence/launch"][0].mode == 0o755
    assert data["./etc"][0].isdir()
    assert data["./lib/upgrade/keep.d/backfence"][1] == b"/etc/backfence/\n"
    assert b"Apache License" in data["./usr/share/licenses/backfence/LICENSE"][1]


def test_the_bill_of_materials_holds_by_its_schema_and_names_every_file(package):
    data = members(members(package.read_bytes())["./data.tar.gz"][1])
    inside = data[f"./{openwrt.SBOM}"][1]
    beside = package.with_suffix(".cdx.json").read_bytes()
    for text in (inside, beside):
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.decode()) is None
    ours = json.loads(inside)["metadata"]["component"]
    assert (ours["name"], ours["version"]) == ("backfence", build.version())
    assert [(part["name"], part["licenses"]) for part in json.loads(inside)["components"]] == [
        ("micropython", [{"expression": "MIT"}])]
    named = {part["name"]: part["hashes"][0]["content"] for part in json.loads(beside)["metadata"]["component"]["components"]}
    assert named == {name[1:]: hashlib.sha256(content).hexdigest() for name, (_, content) in data.items() if content is not None}
    # The schema's check can fail.
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(beside.decode().replace('"alg"', '"algo"')) is not None


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
