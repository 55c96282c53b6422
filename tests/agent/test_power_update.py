"""Power cuts in an update: before, within and after every call of install, trial, proof and way back.

After each cut the launcher's own program judges what lies there, and what it names is looked
at: the old image or the new, whole, as the test's scenario says by its marks:

    ("may", sequence...)      which images may run if the power goes now; 0 is the packaged agent
    ("starts", slot, sequence), ("confirmed", sequence), ("failed", sequence)
"""

import os
import shutil

import pytest
from lan import WALL_S
from power_box import check_clean, check_floors, check_store, promised, read
from power_sweep import PARTIAL, Sweep, memory, record
from power_update import SLOT_KB, Launched, fields_of, image, judged, record_of

from backfence.agent import slots
from backfence.agent.edge import disk, files

__all__ = ["memory"]
FIRST, SECOND, THIRD, LAST = (WALL_S - 400 + 100 * number for number in range(4))
# Of more than one part, and longer and shorter than what a slot held before.
LONG_BYTES, SHORT_BYTES = 36000, 5000
# Every so many states the box lives on: its trial proves itself, another update comes.
LIVES_ON = 10
# Or what runs crashes, again and again.
GIVES_UP = 3


def two_updates(box):
    """From the packaged agent to slot a, from there to slot b."""
    box.start()
    box.update(FIRST)
    box.update(SECOND)


def there_and_back(box):
    """An image that does not prove itself, and one that crashes; what was before runs again."""
    box.start()
    box.update(FIRST)
    box.start(box.install(SECOND))
    box.ends(slots.UNPROVEN, FIRST)
    box.mark("failed", SECOND)
    box.start(box.install(THIRD, size=SHORT_BYTES))
    for _ in range(slots.TRIAL_STARTS - 2):
        box.ends(1, THIRD)
    # It has one start left, and none once that is counted.
    box.mark("may", THIRD, FIRST)
    box.start(1)
    box.mark("may", FIRST)
    box.ends(1, FIRST)
    box.mark("failed", THIRD)


def crashes(box):
    """What was confirmed crashes until it is given up, and what was before it too."""
    box.start()
    box.update(FIRST)
    box.update(SECOND)
    for _ in range(slots.CRASHES - 1):
        box.ends(139, SECOND)
    box.ends(139, FIRST)
    for _ in range(slots.CRASHES - 1):
        box.ends(139, FIRST)
    box.ends(139, 0)


def other_sizes(box):
    """Images of more than one part, over longer and shorter ones."""
    box.start()
    box.update(FIRST, size=LONG_BYTES)
    box.update(SECOND, size=SHORT_BYTES)
    box.update(THIRD, size=LONG_BYTES)


def overtaken(box):
    """A newer image comes before the trial of one that is installed: the launcher could not start it."""
    box.start()
    box.update(FIRST)
    box.install(SECOND)
    box.starts_unjudged()
    box.mark("may", FIRST, SECOND)
    # What is overwritten may be on trial when the power comes back, and has failed then.
    box.update(THIRD, also=(FIRST, SECOND), size=SHORT_BYTES)


SCENARIOS = (two_updates, there_and_back, crashes)


def recorded(memory, scenario, dialect="cpython"):
    """The Journal of a scenario on a home of its own; the store lies in memory, beside it."""
    home = memory + "/home"
    os.mkdir(home)
    return record(home, [disk, files], lambda journal: scenario(Launched(home, journal, memory + "/store")), dialect)


