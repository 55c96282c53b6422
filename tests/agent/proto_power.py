"""Power cuts on the interpreter itself: what a sample of them leaves, the real disk and launcher take up again.

The whole enumeration runs in test_power_state.py and test_power_update.py.
"""

import os

from backfence.agent import slots
from backfence.agent.counting import Counters
from backfence.agent.edge import disk, launch
from backfence.agent.store import Store
from backfence.agent.wire.hashes import sha256
from emulated import fewer
from power_journal import NATIVE, Journal, is_directory
from power_states import cases, clear, look, materialise
from power_watch import Watch

# One for each of the two dialects, and one of 32 bits with its own C library.
INTERPRETERS = ("cpython", "micropython", "armhf")
ROOT = ("/dev/shm" if is_directory("/dev/shm") else "/tmp") + "/backfence-power-" + os.urandom(6).hex()
HOME, CUT = ROOT + "/home", ROOT + "/cut"
FIRST, SECOND = 1700000100, 1700000200


def image(sequence):
    """What a slot is to hold: of more than one write."""
    return (b"image %d " % sequence) * 300


def opened(home):
    """The box's disk in a home directory."""
    for name in ("", "/state", "/slots", "/store"):
        disk.make_directory(home + name)
    return disk.Disk(home + "/state", home + "/store", home + "/slots")


def install(box, slot, sequence):
    """As update.py and download.py do: the slot, its flush, the record."""
    data = image(sequence)
    record = loaded(box)
    box.remove(slots.NAMES[slot])
    for offset in range(0, len(data), slots.READ_BYTES):
        box.write_at(slots.NAMES[slot], offset, data[offset : offset + slots.READ_BYTES])
    box.sync(slots.NAMES[slot])
    slots.begin_trial(record, slot, slots.Row(slots.ARCHIVE, len(data), sha256(data), sequence), False)
    box.write("state-slots", slots.encode(record))


def confirm(box):
    """As update.py does."""
    record = loaded(box)
    slots.confirm(record)
    box.write("state-slots", slots.encode(record))


def loaded(box):
    """The slots.Record on a disk."""
    size = box.size("state-slots")
    return slots.decode(box.read("state-slots", 0, size)) if size >= 0 else slots.Record()


def life(journal):
    """Two updates; before each step is marked what may run if the power goes in it."""
    box = opened(HOME)
    store = Store(box, 1 << 16, Counters())
    for slot, before, sequence in ((1, 0, FIRST), (2, FIRST, SECOND)):
        journal.mark((before, sequence))
        store.put(b"blob %d" % sequence * 100)
        install(box, slot, sequence)
        journal.mark((sequence,))
        assert launch.judge(box, 75, 0) == (slot, slots.ARCHIVE)
        confirm(box)


def check(case):
    """The real launcher's judge and the real store, started from what the cut left."""
    materialise(case.files, CUT)
    box = opened(CUT)
    slot, _ = launch.judge(box, None, 0)
    sequence = loaded(box).rows[slot].sequence if slot else 0
    assert sequence in (case.marks[-1] if case.marks else (0,)), (case.name, sequence, case.marks)
    if slot:
        assert box.read(slots.NAMES[slot], 0, 1 << 16) == image(sequence), case.name
    store = Store(box, 1 << 16, Counters())
    left = look(CUT)
    for path in left:
        assert not path.endswith(".tmp"), (case.name, path)
        if path.startswith("store/"):
            assert path == "store/blob-" + sha256(left[path]).hex(), (case.name, path)
    assert store.used == sum([len(left[path]) for path in left if path.startswith("store/")])
    # A further update works, whatever is there.
    if slot and loaded(box).trial == slot:
        confirm(box)
    install(box, slots.spare(loaded(box), slot), SECOND + 100)
    slot, _ = launch.judge(box, 75, 0)
    assert loaded(box).rows[slot].sequence == SECOND + 100 and loaded(box).starts == 1


def test_a_sample_of_power_cuts_leaves_the_old_image_or_the_new():
    clear(ROOT)
    os.mkdir(ROOT)
    os.mkdir(HOME)
    try:
        journal = Journal(HOME)
        with Watch(journal, disk):
            life(journal)
        assert NATIVE in ("cpython", "micropython") and len(journal.ops) > 40
        count = tried = 0
        for case in cases(journal):
            if count % fewer(3, 17) == 0:
                check(case)
                tried += 1
            count += 1
        assert tried > fewer(80, 10), (tried, count)
    finally:
        clear(ROOT)
