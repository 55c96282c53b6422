"""Counting for real: eight MicroPython agents, two doors, mosquitto, and the command line.

What gossip counts is compared with the truth, read from the agents' status files.
"""

import json
import os
import statistics
import time

import pytest

from backfence.agent.wire import cbor
from backfence.bootstrap.operator import census, manifests
from backfence.sim.live.fleet import LiveFleet

from fleets import mosquitto
from test_cli import call

BOXES, NORTH, SEATS = 8, 5, 10
WAIT_S = 90
SETTINGS = {"status_ms": 300, "round_ms": 1000, "busy_round_ms": 250, "probe_ms": 1000}
WATCHED_S = 1_000_000
QUESTION = 'top 40 % by availability where region == "north" and mem_total >= 1 MiB'


def until(condition, what):
    """Waits until condition() is true; returns it."""
    give_up = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < give_up, what
        time.sleep(0.2)
    return found


def prepare(number, box):
    """Gives a box its region and a past: it was up a tenth of the time for each number."""
    with open(os.path.join(box.home, "agent.conf"), "a") as file:
        file.write("region = %s\n" % ("north" if number < NORTH else "south"))
    row = [WATCHED_S, WATCHED_S * (number + 1) // 10, int(time.time()), 0]
    with open(os.path.join(box.home, "state", "state-uptime"), "wb") as file:
        file.write(cbor.encode(row))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """(fleet, lab) of a fleet that has joined; the commands find fleet and broker by themselves."""
    folder = tmp_path_factory.mktemp("counted")
    with mosquitto(folder) as broker, pytest.MonkeyPatch.context() as patch:
        (folder / "edge.toml").write_text('kind = "slice"\nname = "edge"\nseats = %d\n' % SEATS)
        with LiveFleet(folder, broker, ["micropython"] * BOXES, doors=2, settings=SETTINGS, prepare=prepare) as live:
            patch.setenv("BACKFENCE_FLEET", live.operator.directory)
            patch.setenv("BACKFENCE_BROKER", broker)
            patch.chdir(folder)
            yield live.operator, live.lab
            live.lab.check()


def told(*arguments):
    """What a command that reads says, as JSON."""
    done = call(*arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_query_from_the_command_line_is_answered_with_the_truth(world):
    _fleet, lab = world
    assert call("push", "edge.toml", "--wait", 0.1).exit_code == 0
    found = told("query", "best", QUESTION, "--wait", WAIT_S)
    truth = sorted(s["attributes"]["availability"] for s in lab.statuses() if s["attributes"]["region"] == "north")
    assert len(truth) == NORTH == found["count"] and found["size"] == BOXES
    # A box's availability rises by millionths while the test runs.
    near = {"abs": 2000}
    assert found["mean"] == pytest.approx(statistics.fmean(truth), **near)
    assert found["sd"] == pytest.approx(statistics.pstdev(truth), **near)
    assert found["least"] == pytest.approx(truth[0], **near) and found["most"] == pytest.approx(truth[-1], **near)
    assert truth[-3] - 2000 <= found["threshold"] <= truth[-1] + 2000, "two of five are the top 40 %"
    ranks = [found["percentiles"]["p%d" % percent] for percent in census.PERCENTILES]
    assert truth[1] < ranks[2] < truth[3] and ranks == sorted(ranks)
    again = told("query", "best")
    assert again["count"] == NORTH and again["age_s"] < 60


def test_a_slice_that_is_too_large_says_by_how_much(world):
    _fleet, lab = world
    until(lambda: sum(len(s["seats"]) for s in lab.statuses()) == BOXES, "the seats do not fill")
    shown = until(lambda: (row := told("describe", "edge")).get("short") == SEATS - BOXES and row, "it is not counted")
    assert shown["says"] == "edge: 8 of 10 seats filled, 8 boxes match: 2 short of matching boxes"
    assert shown["says"] in call("describe").output


def test_monitor_shows_the_fleet_and_a_dead_door_is_replaced(world):
    _fleet, lab = world
    rows = [json.loads(line)["census"] for line in
            call("monitor", "--seconds", 1, "--format", "json").stdout.splitlines()]
    last = rows[-1]
    assert last["size"] == BOXES and sum(last["versions"].values()) == BOXES
    assert set(last["queries"]) == {*manifests.BUILT_IN, "best"} and not last["left_out"]
    memory = [s["attributes"]["mem_free"] for s in lab.statuses()]
    assert last["queries"]["mem_free"]["mean"] == pytest.approx(statistics.fmean(memory), rel=0.3)
    victim = next(agent for agent in lab.agents if agent.status()["id"] == last["door"])
    victim.kill()
    seen = until(lambda: (now := told("describe"))["doors"].get(last["door"]) == "offline" and now, "no last will")
    other = seen["census"]["door"]
    assert other != last["door"] and seen["census"]["size"]
    # And it goes on counting: a new question hurries the next epoch, which the dead box is not in.
    alive = told("query", "alive", "count", "--wait", WAIT_S)
    assert (alive["count"], alive["size"]) == (BOXES - 1, BOXES - 1) and alive["epoch"] > last["epoch"]
    assert told("describe")["census"]["door"] == other and "7 boxes; epoch" in call("describe").output


def test_a_door_that_leaves_takes_its_census_back(world):
    _fleet, lab = world
    door = next(agent for agent in lab.living() if agent.status()["broker"])
    name = door.status()["id"]
    assert told("describe")["census"]["door"] == name
    with open(os.path.join(door.home, "stop"), "w"):
        pass
    until(lambda: not door.alive(), "it does not leave")
    lab.agents.remove(door)
    # What is left at the broker is the last word of the door that was killed.
    assert told("describe")["census"]["door"] != name
