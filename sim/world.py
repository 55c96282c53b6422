"""The world: virtual time, the heap of what happens next, and the boxes in it.

Everything happens in `run_until`: the earliest entry of the heap is taken, time
jumps to it, its function is called.  Nothing reads a clock and nothing draws
from any randomness but streams of the seed, so that a seed repeats a run.
"""

import heapq
import random

from .box import Box
from .network import Network
from .trace import Trace

# 2026-01-01 00:00:00 UTC: where every world's wall clock starts.
WALL_START_S = 1_767_225_600


class World:
    """Virtual time in ms from 0, boxes by number, a network and a trace.

    `make_node(box, now_ms, wall_s)` gives a node for a box that starts.
    """

    def __init__(self, seed, make_node):
        self.seed = seed
        self.make_node = make_node
        self.now_ms = 0
        self.boxes = []
        self.trace = Trace()
        self.network = Network(self, self.stream("network"))
        self.steps = 0
        self._heap = []
        self._order = 0

    def stream(self, name):
        """A random.Random of its own for one purpose, so that purposes do not disturb each other."""
        # A text seed is hashed with SHA-512, whatever PYTHONHASHSEED says.
        return random.Random("%s/%s" % (self.seed, name))

    def wall_s(self):
        """The true wall time, Unix seconds."""
        return WALL_START_S + self.now_ms // 1000

    def after(self, delay_ms, function, *arguments):
        """Calls function(*arguments) `delay_ms` from now; equal times keep their order."""
        self.at(self.now_ms + delay_ms, function, *arguments)

    def at(self, at_ms, function, *arguments):
        """Calls function(*arguments) at `at_ms`; equal times keep their order."""
        self._order += 1
        heapq.heappush(self._heap, (at_ms, self._order, function, arguments))

    def note(self, where, name, data=b""):
        """An event for the trace."""
        self.trace.event(self.now_ms, where, name, data)

    def add_box(self, address, **settings):
        """A new box, not started; its number is its place in `boxes`."""
        box = Box(self, len(self.boxes), address, **settings)
        self.boxes.append(box)
        self.network.plug_in(box)
        return box

    def live(self):
        """The boxes whose agent runs."""
        return [box for box in self.boxes if box.live]

    def run_until(self, at_ms):
        """Lets the world run to `at_ms`; entries at that time are included."""
        heap = self._heap
        pop = heapq.heappop
        while heap and heap[0][0] <= at_ms:
            self.now_ms, _, function, arguments = pop(heap)
            self.steps += 1
            function(*arguments)
        self.now_ms = at_ms

    def run_for(self, duration_ms):
        """Lets the world run for `duration_ms`."""
        self.run_until(self.now_ms + duration_ms)
