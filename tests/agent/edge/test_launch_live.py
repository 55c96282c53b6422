"""The launcher with real agents: updates over UDP, and images that crash, hang, and are never heard."""

import os
import signal

import agents
import brokers
import launched
import pytest
from launched import Box, Launched, archive, changed_source, command_line, executable, sign

from backfence.agent import slots
from backfence.bootstrap.operator import fleet as fleets

CRASHES = "raise SystemExit(7)\n"
HANGS = "while True:\n    pass\n"
MUTE = ("edge/udp.py", "self._socket.sendto(data, sockaddr(packed))", "pass")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    fleet = fleets.create(str(tmp_path_factory.mktemp("fleet") / "fleet"), width=4)
    fleet.enrol(4, agents.BASE_PORT, doors=0)
    return fleet


@pytest.fixture
def started():
    """start(Launched or Agent, ...): something that runs and is ended after the test."""
    running = []

    def start(kind, *arguments, **settings):
        running.append(kind(*arguments, **settings))
        return running[-1]

    yield start
    for one in running:
        one.end() if isinstance(one, Launched) else one.kill()


def peer(fleet, folder, *releases, port=None):
    """A box that has signed firmware in its store; releases: (image, class, sequence)."""
    folder.mkdir()
    box = Box(fleet, 0, folder, "peer")
    if port:
        box.port = port
        box.configure()
    signed, blobs = [], {}
    for made, klass, sequence in releases:
        envelope, parts = sign(fleet, made, klass, sequence)
        signed.append(envelope)
        blobs.update(parts)
    box.holds(signed, blobs.values())
    return box


@pytest.mark.timeout(900)  # a minute alone; each wait in it has a limit
def test_updates_good_and_bad(fleet, tmp_path, started):
    good, crashes = archive(), archive(__main__=CRASHES)
    hangs, mute = archive(__main__=HANGS), archive(edge__udp=changed_source(*MUTE))
    first = peer(fleet, tmp_path / "first", (good, "steady", 1000), (hangs, "hang", 1000), (mute, "mute", 1000))
    serving = started(agents.Agent, "cpython", first)
    runs = {}
    for number, (klass, interpreter, shell) in enumerate(
        [("steady", "micropython", "dash"), ("hang", "amd64", "dash"), ("mute", "amd64", "ash")], 1
    ):
        box = Box(fleet, number, tmp_path, klass)
        box.knows(first)
        # The bad ones are asked by nobody: a trial would wait for their answers.
        box.configure(trial_s=5 if klass == "mute" else launched.TRIAL_S, reachable=int(klass == "steady"))
        # A good agent on a busy machine may be slow to begin; what hangs is waited for.
        runs[klass] = started(Launched, box, interpreter, 5 if klass == "hang" else 30, shell)
    # The good one is tried, proves itself and is confirmed.
    steady = runs.pop("steady")
    steady.wait(lambda said: said["confirmed"] == "slot-a", "the good image to be confirmed")
    assert b"backfence.agent.edge.boot" in command_line(steady.agent())
    assert steady.box.firmware()["sequence"] == 1000
    # Each bad one ends on the packaged agent, which runs on.
    for klass, run in runs.items():
        run.wait(lambda said: said["runs"] == "packaged" and said["failed"] == [1000], f"{klass} to be over")
        record = run.box.record()
        assert record.rows == [None] * 3 and (record.confirmed, record.trial, record.floor) == (0, 0, 0)
    assert any("no sign of life" in line for line in runs["hang"].lines)
    assert any("has not proved itself" in line for line in runs["mute"].lines)
    # Then a good one works on them; another box is given one that crashes.
    serving.kill()
    runs["mute"].box.configure(reachable=0)
    second = peer(
        fleet, tmp_path / "second", (crashes, "steady", 2000), (good, "hang", 2000), (good, "mute", 2000), port=first.port
    )
    serving = started(agents.Agent, "cpython", second)
    for klass, run in runs.items():
        run.wait(lambda said: said["confirmed"] == "slot-a", f"a good image to be confirmed after {klass}")
        assert run.box.record().floor == 2000
    steady.wait(lambda said: said["runs"] == "slot-a" and said["failed"] == [2000], "the crashes to be over")
    assert len([line for line in steady.lines if "the agent (b) ended with exit code 7" in line]) == slots.TRIAL_STARTS
    assert steady.box.record().crashes == 0
    # And so does a good one after crashes, here of the other kind.
    serving.kill()
    third = peer(fleet, tmp_path / "third", (executable("micropython", tmp_path), "steady", 3000), port=first.port)
    started(agents.Agent, "cpython", third)
    steady.wait(lambda said: said["confirmed"] == "slot-b", "a good image to be confirmed after crashes")
    assert b"boot" not in command_line(steady.agent())
    assert steady.box.record().rows[slots.SLOT_B].kind == slots.EXECUTABLE
    # A crash is no end: what is confirmed starts anew.
    before = steady.agent()
    os.kill(before, signal.SIGKILL)
    brokers.wait_for(lambda: steady.agent() not in (None, before), "the next start")
    steady.runs("slot-b")
    assert steady.box.record().crashes in (0, 1)


@pytest.mark.parametrize("interpreter, shell", [("micropython", "dash"), ("amd64", "ash")])
def test_a_stop_hands_over(interpreter, shell, fleet, tmp_path, started):
    box = Box(fleet, 1, tmp_path, "box")
    run = started(Launched, box, interpreter, shell=shell)
    run.runs("packaged")
    clock = box.path / "state" / "state-clock"
    clock.unlink()
    agent = run.agent()
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(brokers.LIMIT_S) == 0
    # It is written on leaving, and not by a kill.
    assert clock.exists() and not command_line(agent)
    assert not (box.path / "stop").exists() and not (box.path / "store" / "agent.pid").exists()


def test_what_a_killed_launcher_left_behind_is_ended(fleet, tmp_path, started):
    box = Box(fleet, 1, tmp_path, "box")
    run = started(Launched, box, "micropython")
    run.runs("packaged")
    left = run.agent()
    run.process.kill()
    run.process.wait()
    assert command_line(left)
    again = started(Launched, box, "micropython")
    brokers.wait_for(lambda: again.agent() not in (None, left), "another agent")
    assert not command_line(left)
    (box.path / "status.json").unlink()
    again.runs("packaged")
    assert any("left behind" in line for line in again.lines)


def test_the_launcher_says_how_it_is_called(tmp_path):
    run = launched.subprocess.run(["sh", str(launched.LAUNCHER), str(tmp_path)], capture_output=True, text=True)
    assert run.returncode == 2 and run.stderr == "usage: launch HOME HEAP PROGRAM\n"