class Check:
    """The invariants.  count: how many states it has seen; last: the sequence of a further update."""

    def __init__(self, last=LAST):
        self.count, self.last = 0, last
        self.ran = set()

    def __call__(self, case, home):
        self.count += 1
        before = fields_of(home)
        box = Launched(home).start()
        self.what_runs(case, box)
        self.record(case, home, before, box)
        check_slots(home)
        check_clean(home)
        check_floors(case, home)
        check_store(home, box.node.store)
        if PARTIAL:
            shutil.copytree(home, home + "-copy")
            gives_up(Launched(home + "-copy"))
        if PARTIAL or self.count % LIVES_ON == 0:
            lives_on(box, self.last)
        elif self.count % GIVES_UP == 0:
            gives_up(box)

    def what_runs(self, case, box):
        """The old or the new, whole, and never anything else."""
        allowed = [mark[1:] for mark in case.marks if mark[0] == "may"][-1:] or [(0,)]
        sequence = box.sequence()
        assert sequence in allowed[0], f"{sequence} runs, allowed is {allowed[0]}"
        self.ran.add(sequence)
        if box.path:
            found = read(box.path)
            assert found == image(sequence, len(found)), f"the file that runs is not image {sequence}"

    @staticmethod
    def record(case, home, before, box):
        """What the record has promised is kept."""
        after = fields_of(home)
        confirmed = [mark[1] for mark in case.marks if mark[0] == "confirmed"]
        failed = {mark[1] for mark in case.marks if mark[0] == "failed"}
        if not confirmed and not failed and after is None:
            return
        assert after[5] >= max(confirmed, default=0), f"the floor is {after[5]}, confirmed was {confirmed}"
        assert failed <= set(after[6]), f"failed were {failed}, the record says {after[6]}"
        if record_of(home).trial and box.slot:
            # Each start of a trial was counted before it happened, this one too.
            starts = sum(mark[0] == "starts" and mark[2] == box.sequence() for mark in case.marks)
            assert after[3] >= starts + 1, f"{after[3]} starts counted, there were {starts + 1}"
        assert before is None or after[5] >= before[5]


def check_slots(home):
    """Two files at most, none longer than a slot."""
    names = os.listdir(home + "/slots")
    assert set(names) <= {"slot-a", "slot-b"}, names
    assert all(os.path.getsize(home + "/slots/" + name) <= SLOT_KB << 10 for name in names)


def lives_on(box, last):
    """What runs proves itself if it is a trial; a further update is installed and proves itself."""
    if box.node.update.on_trial():
        box.prove()
    box.update(last)
    assert box.sequence() == last and read(box.path) == image(last)
    fields = fields_of(box.home)
    assert fields[5] == last and fields[1] == box.slot
    again = Launched(box.home).start()
    assert again.sequence() == last and not again.node.update.on_trial()
    check_slots(box.home)


# What a box has is MicroPython; the other dialect makes the same calls of an image by and by.
def gives_up(box):
    """Whatever crashes, what runs next is whole, and in the end the packaged agent runs."""
    for _ in range(2 * slots.CRASHES):
        slot, path = judged(box.home, 139)
        if path:
            row = record_of(box.home).rows[slot]
            assert read(path) == image(row.sequence, row.size), f"after crashes {path} runs, not whole"
    assert not slot, "what crashes for ever is never given up"


@pytest.mark.parametrize(
    ("scenario", "dialect"), [(scenario, "micropython") for scenario in SCENARIOS] + [
        (overtaken, "micropython"), (two_updates, "cpython")]
)
def test_after_a_cut_at_any_call_the_old_image_or_the_new_runs_whole(memory, scenario, dialect):
    sweep, check = Sweep(scenario.__name__ + "-" + dialect, memory), Check()
    sweep.run(recorded(memory, scenario, dialect), check)
    assert sweep.partial or sweep.count > 100 and len(check.ran) >= 3


def test_images_of_any_size_follow_each_other(memory):
    sweep, check = Sweep("other-sizes", memory), Check()
    sweep.run(recorded(memory, other_sizes), check, 3)
    assert sweep.partial or sweep.count > 100 and len(check.ran) == 4


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_cut_within_the_recovery_from_a_cut_leaves_as_much(memory, scenario):
    """The power goes again while the launcher judges, the agent starts, proves itself, updates."""
    sweep, check = Sweep(scenario.__name__ + "-deep", memory), Check(LAST + 10)

    def recover(case, inner):
        for name in promised(case.marks):
            if os.path.exists(sweep.folder + "/state/" + name):
                inner.mark(("saved", name, read(sweep.folder + "/state/" + name)))
        # What the first cut left to choose from is what the second may leave.
        box = Launched(sweep.folder, inner, memory + "/store")
        record = record_of(sweep.folder)
        last_start = record.trial and record.starts == slots.TRIAL_STARTS - 1
        if last_start:
            before = record.rows[record.confirmed]
            box.mark("may", record.rows[record.trial].sequence, before.sequence if before else 0)
        box.start()
        if not last_start:
            box.mark("may", box.sequence())
        if box.node.update.on_trial():
            box.prove()
            box.mark("may", box.sequence())
        box.update(LAST)

    sweep.run_deep(recorded(memory, scenario), [disk, files], recover, check, 29, 9)
    assert sweep.partial or sweep.count > 100
