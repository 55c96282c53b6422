"""Agents that are started before their network: they wait for it, say so once, and join when it comes."""

import subprocess
import sys

import agents
import brokers
import pytest
from agents import Agent, Home
from namespace import Namespace

from backfence.agent.edge import udp
from backfence.bootstrap.operator import manifests


@pytest.fixture
def network(tmp_path):
    found = Namespace(tmp_path)
    yield found
    found.end()


@pytest.mark.parametrize("interpreter", ("cpython", "micropython"))
def test_a_box_is_up_before_its_network(interpreter, network, tmp_path):
    fleet = agents.make_fleet(tmp_path / "fleet")
    homes = [Home(fleet, number, tmp_path) for number in range(3)]
    # One waits for its address, one for the resolver, and one has all it needs but a route.
    homes[0].configure(listen="10.7.0.1:7000")
    homes[1].configure(listen="0.0.0.0:7001", advertise="box.example:7001")
    homes[2].configure(listen="0.0.0.0:7002", advertise="10.7.0.2:7002")
    for home in homes[1:]:
        home.knows(homes[0], at="10.7.0.1:7000")
    boxes = [Agent(interpreter, home, prefix=network.prefix) for home in homes]
    brokers.wait_for(lambda: boxes[0].lines and boxes[1].lines, "two lines that say so")
    boxes[2].wait(lambda status: status["counters"].get("udp_send_errors", 0) > 3, "datagrams without a route")
    assert boxes[0].lines == ["warning: 10.7.0.1:7000 is not an address of this box; waiting for the network\n"]
    assert boxes[1].lines == ["warning: cannot resolve the name 'box.example'; waiting for the network\n"]
    assert not network.listens(7000) and not network.listens(7001) and network.listens(7002)
    assert [box.process.poll() for box in boxes] == [None] * 3
    network.run("ip", "link", "set", "lo", "up")
    network.run("ip", "address", "add", "10.7.0.1/32", "dev", "lo")
    network.run("ip", "address", "add", "10.7.0.2/32", "dev", "lo")
    brokers.wait_for(lambda: network.listens(7000), "the first to listen")
    network.name("box.example", "10.7.0.2")
    brokers.wait_for(lambda: network.listens(7001), "the second to listen")
    for box in boxes:
        others = {home.box.id.hex() for home in homes} - {box.home.box.id.hex()}
        box.wait(lambda status: set(status["view"]) == others, "all to know each other")
    assert boxes[0].lines[1:] == ["info: the network is there: listening on 10.7.0.1:7000\n"]
    assert boxes[1].home.status()["address"] == "10.7.0.2:7001"


def test_a_controller_that_comes_late_is_found(network, tmp_path):
    fleet = agents.make_fleet(tmp_path / "fleet")
    homes = [Home(fleet, number, tmp_path) for number in range(2)]
    network.run("ip", "link", "set", "lo", "up")
    for home in homes:
        home.configure(controller="127.0.0.1:6999")
    listed = [(home.box.id, udp.resolve(f"127.0.0.1:{home.port}")) for home in homes]
    seeds = tmp_path / "seeds.cose"
    seeds.write_bytes(fleet.sign(manifests.seeds_manifest(fleet, listed)))
    boxes = [Agent("micropython", home, prefix=network.prefix) for home in homes]
    for box in boxes:
        box.wait(lambda status: status["counters"].get("seeds_asked", 0) >= 3, "three questions to nobody")
        assert box.home.status()["view"] == []
    words = [sys.executable, "-m", "backfence.bootstrap.controller", "--listen", "127.0.0.1:6999", "--seeds", str(seeds)]
    controller = subprocess.Popen([*network.prefix, *words], stdout=subprocess.DEVNULL)
    for box, other in zip(boxes, reversed(homes)):
        box.wait(lambda status: status["view"] == [other.box.id.hex()], "both to know each other")
    controller.kill()
    controller.wait()
