"""What the machine is made of, as far as it can be tried without one."""

import lzma
import struct
import subprocess

import pytest
from machine import initramfs, parts


def test_the_kernel_is_found_behind_what_only_looks_like_it():
    kernel = bytes(range(256)) * 100
    packed = b"code" + parts.XZ_MAGIC + b"names the magic" * 9 + lzma.compress(kernel) + b"tables"
    assert parts.unpack_kernel(packed) == kernel
    with pytest.raises(parts.PartsError):
        parts.unpack_kernel(b"code" + parts.XZ_MAGIC + bytes(99))


def test_the_jump_leads_to_the_kernel():
    made = parts.with_jump(b"kernel")
    word = struct.unpack_from("<I", made)[0]
    assert word >> 24 == 0xEA  # B, always
    target = (word & 0xFFFFFF) * 4 + 8  # from the instruction, two ahead
    assert made[target:] == b"kernel" and target == parts.RUNS_AT - parts.LOADED_AT


def test_the_first_files_are_an_archive_that_busybox_init_would_find(tmp_path):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/order").write_text("ext4\n")
    (tmp_path / "busybox").write_bytes(b"program")
    archive = initramfs.build(tmp_path)
    at, names = 0, {}
    while True:
        head = archive[at:at + 110]
        fields = [int(head[6 + 8 * i:14 + 8 * i], 16) for i in range(13)]
        name = archive[at + 110:at + 109 + fields[11]].decode()
        begin = at + 110 + fields[11]
        begin += -begin % 4
        if name == "TRAILER!!!":
            break
        names[name] = (fields[1], archive[begin:begin + fields[6]])
        at = begin + fields[6] + -fields[6] % 4
    assert names["bin/busybox"] == (initramfs.PROGRAM, b"program")
    assert names["bin/sh"] == (initramfs.LINK, b"busybox")
    assert names["lib/order"][1] == b"ext4\n" and names["dev/console"][0] == initramfs.DEVICE
    mode, script = names["init"]
    assert mode == initramfs.PROGRAM
    assert subprocess.run(["sh", "-n"], input=script).returncode == 0
