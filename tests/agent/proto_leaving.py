"""A box that leaves: its ring closes at once, results go out if a door is there, tasks are run by others."""

from lan import Lan
from proto_node import holders, ring_closed, run_work, serve_broker
from proto_tasks import push_work, tasks_of

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "armhf", "mips")
# What the edge gives a node that leaves: edge/loop.py.
LEAVE_MS = 500


def at_work(tasks, seats, count=4):
    """(lan, blobs, results) of boxes with a door and work pushed, the ring closed."""
    lan = Lan(count, seed=11, door=True)
    lan.join_all()
    lan.nodes[0].connected(lan.now_ms)
    blobs = push_work(lan, tasks, seats)
    results = []
    lan.run_until(lambda: ring_closed(lan, "edge", seats), 30000)
    return lan, blobs, results


def leave(lan, number):
    """Turn as the edge does; the ms until nothing is unfinished, at most LEAVE_MS."""
    began = lan.now_ms
    leaving = lan.nodes[number].leave(lan.now_ms)
    leaving.keep()
    while lan.now_ms - began < LEAVE_MS and leaving.unfinished():
        lan.run(10)
    lan.run(0)
    lan.down.append(number)
    return lan.now_ms - began


def test_the_ring_closes_with_the_word_and_needs_no_probe():
    lan, _, _ = at_work(1, 4)
    leaver = holders(lan, "edge")[2]
    id = lan.nodes[leaver].id
    assert leave(lan, leaver) == 0
    lan.run(20)
    left = [lan.nodes[i] for i in holders(lan, "edge").values()]
    assert len(left) == 3 and not [node for node in left if id in node.ring.near]
    assert not [node for node in left if node.counters["ring_suspects"] or node.counters["ring_deaths"]]


def test_who_leaves_takes_no_seat_again_though_no_other_box_is_free():
    lan, _, _ = at_work(1, 4)
    leaver = holders(lan, "edge")[2]
    lan.nodes[leaver].leave(lan.now_ms)
    lan.run(20000)
    assert lan.nodes[leaver].ring.seat is None and sorted(holders(lan, "edge")) == [0, 1, 3]


def with_a_result(lan, blobs, results):
    """Number of a box, not the door, that has just run a task and had its offer lost."""
    lost = []
    lan.drop = lambda data, source, target: target == 0 and source in lost
    while True:
        lan.run(100)
        for i in range(1, len(lan.nodes)):
            if lan.nodes[i].tasks.job and not lost:
                lost.append(i)
                serve_broker(lan, blobs, results)
                lan.run(20)
                assert len(lan.nodes[i].tasks.waiting) == 1
                lost[:] = [None]
                return i
        serve_broker(lan, blobs, results)


def test_a_result_that_waits_is_taken_on_leaving():
    lan, blobs, results = at_work(12, 4)
    leaver = with_a_result(lan, blobs, results)
    node = lan.nodes[leaver]
    topics = len(results)
    began = lan.now_ms
    leaving = node.leave(lan.now_ms)
    while leaving.unfinished():
        lan.run(10)
        serve_broker(lan, blobs, results)
        assert lan.now_ms - began < LEAVE_MS
    assert not node.tasks.waiting
    assert [topic for topic, _ in results[topics:] if topic.endswith(node.id.hex())]


def test_a_result_that_no_door_takes_is_computed_by_another_box():
    lan, blobs, results = at_work(12, 3)
    leaver = with_a_result(lan, blobs, results)
    lan.nodes[0].disconnected(lan.now_ms)
    assert leave(lan, leaver) == LEAVE_MS
    lan.nodes[0].connected(lan.now_ms)
    run_work(lan, blobs, results, 12, 120000)
    assert sorted(set(tasks_of(results))) == list(range(12))
