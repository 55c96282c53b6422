"""Runs a check on every state that a power cut may leave, and says how to run one again.

    sweep = Sweep("state-save", memory)
    for case, folder in sweep.cases(journal): ...      # or sweep.run(journal, check)

`POWER_CASE=NAME:CASE` in the environment restricts a sweep of that name to one case; a
failure prints it.  `POWER_ALL=1` checks every state where only some are checked otherwise.
Folders lie in memory: /dev/shm where there is one.
"""

import gc
import os
import shutil
import tempfile

import power_states
import pytest
from power_journal import NATIVE, Journal
from power_watch import Watch

# One case is run again: with all that is done to others only now and then.
PARTIAL = bool(os.environ.get("POWER_CASE"))
EVERY = os.environ.get("POWER_ALL") == "1"
DIALECTS = ("cpython", "micropython")


@pytest.fixture
def memory():
    """A folder in memory for the test's files, removed at its end."""
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="backfence-power-", dir=shared) as folder:
        yield folder


def record(folder, modules, scenario, dialect=NATIVE, **faults):
    """The Journal of scenario(journal), run with those modules under the recorder."""
    journal = Journal(folder, **faults)
    with Watch(journal, *modules, dialect=dialect):
        scenario(journal)
    return journal


class Sweep:
    """The states of one scenario.  count: how many were checked; partial: POWER_CASE left most of them out."""

    def __init__(self, name, memory):
        self.name = name
        self.folder = memory + "/cut"
        self.count = 0
        wanted, _, self._only = os.environ.get("POWER_CASE", "").partition(":")
        self.partial = PARTIAL
        self._off = bool(wanted) and wanted != name
        if wanted != name:
            self._only = ""

    def run(self, journal, check, stride=1, start=0):
        """check(case, folder) of every stride-th state, made below the folder."""
        gc.freeze()  # what is alive now need not be looked at for each state
        for number, case in enumerate(self._chosen(journal, self._only.split("+")[0])):
            if self._only or EVERY or number % stride == start:
                self._one(case, check, journal)
        gc.unfreeze()

    def run_deep(self, journal, modules, recover, check, stride, inner_stride, dialect=NATIVE):
        """Cuts within the recovery from a cut: recover(case, folder) under the recorder, then
        check(case, folder) of its states.  The marks of both are in the case's.
        """
        outer, _, inner = self._only.partition("+")
        gc.freeze()
        for number, case in enumerate(self._chosen(journal, outer)):
            if not (outer or EVERY or number % stride == 0):
                continue
            power_states.materialise(case.files, self.folder)
            again = record(self.folder, modules, lambda journal: recover(case, journal), dialect)
            for position, second in enumerate(self._chosen(again, inner)):
                if inner or EVERY or position % inner_stride == number // stride % inner_stride:
                    second.name = case.name + "+" + second.name
                    second.marks = case.marks + second.marks
                    self._one(second, check, again)
        gc.unfreeze()

    def _chosen(self, journal, only):
        if self._off:
            return []
        return [power_states.state(journal, only)] if only else power_states.cases(journal)

    def _one(self, case, check, journal):
        power_states.materialise(case.files, self.folder)
        self.count += 1
        try:
            check(case, self.folder)
        except Exception as problem:
            pytest.fail(self._story(case, journal, problem))

    def _story(self, case, journal, problem):
        cut = int(case.name.rpartition("+")[2].partition(".")[0])
        lines = ["%s: after a power cut: %s: %s" % (self.name, type(problem).__name__, problem)]
        lines.append("again: POWER_CASE='%s:%s'" % (self.name, case.name))
        for number, op in enumerate(journal.ops[:cut], 1):
            lines.append("%5d  %s" % (number, " ".join(_short(part) for part in op)))
        lines.append("       the cut, which left:")
        for path, data in sorted(case.files.items()):
            lines.append("       %s %s" % (path, "/" if data is None else _short(data)))
        if problem.__traceback__:
            import traceback

            lines += traceback.format_exception(problem)[-6:]
        return "\n".join(lines[:2] + lines[2:][-70:])


def _short(part):
    if isinstance(part, bytes):
        return "%d bytes %s%s" % (len(part), part[:12].hex(), ".." if len(part) > 12 else "")
    return "(" + ", ".join(_short(inner) for inner in part) + ")" if isinstance(part, tuple) else str(part)


def remove(folder):
    """Remove a folder and all in it."""
    shutil.rmtree(folder, ignore_errors=True)
