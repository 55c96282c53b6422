"""Tasks that are asked for again, and copies of the slowest tail."""

from backfence.agent.limits import NEIGHBOURS
from backfence.agent.placement import seat_of
from backfence.agent.spare import DOUBT_AGAIN_MS, DOUBT_MS, PATIENCE_LEAST_MS, PATIENCE_UNKNOWN_MS, Spare
from backfence.agent.wire import cbor
from backfence.agent.workload import Workload
from lan import Lan, Outcome
from proto_node import holders, serve_broker
from proto_tasks import alone, push_work, serve, tasks_of

INTERPRETERS = ("cpython", "micropython", "amd64", "mips")


def asked(tasks, *numbers):
    """The bitmap of a workload that asks for some of its tasks."""
    bits = bytearray((tasks + 7) // 8)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return bytes(bits)


class Slow:
    """Three seats and a door without one; jobs of the box in `seat` never end."""

    def __init__(self, tasks, seat=None, replicas=1):
        self.lan = Lan(5, seed=8, door=True)
        self.lan.join_all()
        self.lan.nodes[0].connected(self.lan.now_ms)
        self.blobs = push_work(self.lan, tasks, 3, replicas=replicas)
        self.lan.run_until(lambda: len(holders(self.lan, "edge")) == 3, 30000)
        self.holders = holders(self.lan, "edge")
        self.slow = self.holders.get(seat)
        self.stuck = []
        self.results, self.runs = [], []

    def run(self, ms):
        """Let time pass, each job taking no time but the slow box's."""
        for _ in range(ms // 100):
            self.lan.run(100)
            for number in self.lan.events:
                kept = []
                for event in self.lan.events[number]:
                    if event[0] == "job":
                        self.runs.append((number, event[1].task))
                    if event[0] == "job" and number == self.slow:
                        self.stuck.append(event[1])
                    else:
                        kept.append(event)
                self.lan.events[number] = kept
            serve_broker(self.lan, self.blobs, self.results)

    def copied(self):
        """Tasks that were copied, all boxes together."""
        return sum([node.counters["tasks_copied"] for node in self.lan.nodes])


def test_without_a_slow_box_each_task_runs_once():
    world = Slow(24)
    world.run(60000)
    assert tasks_of(world.results) == list(range(24))
    assert sorted([task for _, task in world.runs]) == list(range(24)) and world.copied() == 0


def test_the_tasks_of_a_slow_box_are_copied_and_each_of_them_once():
    world = Slow(24, seat=1)
    world.run(8000)
    theirs = [task for task in range(24) if seat_of(list(world.lan.nodes[world.slow].tasks.workloads)[0], task, 3) == 1]
    assert len(theirs) > 2 and not set(tasks_of(world.results)) & set(theirs)
    world.run(PATIENCE_LEAST_MS * 4 + 20000)
    assert sorted(set(tasks_of(world.results))) == list(range(24))
    # The task that it is at has two runs; no other has more than one.
    others = [task for number, task in world.runs if number != world.slow]
    assert sorted(others) == list(range(24)) and len(world.stuck) == 1
    assert world.copied() == len(theirs)
    # When it wakes up, it has only that one result to hand in.
    job = world.stuck[0]
    node = world.lan.nodes[world.slow]
    world.slow = None
    node.job_done(job, Outcome(b"late"), world.lan.now_ms)
    world.run(5000)
    assert len(world.runs) == 25 and len(world.results) == 25


def test_a_copy_is_no_second_replica_of_the_same_box():
    world = Slow(12, seat=1, replicas=2)
    world.run(90000)
    ran = {}
    for topic, payload in world.results:
        receipt = cbor.decode(cbor.decode(payload)[0])
        ran.setdefault(receipt["task"], []).append(receipt["box"])
    for task in ran:
        assert len(set(ran[task])) == len(ran[task])
    # Of tasks of seats 1 and 2 or 0 and 1 the third box did the slow one's.
    assert all([len(ran[task]) == 2 for task in range(12)])


def test_tasks_asked_for_again_and_no_other_run_on_the_next_box_round():
    world = Slow(24)
    world.run(20000)
    id = list(world.lan.nodes[world.holders[0]].tasks.workloads)[0]
    world.runs, world.results = [], []
    world.blobs.update(push_work(world.lan, 24, 3, seq=2, args=["seq 1"], again=[1, asked(24, 3, 17)]))
    world.run(60000)
    wanted = [(world.holders[(seat_of(id, task, 3) + 1) % 3], task) for task in (3, 17)]
    assert sorted(world.runs) == sorted(wanted)
    assert tasks_of(world.results) == [3, 17]
    assert world.copied() == 0


def test_a_job_goes_on_when_its_task_is_asked_for_again_and_ends_when_not():
    for numbers, ends in (((0, 1, 2), False), ((), True)):
        lan, blobs, results = alone(3)
        node = lan.nodes[0]
        while node.tasks.job is None:
            lan.run(100)
            lan.events[0] = [event for event in lan.events.get(0, []) if event[0] != "job"]
            serve_broker(lan, blobs, results)
        job = node.tasks.job
        push_work(lan, 3, seq=2, args=["seq 1"], again=[1, asked(3, *numbers)])
        lan.run(1000)
        assert (("cancel", job.key) in lan.events[0]) == ends and node.tasks.job is job
        node.job_done(job, Outcome(b"", "cancelled") if ends else Outcome(b"ran"), lan.now_ms)
        serve(lan, blobs, results, 20000)
        assert [cbor.decode(cbor.decode(payload)[0])["seq"] for _, payload in results if not ends].count(1) == (not ends)


def test_replicas_share_the_seed_of_random_bytes_whatever_version_asked():
    seeds = []
    for rest in ({}, {"again": [1, asked(1, 0)], "seq": 2}):
        lan, blobs, results = alone(1)
        if rest:
            push_work(lan, 1, args=["seq 1"], **rest)
        serve(lan, blobs, results, 9000, lambda job: seeds.append(job.seed) or Outcome(b"ran"))
    assert len(seeds) >= 2 and len(set(seeds)) == 1


class Node:
    """As much of a node as Spare asks."""

    now_ms = 0


def test_who_is_idle_longer_helps_more_seats_up_to_the_bound():
    node = Node()
    for longest_ms, patience_ms in ((0, PATIENCE_UNKNOWN_MS), (10, PATIENCE_LEAST_MS), (60000, 120000)):
        node.now_ms = 0
        spare = Spare(node, longest_ms)
        reaches = []
        for turn in range(NEIGHBOURS + 3):
            node.now_ms = turn * patience_ms
            reaches.append(spare.reach())
        assert reaches == [min(turn, NEIGHBOURS) for turn in range(NEIGHBOURS + 3)]


class Signed:
    """As much of a manifest as a Workload asks."""

    id = b"w" * 16
    fields = {"program": bytes(32), "tasks": 40, "replicas": 1}


def helped(node, open_tasks):
    """(Spare, [Workload]) of the box in seat 0 of 5, to whom only some tasks are open, now and later."""
    workload = Workload(Signed)
    workload.place = (0, 1, 5, 1, 0, 5)
    for task in range(40):
        if seat_of(Signed.id, task, 5) == 0:
            workload.mine.set(task)
        if task not in open_tasks:
            workload.done.set(task)
    node.now_ms = 0
    return Spare(node, 1), [workload]


def at_seat(seat):
    return [task for task in range(40) if seat_of(Signed.id, task, 5) == seat]


def chosen(spare, workloads):
    """The task that is chosen after a whole look, or None."""
    found = None
    for _ in range(9):
        found = found or spare.chosen(workloads)
    return found and found[1]


def test_helpers_begin_at_the_end_the_farther_one_a_task_earlier():
    node = Node()
    for seat in (1, 2):
        theirs = at_seat(seat)
        spare, workloads = helped(node, theirs)
        assert len(theirs) > 3 and chosen(spare, workloads) is None
        node.now_ms = (seat - 1) * PATIENCE_LEAST_MS + PATIENCE_LEAST_MS - 1
        assert chosen(spare, workloads) is None
        node.now_ms += 1
        assert chosen(spare, workloads) == theirs[-seat]


def test_the_task_that_its_holder_is_at_is_copied_when_it_stays_the_first_for_long():
    node = Node()
    theirs = at_seat(1)
    spare, workloads = helped(node, theirs[-2:])
    node.now_ms = PATIENCE_LEAST_MS
    assert chosen(spare, workloads) == theirs[-1]
    workloads[0].done.set(theirs[-1])
    node.now_ms += PATIENCE_LEAST_MS - 1
    assert chosen(spare, workloads) is None
    node.now_ms += 1
    assert chosen(spare, workloads) == theirs[-2]
    # A copy is chosen until it is done, and no other beside it.
    assert chosen(spare, workloads) == theirs[-2]
    workloads[0].done.set(theirs[-2])
    assert chosen(spare, workloads) is None


def test_an_idle_box_runs_its_own_tasks_of_which_it_only_heard_that_they_are_done():
    lan, blobs, results = alone(6)
    node = lan.nodes[0]
    while not node.tasks.workloads:
        serve(lan, blobs, results, 100)
    workload = list(node.tasks.workloads.values())[0]
    # As PROGRESS of a liar does.
    workload.done.merge(b"\xff" * len(workload.done.data))
    serve(lan, blobs, results, DOUBT_MS - 4000)
    before = node.counters["tasks_started"]
    assert before < 6 and not node.counters["tasks_doubted"]
    serve(lan, blobs, results, 20000)
    assert tasks_of(results) == list(range(6))
    # Each once, and nothing after that.
    serve(lan, blobs, results, 60000)
    assert node.counters["tasks_started"] == 6 and node.counters["tasks_doubted"] == 6 - before


def test_only_tasks_of_ours_that_another_did_are_doubted():
    spare, workloads = helped(Node(), at_seat(0)[:2] + at_seat(1))
    workload = workloads[0]
    assert spare.doubted(workloads, DOUBT_MS)[1] == at_seat(0)[2] and not spare.doubted(workloads, DOUBT_MS - 1)
    workload.first = 1
    assert not spare.doubted(workloads, DOUBT_AGAIN_MS - 1)
    for task in at_seat(0)[2:]:
        assert spare.doubted(workloads, DOUBT_AGAIN_MS) == (workload, task, task)
        workload.did(task)
    assert spare.doubted(workloads, DOUBT_MS) is None and spare.doubted([], DOUBT_MS) is None
