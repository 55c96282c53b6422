"""The slots' record: its form, its rules one by one, and random lives checked against a model."""

from emulated import fewer

from backfence.agent import slots
from backfence.agent.errors import RemoteError
from backfence.agent.rng import Rng
from backfence.agent.slots import ANEW, ARCHIVE, EXECUTABLE, PACKAGED, SLOT_A, SLOT_B, UNPROVEN, Record, Row
from backfence.agent.wire import cbor
from backfence.agent.wire.hashes import sha256

CRASH = 1


def image(sequence):
    """What a slot holds in these tests."""
    return b"image %d" % sequence


def row(sequence, good=False, kind=ARCHIVE):
    return Row(kind, len(image(sequence)), sha256(image(sequence)), sequence, good)


class Files:
    """A disk with two slots."""

    def __init__(self):
        self.files = {}
        self.refuses = False

    def size(self, name):
        return len(self.files[name]) if name in self.files else -1

    def read(self, name, offset, count):
        if self.refuses:
            raise OSError(5)
        return self.files[name][offset : offset + count]


def whole(record, files):
    """The judge's question about a slot, over files in memory."""

    def ask(slot):
        reading = slots.Reading(files, slot, record.rows[slot])
        while not reading.step():
            pass
        return reading.whole

    return ask


def install(record, files, runs, sequence, peered=False):
    """Install an image as update.py does; the slot, or None if it is refused."""
    if slots.refusal(record, sequence):
        return None
    slot = slots.spare(record, runs)
    files.files[slots.NAMES[slot]] = image(sequence)
    slots.begin_trial(record, slot, row(sequence), peered)
    return slot


def confirmed(*sequences):
    """(record, files) after these were installed, tried and confirmed in turn."""
    record, files = Record(), Files()
    for sequence in sequences:
        install(record, files, record.confirmed, sequence)
        slots.choose(record, 0, whole(record, files))
        slots.confirm(record)
    return record, files


def choose(record, files, packaged=0):
    return slots.choose(record, packaged, whole(record, files))


def same(one, other):
    return slots.encode(one) == slots.encode(other)


def test_the_record_is_the_contracts_array():
    record, _ = confirmed(7, 9)
    install(record, Files(), SLOT_B, 12, True)
    record.failed = [3, 4]
    record.crashes = 2
    assert cbor.decode(slots.encode(record), 3, 32) == [
        1, 2, 1, 0, 2, 9, [3, 4],
        [[1, 8, sha256(b"image 12"), 12, False], [1, 7, sha256(b"image 9"), 9, True]], True,
    ]
    assert same(slots.decode(slots.encode(record)), record)
    assert same(slots.decode(slots.encode(Record())), Record())


def test_the_longest_record_fits():
    record = Record()
    top = (1 << 53) - 1
    for slot in (SLOT_A, SLOT_B):
        record.rows[slot] = Row(EXECUTABLE, 0xFFFFFFFF, b"h" * 32, top, True)
    record.confirmed, record.trial, record.starts, record.crashes = 1, 2, slots.TRIAL_STARTS, slots.CRASHES
    record.floor, record.failed = top, [top] * slots.FAILED
    assert len(slots.encode(record)) <= slots.RECORD_BYTES
    assert same(slots.decode(slots.encode(record)), record)


def test_a_broken_record_is_refused():
    good = [1, 1, 0, 0, 0, 5, [], [[1, 4, b"h" * 32, 5, True], []], False]
    slots.decode(cbor.encode(good))
    wrong = [
        (0, 2), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 4), (4, 6), (5, -1), (5, 1 << 53), (6, [1] * 5),
        (6, ["x"]), (7, []), (7, [[], []]), (7, [[1, 4, b"h" * 32, 5, True]]), (7, [[1, 4, b"h" * 32, 5, False], []]),
        (7, [[3, 4, b"h" * 32, 5, True], []]), (7, [[1, 4, b"h" * 31, 5, True], []]), (7, [[1, 4, b"h" * 32, 5, 1], []]),
        (7, [[1, 4, b"h" * 32, 5], []]), (7, [7, []]), (8, 0), (8, None),
    ]
    texts = [cbor.encode(good[:place] + [value] + good[place + 1 :]) for place, value in wrong]
    texts += [b"", b"\xff", cbor.encode(good[:8]), cbor.encode(good + [0]), cbor.encode(7), cbor.encode({}),
              cbor.encode(good)[:-1], cbor.encode(good) + b"\0", b"\x9a" * slots.RECORD_BYTES + b"\0"]
    for text in texts:
        try:
            slots.decode(text)
            assert False, text
        except RemoteError:
            pass


