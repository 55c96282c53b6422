"""Updates on a file system that is really full, and on one that refuses any single call.

| the disk | what is on it then | what runs |
|---|---|---|
| has no room for the image | the record to the byte, the confirmed slot whole | the confirmed image |
| has none for the record | the same; the other slot holds the new image, which means nothing | the same |
| has none for the launcher's count | the record to the byte | the packaged agent, until there is room |
| refuses one call (ENOSPC, EIO) | the old record or the new | the old image or the new |

After each, once there is room, the next good update is installed.  A file system of a few
pages is mounted for it, so this needs root, as CI has it.
"""

import errno
import os
import subprocess

import pytest
from power_box import check_clean, read
from power_sweep import memory
from power_journal import Journal
from power_update import DISK_MS, TRIAL_S, Launched, fields_of, image, record_of
from power_watch import Watch
from test_power_update import FIRST, LAST, SECOND, THIRD, check_slots, lives_on

from backfence.agent import slots
from backfence.agent.edge import disk, files
from backfence.agent.errors import LocalError

__all__ = ["memory"]
PAGE = 4096
# Two images of three pages, six state files, and room for one more of each.
DISK_BYTES = 16 * PAGE


@pytest.fixture
def small(memory):
    """The home directory of a box, on a file system of its own: Small."""
    folder = memory + "/small"
    os.mkdir(folder)
    options = f"size={DISK_BYTES},mode=700"
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    assert mount.returncode == 0, "a small file system is needed, and root to mount it: " + mount.stderr
    try:
        os.mkdir(folder + "/home")
        yield Small(folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


class Small:
    """A small file system.  home: of the box."""

    def __init__(self, folder):
        self.home, self._filler = folder + "/home", folder + "/filler"

    def fill(self, pages_left=0):
        """Leave so many pages."""
        self.empty()
        room = os.statvfs(self.home)
        with open(self._filler, "wb") as file:
            file.write(bytes(max(0, room.f_bavail * room.f_frsize - pages_left * PAGE)))
        assert os.statvfs(self.home).f_bavail * room.f_frsize == pages_left * PAGE

    def empty(self):
        """Make room again."""
        if os.path.exists(self._filler):
            os.remove(self._filler)


def settled(small, memory):
    """A box that runs FIRST, confirmed; its store lies elsewhere."""
    box = Launched(small.home, store=memory + "/store").start()
    box.update(FIRST)
    return box


def still_runs(box, sequence):
    """What runs, and what runs after a power cut, is that image."""
    assert box.sequence() == sequence and read(box.path) == image(sequence)
    again = Launched(box.home).start()
    assert again.sequence() == sequence and read(again.path) == image(sequence)
    check_clean(box.home)
    check_slots(box.home)


@pytest.mark.parametrize("pages", range(7))
def test_an_update_with_so_little_room_is_whole_or_refused(small, memory, pages):
    """The image takes three pages, the record one more while it is replaced."""
    box = settled(small, memory)
    before = read(small.home + "/state/state-slots")
    small.fill(pages)
    box.push(SECOND)
    code = box.run(5000)
    if pages < 4:
        assert code is None and read(small.home + "/state/state-slots") == before
        wanted = "the disk refused the slot: error 28" if pages < 3 else "the disk refused the record"
        assert box.node.update.status()["refused"].endswith(wanted)
        assert box.node.counters["updates_unwritten"] == 1
        still_runs(box, FIRST)
    else:
        assert code == slots.ANEW
        box.start(code)
        assert box.sequence() == SECOND and read(box.path) == image(SECOND)
    small.empty()
    lives_on(Launched(small.home, store=memory + "/store2").start(), LAST)


def test_what_found_no_room_is_installed_when_there_is_some(small, memory):
    box = settled(small, memory)
    small.fill(1)
    box.push(SECOND)
    assert box.run(DISK_MS + 5000) is None and box.node.counters["updates_unwritten"] == 2
    small.empty()
    assert box.run(3 * DISK_MS) == slots.ANEW
    box.start(slots.ANEW)
    box.prove()
    still_runs(box, SECOND)


def test_a_trial_whose_start_cannot_be_counted_waits_for_room(small, memory):
    """The packaged agent runs meanwhile, its crashes are nobody's, and it makes way when there is room."""
    box = settled(small, memory)
    code = box.install(SECOND)
    before = read(small.home + "/state/state-slots")
    small.fill()
    for _ in range(2 * slots.CRASHES):
        box.start(code)
        assert box.slot == slots.PACKAGED and box.unjudged
        code = 1
    assert read(small.home + "/state/state-slots") == before
    assert box.run(2000 * TRIAL_S) is None
    small.empty()
    assert box.run(DISK_MS + 1000 * TRIAL_S) == slots.ANEW
    box.start(slots.ANEW)
    assert box.sequence() == SECOND and record_of(small.home).starts == 1
    box.prove()
    still_runs(box, SECOND)


def test_crashes_on_a_full_disk_give_up_nothing_for_ever(small, memory):
    """A crash cannot be counted; what was confirmed is still so when there is room."""
    box = settled(small, memory)
    small.fill()
    for _ in range(2 * slots.CRASHES):
        box.start(139)
    small.empty()
    box.start()
    still_runs(box, FIRST)
    assert fields_of(small.home)[4] <= 1


def test_a_proof_that_cannot_be_written_is_written_when_there_is_room(small, memory):
    box = settled(small, memory)
    box.start(box.install(SECOND))
    small.fill()
    assert box.run(5000) is None and box.node.update.on_trial() and record_of(small.home).floor == FIRST
    small.empty()
    assert box.run(5000) is None and not box.node.update.on_trial()
    assert record_of(small.home).floor == SECOND
    still_runs(box, SECOND)


def test_state_that_finds_no_room_stays_as_it_was(small, memory):
    box = settled(small, memory)
    before = {name: read(small.home + "/state/" + name) for name in os.listdir(small.home + "/state")}
    small.fill()
    verdict = box.lan.push(0, {"kind": "slice", "name": "edge", "seats": 4})
    box.run(1000)
    assert verdict == [None] and box.node.counters["store_errors"] > 0
    assert {name: read(small.home + "/state/" + name) for name in os.listdir(small.home + "/state")} == before
    still_runs(Launched(small.home).start(), FIRST)


def refused_at(number, problem, home, store):
    """A whole update of which one changing call is refused; the Journal."""
    journal = Journal(home, fail_at=number, problem=problem)
    with Watch(journal, disk, files, dialect="micropython"):
        box = Launched(home, store=store)
        try:
            box.start()
            if box.node.update.on_trial():
                box.prove()
            box.push(SECOND)
            code = box.run(5000)
            if code is not None:
                box.start(code)
                box.run(5000)
        except LocalError:
            pass  # its start was refused: the launcher starts it again
    return journal


@pytest.mark.parametrize("problem", [errno.ENOSPC, errno.EIO])
def test_whichever_call_the_disk_refuses_the_old_image_or_the_new_runs(memory, problem):
    number = 0
    ran = set()
    while True:
        number += 1
        home = "%s/%d" % (memory, number)
        os.mkdir(home)
        box = Launched(home, store=memory + "/store").start()
        box.update(FIRST)
        journal = refused_at(number, problem, home, memory + "/store")
        if not journal.failed:
            break
        again = Launched(home, store=memory + "/store").start()
        sequence = again.sequence()
        ran.add(sequence)
        assert sequence in (FIRST, SECOND) and read(again.path) == image(sequence), (number, journal.ops[-3:])
        check_slots(home)
        check_clean(home)
        lives_on(again, THIRD)
    assert number > 30 and ran == {FIRST, SECOND}
