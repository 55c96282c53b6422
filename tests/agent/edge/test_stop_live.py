"""A holder that is told to stop: gone, and out of its neighbours' ring, within a second."""

import signal
import time

import agents
import brokers
import pytest
from agents import Agent, Home

from backfence.bootstrap.operator import manifests

SEATS = 3
# Probes are rare, so that no death can be found by them in the time that leaving takes.
SETTINGS = {"status_ms": 50, "probe_ms": 2000, "busy_round_ms": 200, "round_ms": 2000}


def slice_of(tmp_path):
    """Homes of three boxes that know each other and a slice of three seats."""
    fleet = agents.make_fleet(tmp_path / "fleet")
    signed = fleet.sign(manifests.slice_manifest(fleet, "edge", SEATS))
    homes = [Home(fleet, number, tmp_path) for number in range(SEATS)]
    for home in homes:
        home.configure(**SETTINGS)
        home.holds([signed])
        home.knows(*[other for other in homes if other is not home])
    return homes


def around(home):
    """Ids of the ring neighbours that a box says it has; None without a seat."""
    seats = home.status()["seats"]
    return {seats[0][side][1] for side in ("successor", "predecessor") if seats[0][side]} if seats else None


# Signals where the interpreter sees one, else the file, as the launcher makes it.
@pytest.mark.parametrize("interpreter, number",
                         [("cpython", signal.SIGTERM), ("amd64", signal.SIGTERM), ("micropython", None)])
def test_neighbours_pass_over_a_holder_that_leaves(interpreter, number, tmp_path):
    homes = slice_of(tmp_path)
    boxes = [Agent(interpreter, home, BACKFENCE_BEAT_S="10") for home in homes]
    ids = [home.box.id.hex() for home in homes]
    try:
        for number_of, box in enumerate(boxes):
            others = set(ids) - {ids[number_of]}
            box.wait(lambda status: around(box.home) == others, "the ring to close")
        leaver, stayers = boxes[0], boxes[1:]
        began = time.monotonic()
        if number:
            leaver.process.send_signal(number)
        else:
            (leaver.home.path / "stop").touch()
        brokers.wait_for(lambda: all(ids[0] not in around(box.home) for box in stayers), "the ring to close over it")
        closed = time.monotonic() - began
        assert leaver.ended() == 0 and leaver.lines[-1:] == ["info: left seat %d of edge\n" % seat_of(leaver.home)]
        print("%s: the ring closed %d ms after the word, the process ended after %d ms"
              % (interpreter, closed * 1000, (time.monotonic() - began) * 1000))
        for box in stayers:
            counters = box.home.status()["counters"]
            # They were told: nobody was suspected.
            assert counters.get("ring_suspects", 0) == counters.get("ring_deaths", 0) == 0
            assert around(box.home) == set(ids[1:]) - {box.home.box.id.hex()}
    finally:
        for box in boxes:
            box.kill()


def seat_of(home):
    return home.status()["seats"][0]["seat"]
