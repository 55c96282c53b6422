"""An image of the kind `archive`: compiled modules in one file, mounted as they lie there.

The file is a cpio archive ("newc"), uncompressed, as `cpio -H newc` writes it.  Only
its index is in memory: a module is read from its place in the archive, once, when it
is imported.
"""

from ..compat import const
from ..errors import RemoteError

_MAGIC = "070701"
_HEADER = const(110)
_TRAILER = "TRAILER!!!"
# Fields of eight hexadecimal digits after the magic: the mode, the size, the name's length.
_MODE, _SIZE, _NAME = const(14), const(54), const(94)
_KIND_MASK, _FILE_KIND, _DIRECTORY_KIND = const(0xF000), const(0x8000), const(0x4000)
# The agent has some 140 modules; the index must fit a small heap.
MEMBERS = const(512)
# The longest name of a module is half of it.
NAME_BYTES = const(100)
_ENOENT, _EROFS = const(2), const(30)


def _number(text, place):
    try:
        return int(text[place : place + 8], 16)
    except ValueError:
        raise RemoteError("archive: a header's number")


def index(file):
    """{name: (offset, size)} of an archive's files; RemoteError if it is none.

    file: open for reading, at its start.  Names are relative, without "." and "..".
    """
    found = {}
    offset = 0
    for _ in range(MEMBERS):
        file.seek(offset)
        head = file.read(_HEADER)
        if len(head) < _HEADER or head[:6] != _MAGIC.encode():
            raise RemoteError("archive: no header at %d" % offset)
        try:
            text = head.decode()
        except ValueError:
            raise RemoteError("archive: a header's number")
        size, length = _number(text, _SIZE), _number(text, _NAME)
        if not 1 < length <= NAME_BYTES:
            raise RemoteError("archive: the length of a name")
        raw = file.read(length)
        try:
            name = raw[:-1].decode()
        except ValueError:
            raise RemoteError("archive: a name")
        begin = (offset + _HEADER + length + 3) & ~3
        if name == _TRAILER:
            return found
        kind = _number(text, _MODE) & _KIND_MASK
        if kind == _FILE_KIND:
            _check(name)
            if file.seek(0, 2) < begin + size:
                raise RemoteError("archive: it is cut off")
            found[name] = (begin, size)
        elif kind != _DIRECTORY_KIND:
            raise RemoteError("archive: neither file nor directory")
        offset = (begin + size + 3) & ~3
    raise RemoteError("archive: more than %d members" % MEMBERS)


def _check(name):
    for part in name.split("/"):
        if part in ("", ".", ".."):
            raise RemoteError("archive: a name")


class Archive:
    """An archive as a read-only file system for os.mount(); only imports look into it."""

    def __init__(self, path):
        """path: of the archive.  OSError, RemoteError."""
        self._path = path
        file = open(path, "rb")
        try:
            self._files = index(file)
        finally:
            file.close()
        self._folders = [""]
        for name in self._files:
            parts = name.split("/")
            for count in range(1, len(parts)):
                folder = "/".join(parts[:count])
                if folder not in self._folders:
                    self._folders.append(folder)

    def mount(self, readonly, mkfs):
        """Called by os.mount()."""

    def umount(self):
        """Called by os.umount()."""

    def stat(self, path):
        """What os.stat() gives, of which imports look at the mode; OSError if it is not here."""
        path = path.strip("/")
        if path in self._files:
            return (_FILE_KIND, 0, 0, 0, 0, 0, self._files[path][1], 0, 0, 0)
        if path in self._folders:
            return (_DIRECTORY_KIND, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        raise OSError(_ENOENT)

    def ilistdir(self, path):
        """Iterator of (name, kind, 0, size) of a folder."""
        path = path.strip("/")
        if path not in self._folders:
            raise OSError(_ENOENT)
        before = path + "/" if path else ""
        rows = []
        for folder in self._folders:
            if folder and folder.startswith(before) and "/" not in folder[len(before) :]:
                rows.append((folder[len(before) :], _DIRECTORY_KIND, 0, 0))
        for name in self._files:
            if name.startswith(before) and "/" not in name[len(before) :]:
                rows.append((name[len(before) :], _FILE_KIND, 0, self._files[name][1]))
        return iter(rows)

    def open(self, path, mode):
        """The archive's own file, at the member's place: a module is read no further than it goes."""
        if path.strip("/") not in self._files:
            raise OSError(_ENOENT)
        if mode not in ("r", "rb"):
            raise OSError(_EROFS)
        file = open(self._path, "rb")
        file.seek(self._files[path.strip("/")][0])
        return file
