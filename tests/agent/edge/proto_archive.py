"""Archives: their index, what is refused of them, and modules imported from where they lie."""

import os
import sys

from backfence.agent.edge import archive
from backfence.agent.errors import RemoteError

PATH = "/tmp/backfence-archive-" + os.urandom(6).hex()
FILE, FOLDER, LINK = 0o100644, 0o040755, 0o120777


def member(name, data=b"", mode=FILE, size=None, length=None):
    """One member as cpio -H newc writes it."""
    raw = name.encode() + b"\0"
    numbers = [0] * 13
    numbers[1], numbers[6], numbers[11] = mode, len(data) if size is None else size, len(raw) if length is None else length
    out = b"070701" + ("%08x" * 13 % tuple(numbers)).encode() + raw
    out += bytes(-len(out) % 4) + data
    return out + bytes(-len(out) % 4)


def pack(*members):
    return b"".join(members) + member("TRAILER!!!", mode=0)


def with_file(data, look):
    file = open(PATH, "wb")
    file.write(data)
    file.close()
    try:
        return look(PATH)
    finally:
        os.remove(PATH)


def opened(data):
    """The Archive of these bytes, whose file is gone."""
    return with_file(data, archive.Archive)


def refused(data):
    try:
        opened(data)
    except RemoteError as problem:
        return str(problem)
    return None


# mpy-cross -msmall-int-bits=31 of "R = 7".
SEVEN = bytes.fromhex("4d06001f030008722e7079000f025200400002018716025163")
GOOD = pack(member("p", mode=FOLDER), member("p/__init__.py", b""), member("p/q/r.py", b"R = 7\n"), member("z", b"12345"))


def test_members_lie_where_the_index_says():
    def look(path):
        one = archive.Archive(path)
        found = {}
        for name in ("p/__init__.py", "/p/q/r.py", "z"):
            file = one.open(name, "rb")
            found[name] = file.read(one.stat(name)[6])
            file.close()
        return found

    assert with_file(GOOD, look) == {"p/__init__.py": b"", "/p/q/r.py": b"R = 7\n", "z": b"12345"}


def test_it_looks_like_a_file_system():
    one = opened(GOOD)
    assert one.stat("/p")[0] == one.stat("p/q")[0] == one.stat("")[0] == 0x4000
    assert one.stat("/p/q/r.py")[0] == 0x8000
    assert sorted(one.ilistdir("/")) == [("p", 0x4000, 0, 0), ("z", 0x8000, 0, 5)]
    assert sorted(one.ilistdir("p")) == [("__init__.py", 0x8000, 0, 0), ("q", 0x4000, 0, 0)]
    for look in (one.stat, one.ilistdir, lambda path: one.open(path, "rb")):
        for path in ("x", "p/x", "p/q/r.py/s"):
            try:
                look(path)
                assert False, path
            except OSError as problem:
                assert problem.errno == 2 or problem.args[0] == 2
    try:
        one.open("z", "wb")
        assert False
    except OSError as problem:
        assert problem.args[0] == 30


def test_what_is_no_archive_is_refused():
    assert refused(GOOD) is None
    for data in (
        b"", b"070701", GOOD[:-150], GOOD[: len(GOOD) // 2], b"070702" + GOOD[6:], b"\xff" + GOOD[1:],
        b"070701" + b"\xff" * 200, b"070701" + b"x" * 200,
        member("a", b"1"),  # no end
        pack(member("a", b"1", size=1 << 31)), pack(member("a", b"1", length=0)), pack(member("a", b"1", length=1)),
        pack(member("a" * archive.NAME_BYTES)), pack(member("a", mode=LINK)),
        pack(member("../a")), pack(member("/a")), pack(member("a//b")), pack(member("a/./b")), pack(member("")),
    ):
        assert refused(data), data[:60]
    assert refused(pack(member("a" * (archive.NAME_BYTES - 1)))) is None
    # Cut off within what a member holds, so that no header is missed.
    assert "cut off" in refused(member("a", b"1234")[:-2])


def test_members_have_a_cap():
    members = [member("m%d" % number) for number in range(archive.MEMBERS)]
    assert refused(pack(*members[:-1])) is None
    assert "more than" in refused(pack(*members))


def test_modules_are_imported_from_it():
    if not hasattr(os, "mount"):
        return  # CPython: no agent there ever runs from an archive

    def look(path):
        os.mount(archive.Archive(path), "/backfence-test", readonly=True)
        sys.path.insert(0, "/backfence-test")
        try:
            from p.q import r

            return r.R, r.__file__
        finally:
            del sys.path[0]
            os.umount("/backfence-test")

    # What follows the module is not read.
    packed = pack(member("p/q/r.mpy", SEVEN), member("p/q/s.mpy", b"no bytecode"))
    assert with_file(packed, look) == (7, "/backfence-test/p/q/r.mpy")
