"""Work on one seat: waiting results, re-pushed workloads, hints of progress, bad disks."""

from backfence.agent.bitmap import Bitmap
from backfence.agent.limits import RESULTS_WAITING
from backfence.agent.wire import cbor, messages
from backfence.agent.wire.hashes import sha256
from emulated import fewer
from lan import WALL_S, Lan, Outcome
from proto_node import holders, run_work, serve_broker

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "mips")

PROGRAM = b"\0asm program"


def push_work(lan, tasks, seats=1, seq=1, **rest):
    """Push a slice and a workload; the blobs by hex name."""
    inputs = [b"input %d" % i for i in range(tasks)]
    index = b"".join([sha256(data) for data in inputs])
    if seq == 1:
        lan.push(0, {"kind": "slice", "name": "edge", "seats": seats})
    fields = {
        "kind": "workload", "name": "words", "slice": "edge", "program": sha256(PROGRAM), "seq": seq,
        "program_size": len(PROGRAM), "index": [sha256(index)], "tasks": tasks, "args": ["seq %d" % seq],
        "replicas": 1, "quorum": 1, "limits": {"fuel": 9, "pages": 2, "output": 1000},
        "deadline_s": 3600, "deterministic": True,
    }
    fields.update(rest)
    lan.push(0, fields)
    return {sha256(data).hex(): data for data in inputs + [PROGRAM, index]}


def alone(tasks, **rest):
    """A box that is door, seat and worker in one; (lan, blobs, results)."""
    lan = Lan(1, door=True)
    lan.nodes[0].connected(lan.now_ms)
    blobs = push_work(lan, tasks, **rest)
    return lan, blobs, []


