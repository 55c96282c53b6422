"""The broker model and the jobs' cell, driven by small listeners."""

import hashlib

import pytest
from toy_node import toy_world

from backfence.sim import jobs
from backfence.sim.broker import Broker, Client, matches


class Listener:
    """Remembers what its client tells it."""

    def __init__(self):
        self.online = False
        self.got = []
        self.acknowledged = []

    def connected(self):
        self.online = True

    def disconnected(self):
        self.online = False

    def message(self, topic, payload, retained):
        self.got.append((topic, payload, retained))

    def published(self, token):
        self.acknowledged.append(token)


def setting(count=2, **settings):
    """A world with a broker and connected clients."""
    world = toy_world(1, 1)
    broker = Broker(world, **settings)
    clients = [Client(broker, Listener()) for _ in range(count)]
    for client in clients:
        client.start()
    world.run_for(2_000)
    return world, broker, clients


@pytest.mark.parametrize("pattern, topic, yes", [
    ("a/b", "a/b", True), ("a/b", "a/c", False), ("a/#", "a/b/c", True), ("a/#", "a", True),
    ("a/+/c", "a/b/c", True), ("a/+", "a/b/c", False), ("a/b/c", "a/b", False), ("#", "x/y", True)])
def test_topic_filters(pattern, topic, yes):
    assert matches(pattern, topic) is yes


def test_a_message_reaches_subscribers_and_is_acknowledged():
    world, _, (one, two) = setting()
    two.subscribe("t/#")
    world.run_for(1_000)
    one.publish("t/x", b"1", False, "token")
    one.publish("u/x", b"2", False, None)
    world.run_for(1_000)
    assert two.listener.got == [("t/x", b"1", False)]
    assert one.listener.acknowledged == ["token"] and one.listener.got == []


def test_order_is_kept_on_each_connection():
    world, _, (one, two) = setting()
    two.subscribe("t")
    world.run_for(1_000)
    for number in range(20):
        one.publish("t", b"%d" % number, False, number)
    world.run_for(5_000)
    assert [payload for _, payload, _ in two.listener.got] == [b"%d" % number for number in range(20)]
    assert one.listener.acknowledged == list(range(20))


def test_retained_messages_come_with_a_later_subscription_and_go_when_emptied():
    world, broker, (one, two) = setting()
    one.publish("r/a", b"kept", True, None)
    one.publish("r/b", b"gone", True, None)
    one.publish("r/b", b"", True, None)
    world.run_for(1_000)
    two.subscribe("r/#")
    world.run_for(1_000)
    assert two.listener.got == [("r/a", b"kept", True)]
    two.handle(("unsubscribe", "r/#"))
    one.publish("r/a", b"again", True, None)
    world.run_for(1_000)
    assert len(two.listener.got) == 1
    assert broker.retained == {"r/a": b"again"}


@pytest.mark.parametrize("keep", [True, False])
def test_clients_come_back_after_an_outage_and_publish_again(keep):
    world, broker, (one, two) = setting()
    two.subscribe("t")
    one.publish("r", b"1", True, None)
    world.run_for(1_000)
    one.publish("t", b"under way", False, "under way")
    broker.vanish(keep_retained=keep)
    world.run_for(10_000)
    assert not one.listener.online and not two.listener.online
    one.publish("t", b"offline", False, "offline")
    world.run_for(10_000)
    assert one.listener.acknowledged == [] and two.listener.got == []
    broker.come_back()
    world.run_for(10_000)
    assert one.listener.online and two.listener.online
    assert one.listener.acknowledged == ["under way", "offline"]
    one.publish("t", b"new", False, "new")
    world.run_for(1_000)
    assert two.listener.got[-1] == ("t", b"new", False) and one.listener.acknowledged[-1] == "new"
    assert bool(broker.retained) is keep


