"""Runs the node's job in the container, one at a time, within its share of the box.

A program is admitted in steps between turns of the loop.  Its run is one long
call, during which the container calls tick() every few milliseconds; tick takes
a turn of the loop, so that the box goes on gossiping, and rests for as long as
the job's share of the processor demands.
"""

import gc

from ..compat import const
from ..container import load
from ..limits import BLOB_BYTES

# Admitted programs kept: two workloads may take turns.  Oldest dropped, and all
# of them when memory runs out.
PROGRAMS = const(2)
# The loop takes a turn during a job this often; a turn costs a fraction of 1 ms.
TURN_MS = const(5)
# A program's ticks come about this often: fuel is worth 0.2 us on a PC, ten on a
# slow box, and a hundred times as much where a program does what costs most.
PACE_MS = const(2)
# Fuel between ticks is never less: the tick itself costs as much as some twenty.
QUANTUM = const(250)
# One rest during a job is no longer than this, so that a cancel is seen.
REST_MS = const(200)
# More rest than this is forgiven: a clock that jumped must not stop a job.
OWED_MS = const(20000)
# Free heap with which the container's fixed machine is loaded: it keeps some 10 KiB and
# needs 150 more while it is made.
_MACHINE_FREE = const(500000)

_NO_MEMORY = "the box has no memory left for it"