def serve(lan, blobs, results, ms, outcome=None):
    """Let time pass; answer as broker and container would.  outcome(job) may give one."""
    for _ in range(ms // 100):
        lan.run(100)
        events = lan.events.get(0, [])
        lan.events[0] = []
        for event in events:
            if event[0] == "job" and outcome:
                lan.nodes[0].job_done(event[1], outcome(event[1]), lan.now_ms)
            else:
                lan.events[0].append(event)
        serve_broker(lan, blobs, results)


def tasks_of(results):
    return sorted([cbor.decode(cbor.decode(payload)[0])["task"] for _, payload in results])


def test_each_task_is_run_once():
    lan, blobs, results = alone(12)
    serve(lan, blobs, results, 40000)
    assert tasks_of(results) == list(range(12))
    node = lan.nodes[0]
    assert not node.tasks.waiting and node.tasks.open_count() == 0 and not node.door.carried
    assert node.counters["tasks_started"] == 12 == node.counters["tasks_done"]


def test_a_workload_that_comes_while_our_seat_is_beyond_its_slice_has_no_place_here():
    lan, _, results = alone(1)
    node = lan.nodes[0]
    lan.run_until(lambda: node.tasks.workloads, 20000)
    seats, node.ring.seats = node.ring.seats, lambda: node.ring.seat
    blobs = push_work(lan, 3, name="more")
    lan.run_until(lambda: len(node.tasks.workloads) == 2, 20000)
    lan.run(2000)
    later = [work for work in node.tasks.workloads.values() if work.tasks == 3][0]
    assert later.place is None and not any(later.mine.data)
    node.ring.seats = seats
    serve(lan, blobs, results, 20000)
    assert tasks_of(results) == [0, 1, 2]


def test_the_index_of_a_workload_goes_with_it():
    lan, blobs, results = alone(3, expires=WALL_S + 60)
    store = lan.nodes[0].store
    index = [bytes.fromhex(name) for name in blobs if len(blobs[name]) == 3 * 32][0]
    serve(lan, blobs, results, 20000)
    assert tasks_of(results) == [0, 1, 2] and store.has(index)
    serve(lan, blobs, results, 60000)
    assert not store.has(index) and "blob-" + index.hex() not in store.disk.files


def test_results_wait_for_the_broker_bounded_and_flow_when_it_is_back():
    lan, blobs, results = alone(RESULTS_WAITING + 6)
    node = lan.nodes[0]
    serve(lan, blobs, results, 14000, lambda job: gone(lan) or Outcome(b"ran"))
    assert not results and len(node.tasks.waiting) == RESULTS_WAITING
    assert node.counters["results_waiting_full"] > 0 and node.counters["tasks_started"] == RESULTS_WAITING
    node.connected(lan.now_ms)
    serve(lan, blobs, results, 40000, lambda job: Outcome(b"ran"))
    assert tasks_of(results) == list(range(RESULTS_WAITING + 6)) and not node.tasks.waiting


def gone(lan):
    """The broker goes once all inputs are here, so that only results wait."""
    if lan.nodes[0].door.connected:
        lan.nodes[0].disconnected(lan.now_ms)
        for i in range(RESULTS_WAITING + 6):
            lan.nodes[0].store.put(b"input %d" % i)


def test_a_door_without_its_broker_makes_the_boxes_wait():
    lan = Lan(4, seed=3, door=True)
    lan.join_all()
    lan.nodes[0].connected(lan.now_ms)
    blobs = push_work(lan, 24, 3)
    results = []
    run_work(lan, blobs, results, 4, 60000)
    lan.nodes[0].disconnected(lan.now_ms)
    for _ in range(200):
        lan.run(100)
        serve_broker(lan, blobs, results)
    waiting = sum([len(node.tasks.waiting) for node in lan.nodes])
    assert waiting and all([len(node.tasks.waiting) <= RESULTS_WAITING for node in lan.nodes])
    lan.nodes[0].connected(lan.now_ms)
    run_work(lan, blobs, results, 24, 90000)
    lan.run(5000)
    serve_broker(lan, blobs, results)
    assert sorted(set(tasks_of(results))) == list(range(24))


def test_a_workload_pushed_again_cancels_the_old_one():
    lan, blobs, results = alone(3)
    node = lan.nodes[0]
    while node.tasks.job is None:
        lan.run(100)
        events = lan.events.pop(0, [])
        lan.events[0] = [event for event in events if event[0] != "job"]
        serve_broker(lan, blobs, results)
    old = node.tasks.job
    blobs.update(push_work(lan, 2, seq=2))
    lan.run(1000)
    assert ("cancel", old.key) in lan.events[0] and node.tasks.job is old
    node.job_done(old, Outcome(b"", "cancelled"), lan.now_ms)
    serve(lan, blobs, results, 20000)
    assert tasks_of(results) == [0, 1]
    assert {cbor.decode(cbor.decode(payload)[0])["seq"] for _, payload in results} == {2}
    # What was finished under the old number is delivered, and counts for nothing.
    node.job_done(old, Outcome(b"late"), lan.now_ms)
    assert not node.tasks.waiting


def test_an_ended_or_expired_workload_is_run_no_more():
    for change in ({"end": True}, {"deadline_s": 1}):
        lan, blobs, results = alone(2)
        push_work(lan, 2, seq=2, **change)
        lan.run(5000)
        serve(lan, blobs, results, 5000)
        assert not results and lan.nodes[0].counters["tasks_started"] == 0, change


def test_progress_counts_from_ring_neighbours_only():
    lan = Lan(4, seed=7, door=True)
    lan.join_all()
    lan.nodes[0].connected(lan.now_ms)
    push_work(lan, 20, 2)
    lan.run_until(lambda: len(holders(lan, "edge")) == 2, 30000)
    lan.run(2000)
    seats = holders(lan, "edge")
    holder = lan.nodes[seats[0]]
    stranger = [i for i in range(4) if i not in seats.values()][0]
    workload = list(holder.tasks.workloads.values())[0]
    id, size = workload.manifest.id, len(workload.done.data)

    def tell(number, seq, data):
        lan.nodes[number].send(holder.id, lan.address(seats[0]), messages.PROGRESS, id, seq, data)
        lan.run(200)
        return workload.done.count()

    assert tell(stranger, 1, b"\xff" * size) == 0
    assert tell(seats[1], 2, b"\xff" * size) == 0
    bad = holder.counters["messages_bad"]
    assert tell(seats[1], 1, b"\xff" * (size + 1)) == 0 and tell(seats[1], 1, b"") == 0
    assert holder.counters["messages_bad"] == bad + 2
    assert tell(seats[1], 1, b"\x05" + bytes(size - 1)) == 2 and workload.done.get(0) and workload.done.get(2)


def test_taken_by_whom_it_may_and_for_the_right_number():
    lan, blobs, results = alone(2)
    node = lan.nodes[0]
    serve(lan, blobs, results, 6000, lambda job: gone(lan) or Outcome(b"ran"))
    assert len(node.tasks.waiting) == 2
    id = list(node.tasks.workloads)[0]
    node.tasks.taken(id, 2, 0)
    node.tasks.taken(bytes(16), 1, 0)
    node.tasks.taken(id, 1, 2)
    assert len(node.tasks.waiting) == 2
    node.tasks.taken(id, 1, 0)
    node.tasks.taken(id, 1, 0)
    assert len(node.tasks.waiting) == 1 and node.counters["tasks_done"] == 1
    assert node.tasks.workloads[id].done.get(0)


def test_an_output_that_the_disk_lost_is_computed_again():
    lan, blobs, results = alone(2)
    node = lan.nodes[0]
    serve(lan, blobs, results, 6000, lambda job: gone(lan) or Outcome(b"ran %d" % job.task))
    assert len(node.tasks.waiting) == 2
    node.store.disk.remove("blob-" + sha256(b"ran 1").hex())
    assert node.store.get(sha256(b"ran 1")) is None
    node.connected(lan.now_ms)
    serve(lan, blobs, results, 20000, lambda job: Outcome(b"ran %d" % job.task))
    assert tasks_of(results) == [0, 1]
    assert {cbor.decode(payload)[2] for _, payload in results} == {b"ran 0", b"ran 1"}


def test_a_full_disk_makes_no_busy_loop_and_loses_nothing():
    lan, blobs, results = alone(2)
    node = lan.nodes[0]

    def filled(job):
        node.store.disk.full = True
        return Outcome(b"ran")

    serve(lan, blobs, results, 10000, filled)
    assert not results and not node.tasks.waiting and 1 <= node.counters["tasks_started"] <= 8
    node.store.disk.full = False
    serve(lan, blobs, results, 20000, lambda job: Outcome(b"ran"))
    assert tasks_of(results) == [0, 1]


def test_results_that_no_door_takes_do_not_hold_up_the_others():
    lan, blobs, results = alone(8)
    node = lan.nodes[0]
    serve(lan, blobs, results, 10000, lambda job: gone(lan) or Outcome(b"ran"))
    assert len(node.tasks.waiting) == 8
    offered = []
    node.door.carry = lambda peer, receipt, tag, output: offered.append(cbor.decode(receipt)["task"])
    node.door.connected = True
    for _ in range(100):
        lan.run(100)
    assert sorted(set(offered)) == list(range(8))


def test_a_failed_task_is_a_result_too():
    lan, blobs, results = alone(2)
    serve(lan, blobs, results, 20000, lambda job: Outcome(b"", "trap"))
    assert tasks_of(results) == [0, 1] and lan.nodes[0].counters["tasks_failed"] == 2
    for _, payload in results:
        receipt, tag, output = cbor.decode(payload)
        fields = cbor.decode(receipt)
        assert fields["outcome"] == "trap" and fields["output"] == sha256(b"") and output == b"" and len(tag) == 16


def test_more_tasks_than_one_scan_places_and_every_one_has_one_seat():
    tasks = fewer(300, 100)
    lan = Lan(4, seed=9)
    lan.join_all()
    push_work(lan, tasks, 3)
    lan.run_until(lambda: len(holders(lan, "edge")) == 3, 30000)
    lan.run(15000)
    total = Bitmap(tasks)
    count = 0
    for i in holders(lan, "edge").values():
        workload = list(lan.nodes[i].tasks.workloads.values())[0]
        assert workload.scanned == tasks
        total.merge(workload.mine.data)
        count += workload.mine.count()
    assert total.count() == tasks == count
