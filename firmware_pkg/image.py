"""Images: what a slot of a box holds, as bytes.

Two kinds.  An archive is a cpio "newc" (cpio(5)) of the agent's compiled modules,
one for every processor; it is not compressed, so that a box reads a module where
it lies.  An executable is a static MicroPython with the agent frozen in, for one
processor.
"""

import struct
import tempfile
from pathlib import Path

from . import build, suit

ARCHIVE, EXECUTABLE = "archive", "executable"
# What a component is called for an archive: the version of its bytecode.
BYTECODE = f"mpy{build.MPY_VERSION}"
MODULE = "backfence/"  # where every member's name begins
# Without this one a box could not start the agent.
MAIN = "backfence/agent/edge/main.mpy"

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"
_HEADER = 110
_FIELDS = 13
_REGULAR = 0o100644

# ELF's (class, byte order, machine) to Debian's name of the processor.  Class 1
# has words of 32 bits, 2 of 64; order 1 is little-endian, 2 big.
PROCESSORS = {
    (2, 1, 62): "amd64", (2, 1, 183): "arm64", (1, 1, 40): "armhf", (1, 1, 3): "i386",
    (1, 2, 8): "mips", (1, 1, 8): "mipsel", (2, 1, 243): "riscv64", (2, 2, 22): "s390x",
}
_ELF = b"\x7fELF"
_ELF_EXECUTABLE, _ELF_SHARED = 2, 3  # a static executable may be position-independent
# Kinds of program headers: what is loaded, and who loads shared libraries.
_ELF_LOAD, _ELF_INTERPRETER = 1, 3


class ImageError(Exception):
    """These bytes are no image that a box can start; the text is for a person."""


class Image:
    """An image's kind (ARCHIVE or EXECUTABLE), target (BYTECODE or a processor), bytes and modules.

    modules: {name: size} of an archive, else {}.
    """

    def __init__(self, kind, target, data, modules):
        self.kind = kind
        self.target = target
        self.data = data
        self.modules = modules


def archive(sequence):
    """Returns an archive of this agent with `sequence` (unix seconds) compiled in.

    The bytes depend on the sources, mpy-cross and the sequence alone.
    """
    with tempfile.TemporaryDirectory() as work:
        made = build.compile_agent(work, sequence)
        return pack([(str(path.relative_to(work)), path.read_bytes()) for path in made])


def pack(members):
    """Returns the cpio of (name, bytes) pairs, sorted by name: all files, no times, no owner."""
    out = bytearray()
    for number, (name, data) in enumerate(sorted(members), 1):
        _put(out, number, _REGULAR, name, data)
    _put(out, 0, 0, _TRAILER, b"")
    return bytes(out)


def _put(out, number, mode, name, data):
    # ino, mode, uid, gid, nlink, mtime, size, four of devices, name's size, checksum
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    out += _MAGIC + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    out += bytes(-len(out) % 4) + data
    out += bytes(-len(out) % 4)


def unpack(data):
    """Returns {name: (offset, size)} of the members of a cpio that pack() made; ImageError for another."""
    members, at = {}, 0
    while True:
        name, mode, start, size, at = _member(data, at)
        if name == _TRAILER:
            break
        if mode != _REGULAR or not name.startswith(MODULE) or ".." in name.split("/") or name in members:
            raise ImageError(f"the archive's member {name!r} is not a module of the agent")
        members[name] = (start, size)
    if at != len(data):
        raise ImageError("there are bytes after the archive's end")
    return members


def _member(data, at):
    """(name, mode, offset and size of the contents, offset of what follows) of one member."""
    header = data[at:at + _HEADER]
    try:
        if len(header) != _HEADER or header[:6] != _MAGIC:
            raise ValueError
        fields = [int(header[6 + 8 * field:14 + 8 * field].decode("ascii"), 16) for field in range(_FIELDS)]
        mode, size, length = fields[1], fields[6], fields[11]
        raw = data[at + _HEADER:at + _HEADER + length]
        if length < 2 or len(raw) != length or raw[-1:] != b"\0":
            raise ValueError
        name = raw[:-1].decode("ascii")
    except ValueError:
        raise ImageError(f"the archive is damaged at byte {at:,}") from None
    start = at + _HEADER + length
    start += -start % 4
    end = start + size
    end += -end % 4
    if end > len(data):
        raise ImageError(f"the archive ends within {name}")
    return name, mode, start, size, end


def read(data):
    """Returns the Image that these bytes are; ImageError says why a box could not start them."""
    if not 1 <= len(data) <= suit.IMAGE_BYTES:
        raise ImageError(f"an image has 1 to {suit.IMAGE_BYTES:,} bytes, and this has {len(data):,}")
    if data[:4] == _ELF:
        return Image(EXECUTABLE, _processor(data), data, {})
    if data[:6] != _MAGIC:
        raise ImageError("this is neither an archive (cpio newc) nor an executable (ELF)")
    members = unpack(data)
    for name, (start, _) in members.items():
        header = data[start:start + 4]
        if not name.endswith(".mpy") or header[:2] != bytes((ord("M"), build.MPY_VERSION)):
            raise ImageError(f"{name} is not bytecode of version {build.MPY_VERSION}")
        if header[2] >> 2 or header[3] != build.SMALL_INT_BITS:
            raise ImageError(f"{name} is not bytecode for every processor")
    if MAIN not in members:
        raise ImageError(f"the archive has no {MAIN}")
    return Image(ARCHIVE, BYTECODE, data, {name: size for name, (_, size) in members.items()})


def _processor(data):
    """Debian's name of the processor that an ELF executable is for."""
    if len(data) < 64 or data[4] not in (1, 2) or data[5] not in (1, 2):
        raise ImageError("the executable's header is damaged")
    order = "<" if data[5] == 1 else ">"
    kind, machine = struct.unpack_from(order + "HH", data, 16)
    name = PROCESSORS.get((data[4], data[5], machine))
    if name is None:
        raise ImageError(f"the executable is for a processor that no box has (ELF machine {machine})")
    if kind not in (_ELF_EXECUTABLE, _ELF_SHARED):
        raise ImageError("the ELF file is not an executable")
    for kind, end in _segments(data, order, data[4] == 2):
        if kind == _ELF_INTERPRETER:
            raise ImageError("the executable is not static: it wants libraries that a box may lack")
        if kind == _ELF_LOAD and end > len(data):
            raise ImageError("the executable is cut short")
    return name


def _segments(data, order, wide):
    """[(kind, offset of its end in the file)] of an ELF file's program headers."""
    try:
        start = struct.unpack_from(order + ("Q" if wide else "I"), data, 32 if wide else 28)[0]
        size, count = struct.unpack_from(order + "HH", data, 54 if wide else 42)
        found = []
        for at in range(start, start + size * count, size):
            fields = struct.unpack_from(order + ("IIQQQQ" if wide else "IIIII"), data, at)
            found.append((fields[0], fields[2] + fields[5] if wide else fields[1] + fields[4]))
        return found
    except (struct.error, ValueError):
        raise ImageError("the executable is cut short") from None


def load(path):
    """Returns the Image in a file; ImageError if it is none, OSError if it cannot be read."""
    file = Path(path)
    if file.stat().st_size > suit.IMAGE_BYTES:
        raise ImageError(f"an image has at most {suit.IMAGE_BYTES:,} bytes, and {path} has {file.stat().st_size:,}")
    return read(file.read_bytes())
