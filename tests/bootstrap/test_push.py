"""Pushing, collecting and watching over a real mosquitto."""

import os
import signal
import threading
import time

import cbor2
import pytest

from backfence.bootstrap.operator import journal, manifests, picture, push, repetition, results, run, watch
from backfence.bootstrap.operator.errors import OperatorError

from fleets import FleetHands, census_of, count_words, free_port, hands, make_fleet, mosquitto, retained, workload


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    return make_fleet(tmp_path_factory.mktemp("fleet") / "fleet")


@pytest.fixture
def broker(tmp_path):
    with mosquitto(tmp_path) as address:
        yield address


def say(broker, topic, payload):
    with push.Session(broker) as session:
        session._client.publish(topic, payload, qos=1).wait_for_publish(5)


def test_a_push_leaves_manifest_and_blobs_retained(fleet, broker):
    plan = workload(fleet, 3)
    signed = fleet.sign(plan)
    report = push.publish(broker, fleet, signed, plan.blobs, listen_s=0)
    assert (report.label, report.sequence, report.acknowledged) == ("workload-words", plan.payload["seq"], 6)
    found = retained(broker, fleet.topic("#"))
    assert found.pop(fleet.topic("manifest", "workload-words")) == signed
    assert found == {fleet.topic("blob", digest.hex()): data for digest, data in plan.blobs.items()}


def test_more_blobs_than_the_window_arrive_whole(fleet, broker):
    blobs = {bytes([number]) * 32: os.urandom(32768) for number in range(3 * push.WINDOW)}
    signed = fleet.sign(manifests.slice_manifest(fleet, "edge", 2))
    assert push.publish(broker, fleet, signed, blobs, listen_s=0).size == 60 * 32768 + len(signed)
    assert len(retained(broker, fleet.topic("blob", "#"))) == 60


@pytest.mark.parametrize("bad", ["tampered", "unsigned", "expired", "seeds"])
def test_what_a_box_would_refuse_never_reaches_the_broker(fleet, broker, bad):
    plan = manifests.slice_manifest(fleet, "edge", 2)
    signed = fleet.sign(plan)
    if bad == "tampered":
        signed = signed.replace(b"edge", b"edgy")
    elif bad == "unsigned":
        signed = manifests.encode(plan.payload)
    elif bad == "expired":
        signed = fleet.sign(manifests.slice_manifest(fleet, "edge", 2, valid_s=1, issued=1))
    else:
        signed = fleet.sign(manifests.seeds_manifest(fleet, [(bytes(16), b"\x7f\0\0\1\0\7")]))
    with pytest.raises(OperatorError):
        push.publish(broker, fleet, signed)
    assert retained(broker, "backfence/#") == {}


def refuse(fleet, broker, what, why):
    body = cbor2.dumps({"what": what, "why": why}, canonical=True)
    say(broker, fleet.topic("refused", "ab" * 16), body)


def test_a_doors_refusal_is_heard(fleet, broker):
    signed = fleet.sign(manifests.slice_manifest(fleet, "edge", 2))

    def door():
        refuse(fleet, broker, "manifest/slice-other", "not ours")
        refuse(fleet, broker, "manifest/slice-edge", "sequence\x1b[2J too low")

    timer = threading.Timer(0.7, door)
    timer.start()
    report = push.publish(broker, fleet, signed, listen_s=3.0)
    timer.join()
    assert report.refused == [
        {"box": "ab" * 16, "what": "manifest/slice-edge", "why": "sequence?[2J too low"}
    ]


def test_a_broker_that_is_not_there_is_said_in_one_line(fleet):
    signed = fleet.sign(manifests.slice_manifest(fleet, "edge", 2))
    with pytest.raises(OperatorError, match="does not answer") as error:
        push.publish(f"127.0.0.1:{free_port()}", fleet, signed)
    assert "--broker" in error.value.hint


