"""Long computations in steps of at most 5 ms, taken between datagrams.

A ladder or a signature check would otherwise keep the box from gossiping while
it thinks.  Work waits in a bounded queue; the first is finished first, so that
nobody waits longer for sharing.
"""

from .errors import RemoteError
from .limits import WORK


class Work:
    """A bounded first-in, first-out queue of computations with a step() method."""

    def __init__(self, counters):
        self._queue = []
        self._counters = counters

    def __len__(self):
        return len(self._queue)

    def full(self):
        """True if add() would refuse."""
        return len(self._queue) >= WORK

    def add(self, computation, done):
        """Queue a computation; False if the queue is full.

        computation.step() returns True when it has finished, or raises
        RemoteError.  Then done(computation, error) is called, error None or
        the RemoteError.
        """
        if self.full():
            self._counters.bump("work_full")
            return False
        self._queue.append((computation, done))
        return True

    def step(self):
        """One step of the first computation; True if more work waits."""
        if self._queue:
            computation, done = self._queue[0]
            error = None
            try:
                finished = computation.step()
            except RemoteError as problem:
                finished, error = True, problem
            if finished:
                self._queue.pop(0)
                done(computation, error)
        return bool(self._queue)