def test_a_quick_return_does_not_save_the_old_connection():
    world, broker, (one, two) = setting()
    two.subscribe("t")
    world.run_for(1_000)
    broker.vanish()
    broker.come_back()
    one.publish("t", b"into the void", False, "x")
    world.run_for(200)
    assert two.listener.got == [] and one.listener.acknowledged == []
    world.run_for(20_000)
    assert one.listener.acknowledged == ["x"]


def test_a_stopped_client_forgets_what_it_held():
    world, broker, (one, two) = setting()
    one.stop()
    one.publish("t", b"1", True, "x")
    one.start()
    world.run_for(5_000)
    assert broker.retained == {"t": b"1"}
    one.publish("u", b"1", True, "x")
    one.stop()
    one.start()
    world.run_for(5_000)
    assert "u" not in broker.retained


@pytest.mark.parametrize("keep", [True, False])
def test_a_kept_session_gets_what_came_while_it_was_away_unless_the_broker_forgot(keep):
    world, broker, (one, two) = setting()
    away = Client(broker, Listener(), keep=True)
    away.start()
    away.subscribe("t")
    world.run_for(1_000)
    broker.detach(away)
    away.life += 1
    one.publish("t", b"meanwhile", False, None)
    world.run_for(1_000)
    assert away.listener.got == []
    broker.vanish(keep_retained=keep)
    broker.come_back()
    away.online = away.attached = False
    away.broker.world.after(1, away._connect, away.life)
    world.run_for(5_000)
    assert away.listener.got == ([("t", b"meanwhile", False)] if keep else [])
    assert broker.forgetful == (0 if keep else 1)


def test_a_full_outbox_takes_no_more():
    world, broker, (one, two) = setting()
    for number in range(30):
        one.publish("t/%d" % number, b"1", True, None)
    world.run_for(2_000)
    assert one.refused == 6 and len(broker.retained) == 24


def test_messages_may_come_twice():
    world, _, (one, two) = setting(duplicate=1.0)
    two.subscribe("t")
    world.run_for(1_000)
    one.publish("t", b"1", False, None)
    world.run_for(1_000)
    assert len(two.listener.got) == 2


class Job:
    """A job as the node hands it out."""

    key = b"k"
    workload = "w"
    task = 3
    program = hashlib.sha256(b"program").digest()
    input = hashlib.sha256(b"input").digest()
    args = ["a"]


def cell(**settings):
    """A world of one box with a cell and the job's blobs on its disk."""
    world = toy_world(2, 1)
    box = world.boxes[0]
    box.cell = jobs.Cell(box, jobs.Model("s", duration_ms=(100, 200), **settings))
    box.disk.write("blob-" + Job.program.hex(), b"program")
    box.disk.write("blob-" + Job.input.hex(), b"input")
    return world, box


def test_a_job_ends_after_its_virtual_time_with_its_known_output():
    world, box = cell()
    outcomes = []
    box.job_done = lambda job, outcome: outcomes.append((world.now_ms, outcome))
    box.cell.start(Job)
    world.run_for(1_000)
    (when, outcome), = outcomes
    assert 100 <= when < 200 and outcome.kind == "ok"
    assert outcome.output == jobs.expected(Job.program, b"input", ["a"])


def test_a_job_without_its_input_on_the_disk_is_refused():
    world, box = cell()
    box.disk.write("blob-" + Job.input.hex(), b"torn")
    box.cell.start(Job)
    world.run_for(1_000)
    assert box.node.done == [(b"k", "refused")]


def test_a_failing_task_fails_as_told():
    world, box = cell(failing={3: "trap"})
    box.cell.start(Job)
    world.run_for(1_000)
    assert box.node.done == [(b"k", "trap")]


def test_a_second_job_is_counted_and_a_cancelled_or_crashed_one_never_ends_well():
    world, box = cell()
    box.cell.start(Job)
    box.cell.start(Job)
    assert box.cell.overlaps == 1
    box.cell.cancel(b"other")
    box.cell.cancel(b"k")
    world.run_for(1_000)
    assert box.node.done == [(b"k", "cancelled")]
    box.cell.start(Job)
    box.crash()
    box.start()
    world.run_for(1_000)
    assert box.node.done == []
