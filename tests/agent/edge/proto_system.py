"""What the box says of itself, from headers and files made by hand and from this machine."""

import os
import sys

from backfence.agent.config import Config
from backfence.agent.edge import system
from backfence.agent.edge.readings import Readings

PATH = "/tmp/backfence-system-" + os.urandom(6).hex()


def with_file(data, look):
    file = open(PATH, "wb")
    file.write(data)
    file.close()
    try:
        return look(PATH)
    finally:
        os.remove(PATH)


def elf(bits, order, machine):
    """The first 20 bytes of an executable."""
    head = b"\x7fELF" + bytes((1 if bits == 32 else 2, 1 if order == "little" else 2, 1)) + bytes(9)
    return head + (3).to_bytes(2, order) + machine.to_bytes(2, order)


def test_processors_by_their_elf_header():
    for bits, order, machine, name in (
        (32, "big", 8, "mips"),
        (32, "little", 8, "mipsel"),
        (64, "big", 8, "mips64"),
        (64, "little", 8, "mips64el"),
        (32, "little", 40, "arm"),
        (64, "little", 183, "aarch64"),
        (64, "big", 22, "s390x"),
        (32, "little", 3, "i386"),
        (64, "little", 62, "x86_64"),
        (32, "little", 243, "riscv32"),
        (64, "little", 243, "riscv64"),
        (64, "little", 9999, "unknown"),
    ):
        assert with_file(elf(bits, order, machine), system.arch) == name


def test_what_is_no_executable_is_unknown():
    for data in (b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01"):
        assert with_file(data, system.arch) == "unknown"
    assert system.arch("/no/such/file") == "unknown"


def test_memory():
    text = b"MemTotal:  61440 kB\nMemFree:  2048 kB\nMemAvailable:  8192 kB\nBuffers: 1 kB\n"
    assert with_file(text, system.memory) == (61440 << 10, 8192 << 10)
    # Kernels before 3.14 do not say what is available.
    assert with_file(text.replace(b"MemAvailable", b"Mem"), system.memory) == (61440 << 10, 2048 << 10)
    assert with_file(b"nonsense\n\xff", system.memory) == (0, 0)
    assert system.memory("/no/such/file") == (0, 0)


def test_load():
    for text, hundredths in ((b"0.08 1 2 1/2 3\n", 8), (b"12.5 1 2\n", 1250), (b"3 1\n", 300), (b"", 0), (b"x.y\n", 0)):
        assert with_file(text, system.load) == hundredths
    assert system.load("/no/such/file") == 0


def test_what_a_box_with_work_reads():
    root = PATH
    zone = root + "/sys/class/thermal/thermal_zone"
    made = [root, root + "/proc", root + "/sys", root + "/sys/class", root + "/sys/class/thermal", zone + "0", zone + "1", zone + "2"]
    for path in made:
        os.mkdir(path)
    files = {
        root + "/proc/loadavg": b"1.25 1 1 1/2 3\n", root + "/proc/meminfo": b"MemTotal: 100 kB\nMemFree: 9 kB\nMemAvailable: 40 kB\n",
        zone + "0/temp": b"41000\n", zone + "1/temp": b"67900\n", zone + "2/temp": b"999000\n",
    }
    for path in files:
        file = open(path, "wb")
        file.write(files[path])
        file.close()
    readings = Readings(root.encode())
    assert (readings.load(), readings.free(), readings.heat()) == (125, 40 << 10, 67)
    for path in files:
        os.remove(path)
    assert (readings.load(), readings.free(), readings.heat()) == (0, 0, 0)
    for path in reversed(made):
        os.rmdir(path)
    nothing = Readings(b"/no/such/place")
    assert (nothing.load(), nothing.free(), nothing.heat()) == (0, 0, 0)
    here = Readings(b"")
    assert here.free() > 0 and 0 <= here.heat() < 150


def test_this_machine():
    config = Config()
    config.region = "north"
    found = system.attributes(config)
    names = ["arch", "byteorder", "class", "door", "load", "mem_free", "mem_total", "region", "version", "word_bits"]
    assert sorted(found.keys()) == names
    assert found["arch"] != "unknown"
    assert 0 < found["mem_free"] <= found["mem_total"]
    assert found["byteorder"] == sys.byteorder and (found["word_bits"] == 64) == (sys.maxsize > 1 << 40)
    assert found["region"] == "north" and found["class"] == "box" and found["door"] == 0
    assert (found["arch"] == "s390x") == (sys.byteorder == "big" and found["word_bits"] == 64)
    assert len(system.entropy(32)) == 32 and system.entropy(32) != system.entropy(32)
