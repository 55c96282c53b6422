"""The Executor, over a real mosquitto; the boxes are played by the test."""

import concurrent.futures
import os
import threading
import time

import pytest

import backfence
from backfence.bootstrap import Executor, TaskFailed
from backfence.bootstrap.operator import executor, manifests, results
from backfence.bootstrap.operator.errors import OperatorError

from fleets import FleetHands, make_fleet, mosquitto, retained

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(backfence.__file__)), "examples")
WORDS = os.path.join(EXAMPLES, "words.wasm")
HELLO = os.path.join(EXAMPLES, "hello.wasm")


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with mosquitto(tmp_path_factory.mktemp("broker")) as address:
        yield address


@pytest.fixture
def fleet(tmp_path):
    return make_fleet(tmp_path / "fleet")


def upper(_payload, _task, data, _replica=0):
    return data.upper()


def sequences(fleet):
    """{name: runs} of the workloads of this fleet."""
    return {name: len(results.runs(fleet, name)) for name in os.listdir(fleet.path("works")) if results.runs(fleet, name)}


def open_executor(fleet, broker, **options):
    return Executor(fleet.directory, "edge", program=options.pop("program", WORDS), broker=broker, **options)


def test_a_map_is_one_workload_and_keeps_its_order(fleet, broker):
    inputs = [b"input %d" % number for number in range(50)]
    with FleetHands(fleet, broker, upper), open_executor(fleet, broker) as boxes:
        assert list(boxes.map(None, inputs)) == [data.upper() for data in inputs]
    assert sequences(fleet) == {"executor-1": 1}
    assert fleet.signer.capacity() - fleet.signer.remaining() == 3  # the lot, the workload, its end
    assert [topic for topic in retained(broker, fleet.topic("#")) if "/blob/" in topic] == []


def test_tasks_submitted_together_travel_together(fleet, broker):
    with FleetHands(fleet, broker, upper), open_executor(fleet, broker) as boxes:
        futures = [boxes.submit(None, b"%d" % number) for number in range(40)]
        assert [future.result(20) for future in futures] == [b"%d" % number for number in range(40)]
    assert sequences(fleet) == {"executor-1": 1}


def test_futures_are_resolved_as_their_tasks_settle(fleet, broker):
    more = threading.Event()

    def work(_payload, task, data, _replica):
        return data if task == 1 or more.is_set() else None

    with FleetHands(fleet, broker, work) as hands, open_executor(fleet, broker) as boxes:
        futures = [boxes.submit(None, b"%d" % number) for number in range(3)]
        assert next(concurrent.futures.as_completed(futures, 20)) is futures[1]
        assert not futures[0].done() and futures[0].running()
        with pytest.raises(TimeoutError):
            futures[0].result(0.1)
        more.set()
        hands.poke()
        assert futures[2].result(20) == b"2"


def test_what_is_submitted_meanwhile_waits_for_more(fleet, broker, monkeypatch):
    """While a workload is under way, a trickle becomes one workload and not one each."""
    monkeypatch.setattr(executor, "BUSY_LINGER_S", 1.5)
    more = threading.Event()

    def work(_payload, _task, data, _replica):
        return data if more.is_set() or data != b"long" else None

    with FleetHands(fleet, broker, work) as hands, open_executor(fleet, broker) as boxes:
        long = boxes.submit(None, b"long")
        time.sleep(1.0)
        futures = []
        for number in range(5):
            futures.append(boxes.submit(None, b"%d" % number))
            time.sleep(0.2)
        assert [future.result(20) for future in futures] == [b"%d" % number for number in range(5)]
        assert not long.done()
        more.set()
        hands.poke()
        assert long.result(20) == b"long"
    assert sequences(fleet) == {"executor-1": 1, "executor-2": 1}


def test_other_programs_and_arguments_are_other_workloads(fleet, broker):
    seen = []

    def work(payload, _task, data, _replica):
        seen.append((payload["program"], payload["args"], data))
        return data

    with FleetHands(fleet, broker, work), open_executor(fleet, broker) as boxes:
        futures = [boxes.submit(None, b"a"), boxes.submit(HELLO, b"b"), boxes.submit(None, b"c", "x", 2)]
        assert [future.result(20) for future in futures] == [b"a", b"b", b"c"]
    assert sum(sequences(fleet).values()) == 3
    assert len({program for program, _, _ in seen}) == 2
    assert [args for _, args, data in seen if data == b"c"] == [["x", "2"]]


def test_a_failed_task_says_how_and_shows_its_receipt(fleet, broker):
    def work(_payload, task, data, _replica):
        return {"outcome": "trap", "reason": "integer divide by zero"} if task == 1 else data

    with FleetHands(fleet, broker, work), open_executor(fleet, broker) as boxes:
        futures = [boxes.submit(None, b"%d" % number) for number in range(3)]
        with pytest.raises(TaskFailed, match="task 1 of executor-1: FAILED: integer divide by zero") as failed:
            futures[1].result(20)
        assert (futures[0].result(20), futures[2].result(20)) == (b"0", b"2")
    error = failed.value
    assert (error.state, error.reason, error.task) == ("FAILED", "integer divide by zero", 1)
    assert error.receipt["outcome"] == "trap" and error.receipt["box"] in fleet.boxes()