class Share:
    """Keeps work to a percentage of the time: work, then rest as long as is due."""

    def __init__(self, percent):
        self.percent = percent
        self.worked_ms = 0  # on the job at hand
        self._owed_ms = 0

    def worked(self, ms):
        """Account for ms of work."""
        self.worked_ms += ms
        self._owed_ms = min(OWED_MS, self._owed_ms + ms * (100 - self.percent) // self.percent)

    def rested(self, ms):
        """Account for ms in which no work was done."""
        self._owed_ms = max(0, self._owed_ms - ms)

    def due_ms(self):
        """How long to rest now."""
        return min(REST_MS, self._owed_ms)


class Jobs:
    """At most one job: admission, run, outcome.

    node: job_done(job, outcome, now_ms), store, counters.  clock: now().
    turn(wait_ms): a turn of the loop that waits at most that long.
    percent: the share of the time a job may compute.
    """

    def __init__(self, node, clock, turn, percent):
        self._node = node
        self._clock = clock
        self._turn = turn
        self.share = Share(percent)
        self.parked = False  # the box has better to do: the job waits, with all its memory
        self.running = False
        self._job = None
        self._admission = None
        self._programs = []  # [(sha256, Program)]
        self._ending = None  # outcome's kind the job is to end with, from outside
        self._shed_key = None  # the job that went when memory ran out
        self._since_ms = 0
        self._ticked_ms = 0
        self._instance = None
        self._most_fuel = 0  # between two ticks of it

    def active(self):
        """True while there is a job, running or not."""
        return self._job is not None

    def rest_ms(self):
        """How long the loop may wait before it steps the job."""
        return REST_MS if self.parked else self.share.due_ms()

    def start(self, job):
        """Take a job; the node has at most one outstanding."""
        self._job = job
        self._ending = None

    def cancel(self, key):
        """End the job with this key, if it is the one."""
        if self._job and self._job.key == key:
            self._ending = self._ending or "cancelled"

    def end(self, kind):
        """End whatever job there is, with an outcome of this kind."""
        if self._job:
            self._ending = self._ending or kind

    def shed(self):
        """Memory ran out: give back what a job holds, then what is only kept.

        The job is tried once more, with the whole heap for it: the fault may
        have been what else the box did at the time.
        """
        if self.running:
            self.end(self._blame())
        self._drop_programs()

    def step(self):
        """Do a little for the job, or run it to its end."""
        if not self._job or self.parked and not self._ending:
            return
        from ..container.limits import NoRoom, Refused  # nothing of it is loaded before the first job

        self._since_ms = self._clock.now()
        try:
            outcome = self._advance()
        except MemoryError as problem:
            self._drop_programs()
            outcome = self._outcome(self._blame(), _NO_MEMORY)
            self._node.counters.bump("memory_shed")
            self._node.log("warning", "job: " + str(problem))
        except NoRoom as refusal:
            outcome = self._outcome("memory", str(refusal))
        except Refused as refusal:
            outcome = self._outcome("refused", str(refusal))
        if outcome is None:
            self.share.worked(self._clock.now() - self._since_ms)
            return
        job, self._job, self._admission = self._job, None, None
        outcome.ms, self.share.worked_ms = self.share.worked_ms, 0
        self._node.job_done(job, outcome, self._clock.now())

    def tick(self):
        """Called by the running program: a turn of the loop now and then.

        False cancels the run.
        """
        now_ms = self._clock.now()
        self._pace(now_ms - self._ticked_ms)
        worked_ms = now_ms - self._since_ms
        if worked_ms >= TURN_MS:
            self.share.worked(worked_ms)
            self._turn(self.share.due_ms())
            while self.parked and not self._ending:
                self._turn(REST_MS)
            self._since_ms = self._clock.now()
            self.share.rested(self._since_ms - now_ms)
        self._ticked_ms = max(now_ms, self._since_ms)
        return self._ending is None

    def _pace(self, passed_ms):
        """Choose the fuel until the next tick by the time that the last took."""
        instance = self._instance
        if passed_ms > PACE_MS:
            instance.quantum = max(QUANTUM, instance.quantum * PACE_MS // passed_ms)
        elif passed_ms < PACE_MS:
            instance.quantum = min(self._most_fuel, instance.quantum * 2)

    def _blame(self):
        """Kind of outcome for a job that memory ran out under."""
        again = self._shed_key == self._job.key
        self._shed_key = self._job.key
        return "memory" if again else "cancelled"

    def _outcome(self, kind, reason):
        from ..container.outcome import Outcome

        return Outcome(kind, reason=reason)

    def _drop_programs(self):
        self._programs.clear()
        self._admission = None
        gc.collect()

    def _advance(self):
        """One step; the Outcome if the job has come to its end."""
        if self._ending:
            return self._outcome(self._ending, "ended before it ran")
        program = self._program()
        if program is None:
            return self._admit()
        job = self._job
        data = self._node.store.get(job.input)
        if data is None:
            # The disk refused; the task stays open and is tried again.
            return self._outcome("cancelled", "its input is gone")
        return self._run(program.start(
            bytes(data), job.args, job.fuel, job.output, job.pages, job.deterministic, job.seed,
            self._job_clock(),
        ))

    def _job_clock(self):
        """Gives nanoseconds since 1970, as the fleet has them, to a job that need not be deterministic."""
        offset_ms = self._node.wall_s() * 1000 - self._clock.now()
        return lambda: (offset_ms + self._clock.now()) * 1000000

    def _program(self):
        for digest, program in self._programs:
            if digest == self._job.program:
                return program
        return None

    def _admit(self):
        if not load():
            return None
        from ..container.admission import Admission, Limits, engines

        if self._admission is None:
            data = self._node.store.get(self._job.program)
            if data is None:
                return self._outcome("cancelled", "its program is gone")
            # Room first: the oldest program's code and the garbage of its runs.
            self._programs = self._programs[-(PROGRAMS - 1) :]
            gc.collect()
            if not hasattr(gc, "mem_free") or gc.mem_free() > _MACHINE_FREE:
                engines()
            self._admission = Admission(data, Limits(module_bytes=BLOB_BYTES))
        elif self._admit_step():
            self._programs.append((self._job.program, self._admission.program))
            self._admission = None
            self._node.counters.bump("programs_admitted")
        return None

    def _admit_step(self):
        """A step of the admission; without the other programs where there is no room beside them."""
        from ..container.limits import NoRoom

        try:
            return self._admission.step()
        except NoRoom:
            if not self._programs:
                raise
            self._drop_programs()
            return False

    def _run(self, instance):
        self.running = True
        self._instance = instance
        self._ticked_ms = self._clock.now()
        self._most_fuel, instance.quantum = instance.quantum, QUANTUM
        try:
            outcome = instance.run(self.tick)
        except RuntimeError as problem:
            # The container names its own; this came up through tick, which runs
            # on top of the job's calls.
            if "recursion" not in str(problem):
                raise
            outcome = self._outcome("trap", "its calls leave the agent no stack")
        finally:
            self.running = False
            self._instance = None
        self.share.worked(self._clock.now() - self._since_ms)
        if outcome.kind == "cancelled" and self._ending == "memory":
            outcome.kind, outcome.reason = "memory", _NO_MEMORY
        return outcome