def test_a_broker_that_hangs_is_given_up(fleet, tmp_path):
    port = free_port()
    with mosquitto(tmp_path, port) as broker:
        with push.Session(broker) as session:
            session.publish([(fleet.topic("blob", "00"), b"x")], 5)
            os.kill(broker.pid, signal.SIGSTOP)
            try:
                with pytest.raises(OperatorError, match="acknowledged 0 publications"):
                    session.publish([(fleet.topic("blob", "01"), b"x")], 1.0)
            finally:
                os.kill(broker.pid, signal.SIGCONT)


def test_a_session_survives_its_broker(fleet, tmp_path):
    port = free_port()
    with mosquitto(tmp_path, port) as broker:
        session = push.Session(broker)
        session.subscribe(fleet.topic("census"))
    with mosquitto(tmp_path, port) as broker:
        give_up = time.monotonic() + 20
        while not session.connected and time.monotonic() < give_up:
            time.sleep(0.05)
        say(broker, fleet.topic("census"), b"here again")
        assert session.receive(10).payload == b"here again"
    session.close()


def test_a_publication_waits_for_the_broker_to_come_back(fleet, tmp_path):
    port = free_port()
    with mosquitto(tmp_path, port) as broker:
        session = push.Session(broker)
    while session.connected:
        time.sleep(0.01)
    with mosquitto(tmp_path, port) as broker:
        session.publish([(fleet.topic("blob", "02"), b"late")], 20)
        assert retained(broker, fleet.topic("blob", "#")) == {fleet.topic("blob", "02"): b"late"}
    session.close()


@pytest.mark.parametrize("text, wanted", [
    ("broker.example:1883", ("broker.example", 1883, False, None, None)),
    ("[::1]:1884", ("::1", 1884, False, None, None)),
    ("mqtts://me:secret@broker.example:8883", ("broker.example", 8883, True, "me", "secret")),
])
def test_brokers_names(text, wanted):
    assert push.parse_broker(text) == wanted


@pytest.mark.parametrize("text", ["", "broker", "http://broker:80", "::1:1883", "broker:0", "broker:x"])
def test_wrong_brokers_names(text):
    with pytest.raises(OperatorError, match="not a broker"):
        push.parse_broker(text)


def begin(fleet, broker, plan, merge="concat"):
    session = run.open_session(fleet, plan.payload["name"], broker)
    work, _ = run.start(fleet, plan, merge, session)
    return work, session


def test_a_run_settles_from_the_boxes_results(fleet, broker):
    plan = manifests.workload_manifest(fleet, "count", "edge", b"\0asm\1\0\0\0", [b"a b a", b"b c"])
    with FleetHands(fleet, broker, count_words):
        work, session = begin(fleet, broker, plan, "sum")
        run.Collector(work, session).collect(time.monotonic() + 20)
        assert work.merged() == b"a 2\nb 2\nc 1\n"
        run.finish(work, session)
        session.close()
    left = retained(broker, fleet.topic("#"))
    assert list(left) == [fleet.topic("manifest", "workload-count")]
    assert manifests.read(left[fleet.topic("manifest", "workload-count")], fleet.keys)["end"] is True


def test_results_wait_at_the_broker_while_the_owner_is_away(fleet, broker):
    plan = workload(fleet, 3, name="away")
    _, session = begin(fleet, broker, plan)
    session.close()
    for task, hand in zip(range(3), hands(fleet)):
        say(broker, *hand.result(plan, task, b"%d" % task))
    session = run.open_session(fleet, "away", broker)
    work = results.Work.newest(fleet, "away")
    run.Collector(work, session).collect(time.monotonic() + 10)
    session.close()
    assert work.merged() == b"012"


def test_a_result_is_on_the_disk_before_the_broker_forgets_it(fleet, broker, monkeypatch):
    plan = workload(fleet, 1, name="disk")
    work, session = begin(fleet, broker, plan)
    say(broker, *hands(fleet)[0].result(plan, 0, b"kept"))

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal.os, "fsync", full)
        with pytest.raises(OSError):
            run.Collector(work, session).collect(time.monotonic() + 10)
    session.close()
    work.close()
    # Another process, later: the broker still has it.
    work = results.Work.newest(fleet, "disk")
    assert not work.settlement.settled
    with run.open_session(fleet, "disk", broker) as session:
        run.Collector(work, session).collect(time.monotonic() + 10)
    assert results.Work.newest(fleet, "disk").merged() == b"kept"