def test_a_trial_starts_three_times_and_is_over():
    record, files = confirmed(5)
    assert install(record, files, SLOT_A, 6) == SLOT_B
    for starts in (1, 2, 3):
        assert choose(record, files) == SLOT_B and record.starts == starts
        slots.ended(record, CRASH)
    assert choose(record, files) == SLOT_A
    assert record.failed == [6] and record.rows[SLOT_B] is None and record.trial == PACKAGED
    # Its crashes are not those of what is confirmed.
    assert record.crashes == 0
    assert install(record, files, SLOT_A, 6) is None and install(record, files, SLOT_A, 7) == SLOT_B
    assert choose(record, files) == SLOT_B and record.starts == 1


def test_a_trial_that_says_so_itself_fails_at_once():
    record, files = confirmed()
    install(record, files, PACKAGED, 6)
    assert choose(record, files) == SLOT_A
    slots.ended(record, UNPROVEN)
    assert choose(record, files) == PACKAGED and record.failed == [6]
    # Said by anything but a trial it is a crash.
    record, files = confirmed(5)
    slots.ended(record, UNPROVEN)
    assert choose(record, files) == SLOT_A and record.crashes == 1


def test_stops_and_new_starts_are_no_crashes():
    record, files = confirmed(5)
    for code in (slots.STOPPED, ANEW):
        slots.ended(record, code)
    assert record.crashes == 0
    record, files = confirmed()
    for _ in range(9):
        slots.ended(record, CRASH)
    assert same(record, Record())


def test_five_crashes_in_a_row_go_to_the_older_slot_and_then_to_the_packaged_one():
    record, files = confirmed(5, 6)
    for slot, following in ((SLOT_B, SLOT_A), (SLOT_A, PACKAGED)):
        for _ in range(slots.CRASHES - 1):
            slots.ended(record, CRASH)
            assert choose(record, files) == slot
        slots.ended(record, CRASH)
        assert choose(record, files) == following
        assert not record.rows[slot].good and record.crashes == 0
    for _ in range(9):
        slots.ended(record, CRASH)
        assert choose(record, files) == PACKAGED
    assert record.floor == 6
    assert install(record, files, PACKAGED, 6) is None
    assert install(record, files, PACKAGED, 7) == SLOT_A  # over the older one
    assert choose(record, files) == SLOT_A


def test_crashes_stop_counting_at_their_limit():
    record, files = confirmed(5)
    for _ in range(slots.CRASHES + 4):
        slots.ended(record, CRASH)
    assert slots.decode(slots.encode(record)).crashes == slots.CRASHES


def test_a_file_that_is_not_the_image_is_not_started():
    for spoil in (b"image 5", b"image 66", b"image", b""):
        record, files = confirmed(5, 6)
        files.files["slot-b"] = spoil
        assert choose(record, files) == SLOT_A and record.rows[SLOT_B] is None
        files.files["slot-a"] = spoil + b"!"
        assert choose(record, files) == PACKAGED and record.rows == [None] * 3
        install(record, files, PACKAGED, 7)
        files.files["slot-a"] = spoil
        assert choose(record, files) == PACKAGED and record.failed == [7]
    record, files = confirmed(5)
    del files.files["slot-a"]
    assert choose(record, files) == PACKAGED
    record, files = confirmed(5)
    files.refuses = True
    assert choose(record, files) == PACKAGED


def test_a_file_longer_than_one_piece_is_read_to_its_end():
    data = bytes(range(251)) * 40
    files = Files()
    files.files["slot-a"] = data
    record = Record()
    record.rows[SLOT_A] = Row(ARCHIVE, len(data), sha256(data), 1)
    assert whole(record, files)(SLOT_A)
    for place in (0, slots.READ_BYTES, len(data) - 1):
        files.files["slot-a"] = data[:place] + b"\xff" + data[place + 1 :]
        assert not whole(record, files)(SLOT_A)


def test_a_newer_packaged_agent_runs_instead_of_slots():
    record, files = confirmed(5, 6)
    install(record, files, SLOT_B, 7)
    assert choose(record, files, packaged=7) == SLOT_A and record.trial == SLOT_A
    assert record.confirmed == PACKAGED and record.rows[SLOT_B] is None
    assert choose(record, files, packaged=8) == PACKAGED
    assert record.rows == [None] * 3 and record.failed == [] and record.floor == 6


def test_the_lowest_failed_sequence_is_forgotten_first():
    record, files = confirmed()
    for sequence in (9, 3, 7, 5, 8):
        install(record, files, PACKAGED, sequence)
        slots.fail(record)
    assert record.failed == [5, 7, 8, 9]


def test_an_image_goes_where_nothing_runs_and_nothing_is_confirmed():
    record, files = confirmed(5, 6)
    assert slots.spare(record, SLOT_B) == SLOT_A
    # The newer one crashed: what is confirmed is the older, and is kept, whatever runs.
    record.crashes = slots.CRASHES
    assert choose(record, files) == SLOT_A
    assert slots.spare(record, SLOT_A) == slots.spare(record, PACKAGED) == SLOT_B
    # Nothing is confirmed: the older goes, unless one is empty.
    record.confirmed = PACKAGED
    assert slots.spare(record, PACKAGED) == SLOT_A
    record.rows[SLOT_B] = None
    assert slots.spare(record, PACKAGED) == SLOT_B


