"""Power cuts in the life of a box: its state files, its store, its results.

The cuts come from an enumeration (power_states.py), never from a clock.  What is looked at
is what lies in the folder, and what a real node does that starts from it.
"""

import os

import cbor2
import pytest
from lan import WALL_S, Outcome
from power_box import (
    BoxLan, check_clean, check_floors, check_states_whole, check_store, promised, read, restarted,
)
from power_sweep import DIALECTS, Sweep, memory, record
from proto_node import serve_broker
from proto_tasks import push_work, tasks_of

from backfence.agent.edge import disk, files
from backfence.agent.descriptor import Descriptor
from backfence.agent.manifest import manifest_id

__all__ = ["memory"]
SLICE = manifest_id("slice", "edge")


def life(home, store):
    """A function of a journal: two lives of a box that keep all kinds of state."""

    def scenario(journal):
        for sequence in (1, 3):
            lan = BoxLan(home, journal, store_dir=store)
            node = lan.nodes[0]
            for number in (sequence, sequence + 1):
                verdict = lan.push(0, {"kind": "slice", "name": "edge", "seats": 4, "seq": number})
                lan.run(50)
                assert verdict == [None]
                journal.mark(("told", SLICE, number))
            node.membership.join([Descriptor(bytes([number] * 16), lan.address(number), 0, 1)])
            node.availability.save(False)
            lan.run(100)
            node.leave(lan.now_ms).keep()

    return scenario


def check_life(case, home):
    """Old or new, nothing back, nothing left lying; and the next life is a good one."""
    check_states_whole(case, home)
    lan = BoxLan(home)
    node = lan.nodes[0]
    spoken = [mark[1] for mark in case.marks if mark[0] == "incarnation"]
    assert not spoken or node.wall.incarnation > max(spoken), "an incarnation is used twice"
    check_floors(case, home)
    check_store(home, node.store)
    assert node.counters["store_errors"] == 0
    check_clean(home)
    # What was saved of the others is theirs to read, not to ask again.
    if promised(case.marks).get("state-contacts", (None,))[0]:
        assert node.membership.contacts
    verdict = lan.push(0, {"kind": "slice", "name": "edge", "seats": 4, "seq": 9})
    lan.run(20)
    assert verdict == [None]
    rows = cbor2.loads(read(home + "/state/state-floors"))
    assert [row[1] for row in rows if row[0] == SLICE] == [9]


def recorded(memory, scenario, dialect="cpython", store="/store"):
    """The Journal of scenario(home, store's folder), in an empty home; "/home/store" lies in it."""
    home = memory + "/home"
    os.mkdir(home)
    return record(home, [disk, files], scenario(home, memory + store), dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_state_is_old_or_new_after_a_cut_at_any_call(memory, dialect):
    """The store lies in memory, as by default: a cut takes all of it."""
    sweep = Sweep("state-" + dialect, memory)
    sweep.run(recorded(memory, life, dialect), check_life)
    assert sweep.partial or sweep.count > 150


def test_state_is_old_or_new_beside_a_store_on_flash(memory):
    sweep = Sweep("state-flash", memory)
    sweep.run(recorded(memory, life, store="/home/store"), check_life, 7)
    assert sweep.partial or sweep.count > 200


def test_a_cut_within_the_restart_after_a_cut_leaves_as_much(memory):
    sweep = Sweep("state-deep", memory)

    def recover(case, inner):
        # What the first cut has left is what the second may not take.
        for name in promised(case.marks):
            if os.path.exists(sweep.folder + "/state/" + name):
                inner.mark(("saved", name, read(sweep.folder + "/state/" + name)))
        restarted(sweep.folder, inner)

    sweep.run_deep(recorded(memory, life), [disk, files], recover, check_life, 5, 2)
    assert sweep.partial or sweep.count > 150


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_key_that_was_told_is_the_boxs_key_for_ever(memory, dialect):
    """What is enrolled is the public half of what the first start has made."""

    def first_start(home, _):
        return lambda journal: journal.mark(("told", files.load_key(home)))

    sweep = Sweep("key-" + dialect, memory)

    def check(case, home):
        key = files.load_key(home)
        assert len(key) == 32 and key == files.load_key(home)
        assert all(mark == ("told", key) for mark in case.marks), "the key that was told is lost"
        assert set(os.listdir(home)) <= {"box.key", "box.key.tmp"}

    sweep.run(recorded(memory, first_start, dialect), check)
    assert sweep.partial or sweep.count > 10


def working(home, store):
    """A function of a journal: a box takes a workload, runs it, hands the results in."""

    def scenario(journal):
        work(BoxLan(home, journal, store_dir=store), 3, [], journal)

    return scenario


def work(lan, tasks, results, journal=None):
    """Push work to a box that is alone, and be its broker and container to the end."""
    node = lan.nodes[0]
    node.connected(lan.now_ms)
    blobs = push_work(lan, tasks)
    for _ in range(400):
        lan.run(100)
        events, lan.events[0] = lan.events.get(0, []), []
        for event in events:
            if event[0] == "job":
                node.job_done(event[1], Outcome(output_of(event[1].task)), lan.now_ms)
            else:
                lan.events[0].append(event)
        known = len(results)
        serve_broker(lan, blobs, results)
        for row in results[known:]:
            if journal:
                journal.mark(("taken", tasks_of([row])[0]))
        if len(set(tasks_of(results))) == tasks and not node.tasks.waiting:
            return
    raise AssertionError("the work was not done")


def output_of(task):
    """What the program gives for a task: of more than one page."""
    return b"output %d " % task * 500


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_result_is_whole_or_made_again(memory, dialect):
    """Results and receipts wait in memory, their outputs in the store, which may be torn."""
    sweep = Sweep("result-" + dialect, memory)

    def check(case, folder):
        check_states_whole(case, folder)
        lan = BoxLan(folder, wall_s=WALL_S + 60)
        check_floors(case, folder)
        check_store(folder, lan.nodes[0].store)
        check_clean(folder)
        if sweep.partial or sweep.count % 150 == 0:
            again = []
            work(lan, 3, again)
            for _, payload in again:
                receipt, _, output = cbor2.loads(payload)
                assert output == output_of(cbor2.loads(receipt)["task"])

    sweep.run(recorded(memory, working, dialect, "/home/store"), check, 6, DIALECTS.index(dialect))
    assert sweep.partial or sweep.count > 300