def test_a_dispute_raises_another_replica(fleet, broker, monkeypatch):
    monkeypatch.setattr(repetition, "SETTLE_S", 0.1)
    plan = workload(fleet, 2, name="dispute", replicas=2, quorum=2)

    def work_of(payload, task, _data, replica):
        return b"lie" if task == 0 and replica == 1 else b"truth"

    with FleetHands(fleet, broker, work_of):
        work, session = begin(fleet, broker, plan)
        with session:
            run.Collector(work, session).collect(time.monotonic() + 20)
    assert list(work.outputs()) == [b"truth", b"truth"]
    assert work.settlement.next_replica == 3
    # All of it is on the disk too.
    assert results.Work.newest(fleet, "dispute").settlement.counts() == work.settlement.counts()


def test_two_runs_share_blobs_until_the_last_ends(broker, tmp_path):
    fleet = make_fleet(tmp_path / "fleet", boxes=0)
    plans = [workload(fleet, 2, name=name) for name in ("first", "second")]
    sessions = [begin(fleet, broker, plan)[1] for plan in plans]
    run.end(fleet, "workload-first", broker)
    assert len(retained(broker, fleet.topic("blob", "#"))) == len(plans[1].blobs)
    run.end(fleet, "workload-second", broker)
    assert retained(broker, fleet.topic("blob", "#")) == {}
    for session in sessions:
        session.close()
    assert results.Work.newest(fleet, "first").settlement.counts()["CANCELED"] == 2


def test_the_picture_shows_what_is_retained_and_what_comes(fleet, broker):
    slice_ = manifests.slice_manifest(fleet, "edge", 8, "mem_free >= 1 MiB")
    plan = workload(fleet, 2, name="shown")
    for each in (slice_, plan):
        push.publish(broker, fleet, fleet.sign(each), each.blobs, listen_s=0)
    box = next(iter(fleet.boxes()))
    with push.Session(broker) as session:
        census = cbor2.dumps(census_of(box, versions={"\x1b[2J": 8}), canonical=True)
        session.publish([(fleet.topic("door", box.hex()), b"online"), (fleet.topic("census", box.hex()), census)], 5)
    seen, session = picture.open_picture(fleet, broker)
    with session:
        assert seen.doors == {box.hex(): "online"} and seen.odd == 0
        assert seen.slices()[0]["where"] == "mem_free >= 1 MiB"
        say(broker, *hands(fleet)[0].result(plan, 0, b"x"))
        say(broker, fleet.topic("manifest", "slice-evil"), b"not signed")
        refuse(fleet, broker, "manifest/slice-evil", "not a manifest")
        watch.watch(seen, session, until_s=time.monotonic() + 1.5)
        assert seen.workloads()[0]["states"]["SUCCEEDED"] == 1
        assert seen.odd == 1 and seen.refused[0]["why"] == "not a manifest"
        line = watch.summary(seen)
    assert "doors 1/1" in line and "8 boxes; slice edge: 2/8 seats" in line and "1 SUCCEEDED" in line
    assert "\x1b" not in str(watch.snapshot(seen))


def test_the_live_view_can_be_drawn(fleet, broker, capsys):
    from rich.console import Console

    push.publish(broker, fleet, fleet.sign(manifests.slice_manifest(fleet, "edge", 8)), listen_s=0)
    seen, session = picture.open_picture(fleet, broker)
    with session:
        watch.watch(seen, session, until_s=time.monotonic() + 0.5, console=Console(force_terminal=True, width=100))
    shown = capsys.readouterr().out
    assert "edge" in shown and fleet.id.hex() in shown
