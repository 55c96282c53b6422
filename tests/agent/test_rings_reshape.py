"""Merging and splitting: seats are renumbered once, terms stay, what runs runs on (whole rings, on CPython alone)."""

import sys
from pathlib import Path

from backfence.agent.limits import SEATS
from backfence.agent.wire.hashes import sha256

sys.path.insert(0, str(Path(__file__).parent))
from lan import WALL_S, Lan  # noqa: E402
from proto_node import holders, ring_closed  # noqa: E402

PROGRAM = b"\0asm program"


def slice_(name, seats, seq=1, **rest):
    return dict(rest, kind="slice", name=name, seats=seats, seq=seq)


def two_rings(count, first, second, seed=1):
    """A Lan in which slices "a" and "b" stand."""
    lan = Lan(count, seed=seed)
    lan.join_all()
    lan.run(3000)
    lan.push(0, slice_("a", first))
    lan.push(0, slice_("b", second))
    lan.run_until(lambda: ring_closed(lan, "a", first) and ring_closed(lan, "b", second), 60000)
    return lan


def seats_and_terms(lan, name):
    return {seat: (number, lan.nodes[number].ring.term) for seat, number in holders(lan, name).items()}


def push_tasks(lan, name, slice, tasks):
    """A workload whose tasks each box has at hand; it runs them until told to stop."""
    inputs = [b"input %d" % i for i in range(tasks)]
    index = b"".join([sha256(data) for data in inputs])
    for node in lan.nodes:
        for blob in inputs + [PROGRAM, index]:
            node.store.put(blob, True)
    lan.push(0, {
        "kind": "workload", "name": name, "slice": slice, "program": sha256(PROGRAM),
        "program_size": len(PROGRAM), "index": [sha256(index)], "tasks": tasks, "args": [],
        "replicas": 1, "quorum": 1, "limits": {"fuel": 9, "pages": 2, "output": 1000},
        "deadline_s": 3600, "deterministic": True,
    })


def mine(lan, number, name):
    """The tasks of a workload that a box thinks its own."""
    for workload in lan.nodes[number].tasks.workloads.values():
        if workload.manifest.name == name and workload.scanned == workload.tasks:
            return [task for task in range(workload.tasks) if workload.mine.get(task)]
    return None


def cancelled(lan):
    return [event for events in lan.events.values() for event in events if event[0] == "cancel"]


def test_two_rings_become_one_and_what_runs_runs_on():
    lan = two_rings(8, 3, 3)
    push_tasks(lan, "words", "b", 12)
    lan.run(4000)
    a, b = seats_and_terms(lan, "a"), seats_and_terms(lan, "b")
    jobs = {number: lan.nodes[number].tasks.job for number, _ in b.values()}
    tasks = {number: mine(lan, number, "words") for number, _ in b.values()}
    assert sum([len(row) for row in tasks.values()]) == 12 and any(jobs.values())
    taken = sum([node.counters["seats_taken"] for node in lan.nodes])
    lan.push(0, slice_("a", 6, 2, absorbs=[["b", 3, 3]]))
    lan.run_until(lambda: ring_closed(lan, "a", 6), 15000)
    slicing = lan.nodes[0].slicing
    id = slicing.by_name("a").manifest.id
    assert slicing.holds(id) == [(3, 6)]
    merged = seats_and_terms(lan, "a")
    assert [merged[seat] for seat in range(6)] == [a[0], a[1], a[2], b[0], b[1], b[2]]
    assert not holders(lan, "b")
    lan.run(5000)
    assert seats_and_terms(lan, "a") == merged
    assert taken == sum([node.counters["seats_taken"] for node in lan.nodes])
    # The same boxes have the same tasks, and nothing was stopped.
    for number in jobs:
        assert lan.nodes[number].tasks.job is jobs[number] and mine(lan, number, "words") == tasks[number]
    assert not cancelled(lan)
    assert slicing.where_is("b") == (id, 3, 3)
    # A box that comes later takes an absorbed seat, not a seat of the old slice.
    lan.down.append(b[1][0])
    lan.run_until(lambda: ring_closed(lan, "a", 6), 60000)
    # The range is held for the movers for a while only.
    slicing = lan.nodes[a[0][0]].slicing
    lan.run_until(lambda: slicing.holds(id) == [], 25000)
    assert ring_closed(lan, "a", 6)
    assert not holders(lan, "b")


