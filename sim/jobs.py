"""Jobs: the cell of a box, and two things that may run in it.

`Model` costs nothing: a known output for a program and an input, after a
virtual time drawn from the seed.  `Real` runs the agent's own container, in no
virtual time but what its fuel is said to take.  Both read program and input
from the box's own disk, so a job that starts without them is seen.
"""

import hashlib
import random

from ..agent.container.limits import Limits, Refused
from ..agent.container.outcome import Outcome

# Output of a model job: long enough to need more than one chunk when asked for.
OUTPUT_BYTES = 64

# What a box of this class burns per millisecond (CONTAINER.md's translated code).
FUEL_PER_MS = 10_000


def expected(program, stdin, args, size=OUTPUT_BYTES):
    """The output of a model job: a function of its program's hash, input and arguments alone."""
    seed = hashlib.sha256(b"\0".join([program, hashlib.sha256(stdin).digest()] + [a.encode() for a in args])).digest()
    blocks = [hashlib.sha256(seed + i.to_bytes(4, "big")).digest() for i in range(-(-size // 32))]
    return b"".join(blocks)[:size]


def read_blob(disk, digest):
    """A blob from a box's disk; None if it is missing or not what its name says."""
    name = "blob-" + digest.hex()
    if disk.size(name) < 0:
        return None
    data = disk.read(name, 0, disk.size(name))
    return data if hashlib.sha256(data).digest() == digest else None


class Model:
    """Jobs of a known result.  `duration_ms` = (least, most); `failing` maps task -> Outcome kind."""

    def __init__(self, seed, duration_ms=(500, 4_000), output_bytes=OUTPUT_BYTES, failing=None):
        self._seed = seed
        self.duration_ms = duration_ms
        self._output_bytes = output_bytes
        self._failing = failing or {}

    def run(self, box, job):
        """(Outcome, virtual ms) of a job on a box."""
        draw = random.Random("%s/%d/%d/%s/%d" % (self._seed, box.number, box.starts, job.workload, job.task))
        ms = draw.randrange(*self.duration_ms)
        program, stdin = read_blob(box.disk, job.program), read_blob(box.disk, job.input)
        if program is None or stdin is None:
            return Outcome("refused", reason="blob is not on the disk", ms=0), 1
        kind = self._failing.get(job.task, "ok")
        output = expected(job.program, stdin, job.args, self._output_bytes)
        # Equal on every box, as fuel is; boxes differ in speed.
        fuel = FUEL_PER_MS * (1 + int.from_bytes(expected(job.program, stdin, job.args, 2), "big"))
        if kind != "ok":
            return Outcome(kind, code=1, reason="as the scenario says", fuel=fuel, pages=1, ms=ms), ms
        return Outcome("ok", output=output, fuel=fuel, pages=1, ms=ms), ms


class Real:
    """Jobs in the agent's own container; their virtual time follows from their fuel."""

    def __init__(self, limits=None):
        from ..agent.container.admission import Admission

        self._admission = Admission
        self._limits = limits or Limits()

    def run(self, box, job):
        """(Outcome, virtual ms) of a job on a box."""
        program, stdin = read_blob(box.disk, job.program), read_blob(box.disk, job.input)
        if program is None or stdin is None:
            return Outcome("refused", reason="blob is not on the disk"), 1
        try:
            admission = self._admission(program, self._limits)
            while not admission.step():
                pass
        except Refused as refused:
            return Outcome("refused", reason=str(refused)), 1
        instance = admission.program.start(
            stdin, job.args, job.fuel, job.output, job.pages, job.deterministic, job.seed
        )
        outcome = instance.run(lambda: True)
        outcome.ms = max(1, outcome.fuel // FUEL_PER_MS)
        return outcome, outcome.ms


class Cell:
    """Runs one job at a time for a box, as its edge does, and parks it while the box is busy."""

    def __init__(self, box, runner):
        self.box = box
        self.runner = runner
        self.job = None
        self.overlaps = 0
        self.started = 0
        self.finished = 0
        self.parked = False
        # Says whether the box is busy, as the edge asks before a job begins.
        self.look = None
        # A list of [from, until] (virtual ms, until None: still) in which a job ran, for who wants it.
        self.runs = None
        self._life = 0
        self._outcome = None
        self._left_ms = 0  # of the job, when it last began or was parked
        self._since_ms = None  # when it began to run, None while it does not

    def start(self, job):
        """The node asks for a job; a second one at a time is the node's bug, and counted."""
        if self.job is not None:
            self.overlaps += 1
            return
        self.job = job
        self.started += 1
        self._outcome, self._left_ms = self.runner.run(self.box, job)
        if self.look:
            self.parked = self.look()
        if not self.parked:
            self._run()

    def park(self, parked):
        """The box has better to do, or no more."""
        if parked == self.parked:
            return
        self.parked = parked
        if self.job is not None and parked:
            self._halt()
        elif self.job is not None:
            self._run()

    def cancel(self, key):
        """The node no longer wants the job; it is told so, as any other end."""
        if self.job is not None and self.job.key == key:
            self._halt()
            self._outcome, self._left_ms = Outcome("cancelled", reason="cancelled"), 1
            self.box.world.after(1, self._finish, self._life)

    def stop(self):
        """The agent is gone, and the job with it."""
        self._halt()
        self.job = None
        self.parked = False

    def _run(self):
        self._life += 1
        self._since_ms = self.box.world.now_ms
        if self.runs is not None:
            self.runs.append([self._since_ms, None])
        self.box.world.after(self._left_ms, self._finish, self._life)

    def _halt(self):
        """It runs no more, for now."""
        self._life += 1
        if self._since_ms is not None:
            self._left_ms = max(1, self._left_ms - (self.box.world.now_ms - self._since_ms))
            self._since_ms = None
            if self.runs is not None:
                self.runs[-1][1] = self.box.world.now_ms

    def _finish(self, life):
        if life == self._life and self.job is not None:
            self._halt()
            job, self.job = self.job, None
            self.finished += 1
            self.box.job_done(job, self._outcome)