def test_a_trial_that_never_started_gives_way():
    record, files = confirmed()
    assert install(record, files, PACKAGED, 5) == SLOT_A
    assert install(record, files, PACKAGED, 6) == SLOT_B
    assert record.rows[SLOT_A] is None and record.trial == SLOT_B and record.failed == []


class Life:
    """A box whose slots live through random things, and what must be true all along."""

    def __init__(self, rng):
        self.rng = rng
        self.record, self.files = Record(), Files()
        self.packaged = 0
        self.runs = PACKAGED
        self.top = 0  # highest sequence made
        self.floor = 0
        self.proved = set()  # sequences that were confirmed once
        self.over = set()  # failed, or given up after crashes
        self.starts = {}  # sequence: starts as a trial since installed
        self.trying = False  # what runs is a trial
        self.steady = None  # the last sequence that ran and was none, and its crashes in a row
        self.crashes = 0

    def restart(self, code):
        """The launcher's part: count, choose, write, start."""
        if code is not None:
            self._crash(code)
            slots.ended(self.record, code)
        self.runs = slots.choose(self.record, self.packaged, whole(self.record, self.files))
        self.record = slots.decode(slots.encode(self.record))
        self._check()

    def _crash(self, code):
        if code not in (0, ANEW) and self.runs and self.record.rows[self.runs] and not self.trying:
            self.crashes += 1

    def _check(self):
        record, rows = self.record, self.record.rows
        assert record.floor == self.floor
        for slot in (SLOT_A, SLOT_B):
            assert not rows[slot] or rows[slot].sequence >= self.packaged
        if self.runs == PACKAGED:
            # The last resort: no slot is left that has proved itself and is whole.
            assert not record.confirmed and not record.trial
            self.trying = False
            return
        running = rows[self.runs]
        assert whole(record, self.files)(self.runs)
        assert running.sequence not in self.over
        self.trying = self.runs == record.trial
        if self.trying:
            assert running.sequence > self.floor
            self.starts[running.sequence] += 1
            assert self.starts[running.sequence] <= slots.TRIAL_STARTS
        else:
            assert running.sequence in self.proved and running.good and self.runs == record.confirmed
            if self.steady != running.sequence:
                self.steady, self.crashes = running.sequence, 0
            assert self.crashes == record.crashes < slots.CRASHES

    def install(self, sequence):
        if self.trying:
            return  # update.py takes nothing while it is on trial
        slot = install(self.record, self.files, self.runs, sequence)
        assert slot is None or slot not in (self.runs, self.record.confirmed)
        assert (slot is None) == (sequence <= self.floor or sequence in self.record.failed)
        if slot:
            self.starts[sequence] = 0

    def confirm(self):
        if self.trying:
            sequence = self.record.rows[self.runs].sequence
            slots.confirm(self.record)
            self.proved.add(sequence)
            self.floor = max(self.floor, sequence)
            self.trying, self.steady, self.crashes = False, sequence, 0

    def step(self):
        draw = self.rng.below(100)
        before = [r.sequence for r in self.record.rows[1:] if r]
        if draw < 22:
            self.top += 1 + self.rng.below(3)
            self.install(self.top)
        elif draw < 30:
            self.install(self.rng.below(self.top + 2))
        elif draw < 50:
            self.confirm()
        elif draw < 54:
            self.files.files[slots.NAMES[1 + self.rng.below(2)]] = image(self.rng.below(self.top + 1))
        elif draw < 56:
            self.packaged = max(self.packaged, self.rng.below(self.top + 2))
        else:
            self.restart(self.rng.choice([None, None, 0, ANEW, UNPROVEN] + [CRASH] * 6))
            self.over.update(self.record.failed)
            for sequence in before:
                kept = [r for r in self.record.rows[1:] if r and r.sequence == sequence]
                if not kept or sequence in self.proved and not kept[0].good:
                    self.over.add(sequence)


def test_random_lives_never_end_without_an_agent():
    for seed in range(fewer(12, 3)):
        life = Life(Rng(b"life %d" % seed))
        for _ in range(150):
            life.step()
        # Whatever happened: a good update works.
        if life.trying:
            life.restart(UNPROVEN)
        life.top = max(life.top, life.packaged) + 1
        life.install(life.top)
        life.restart(ANEW)
        assert life.record.rows[life.runs].sequence == life.top
        life.confirm()
        life.restart(None)
        assert life.record.rows[life.runs].sequence == life.top and life.record.confirmed == life.runs
