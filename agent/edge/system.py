"""What this box is and how busy it is, from /proc and the executable's header.

What is read often is read as bytes, its path too: for every new str MicroPython looks
through all the names that it knows.
"""

import os
import sys

from .. import __version__
from ..compat import const
from .disk import read_file

# e_machine of an ELF header (System V ABI): name for (big-endian, little-endian).
_MACHINES = {
    3: ("i386", "i386"),
    8: ("mips", "mipsel"),
    20: ("ppc", "ppc"),
    21: ("ppc64", "ppc64le"),
    22: ("s390x", "s390x"),
    40: ("armeb", "arm"),
    62: ("x86_64", "x86_64"),
    183: ("aarch64_be", "aarch64"),
    243: ("riscv64", "riscv64"),
    258: ("loongarch64", "loongarch64"),
}
# MemTotal, MemFree and MemAvailable are the first lines of /proc/meminfo.
_MEMORY_BYTES = const(112)


def arch(path="/proc/self/exe"):
    """The processor the interpreter was built for, such as "mipsel"; "unknown"
    if its ELF header does not say."""
    try:
        head = read_file(path, 20)
    except OSError:
        return "unknown"
    if head[:4] != b"\x7fELF" or len(head) < 20:
        return "unknown"
    little = head[5] == 1
    machine = head[18] | head[19] << 8 if little else head[18] << 8 | head[19]
    names = _MACHINES.get(machine)
    if names is None:
        return "unknown"
    name = names[little]
    if head[4] == 1:  # 32-bit
        name = {"riscv64": "riscv32", "s390x": "s390"}.get(name, name)
    elif name.startswith("mips"):
        name = name.replace("mips", "mips64")
    return name


def memory(path=b"/proc/meminfo"):
    """(total, available) bytes of the machine's memory; (0, 0) if not known."""
    try:
        data = read_file(path, _MEMORY_BYTES)
        total = _kib(data, b"MemTotal:")
        return total, _kib(data, b"MemAvailable:") or _kib(data, b"MemFree:")
    except (OSError, ValueError):
        return 0, 0


def _kib(data, name):
    """Bytes that a line such as b"MemFree:  123 kB" tells of; 0 without one."""
    at = data.find(name)
    return int(data[at + len(name) : data.find(b"kB", at)]) * 1024 if at >= 0 else 0


def load(path=b"/proc/loadavg"):
    """Processes that want to run, averaged over a minute, in hundredths; 0 if
    not known."""
    try:
        whole, _, part = read_file(path, 16).split()[0].partition(b".")
        return int(whole) * 100 + int((part + b"00")[:2])
    except (OSError, ValueError, IndexError):
        return 0


def attributes(config):
    """What a manifest's predicate may ask of this box: dict of int and text."""
    total, available = memory()
    return {
        "arch": arch(),
        "byteorder": sys.byteorder,
        "word_bits": 64 if sys.maxsize > 1 << 32 else 32,
        "mem_total": total,
        "mem_free": available,
        "load": load(),
        "version": __version__,
        "class": config.class_,
        "region": config.region,
        "door": config.door,
    }


def entropy(count):
    """count bytes of the system's randomness."""
    return os.urandom(count)
