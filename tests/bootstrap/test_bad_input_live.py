"""Bad input at a real fleet: real agents, a real mosquitto, and jobs that fail each in its own way.

One fleet takes all of it at once: while a good workload runs, others trap, loop,
eat memory and are no WebAssembly; manifests are tampered with; oversized
messages and random datagrams come in.  The good workload must not notice.
"""

import os
import shutil
import socket
import subprocess
import time

import pytest

from backfence.bootstrap.operator import manifests, push, settle
from backfence.sim.live.fleet import LiveFleet

from fleets import mosquitto

EXAMPLES = os.path.join(os.path.dirname(__file__), "..", "..", "examples")
BOXES, SEATS, TASKS = 5, 3, 3
WAIT_S = 120
SETTINGS = {"status_ms": 500, "round_ms": 1000, "busy_round_ms": 300, "probe_ms": 1000}
PAGES = 4
# name: (program, arguments, state its tasks must end in, a word of the reason)
JOBS = {
    "good": ("words.wasm", [], settle.SUCCEEDED, ""),
    "divides": ("trap.wasm", ["divide"], settle.FAILED, "divide by zero"),
    "reaches": ("trap.wasm", ["memory"], settle.FAILED, "out of bounds"),
    "sinks": ("trap.wasm", ["deep"], settle.FAILED, "call"),
    "exits": ("trap.wasm", ["exit"], settle.FAILED, "asked to fail"),
    "loops": ("forever.wasm", [], settle.FAILED, "fuel"),
    "eats": ("eater.wasm", [], settle.SUCCEEDED, ""),
    "nonsense": (None, [], settle.REJECTED, "not valid WebAssembly"),
}


def example(name):
    with open(os.path.join(EXAMPLES, name), "rb") as file:
        return file.read()


def until(condition, what):
    """Waits until condition() holds."""
    give_up = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < give_up, what
        time.sleep(0.2)


def publish_by_stock_client(broker, topic, data, folder):
    """What any operator can do without our command: mosquitto_pub of a file."""
    path = folder / "message"
    path.write_bytes(data)
    host, port = broker.split(":")
    program = shutil.which("mosquitto_pub")
    assert program, "mosquitto_pub is not installed"
    subprocess.run([program, "-h", host, "-p", port, "-r", "-q", "1", "-t", topic, "-f", str(path)],
                   check=True, timeout=30)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """(fleet, broker, lab, folder) of a fleet that has joined and sits."""
    folder = tmp_path_factory.mktemp("bad")
    with mosquitto(folder) as broker, LiveFleet(folder, broker, ["micropython"] * BOXES, settings=SETTINGS) as live:
        fleet, lab = live.operator, live.lab
        # The slice is pushed by a client that knows nothing of us.
        signed = fleet.sign(manifests.slice_manifest(fleet, "edge", SEATS))
        publish_by_stock_client(broker, fleet.topic("manifest", "slice-edge"), signed, folder)
        until(lambda: sum(len(s["seats"]) for s in lab.statuses()) == SEATS, "the seats do not fill")
        yield fleet, broker, lab, folder
        lab.check()


@pytest.fixture(scope="module")
def settled(world):
    """{name: Settlement} of all JOBS, run at once under random datagrams, and the refusals heard."""
    fleet, broker, lab, _folder = world
    settlements, refusals = {}, []
    with push.Session(broker) as session:
        session.subscribe(fleet.topic("result", "#"), fleet.topic("refused", "+"))
        for name, (program, arguments, _state, _reason) in JOBS.items():
            data = example(program) if program else b"\0asm\1\0\0\0\7"
            inputs = [b"so many words, so many of task %d\n" % number for number in range(TASKS)]
            plan = manifests.workload_manifest(
                fleet, name, "edge", data, inputs, arguments, fuel=20_000_000, pages=PAGES)
            settlements[name] = settle.Settlement(plan, fleet)
            push.publish(broker, fleet, fleet.sign(plan), plan.blobs, listen_s=0, session=session)
        # A retained message of 300 KB, where a door expects a manifest.
        session._client.publish(fleet.topic("manifest", "huge"), bytes(300_000), qos=1).wait_for_publish(10)
        tampered = bytearray(fleet.sign(manifests.slice_manifest(fleet, "evil", 1)))
        tampered[-100] ^= 1
        session._client.publish(fleet.topic("manifest", "slice-evil"), bytes(tampered), qos=1).wait_for_publish(10)
        ports = [int(s["address"].rsplit(":", 1)[1]) for s in lab.statuses()]
        give_up = time.monotonic() + WAIT_S
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            while not all(one.settled for one in settlements.values()) or len(refusals) < 2:
                left = {name: one.counts() for name, one in settlements.items() if not one.settled}
                assert time.monotonic() < give_up, (left, refusals)
                for port in ports:
                    stranger.sendto(os.urandom(1 + os.urandom(1)[0] * 5), ("127.0.0.1", port))
                message = session.receive(0.1)
                if message is None:
                    continue
                session.done(message)
                if "/refused/" in message.topic:
                    refusals.append(push.read_refusal(message))
                else:
                    for one in settlements.values():
                        if message.topic.startswith(one.fleet_prefix()):
                            one.offer(message.topic, message.payload)
    return settlements, refusals


@pytest.mark.parametrize("name", JOBS)
def test_each_job_ends_as_it_should_and_says_why(settled, name):
    settlement = settled[0][name]
    _program, _arguments, state, word = JOBS[name]
    assert settlement.counts()[state] == TASKS, (settlement.counts(), [task.reason for task in settlement.tasks])
    for task in settlement.tasks:
        assert word in task.reason and (state == settle.SUCCEEDED or task.reason)
        assert "\n" not in task.reason and len(task.reason) <= 120


def test_the_good_job_s_words_are_counted(settled):
    for number, output in enumerate(settled[0]["good"].outputs()):
        assert output == b"many 2\nof 1\nso 2\ntask 1\nwords 1\n", number


def test_a_job_that_eats_memory_gets_its_limit_and_no_more(settled):
    assert settled[0]["eats"].outputs() == [b"%d\n" % (PAGES - 1)] * TASKS
    assert {receipt["pages"] for receipt in settled[0]["eats"].receipts} == {PAGES}


def test_the_operator_hears_what_a_door_refused(settled):
    refused = {row["what"]: row["why"] for row in settled[1]}
    assert any(what.endswith("huge") for what in refused), refused
    assert [why for what, why in refused.items() if what.endswith("slice-evil")] == ["signature does not hold"]


def test_nobody_died_and_the_garbage_was_counted(world, settled):
    _fleet, _broker, lab, _folder = world
    assert len(lab.living()) == BOXES
    for status in lab.statuses():
        assert status["counters"].get("datagrams_bad", 0) > 0
        assert "slice-evil" not in status["manifests"]
    assert sum(len(status["seats"]) for status in lab.statuses()) == SEATS
