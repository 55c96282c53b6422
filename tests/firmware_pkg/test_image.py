"""Images: archives that other tools read, the same bytes each time; executables by their processor."""

import shutil
import struct
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfence.firmware_pkg import build, image, suit
from backfence.sim.live import interpreters

SEQUENCE = 1764000000


def busybox():
    """A busybox of this machine's processor, whose cpio is not ours."""
    return shutil.which("busybox") or interpreters.SYSROOTS / "amd64/usr/bin/busybox"


@pytest.fixture(scope="module")
def archive():
    return image.archive(SEQUENCE)


def refused(data):
    """The reason why these bytes are no image; they must be refused so, and by nothing else."""
    with pytest.raises(image.ImageError) as error:
        image.read(data)
    return str(error.value)


def test_the_same_sequence_gives_the_same_bytes_and_another_changes_one_module(archive):
    assert image.archive(SEQUENCE) == archive
    other = image.archive(SEQUENCE + 1)
    assert len(image.unpack(archive)) == len(build.sources())

    def module_of(data, name):
        start, size = image.unpack(data)[name]
        return data[start:start + size]

    changed = [name for name in image.unpack(archive) if module_of(archive, name) != module_of(other, name)]
    assert changed == ["backfence/agent/release.mpy"]


def test_another_reader_of_cpio_finds_what_was_compiled(archive, tmp_path):
    (tmp_path / "image").write_bytes(archive)
    made = build.compile_agent(tmp_path / "modules", SEQUENCE)
    (tmp_path / "unpacked").mkdir()
    with open(tmp_path / "image", "rb") as file:
        listed = subprocess.run([busybox(), "cpio", "-tv"], stdin=file, capture_output=True, text=True, check=True)
        file.seek(0)
        command = [busybox(), "cpio", "-idm"]
        subprocess.run(command, stdin=file, cwd=tmp_path / "unpacked", check=True, capture_output=True)
    lines = listed.stdout.strip().splitlines()
    assert all(line.startswith("-rw-r--r-- 0/0") and "1970-01-01 00:00:00" in line for line in lines)
    names = [str(path.relative_to(tmp_path / "modules")) for path in made]
    assert [line.split()[-1] for line in lines] == sorted(names)
    for name in names:
        assert (tmp_path / "unpacked" / name).read_bytes() == (tmp_path / "modules" / name).read_bytes()
    # The sequence is in it, as the agent there reads it.
    micropython = interpreters.find("micropython")
    code = "from backfence.agent import release; print(release.SEQUENCE)"
    environment = dict(micropython.environment, MICROPYPATH=f".frozen:{tmp_path / 'unpacked'}")
    said = subprocess.run(micropython.arguments("-c", code), env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(SEQUENCE)


def test_an_archive_is_read_back(archive):
    found = image.read(archive)
    assert (found.kind, found.target, found.data) == ("archive", "mpy6", archive)
    for name, (start, size) in image.unpack(archive).items():
        assert archive[start:start + 2] == b"M\x06" and found.modules[name] == size and start % 4 == 0


@settings(max_examples=15)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,9}\.mpy", fullmatch=True), st.binary(max_size=50), max_size=3))
def test_what_is_packed_is_unpacked(files):
    members = [("backfence/" + name, data) for name, data in files.items()]
    data = image.pack(members)
    assert data == image.pack(members[::-1]) and len(data) % 4 == 0
    assert {name: data[start:start + size] for name, (start, size) in image.unpack(data).items()} == dict(members)
    for size in range(len(data)):
        with pytest.raises(image.ImageError):
            image.unpack(data[:size])


def module(name="backfence/agent/edge/main.mpy", data=b"M\x06\x00\x1f."):
    return name, data


@pytest.mark.parametrize(("members", "reason"), [
    ([], "no backfence/agent/edge/main.mpy"),
    ([module("backfence/agent/node.mpy")], "no backfence/agent/edge/main.mpy"),
    ([module(), module("etc/passwd")], "not a module of the agent"),
    ([module(), module("backfence/../etc.mpy")], "not a module of the agent"),
    ([module(), module()], "not a module of the agent"),
    ([module(), module("backfence/a.py")], "not bytecode of version 6"),
    ([module(data=b"M\x05\x00\x1f.")], "not bytecode of version 6"),
    ([module(data=b"M\x06\x0b\x1f.")], "not bytecode for every processor"),
    ([module(data=b"M\x06\x00\x3f.")], "not bytecode for every processor"),
    ([module(data=b"M")], "not bytecode of version 6"),
])
def test_archives_that_no_box_could_start_are_refused(members, reason):
    assert reason in refused(image.pack(members))


def test_damaged_archives_are_refused(archive):
    assert image.read(image.pack([module()])).modules == {"backfence/agent/edge/main.mpy": 5}
    assert "damaged" in refused(archive[:1000]) or "ends within" in refused(archive[:1000])
    assert "bytes after" in refused(archive + b"\0")
    assert "neither" in refused(b"\0" + archive) and "neither" in refused(b"#!/bin/sh\n")
    assert "damaged" in refused(archive.replace(b"070701", b"07070x", 2).replace(b"07070x", b"070701", 1))
    assert "1 to 16,777,216 bytes" in refused(b"") and "1 to 16,777,216 bytes" in refused(bytes(suit.IMAGE_BYTES + 1))


def elf(width, order, machine, kind=2, segment=1, size=8):
    """An ELF file of one segment, as small as they come."""
    mark = "<" if order == 1 else ">"
    start = 64 if width == 2 else 52
    step = 56 if width == 2 else 32
    word = "Q" if width == 2 else "I"
    head = b"\x7fELF" + bytes([width, order, 1]) + bytes(9)
    head += struct.pack(mark + "HHI" + 3 * word + "IHHHHHH", kind, machine, 1, 0, start, 0, 0, start, step, 1, 0, 0, 0)
    where = start + step
    if width == 2:
        head += struct.pack(mark + "IIQQQQQQ", segment, 5, where, 0, 0, size, size, 4)
    else:
        head += struct.pack(mark + "IIIIIIII", segment, where, 0, 0, size, size, 5, 4)
    return head + bytes(8)


@pytest.mark.parametrize(("marks", "name"), list(image.PROCESSORS.items()))
def test_an_executable_is_known_by_its_processor(marks, name):
    found = image.read(elf(*marks))
    assert (found.kind, found.target, found.modules) == ("executable", name, {})
    assert image.read(elf(*marks, kind=3)).target == name
    assert "not static" in refused(elf(*marks, segment=3))
    assert "cut short" in refused(elf(*marks)[:-9]) and "cut short" in refused(elf(*marks, size=9))
    assert "not an executable" in refused(elf(*marks, kind=1))
    wrong = elf(marks[0], marks[1], 2)
    assert refused(wrong) == "the executable is for a processor that no box has (ELF machine 2)"
    assert "damaged" in refused(elf(*marks)[:40])


@pytest.mark.parametrize("name", ["armhf", "s390x"])
def test_a_real_executable_that_wants_libraries_is_refused(name):
    program = interpreters.SYSROOTS / name / "usr/bin/micropython"
    assert "not static" in refused(program.read_bytes())


def test_a_real_static_executable_is_taken():
    program = interpreters.SYSROOTS / "mips/usr/bin/micropython"
    assert image.load(program).target == "mips"
    data = program.read_bytes()
    assert refused(data[:len(data) // 2]) == "the executable is cut short"


def test_a_file_larger_than_any_image_is_not_read(tmp_path):
    with open(tmp_path / "large", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(image.ImageError, match="at most 16,777,216 bytes"):
        image.load(tmp_path / "large")
