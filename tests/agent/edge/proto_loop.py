"""The loop around a recording node: sockets, timers, memory, stop, status, log."""

import json
import os

from backfence.agent.edge import disk, loop
from backfence.agent.edge.stop import Stop
from backfence.agent.errors import LocalError
from heap import takes_none
from recording import FAR, Box, Guest, SteppedClock, endless


def test_datagrams_go_in_and_out():
    box = Box()
    box.peer.send(b"question", box.address)
    box.loop.turn(1000)
    assert box.node.heard("receive") == [("receive", b"question", box.peer_address)]
    box.node.out = [(b"answer", box.peer_address), (b"more", box.peer_address)]
    box.loop.turn(0)
    assert box.peer.receive() == (b"answer", box.address) and box.peer.receive()[0] == b"more"
    box.close()


def test_a_turn_takes_a_bounded_number_of_datagrams():
    box = Box()
    for number in range(loop.DATAGRAMS + 5):
        box.peer.send(bytes((number,)), box.address)
    box.loop.turn(1000)
    assert len(box.node.heard("receive")) == loop.DATAGRAMS
    box.loop.turn(1000)
    assert len(box.node.heard("receive")) == loop.DATAGRAMS + 5
    box.close()


def test_timers_and_long_work():
    box = Box()
    box.loop.turn(0)
    assert box.node.heard("timer") == []
    box.node.due = box.clock.now()
    box.node.work = 3
    box.turns(4)
    assert len(box.node.heard("timer")) == 1 and len(box.node.heard("step")) == 3
    box.close()


def test_long_work_goes_on_between_datagrams():
    box = Box()
    box.node.work = 1 << 20
    for _ in range(3):
        box.peer.send(b"x", box.address)
    box.loop.turn(1000)
    kinds = [told[0] for told in box.node.told if told[0] in ("receive", "step")]
    assert kinds[:7] == ["receive", "step", "receive", "step", "receive", "step", "step"]
    # It took some of this turn, not all there is, and the next turn does not wait.
    assert box.node.work > 0
    box.loop.turn(60000)
    box.close()


def test_a_turn_with_nothing_to_do_takes_no_heap():
    box = Box()
    # What the recorder does for itself.
    box.node.step = lambda now_ms: False
    box.node.datagrams = box.node.events = lambda: ()
    box.loop.turn(0)
    # Looking around is not for every turn.
    box.loop._look_ms = box.loop._guest_ms = box.loop._stop._look_ms = FAR
    takes_none("a turn", lambda: box.loop.turn(0))
    box.close()


def test_a_wait_ends_at_the_nodes_deadline():
    box = Box()
    box.node.due = box.clock.now() + 20
    box.loop.turn(60000)
    box.loop.turn(60000) if not box.node.heard("timer") else None
    assert box.node.heard("timer") == [("timer",)]
    box.close()


def test_no_memory_without_a_job_is_survived_but_not_for_ever():
    box = Box()

    def starve(data, addr):
        raise MemoryError

    box.node.on_receive = starve
    try:
        for number in range(loop.STARVED_TURNS):
            assert box.node.counters["memory_shed"] == number
            box.peer.send(b"x", box.address)
            box.loop.turn(1000)
        assert False
    except LocalError as problem:
        assert "heap" in str(problem)
    box.close()


class Busy:
    """A box under a loop that reads its load from a file; the job counts how far it came."""

    def __init__(self):
        self.root = "/tmp/backfence-root-" + os.urandom(6).hex()
        for path in (self.root, self.root + "/proc"):
            os.mkdir(path)
        self.load("0.10")
        self.box = Box(system_root=self.root)
        self.box.node.tasks.guest = Guest()

    def load(self, text):
        file = open(self.root + "/proc/loadavg", "wb")
        file.write((text + " 0 0 1/1 1\n").encode())
        file.close()

    def close(self):
        self.box.close()
        os.remove(self.root + "/proc/loadavg")
        os.rmdir(self.root + "/proc")
        os.rmdir(self.root)


class DrivenClock(SteppedClock):
    """Time passes in waits too."""

    def wall(self):
        return 1800000000

    def wait(self, wait_ms):
        self.now_ms += wait_ms
        return ()


def test_a_running_job_waits_within_a_second_of_the_load_and_goes_on_after_it():
    busy = Busy()
    box, clock = busy.box, DrivenClock()
    job = box.loop.jobs
    box.loop._clock = job._clock = clock
    box.loop._poll = clock.wait
    endless(box)
    real, parked_ms, worked_ms = job._turn, [], []

    def turn(most_ms):
        # Busy from 1 s to 4 s of virtual time.
        busy.load("9.00" if 1000 < clock.now_ms < 4000 else "0.10")
        real(most_ms)
        if job.parked:
            parked_ms.append(clock.now_ms)
            worked_ms.append(job.share.worked_ms)
        if clock.now_ms > 6000:
            job.end("cancelled")

    job._turn = turn
    assert box.finish().kind == "cancelled"
    assert 1000 < parked_ms[0] < 2000 and 4000 <= parked_ms[-1] < 5000
    # Not a step of it meanwhile; it was the same run that went on.
    assert worked_ms[0] == worked_ms[-1] > 0 and len(box.node.heard("done")) == 1
    assert box.node.heard("done")[0][2].ms > worked_ms[-1]
    busy.close()


