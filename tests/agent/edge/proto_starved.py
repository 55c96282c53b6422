"""A heap that is really full: the loop gives back what it can and goes on.  On MicroPython alone."""

import gc

from recording import ECHO, Box, Job, endless, start

INTERPRETERS = ("micropython", "amd64", "armhf")


class Hog:
    """Takes all the heap there is, and keeps it."""

    def __init__(self):
        self.held = [None] * 4096
        self.count = 0

    def fill(self, *_):
        """Fill the heap, large pieces first, then the holes; raises the MemoryError of the last."""
        size = 1 << 22
        while True:
            try:
                self.held[self.count] = bytearray(size)
                self.count += 1
            except MemoryError:
                if size == 16:
                    raise
                size >>= 1

    def release(self):
        """Give it back."""
        self.held = [None]
        gc.collect()


def test_a_full_heap_is_survived_turn_by_turn():
    box, hog = Box(), Hog()
    box.node.on_receive = hog.fill
    for number in range(3):
        box.peer.send(b"x", box.address)
    for number in range(3):  # nothing is given back between these
        box.loop.turn(1000)
    starved = box.loop._starved
    box.node.on_receive = None
    hog.release()
    assert starved == 3 and ("shed",) in box.node.told, starved
    box.loop.turn(0)
    box.peer.send(b"y", box.address)
    box.loop.turn(1000)
    assert box.node.heard("receive")[-1][1] == b"y" and box.loop._starved == 0
    box.close()


def test_a_full_heap_takes_the_job_then_the_programs_and_a_job_runs_after():
    box, hog = Box(), Hog()
    start(box, Job(1, ECHO, b"x"), ECHO, b"x")
    assert box.finish().kind == "ok" and len(box.loop.jobs._programs) == 1
    box.node.told = []
    endless(box)
    box.node.on_receive = hog.fill
    box.send_when_running(b"x")
    while box.loop.jobs.active():
        try:
            box.loop.jobs.step()
        except MemoryError:
            box.loop._shed()
        if hog.count and not box.loop.jobs.running:
            box.node.on_receive = None
            hog.release()
    assert box.node.heard("done")[0][2].kind in ("cancelled", "memory") and box.loop.jobs._programs == []
    box.node.told = []
    start(box, Job(2, ECHO, b"y"), ECHO, b"y")
    assert box.finish().kind == "ok"
    box.close()


def test_a_job_is_not_lost_though_there_was_no_memory_to_begin_it():
    box, hog = Box(), Hog()
    real, box.loop.jobs.start = box.loop.jobs.start, hog.fill
    box.node.hold(ECHO)
    box.node.hold(b"x")
    box.node.wants = [("job", Job(1, ECHO, b"x"))]
    box.loop.turn(0)
    box.loop.jobs.start = real
    hog.release()
    assert box.loop._starved == 1 and not box.loop.jobs.active()
    box.loop.turn(0)
    assert box.loop.jobs.active() and box.finish().kind == "ok"
    box.close()


