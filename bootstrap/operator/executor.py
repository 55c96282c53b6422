"""A concurrent.futures.Executor whose workers are the boxes of a slice.

    from backfence.bootstrap import Executor

    with Executor("fleet", "edge", program="words.wasm") as boxes:
        outputs = list(boxes.map(None, inputs))            # bytes in, bytes out
        future = boxes.submit("other.wasm", b"input", "argument")

What boxes run is WebAssembly, so a function is a program: the path of a .wasm, or
its bytes, or None for the Executor's own.  A Python function is refused.

Each workload takes two of the signing key's one-time leaves, so tasks of one program
with the same arguments travel together.  `map` is one workload a call.  What is
submitted one by one waits a moment for more, and for longer while another workload is
under way (LINGER_S, BUSY_LINGER_S).  A future is resolved as its task settles.
"""

import atexit
import collections
import concurrent.futures
import contextlib
import os
import threading
import time

from ...agent import limits
from . import files, manifests, run, source
from .errors import OperatorError
from .fleet import Fleet
from .settle import OPEN, SUCCEEDED

# The first of a batch waits this long for others.
LINGER_S = 0.2
# And this long while a workload is under way: so a trickle of tasks takes at most one
# workload each time, and a key of 1,024 leaves lasts for an hour and a half of it.
BUSY_LINGER_S = 10.0
# Workloads under way at once: a fleet holds 32 manifests of all kinds (limits.MANIFESTS).
WORKLOADS = 4
# Names of one Executor's kind, of which each workload under way holds one.
SLOTS = 16
TURN_S = 0.5
# Past the deadline, for what is on its way.
GRACE_S = 5.0


class TaskFailed(OperatorError):
    """A task that did not succeed.

    workload: its name; task: its number; state: of settle.STATES; reason: why, in one
    line; receipt: the map of docs/wire.cddl of a box that ran it, None if none did.
    """

    def __init__(self, workload, number, task, refused=""):
        self.workload, self.task = workload, number
        self.state, self.reason = task.state, task.reason or "no result came"
        self.receipt = task.votes.get(task.winner) or next(iter(task.votes.values()), None)
        super().__init__(f"task {number} of {workload}: {self.state}: {self.reason}{refused}")


class Batch:
    """Tasks of one program with the same arguments, which become one workload."""

    def __init__(self, program, args):
        self.program, self.args = program, args
        self.tasks = []  # (Future, bytes)
        self.since_s = time.monotonic()


