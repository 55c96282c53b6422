"""The disk: old or new after a cut at every step, and names that stay inside."""

import os

from backfence.agent.edge import disk
from backfence.agent.errors import LocalError

ROOT = "/tmp/backfence-disk-" + os.urandom(6).hex()


class Cut(BaseException):
    """Power fails here.  Nothing in the agent catches it."""


class Cutter:
    """Stands in for the module's os and open, and cuts the power at one step."""

    def __init__(self, steps, how):
        self.left = steps
        self.how = how
        self.done = []
        if hasattr(os, "fsync"):
            self.O_RDONLY, self.close, self.fsync = os.O_RDONLY, os.close, self._fsync

    def step(self, what=""):
        if self.left == 0:
            raise self.how
        self.left -= 1
        if what and self.done[-1:] != [what]:
            self.done.append(what)

    def open_file(self, path, mode):
        self.step("open " + mode)
        return CutFile(open(path, mode), self)

    def open(self, path, flags):
        self.step("open rb")
        return os.open(path, flags)

    def _fsync(self, handle):
        self.step("flush")
        os.fsync(handle)
        self.step()

    def rename(self, old, new):
        self.step("rename")
        os.rename(old, new)
        self.step()

    def remove(self, path):
        if self.left == 0 and isinstance(self.how, Cut):
            raise self.how
        os.remove(path)

    def stat(self, path):
        return os.stat(path)


class CutFile:
    def __init__(self, file, cutter):
        self.file, self.cutter = file, cutter

    def write(self, data):
        half = len(data) // 2
        self.cutter.step("write")
        self.file.write(data[:half])
        self.file.flush()
        self.cutter.step()
        return half + self.file.write(data[half:])

    def flush(self):
        # On CPython the fsync that follows is what counts.
        self.cutter.step("" if hasattr(os, "fsync") else "flush")
        self.file.flush()
        self.cutter.step()

    def fileno(self):
        return self.file.fileno()

    def close(self):
        self.file.close()


def fresh():
    clear()
    for path in (ROOT, ROOT + "/state", ROOT + "/store", ROOT + "/slots"):
        disk.make_directory(path)
        disk.make_directory(path)
    return again()


def again():
    return disk.Disk(ROOT + "/state", ROOT + "/store", ROOT + "/slots")


def clear():
    for path in (ROOT + "/state", ROOT + "/store", ROOT + "/slots", ROOT):
        if disk.is_directory(path):
            for name in os.listdir(path):
                try:
                    os.remove(path + "/" + name)
                except OSError:
                    pass
            os.rmdir(path)


def cut_write(one, data, steps, how):
    """Write with the power cut after so many steps: (True if it was cut, what was done)."""
    return cut(lambda: one.write("state-a", data), steps, how)


def cut(work, steps, how):
    """The same for any work."""
    real_os = disk.os
    cutter = Cutter(steps, how)
    disk.open, disk.os = cutter.open_file, cutter
    try:
        work()
        return False, cutter.done
    except (Cut, OSError):
        return True, cutter.done
    finally:
        disk.os = real_os
        del disk.open


def every_step(old, how):
    new = b"new" * 400
    steps = 0
    seen = set()
    while True:
        one = fresh()
        if old is not None:
            one.write("state-a", old)
        was_cut = cut_write(one, new, steps, how)[0]
        left_over = [n for n in os.listdir(ROOT + "/state") if n != "state-a"]
        two = again()
        assert two.names("state-") == ([] if two.size("state-a") < 0 else ["state-a"])
        left = two.read("state-a", 0, 5000) if two.size("state-a") >= 0 else None
        assert left in (old, new)
        assert [n for n in os.listdir(ROOT + "/state") if n != "state-a"] == []
        assert isinstance(how, Cut) or not was_cut or left_over == []
        seen.add(left == new)
        if not was_cut:
            break
        steps += 1
        assert steps < 50
    clear()
    assert steps >= 8 and len(seen) == 2