def test_a_job_that_comes_to_a_busy_box_does_not_begin():
    busy = Busy()
    box = busy.box
    busy.load("3.00")
    endless(box)
    assert box.loop.jobs.parked and box.loop.jobs.active()
    box.turns(20)
    assert not box.loop.jobs.running and not box.node.heard("done")
    touch(box.home + "/stop")
    box.loop.run()
    assert box.node.heard("done")[0][2].kind == "cancelled"
    busy.close()


def test_without_work_nobody_looks_whether_the_box_is_busy():
    box = Box()
    box.loop.turn(0)
    assert box.loop._readings is None and box.node.available
    box.close()


def touch(path):
    file = open(path, "wb")
    file.close()


def test_the_stop_file_ends_the_run_in_good_order():
    box = Box()
    touch(box.home + "/stop")
    box.loop.run()
    assert box.node.told[-1] == ("leave",) or ("leave",) in box.node.told
    assert "stop" not in os.listdir(box.home)
    box.close()


def test_the_stop_file_ends_a_running_job():
    box = Box()
    endless(box)
    touch(box.home + "/stop")
    box.loop.run()
    kinds = [told[0] for told in box.node.told if told[0] in ("done", "leave")]
    assert kinds == ["done", "leave"] and box.node.heard("done")[0][2].kind == "cancelled"
    box.close()


def test_a_stop_file_left_behind_means_nothing():
    box = Box()
    touch(box.home + "/stop")
    stop = Stop(box.home + "/stop")
    assert not stop.asked(FAR)
    box.close()


def test_the_status_is_written_whole():
    box = Box(status_ms=50)
    box.loop.turn(0)
    status = json.loads(disk.read_file(box.home + "/status.json", 4096))
    assert status["address"] == "127.0.0.1:7000" and status["running"] is None and status["heap_used"] >= 0
    assert os.listdir(box.home) == ["status.json"]
    box.close()


def test_a_disk_that_refuses_the_status_is_counted():
    box = Box(status_ms=50)
    os.mkdir(box.home + "/status.json.tmp")
    box.loop.turn(0)
    assert box.node.counters["status_unwritten"] == 1
    os.rmdir(box.home + "/status.json.tmp")
    box.close()


def test_what_the_box_is_and_how_it_does():
    box = Box()
    box.loop.turn(0)
    assert box.node.attributes["mem_free"] > 0 and box.node.available
    assert box.node.heard("wall")[0][1] > 1700000000
    box.close()


def test_the_log_is_bounded():
    class Sink:
        lines = []

        def write(self, text):
            self.lines.append(text)

    box = Box()
    clock = SteppedClock()
    box.loop._clock = clock
    real, loop.sys = loop.sys, Sink
    Sink.stderr = Sink()
    try:
        for _ in range(loop.LOG_LINES + 5):
            box.loop.log("info", "x" * 1000)
        assert len(Sink.lines) == loop.LOG_LINES and box.node.counters["log_dropped"] == 5
        assert max([len(line) for line in Sink.lines]) < loop.LOG_CHARACTERS + 20
        clock.now_ms += loop.LOG_INTERVAL_MS
        box.loop.log("info", "again")
        assert Sink.lines[-1] == "info: again\n"
    finally:
        loop.sys = real
    box.close()


def test_a_node_without_a_broker_wants_nothing_of_it():
    box = Box()
    box.node.wants = [("publish", "t", b"", False, None)]
    try:
        box.loop.turn(0)
        assert False
    except LocalError:
        pass
    box.close()


class StillClock:
    """Time passes only in waits."""

    def __init__(self):
        self.now_ms = 1

    def now(self):
        return self.now_ms

    def wall(self):
        return 1800000000

    def wait(self, wait_ms):
        self.now_ms += wait_ms
        return ()


def left_after(unfinished):
    """(ms that leaving took, what the node was told) with such an unfinished()."""
    box = Box()
    clock = StillClock()
    box.loop._clock, box.loop._poll = clock, clock.wait
    box.node.on_unfinished = lambda: unfinished(clock.now_ms - began)
    box.node.out = [(b"farewell", box.peer_address)]
    touch(box.home + "/stop")
    box.loop.turn(0)
    began = clock.now_ms
    box.loop.run()
    took = clock.now_ms - began
    assert box.peer.receive()[0] == b"farewell"
    told = [entry[0] for entry in box.node.told if entry[0] in ("leave", "keep", "unfinished")]
    box.close()
    return took, told


def test_leaving_ends_as_soon_as_nothing_is_unfinished():
    assert left_after(lambda passed_ms: False) == (0, ["leave", "keep", "unfinished"])
    took, _ = left_after(lambda passed_ms: passed_ms < 120)
    assert took == 150


def test_leaving_ends_in_half_a_second_whatever_is_unfinished():
    took, told = left_after(lambda passed_ms: True)
    assert took == loop.LEAVE_MS == 500 and told[:2] == ["leave", "keep"]


def test_the_stop_file_is_looked_for_within_half_a_second_where_it_is_the_only_way():
    box = Box()
    assert Stop(box.home + "/stop").wait_ms == 500
    box.close()