class Executor(concurrent.futures.Executor):
    """Sends tasks to a slice of a fleet.

    fleet -- the fleet's directory; slice -- the name of a slice that was pushed
    program -- what None stands for in submit and map
    broker -- host:port, if not the fleet's own; name -- of the workloads: NAME-1 and so on
    deadline_s -- how long a workload may take; its open tasks are TIMED_OUT then
    options -- more of manifests.workload_manifest: fuel, pages, output, ...; and how results are
        trusted: replicas, quorum, attempts, adaptive, verifier (a path, or its bytes), checkers

    Closing it waits for all tasks.  Where a `with` block is left by an exception, and by
    shutdown(cancel_futures=True), what is under way is ended on the boxes too.
    """

    def __init__(self, fleet, slice, program=None, broker=None, name="executor", deadline_s=3600, **options):
        fleet = Fleet(fleet)
        self._directory, self._broker = fleet.directory, broker or fleet.broker
        self._name = name
        options = source.trusting(options)
        self._options = {"slice": slice, "deadline_s": deadline_s, **options}
        # A bag of checks has a limit too.
        self._most = limits.TASKS // max(options.get("replicas", 1), options.get("checkers", 0))
        self._programs = {}  # path: (nanoseconds of its change, bytes), or bytes: (0, bytes); all checked
        self._program = None if program is None else self._read(program)
        self._change = threading.Condition()
        self._open = {}  # (program, arguments): Batch that takes more
        self._ready = collections.deque()  # Batches that wait for their turn
        self._held = 0  # calls of `map` that are still submitting
        self._running = 0
        self._closed = self._ending = False
        self._pump = threading.Thread(target=self._flush, name="backfence executor", daemon=True)
        self._pump.start()
        atexit.register(self.shutdown)

    def submit(self, program, data, /, *args):
        """Returns a Future of the output (bytes) of a program over an input (bytes), with arguments (str each).

        OperatorError for what no box would take; TypeError for a Python function.
        """
        key = self._read(program), tuple(str(arg) for arg in args)
        manifests.check_arguments(key[1])
        data = bytes(data)
        if len(data) > limits.BLOB_BYTES:
            raise OperatorError(f"an input has {len(data):,} bytes and a task takes {limits.BLOB_BYTES:,}")
        future = concurrent.futures.Future()
        with self._change:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            batch = self._open.setdefault(key, Batch(*key))
            batch.tasks.append((future, data))
            if len(batch.tasks) == self._most:
                self._ready.append(self._open.pop(key))
            self._change.notify_all()
        return future

    def map(self, program, *iterables, timeout=None, chunksize=1):
        """As in concurrent.futures: the outputs in their order; one workload a call, sent at once.

        The first iterable gives inputs, others give arguments; tasks whose arguments differ
        are workloads of their own.  chunksize is not used.
        """
        with self._change:
            self._held += 1
        try:
            return super().map(program, *iterables, timeout=timeout)
        finally:
            with self._change:
                self._held -= 1
                self._close_batches(0.0)
                self._change.notify_all()

    def function(self, program=None, *args):
        """Returns a function of an input that waits for its output, for joblib, Dask or any pool of threads.

        It runs the program on the fleet wherever it is called in this process; calls at the
        same time travel together.
        """
        def on_the_fleet(data):
            return self.submit(program, data, *args).result()

        return on_the_fleet

    def shutdown(self, wait=True, *, cancel_futures=False):
        """As in concurrent.futures; cancel_futures also ends what is under way, whose futures raise TaskFailed."""
        atexit.unregister(self.shutdown)
        with self._change:
            self._closed = True
            self._ending = self._ending or cancel_futures
            self._close_batches(0.0)
            if cancel_futures:
                for batch in self._ready:
                    for future, _ in batch.tasks:
                        future.cancel()
            self._change.notify_all()
        if wait:
            self._pump.join()

    def __exit__(self, kind, _error, _trace):
        self.shutdown(cancel_futures=kind is not None)
        return False

    def _read(self, program):
        """The bytes of a program that a box would admit."""
        if program is None:
            if self._program is None:
                raise OperatorError("no program was given", "Say Executor(..., program=PATH), or submit(PATH, data).")
            return self._program
        if isinstance(program, (bytes, bytearray)):
            key, changed_ns = bytes(program), 0
        elif isinstance(program, (str, os.PathLike)):
            key = os.fspath(program)
            changed_ns = os.stat(key).st_mtime_ns if os.path.exists(key) else 0
        else:
            raise TypeError(
                f"{program!r} cannot run on boxes: they run WebAssembly. Give the path of a .wasm, its bytes, or None"
            )
        if self._programs.get(key, (None,))[0] != changed_ns:
            data = key if isinstance(key, bytes) else source.read_file(key, "the program")
            source.check_program(data, "given" if data is key else key)
            self._programs[key] = changed_ns, data
        return self._programs[key][1]

    def _close_batches(self, age_s):
        """Readies the batches that are at least so old; the caller holds the lock."""
        now_s = time.monotonic()
        for key in [key for key, batch in self._open.items() if now_s - batch.since_s >= age_s]:
            self._ready.append(self._open.pop(key))

    def _flush(self):
        """The thread that closes batches in time and begins their workloads, until all is done."""
        with self._change:
            while not self._closed or self._ready or self._running:
                linger_s = BUSY_LINGER_S if self._running else LINGER_S
                if not self._held:
                    self._close_batches(linger_s)
                while self._ready and self._running < WORKLOADS:
                    self._running += 1
                    threading.Thread(target=self._carry_out, args=(self._ready.popleft(),), daemon=True).start()
                self._change.wait(LINGER_S / 2 if self._open else None)

    def _carry_out(self, batch):
        """The thread of one workload: every future of it is done at the end."""
        batch.tasks = [(future, data) for future, data in batch.tasks if future.set_running_or_notify_cancel()]
        futures = [future for future, _ in batch.tasks]
        try:
            if futures:
                with self._slot(Fleet(self._directory)) as (fleet, name):
                    self._settle(fleet, name, batch, futures)
        except BaseException as error:  # whoever waits for a future must hear of it
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        finally:
            with self._change:
                self._running -= 1
                self._change.notify_all()

    @contextlib.contextmanager
    def _slot(self, fleet):
        """Yields (fleet, a name that nobody else's workload under way has)."""
        for number in range(1, SLOTS + 1):
            lock = files.Lock(fleet.path("works", f"{self._name}-{number}.lock"), wait_s=0)
            try:
                lock.__enter__()
            except OperatorError:
                continue
            try:
                yield fleet, f"{self._name}-{number}"
            finally:
                lock.__exit__()
            return
        raise OperatorError(
            f"{SLOTS} workloads named {self._name} are under way", "Give this Executor another name."
        )

    def _settle(self, fleet, name, batch, futures):
        """Runs a batch as one workload and resolves its futures as their tasks settle."""
        with run.open_session(fleet, name, self._broker) as session:
            manifest = manifests.workload_manifest(
                fleet, name, program=batch.program, inputs=[data for _, data in batch.tasks], args=batch.args,
                **self._options,
            )
            work, _report = run.start(fleet, manifest, "concat", session)
            batch.tasks = manifest = None  # the inputs are at the broker
            collector = run.Collector(work, session)

            def settled(numbers):
                for number in numbers:
                    self._resolve(futures[number], work, number, collector.refused)

            until_s = time.monotonic() + self._options["deadline_s"] + GRACE_S
            while not (work.settlement.settled or self._ending or time.monotonic() > until_s):
                collector.collect(time.monotonic() + TURN_S, settled=settled)
            run.finish(work, session)
            settled(work.settlement.decided())

    @staticmethod
    def _resolve(future, work, number, refused):
        task = work.settlement.tasks[number]
        if task.state == SUCCEEDED:
            future.set_result(work.output(number))
        elif task.state not in OPEN:
            said = f" (a door refused {refused[0]['what']}: {refused[0]['why']})" if refused else ""
            future.set_exception(TaskFailed(work.name, number, task, said))