def test_a_write_is_on_the_medium_before_its_name_and_its_name_before_the_return():
    cut, done = cut_write(fresh(), b"data", 100, Cut())
    clear()
    assert not cut and done == ["open wb", "write", "flush", "rename", "open rb", "flush"]


def test_a_power_cut_at_every_step_leaves_old_or_new():
    every_step(b"old" * 10, Cut())


def test_a_power_cut_at_every_step_of_a_first_write():
    every_step(None, Cut())


def test_a_full_disk_at_every_step_leaves_old_or_new():
    every_step(b"old" * 500, OSError(28))


def test_parts_reads_and_sizes():
    one = fresh()
    assert one.size("part-a") == -1
    one.write_at("part-a", 0, b"0123456789")
    one.write_at("part-a", 4, b"xy")
    one.write_at("part-a", 10, b"ab")
    assert one.size("part-a") == 12
    assert one.read("part-a", 0, 100) == b"0123xy6789ab"
    assert one.read("part-a", 3, 4) == b"3xy6" and one.read("part-a", 12, 5) == b""
    one.rename("part-a", "blob-a")
    assert one.size("part-a") == -1 and sorted(one.names("")) == ["blob-a"]
    assert one.names("part-") == []
    one.remove("blob-a")
    one.remove("blob-a")
    for call in (lambda: one.read("blob-a", 0, 1), lambda: one.rename("blob-a", "blob-b")):
        try:
            call()
            assert False
        except OSError:
            pass
    clear()


def test_state_blobs_and_slots_live_apart():
    one = fresh()
    one.write("state-a", b"s")
    one.write("blob-a", b"b")
    one.write_at("slot-a", 0, b"i")
    assert os.listdir(ROOT + "/state") == ["state-a"] and os.listdir(ROOT + "/store") == ["blob-a"]
    assert os.listdir(ROOT + "/slots") == ["slot-a"]
    for prefix in ("state-", "blob-", "slot-"):
        assert one.names(prefix) == [prefix + "a"]
    clear()


def test_without_a_place_of_their_own_slots_lie_beside_the_state():
    fresh()
    one = disk.Disk(ROOT + "/state", ROOT + "/store")
    one.write_at("slot-b", 0, b"i")
    assert os.listdir(ROOT + "/state") == ["slot-b"] and one.names("state-") == []
    clear()


def test_a_sync_brings_the_file_and_then_its_name_to_the_medium():
    one = fresh()
    one.write_at("slot-a", 0, b"image")
    was_cut, done = cut(lambda: one.sync("slot-a"), 100, Cut())
    assert not was_cut and done == ["open r+b", "flush", "open rb", "flush"]
    assert one.read("slot-a", 0, 9) == b"image"
    try:
        one.sync("slot-b")
        assert False
    except OSError:
        pass
    clear()


def test_what_a_cut_left_is_cleared_at_the_start():
    fresh()
    for path in ("/state/state-a.tmp", "/store/blob-a.tmp", "/slots/slot-a.tmp"):
        file = open(ROOT + path, "wb")
        file.write(b"half")
        file.close()
    one = again()
    for place in ("/state", "/store", "/slots"):
        assert os.listdir(ROOT + place) == []
    assert one.names("") == []
    clear()


def test_names_stay_inside():
    one = fresh()
    for name in ("", "../x", "a/b", "a.tmp", "A", "a b", "x" * 81, "state-/../../x"):
        for call in (one.size, one.remove, lambda n: one.read(n, 0, 1), lambda n: one.write(n, b"")):
            try:
                call(name)
                assert False, name
            except LocalError:
                pass
    try:
        one.rename("part-a", "state-a")
        assert False
    except LocalError:
        pass
    clear()


def test_a_directory_that_refuses_is_an_oserror():
    one = fresh()
    # A directory in the way of the temporary file: nothing can be written there.
    os.mkdir(ROOT + "/store/blob-a.tmp")
    try:
        one.write("blob-a", b"x")
        assert False
    except OSError:
        pass
    assert one.size("blob-a") == -1
    os.rmdir(ROOT + "/store/blob-a.tmp")
    clear()