def test_a_ring_splits_and_what_runs_runs_on():
    lan = Lan(8, seed=2)
    lan.join_all()
    lan.run(3000)
    lan.push(0, slice_("a", 6))
    lan.run_until(lambda: ring_closed(lan, "a", 6), 60000)
    push_tasks(lan, "words", "a", 12)
    lan.run(4000)
    before = seats_and_terms(lan, "a")
    jobs = {number: lan.nodes[number].tasks.job for number, _ in before.values()}
    assert any(jobs.values())
    lan.push(0, slice_("b", 2, **{"from": ["a", 4]}))
    lan.run(1000)
    lan.push(0, slice_("a", 4, 2))
    lan.run_until(lambda: ring_closed(lan, "a", 4) and ring_closed(lan, "b", 2), 15000)
    slicing = lan.nodes[0].slicing
    assert slicing.holds(slicing.by_name("a").manifest.id) == [(4, SEATS)]
    lan.run(30000)
    a, b = seats_and_terms(lan, "a"), seats_and_terms(lan, "b")
    assert [a[seat] for seat in range(4)] == [before[seat] for seat in range(4)]
    assert [b[0], b[1]] == [before[4], before[5]]
    for number in jobs:
        assert lan.nodes[number].tasks.job is jobs[number]
    assert not cancelled(lan)
    # What was placed on the seats that are gone has another seat now.
    left = sorted(sum([mine(lan, number, "words") for number, _ in a.values()], []))
    assert left == list(range(12)) and all([mine(lan, number, "words") is None for number, _ in b.values()])


def test_a_seat_beyond_the_size_waits_for_the_split_then_leaves():
    lan = Lan(6, seed=3)
    lan.join_all()
    lan.run(3000)
    lan.push(0, slice_("a", 4))
    lan.run_until(lambda: ring_closed(lan, "a", 4), 60000)
    before = seats_and_terms(lan, "a")
    # The manifests come the wrong way round, within the grace.
    lan.push(0, slice_("a", 2, 2))
    lan.run(1500)
    lan.push(0, slice_("b", 2, **{"from": ["a", 2]}))
    lan.run_until(lambda: ring_closed(lan, "a", 2) and ring_closed(lan, "b", 2), 15000)
    b = seats_and_terms(lan, "b")
    assert [b[0], b[1]] == [before[2], before[3]]
    # Without one they leave.
    lan.push(0, slice_("a", 1, 3))
    lan.run_until(lambda: ring_closed(lan, "a", 1), 15000)
    lan.run(20000)
    assert ring_closed(lan, "a", 1) and ring_closed(lan, "b", 2)


def test_merged_and_split_off_again():
    lan = two_rings(5, 2, 2, seed=4)
    lan.push(0, slice_("a", 4, 2, absorbs=[["b", 2, 2]], issued=WALL_S + 1))
    lan.run_until(lambda: ring_closed(lan, "a", 4), 15000)
    four = seats_and_terms(lan, "a")
    lan.push(0, slice_("b", 2, 2, issued=WALL_S + 2, **{"from": ["a", 2]}))
    lan.push(0, slice_("a", 2, 3, issued=WALL_S + 3))
    lan.run_until(lambda: ring_closed(lan, "a", 2) and ring_closed(lan, "b", 2), 15000)
    b = seats_and_terms(lan, "b")
    assert [b[0], b[1]] == [four[2], four[3]]
