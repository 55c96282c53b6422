"""The feed's index and its signature, judged by signify, which is what usign was made after."""

import gzip
import hashlib
import shutil
import subprocess

import pytest
from backfence.firmware_pkg import __main__ as command
from backfence.firmware_pkg import feed, ipk, usign


def package(folder, name, text="an agent"):
    """A small .ipk."""
    path = folder / f"{name}_1-1_all.ipk"
    control = [("Package", name), ("Version", "1-1"), ("Depends", "micropython"), ("Description", text)]
    path.write_bytes(ipk.build(control, [], [ipk.Entry("etc/" + name, b"x")]))
    return path


def signify(*words):
    """Runs Debian's signify: (exit code, what it said)."""
    program = shutil.which("signify-openbsd")
    assert program, "signify-openbsd is missing: make test as root installs it"
    run = subprocess.run([program, *words], capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


@pytest.fixture
def signed(tmp_path):
    """A feed of two packages, and its key."""
    key = usign.Key.make()
    feed.write(tmp_path, [package(tmp_path, "zeta"), package(tmp_path, "alpha")], key)
    return tmp_path, key


def judged(folder, key, index):
    return signify("-V", "-p", folder / "keys" / key.number.hex(), "-x", folder / "Packages.sig", "-m", index)


def test_signify_takes_the_signature_and_refuses_another_text_or_key(signed, tmp_path):
    folder, key = signed
    assert judged(folder, key, folder / "Packages") == (0, "Signature Verified\n")
    (tmp_path / "other").write_bytes((folder / "Packages").read_bytes() + b"\n")
    assert judged(folder, key, tmp_path / "other")[0] != 0
    other = usign.Key.make()
    (folder / "keys" / other.number.hex()).write_bytes(other.public_file())
    assert judged(folder, other, folder / "Packages")[0] != 0


def test_signify_signs_with_our_key_as_we_do(signed, tmp_path):
    folder, key = signed
    key.save(tmp_path / "ours.sec")
    assert signify("-S", "-s", tmp_path / "ours.sec", "-m", folder / "Packages", "-x", tmp_path / "theirs")[0] == 0
    theirs = (tmp_path / "theirs").read_bytes().split(b"\n")
    assert theirs[1] == (folder / "Packages.sig").read_bytes().split(b"\n")[1]


def test_a_key_of_signify_signs_here(tmp_path):
    assert signify("-G", "-n", "-p", tmp_path / "their.pub", "-s", tmp_path / "their.sec") == (0, "")
    key, note = feed.signing_key(tmp_path / "their.sec", tmp_path / "lab")
    assert note is None and not (tmp_path / "lab").exists()
    assert key.public_file().split(b"\n")[1] == (tmp_path / "their.pub").read_bytes().split(b"\n")[1]
    signature = key.sign(b"text")
    assert usign.verify(key.public_file(), b"text", signature)
    assert not usign.verify(key.public_file(), b"Text", signature)


def test_the_index_names_each_package_by_size_and_hash_before_its_description(signed):
    folder, _ = signed
    text = (folder / "Packages").read_text()
    assert gzip.decompress((folder / "Packages.gz").read_bytes()).decode() == text
    first, second = (folder / f"{name}_1-1_all.ipk" for name in ("alpha", "zeta"))
    assert text.endswith("\n\n")
    assert text.split("\n\n")[0].splitlines() == [
        "Package: alpha", "Version: 1-1", "Depends: micropython", f"Filename: {first.name}",
        f"Size: {first.stat().st_size}", f"SHA256sum: {hashlib.sha256(first.read_bytes()).hexdigest()}",
        "Description: an agent", "Installed-Size: 1",
    ]
    assert text.index("Package: zeta") > text.index("Package: alpha")
    assert f"Filename: {second.name}\n" in text


def test_a_feed_signed_anew_holds_the_new_key_alone(signed, tmp_path):
    folder, _ = signed
    other = usign.Key.make()
    feed.write(folder, [package(tmp_path, "alpha")], other)
    assert [path.name for path in (folder / "keys").iterdir()] == [other.number.hex()]


def test_a_lab_key_is_made_once_for_its_owner_alone_and_said(tmp_path):
    first, note = feed.signing_key("", tmp_path / "build/lab.key")
    assert "lab key" in note and "FEED_KEY" in note
    assert (tmp_path / "build/lab.key").stat().st_mode & 0o777 == 0o600
    again, _ = feed.signing_key("", tmp_path / "build/lab.key")
    assert again.public_file() == first.public_file()


@pytest.mark.parametrize("damage, reason", [
    (lambda lines: b"", "not a secret key"),
    (lambda lines: lines[0] + b"\nnot base64!\n", "not a secret key"),
    (lambda lines: lines[0] + b"\n" + lines[1][:-8] + b"\n", "not a secret key"),
    (lambda lines: b"comment\n" + lines[1] + b"\n", "not a secret key"),
    (lambda lines: lines[0] + b"\n" + lines[1][:90] + b"AAAA" + lines[1][94:] + b"\n", "damaged"),
    (lambda lines: lines[0] + b"\n" + b"RWRCSwAAACo" + lines[1][11:] + b"\n", "has a password"),
])
def test_a_key_that_is_none_is_refused_and_named(tmp_path, damage, reason):
    path = tmp_path / "key"
    usign.Key.make().save(path)
    path.write_bytes(damage(path.read_bytes().split(b"\n")))
    with pytest.raises(usign.UsignError, match=f"{path}: .*{reason}"):
        usign.Key.load(path)


def test_the_command_makes_a_pair_outside_the_tree_and_overwrites_nothing(tmp_path, capsys):
    assert command.main(["key", str(tmp_path / "isp.key")]) == 0
    said = capsys.readouterr().out
    key = usign.Key.load(tmp_path / "isp.key")
    assert (tmp_path / "isp.key.pub").read_bytes() == key.public_file()
    assert f"/etc/opkg/keys/{key.number.hex()}" in said
    assert command.main(["key", str(tmp_path / "isp.key")]) == 1
    assert usign.Key.load(tmp_path / "isp.key").public_file() == key.public_file()
    inside = command.build.REPOSITORY / "firmware_pkg/isp.key"
    assert command.main(["key", str(inside)]) == 1 and not inside.exists()
    assert "keep a key that signs firmware elsewhere" in capsys.readouterr().err
    assert command.main(["kye"]) == 2