def test_silence_until_the_deadline_is_timed_out(fleet, broker):
    with FleetHands(fleet, broker, lambda *_: None), open_executor(fleet, broker, deadline_s=2) as boxes:
        with pytest.raises(TaskFailed) as failed:
            boxes.submit(None, b"x").result(20)
    assert failed.value.state == "TIMED_OUT" and failed.value.receipt is None


def test_cancelling_ends_what_runs_and_drops_what_waits(fleet, broker):
    with FleetHands(fleet, broker, lambda *_: None) as hands:
        boxes = open_executor(fleet, broker)
        running = boxes.submit(None, b"x")
        give_up = time.monotonic() + 20
        while "workload-executor-1" not in hands.plans and time.monotonic() < give_up:
            time.sleep(0.05)
        waiting, given_up = boxes.submit(None, b"y"), boxes.submit(None, b"z")
        assert not running.cancel() and given_up.cancel()
        begun = time.monotonic()
        boxes.shutdown(cancel_futures=True)
        assert time.monotonic() - begun < 10
        with pytest.raises(TaskFailed) as failed:
            running.result(0)
        assert failed.value.state == "CANCELED" and waiting.cancelled()
        assert hands.plans["workload-executor-1"]["end"] is True
    with pytest.raises(RuntimeError, match="after shutdown"):
        boxes.submit(None, b"x")


def test_an_exception_in_the_block_ends_the_work(fleet, broker):
    with FleetHands(fleet, broker, lambda *_: None):
        with pytest.raises(KeyboardInterrupt):
            with open_executor(fleet, broker) as boxes:
                future = boxes.submit(None, b"x")
                time.sleep(1)
                raise KeyboardInterrupt
        assert future.exception(0).state == "CANCELED"


def test_an_answer_that_only_one_box_gives_is_not_taken(fleet, broker):
    def work(_payload, _task, data, replica):
        return b"lie" if replica == 0 else data

    with FleetHands(fleet, broker, work), open_executor(fleet, broker, replicas=3, quorum=2) as boxes:
        assert list(boxes.map(None, [b"a", b"b"])) == [b"a", b"b"]


def test_two_executors_of_one_name_do_not_mind_each_other(fleet, broker):
    more = threading.Event()
    with FleetHands(fleet, broker, lambda _payload, _task, data, _replica: data if more.is_set() else None) as hands:
        with open_executor(fleet, broker) as one, open_executor(fleet, broker) as two:
            first, second = one.map(None, [b"a", b"b"]), two.map(None, [b"c", b"d"])
            give_up = time.monotonic() + 20
            while len(hands.plans) < 2 and time.monotonic() < give_up:
                time.sleep(0.05)
            more.set()
            hands.poke()
            assert list(first) == [b"a", b"b"] and list(second) == [b"c", b"d"]
    assert sequences(fleet) == {"executor-1": 1, "executor-2": 1}


def test_a_killed_ones_leavings_go_with_the_next(fleet, broker):
    """What a process left at the broker that was killed is taken back, and its name used again."""
    from backfence.bootstrap.operator import run

    manifest = manifests.workload_manifest(fleet, "executor-1", "edge", open(WORDS, "rb").read(), [b"left over"])
    with run.open_session(fleet, "executor-1", broker) as session:
        run.start(fleet, manifest, "concat", session)[0].close()
    with FleetHands(fleet, broker, upper), open_executor(fleet, broker) as boxes:
        assert list(boxes.map(None, [b"new"])) == [b"NEW"]
    assert [topic for topic in retained(broker, fleet.topic("#")) if "/blob/" in topic] == []


def test_the_broker_that_is_not_there_is_what_every_future_says(fleet):
    with open_executor(fleet, "127.0.0.1:1") as boxes:
        futures = [boxes.submit(None, b"x") for _ in range(3)]
        for future in futures:
            with pytest.raises(OperatorError, match="does not answer"):
                future.result(20)


@pytest.mark.parametrize("arguments, error, said", [
    ((len, b"x"), TypeError, "cannot run on boxes: they run WebAssembly"),
    ((None, bytes(32769)), OperatorError, "an input has 32,769 bytes"),
    ((b"not wasm", b"x"), OperatorError, "a box would refuse the program"),
    (("none.wasm", b"x"), OperatorError, "the program none.wasm cannot be read"),
    ((None, b"x", *"123456789"), OperatorError, "the number of arguments is 9"),
])
def test_what_no_box_would_take_is_refused_at_once(fleet, arguments, error, said):
    with open_executor(fleet, "127.0.0.1:1") as boxes, pytest.raises(error, match=said):
        boxes.submit(*arguments)


def test_without_a_program_one_must_be_named(fleet):
    with open_executor(fleet, "127.0.0.1:1", program=None) as boxes, pytest.raises(OperatorError, match="no program was given"):
        boxes.submit(None, b"x")


def test_a_map_of_more_than_a_workload_holds_is_several(fleet, broker, monkeypatch):
    monkeypatch.setattr(executor.limits, "TASKS", 20)
    with FleetHands(fleet, broker, upper), open_executor(fleet, broker, replicas=2) as boxes:
        assert len(list(boxes.map(None, [b"%d" % number for number in range(25)]))) == 25
    assert sum(sequences(fleet).values()) == 3
