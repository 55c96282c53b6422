"""The model of power cuts itself: what it calls possible, and what it finds in code that is wrong."""

import os

import power_states
import pytest
from power_journal import Journal
from power_states import cases, look, materialise, state
from power_sweep import DIALECTS, Sweep, memory, record

from backfence.agent.edge import disk

__all__ = ["memory"]
OLD, NEW = b"old" * 200, b"new" * 400


def left_by(memory, scenario, dialect="cpython"):
    """{sorted items of what lies there} for every state after a scenario(folder) over a file `a` of OLD."""
    folder = memory + "/files"
    materialise({"a": OLD}, folder)
    journal = record(folder, [disk], lambda journal: scenario(folder), dialect)
    return {tuple(sorted(case.files.items())) for case in cases(journal, len(journal.ops))}


def write(path, data, *, mode="wb", flush=True):
    """A write as the code under test makes one."""
    file = disk.open(path, mode)
    file.write(data)
    if flush:
        disk._sync(file)
    file.close()


def contents(found, name="a"):
    """What a file may hold."""
    return {dict(items).get(name) for items in found}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_flushed_stays(memory, dialect):
    found = left_by(memory, lambda folder: disk.replace_file(folder, "a", NEW), dialect)
    assert found == {(("a", NEW),)}


def test_what_is_not_flushed_is_kept_lost_or_torn(memory):
    found = contents(left_by(memory, lambda folder: write(folder + "/a", NEW, flush=False)))
    assert {OLD, NEW, b"", NEW[:600], NEW[:512], NEW[:1], b"\xff" * 1200, bytes(1200)} <= found
    assert {bytes(600) + NEW[600:], NEW[:1] + OLD[1:], OLD + bytes(600)} <= found


def test_a_name_that_is_not_flushed_is_kept_or_lost_whatever_the_bytes(memory):
    found = left_by(memory, lambda folder: disk.replace_file(folder, "a", NEW, durable=False))
    assert {OLD, NEW, b""} <= contents(found)
    # JFFS2 makes the new name first, then takes the old one away.
    assert (("a", NEW), ("a.tmp", NEW)) in found


def test_writes_of_two_files_reach_the_medium_in_any_order(memory):
    def scenario(folder):
        write(folder + "/b", b"1", flush=False)
        write(folder + "/c", b"2", flush=False)

    found = left_by(memory, scenario)
    assert (("a", OLD), ("b", b"1")) in found and (("a", OLD), ("c", b"2")) in found


def test_a_directory_takes_all_in_it_with_its_name(memory):
    def scenario(folder):
        disk.os.mkdir(folder + "/in")
        disk.replace_file(folder + "/in", "b", NEW)

    found = left_by(memory, scenario)
    assert found == {(("a", OLD),), (("a", OLD), ("in", None), ("in/b", NEW))}


def test_a_removed_file_may_be_there_again(memory):
    found = left_by(memory, lambda folder: disk._remove_quietly(folder + "/a"))
    assert found == {(), (("a", OLD),)}


def test_a_case_is_made_again_by_its_name(memory):
    folder = memory + "/files"
    materialise({"a": OLD}, folder)
    journal = record(folder, [disk], lambda journal: disk.replace_file(folder, "a", NEW))
    names = set()
    for case in cases(journal):
        again = state(journal, case.name)
        assert (again.files, again.marks) == (case.files, case.marks)
        materialise(case.files, memory + "/made")
        assert look(memory + "/made") == case.files
        names.add(case.name)
    assert len(names) > 10


def test_many_pending_calls_are_tried_in_every_order_that_tells(memory):
    folder = memory + "/files"
    materialise({}, folder)

    def scenario(journal):
        for number in range(10):
            write(folder + "/%d" % number, b"x", flush=False)

    journal = record(folder, [disk], scenario)
    found = {tuple(sorted(case.files)) for case in cases(journal, len(journal.ops))}
    assert tuple("0123456789") in found and () in found and ("9",) in found and tuple("012345678") in found
    assert len(found) > 2 * power_states.DRAWS


def test_a_call_that_the_recorder_does_not_know_is_an_error(memory):
    with pytest.raises(AssertionError, match="does not know"):
        record(memory, [disk], lambda journal: disk.os.truncate(memory, 0))


def test_a_call_may_be_refused(memory):
    for number in range(1, 6):
        folder = memory + "/files"
        materialise({"a": OLD}, folder)
        with pytest.raises(OSError, match="28"):
            record(folder, [disk], lambda journal: disk.replace_file(folder, "a", NEW), fail_at=number, problem=28)
        assert look(folder) in ({"a": OLD}, {"a": NEW} if number == 5 else None)


# Ways to replace a file that a power cut goes wrong with.


def in_place(folder, name, data):
    write(folder + "/" + name, data)
    disk.sync_directory(folder)


def without_flush(folder, name, data):
    write(folder + "/tmp", data, flush=False)
    disk.os.rename(folder + "/tmp", folder + "/" + name)
    disk.sync_directory(folder)


def without_the_directorys_flush(folder, name, data):
    write(folder + "/tmp", data)
    disk.os.rename(folder + "/tmp", folder + "/" + name)


def flush_after_the_rename(folder, name, data):
    write(folder + "/tmp", data, flush=False)
    disk.os.rename(folder + "/tmp", folder + "/" + name)
    write(folder + "/" + name, data[-1:], mode="r+b")
    disk.sync_directory(folder)


def removed_first(folder, name, data):
    disk.os.remove(folder + "/" + name)
    disk.sync_directory(folder)
    disk.replace_file(folder, name, data)


BROKEN = (in_place, without_flush, without_the_directorys_flush, flush_after_the_rename, removed_first)


@pytest.mark.parametrize("replace", (*BROKEN, disk.replace_file), ids=lambda replace: replace.__name__)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_code_that_a_cut_goes_wrong_with_is_found(memory, replace, dialect):
    folder = memory + "/files"
    materialise({"a": OLD}, folder)
    sweep = Sweep("model", memory)
    wrong = []

    def check(case, made):
        found = look(made).get("a")
        if found not in ((NEW,) if case.marks else (OLD, NEW)):
            wrong.append(case.name)

    sweep.run(record(folder, [disk], lambda journal: (replace(folder, "a", NEW), journal.mark("done")), dialect), check)
    assert bool(wrong) == (replace in BROKEN), wrong
    assert sweep.count >= 5


def test_the_recorder_does_what_it_is_asked(memory):
    """The real files are as they would be without it."""
    for dialect in DIALECTS:
        folder = memory + "/" + dialect
        os.mkdir(folder)

        def scenario(journal, folder=folder):
            one = disk.Disk(folder, folder, folder)
            one.write("state-a", b"x" * 10000)
            one.write_at("slot-a", 5, b"y" * 9000)
            one.write_at("slot-a", 0, b"zz")
            one.sync("slot-a")
            one.rename("state-a", "state-b")
            one.write("state-c", b"1")
            one.remove("state-c")

        journal = record(folder, [disk], scenario, dialect)
        found = {"slot-a": b"zz\0\0\0" + b"y" * 9000, "state-b": b"x" * 10000}
        assert look(folder) == found == look(folder)
        everything = [case.files for case in cases(journal, len(journal.ops))]
        assert found in everything
        assert Journal(folder).base[0][""].keys() == found.keys()
