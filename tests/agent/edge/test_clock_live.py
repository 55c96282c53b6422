"""A real box without a clock, as most routers are until they hear the time: it is 1970 at its start."""

import pathlib

import agents
import pytest
from agents import Agent, Home

from backfence.agent.wire import cbor
from backfence.bootstrap.operator import manifests

FAKETIME = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
MINUTE_S = 60


@pytest.mark.parametrize("interpreter", ("cpython", "micropython", "amd64"))
def test_a_box_of_1970_joins_and_keeps_the_time_that_was_signed(interpreter, tmp_path):
    fleet = agents.make_fleet(tmp_path / "fleet")
    signed = fleet.sign(manifests.slice_manifest(fleet, "edge", 2))
    issued = manifests.read(signed, fleet.keys)["issued"]
    peer, box = Home(fleet, 0, tmp_path), Home(fleet, 1, tmp_path)
    peer.holds([signed])
    box.knows(peer)
    running = [Agent(interpreter, peer)]
    running.append(Agent(interpreter, box, LD_PRELOAD=str(FAKETIME), FAKETIME="@1970-01-01 00:01:00",
                         FAKETIME_DONT_FAKE_MONOTONIC="1"))
    try:
        running[0].wait(lambda status: status["seats"] and status["seats"][0]["successor"], "the box beside its peer")
        clock = box.path / "state" / "state-clock"
        assert cbor.decode(clock.read_bytes())[0] < MINUTE_S  # written at the start
        (box.path / "stop").touch()
        assert running[1].ended() == 0
        floor = cbor.decode(clock.read_bytes())[0]
        assert issued <= floor < issued + 10 * MINUTE_S
    finally:
        for agent in running:
            agent.kill()
