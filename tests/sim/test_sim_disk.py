"""The disk in memory: whole writes, loose writes, and what a power cut leaves."""

import errno
import random

import pytest

from backfence.sim.disk import Disk, PowerCut


def disk(seed=1, **settings):
    return Disk(random.Random(seed), **settings)


def test_reads_what_was_written():
    d = disk()
    d.write("state-a", b"hello")
    d.write_at("part-b", 3, b"xyz")
    assert d.read("state-a", 1, 3) == b"ell"
    assert d.read("state-a", 4, 100) == b"o"
    assert d.read("part-b", 0, 10) == b"\0\0\0xyz"
    assert d.size("state-a") == 5 and d.size("none") == -1
    assert d.names("state-") == ["state-a"]
    d.rename("part-b", "blob-b")
    assert d.size("part-b") == -1 and d.size("blob-b") == 6
    d.remove("blob-b")
    d.remove("blob-b")
    assert d.size("blob-b") == -1


def test_a_missing_file_is_an_oserror():
    with pytest.raises(OSError):
        disk().read("none", 0, 1)
    with pytest.raises(OSError):
        disk().rename("none", "other")


def test_power_loss_keeps_whole_writes_and_may_lose_loose_ones():
    ends = set()
    for seed in range(60):
        d = disk(seed)
        d.write("a", b"1111")
        d.write_at("a", 2, b"2222")
        d.lose_power()
        ends.add(d.read("a", 0, 10))
    # Kept, lost (a hole where the file had grown), and torn in the middle.
    assert b"112222" in ends
    assert any(end.startswith(b"1111") for end in ends)
    assert any(end.startswith(b"1121") or end.startswith(b"1122\0") or end == b"11220000" for end in ends) or len(ends) > 2
    for end in ends:
        assert end[:2] == b"11"


def test_a_rename_does_not_make_loose_writes_durable():
    ends = set()
    for seed in range(40):
        d = disk(seed)
        d.write_at("part", 0, b"abcd")
        d.rename("part", "blob")
        d.lose_power()
        ends.add(d.read("blob", 0, 4))
    assert b"abcd" in ends and len(ends) > 1


def test_a_whole_write_after_loose_ones_is_durable():
    for seed in range(20):
        d = disk(seed)
        d.write_at("a", 0, b"loose")
        d.write("a", b"whole")
        d.lose_power()
        assert d.read("a", 0, 9) == b"whole"


def test_a_full_disk_refuses_and_changes_nothing():
    d = disk(capacity=10)
    d.write("a", b"12345")
    with pytest.raises(OSError) as caught:
        d.write("b", b"123456")
    assert caught.value.errno == errno.ENOSPC
    assert d.size("b") == -1
    with pytest.raises(OSError):
        d.write_at("a", 5, b"123456")
    assert d.read("a", 0, 20) == b"12345"
    d.write("a", b"1234567890")
    d.full = True
    with pytest.raises(OSError):
        d.write("a", b"1")
    d.remove("a")
    assert d.used() == 0


def test_a_power_cut_at_every_change_leaves_old_or_new():
    for cut in range(4):
        d = disk(cut)
        d.write("a", b"old")
        d.cut_after(cut)
        with pytest.raises(PowerCut):
            for step in (lambda: d.write("a", b"new"), lambda: d.write("b", b"new"),
                         lambda: d.rename("b", "c"), lambda: d.remove("a")):
                step()
        d.lose_power()
        assert d.read("a", 0, 9) == (b"old" if cut == 0 else b"new")
        assert (d.size("c") == 3) is (cut > 2)
        d.write("a", b"again")


def test_a_wiped_disk_is_empty_and_works():
    d = disk()
    d.write("a", b"1")
    d.full = True
    d.wipe()
    assert d.names("") == []
    d.write("a", b"1")
