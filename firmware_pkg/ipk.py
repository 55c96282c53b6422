"""OpenWrt's .ipk: a gzipped tar of three members, the same bytes every time.

The members are `debian-binary`, `data.tar.gz` (what is unpacked onto the box)
and `control.tar.gz` (what the package manager reads), as OpenWrt's own
ipkg-build writes them.
"""

import io
import struct
import tarfile
import zlib


class Entry:
    """One file of a package: path without leading slash, bytes, permission bits."""

    def __init__(self, path, data, mode=0o644):
        self.path = path
        self.data = data
        self.mode = mode


def gzip(data):
    """A gzip file (RFC 1952) of `data` that names no file and no time.

    The header is written here, since Python's own differs from version to version.
    """
    header = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x02\x03"  # deflate, no time, best, Unix
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    return header + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def tar(entries, epoch, folders=True):
    """A GNU tar of entries in the order of their paths, all owned by root.

    `epoch` is every member's time, in seconds since 1970.  With `folders`, the
    folders on the way to each file are members too.
    """
    members = {entry.path: entry for entry in entries}
    if len(members) < len(entries):
        raise ValueError("two entries have the same path")
    paths = set(members)
    if folders:
        for path in members:
            parts = path.split("/")[:-1]
            paths.update("/".join(parts[:count]) for count in range(1, len(parts) + 1))
        paths.add("")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(paths):
            info = tarfile.TarInfo("./" + path)
            info.mtime = epoch
            if path in members:
                info.size = len(members[path].data)
                info.mode = members[path].mode
                archive.addfile(info, io.BytesIO(members[path].data))
            else:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
    return out.getvalue()


def build(control, scripts, entries, epoch=0):
    """The bytes of a package.

    `control`: (field, text) pairs in their order; Installed-Size is added.
    `scripts`: Entry list for the control part (postinst, prerm, conffiles).
    `entries`: Entry list of what is installed.
    """
    data = tar(entries, epoch)
    size = sum(len(entry.data) for entry in entries)
    fields = "".join(f"{name}: {text}\n" for name, text in [*control, ("Installed-Size", size)])
    about = tar([Entry("control", fields.encode()), *scripts], epoch)
    outer = [("debian-binary", b"2.0\n"), ("data.tar.gz", gzip(data)), ("control.tar.gz", gzip(about))]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in outer:
            info = tarfile.TarInfo("./" + name)
            info.mtime, info.size = epoch, len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip(out.getvalue())
