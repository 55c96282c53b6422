"""The simulator against its toy: time, faults, crashes, and the trace that repeats."""

import os
import subprocess
import sys

import pytest
from toy_node import ROUND_MS, address_of, read_toy, toy_world

from backfence.sim import checkers, faults
from backfence.sim.box import KEPT, LOST, NodeRaised
from backfence.sim.disk import PowerCut


def chaotic_hash(seed, count=12):
    """The trace hash of a toy world through a minute of drawn chaos and its healing."""
    world = toy_world(seed, count, drift_ppm=200)
    weather = faults.draw(world.stream("faults"), crash=0.3, partition=0.1, loss=0.1, duplicate=0.1, reorder=0.1)
    chaos = faults.Chaos(world, weather, world.stream("chaos"))
    world.boxes[0].node.learn({"one": 1})
    world.run_for(60_000)
    chaos.heal()
    world.run_for(20_000)
    return world.trace.hash()


def test_the_same_seed_gives_the_same_trace():
    assert chaotic_hash(1) == chaotic_hash(1)


def test_another_seed_gives_another_trace():
    assert len({chaotic_hash(seed) for seed in range(4)}) == 4


def test_the_trace_does_not_depend_on_hash_randomisation():
    code = "import sys; sys.path.insert(0, %r); import test_sim_world as t; print(t.chaotic_hash(3, 6))"
    code %= os.path.dirname(__file__)
    found = set()
    for hash_seed in ("1", "2"):
        env = dict(os.environ, PYTHONHASHSEED=hash_seed)
        found.add(subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout)
    assert len(found) == 1 and len(found.pop().strip()) == 64


def test_one_changed_byte_changes_the_trace():
    worlds = [toy_world(5, 3) for _ in range(2)]
    worlds[1].boxes[1].node.learn({"x": 1})
    for world in worlds:
        world.run_for(5_000)
    assert worlds[0].trace.hash() != worlds[1].trace.hash()


def test_toys_converge_in_calm_weather():
    world = toy_world(7, 30)
    world.boxes[3].node.learn({"news": 4})
    world.run_for(20 * ROUND_MS)
    states = [read_toy(box) for box in world.live()]
    assert checkers.connected(states) == ""
    assert checkers.manifests_everywhere(states, {"news": 4}) == ""
    assert checkers.within_caps(states) == ""


def test_loss_and_duplication_come_at_their_rates():
    world = toy_world(8, 20)
    world.network.faults = faults.Faults(loss=0.3, duplicate=0.2)
    world.run_for(200_000)
    assert 0.27 < world.network.lost / world.network.sent < 0.33
    copies = world.trace.datagrams / (world.network.sent - world.network.lost)
    assert 1.17 < copies < 1.23


def test_reordering_lets_a_later_datagram_come_first():
    world = toy_world(9, 2)
    world.network.faults = faults.Faults(reorder=0.5, jitter_ms=0)
    got = []
    world.boxes[1].receive = lambda data, address: got.append(data)
    for number in range(50):
        world.after(number * 20, world.network.send, world.boxes[0], address_of(1), bytes((number,)))
    world.run_for(5_000)
    got = [data for data in got if len(data) == 1]
    assert len(got) == 50 and got != sorted(got)


@pytest.mark.parametrize("one_way", [False, True])
def test_a_cut_stops_what_it_should(one_way):
    world = toy_world(10, 4)
    cut = world.network.cut([0, 1], one_way=one_way)
    assert world.network.is_cut(0, 2)
    assert world.network.is_cut(2, 0) is (not one_way)
    assert not world.network.is_cut(0, 1)
    assert not world.network.is_cut(2, 3)
    world.network.mend(cut)
    assert not world.network.is_cut(0, 2)


def test_a_nat_lets_only_answers_in():
    world = toy_world(11, 2)
    world.boxes[1].reachable = False
    world.boxes[1].spoken.clear()
    got = []
    world.boxes[1].receive = lambda data, address: got.append(data)
    world.network.send(world.boxes[0], address_of(1), b"unasked")
    world.run_for(200)
    assert b"unasked" not in got
    world.network.send(world.boxes[1], address_of(0), b"\x83\x00\x80\xa0")
    world.network.send(world.boxes[0], address_of(1), b"answer")
    world.run_for(200)
    assert b"answer" in got


def test_an_overlong_datagram_is_counted_and_goes_nowhere():
    world = toy_world(12, 2)
    world.network.send(world.boxes[0], address_of(1), bytes(1201))
    assert checkers.datagrams_fit(world) == "1 datagrams were too long"
    world = toy_world(12, 2)
    world.network.send(world.boxes[0], address_of(1), cbor_toy())
    assert checkers.datagrams_fit(world) == ""


def cbor_toy():
    """A datagram that a toy understands."""
    return b"\x83\x01\x80\xa0"


@pytest.mark.parametrize("disk, kept", [(KEPT, True), (LOST, False)])
def test_a_crash_keeps_or_loses_the_disk(disk, kept):
    world = toy_world(13, 2)
    box = world.boxes[1]
    box.node.learn({"news": 1})
    box.crash(disk)
    assert not box.live and box.wanted
    box.start()
    assert ("news" in box.node.rumours) is kept


def test_nothing_reaches_a_crashed_box_and_old_timers_do_not_wake_a_new_one():
    world = toy_world(14, 2)
    box = world.boxes[1]
    world.run_for(100)
    box.crash()
    before = world.trace.datagrams
    world.network.send(world.boxes[0], box.address, cbor_toy())
    world.run_for(50)
    assert world.trace.datagrams == before
    box.start()
    timers = box.timers
    world.run_for(10 * ROUND_MS)
    assert 9 <= box.timers - timers <= 11


def test_a_power_cut_in_the_middle_of_a_write_ends_the_node_there():
    world = toy_world(15, 2)
    box = world.boxes[1]
    back = []
    box.disk.cut_after(0)
    box.on_power_cut = lambda: back.append(world.now_ms)
    world.boxes[0].node.learn({"news": 1})
    world.run_for(5_000)
    assert back and not box.live
    assert box.disk.size("state-toy") == -1


def test_only_the_world_catches_a_power_cut():
    assert not issubclass(PowerCut, Exception)


def test_a_node_that_raises_fails_the_run_and_names_the_box():
    world = toy_world(16, 2)
    world.boxes[1].node.broken = True
    with pytest.raises(NodeRaised, match="box 1 at .*broken on purpose"):
        world.run_for(5_000)


def test_long_computations_are_taken_in_slices_of_virtual_time():
    world = toy_world(17, 1)
    box = world.boxes[0]
    box.node.work = 10
    box._call(None)
    assert box.node.stepped == 1
    world.run_for(20)
    assert 3 <= box.node.stepped <= 5
    world.run_for(100)
    assert box.node.stepped == 10


def test_a_drifting_clock_wakes_its_node_when_its_own_clock_says_so():
    world = toy_world(18, 1, drift_ppm=100_000)
    box = world.boxes[0]
    world.run_for(100 * ROUND_MS)
    assert 108 <= box.timers <= 111


def test_a_stopped_box_says_good_bye():
    world = toy_world(19, 2)
    world.run_for(3_000)
    sent = world.network.sent
    world.boxes[1].stop()
    assert world.network.sent == sent + 1
    assert not world.boxes[1].live and not world.boxes[1].wanted


def test_healing_brings_every_wanted_box_back():
    world = toy_world(20, 10)
    weather = faults.Faults(crash=1.0, down_share=0.5, down_ms=(50_000, 60_000), disk_full=0.2)
    chaos = faults.Chaos(world, weather, world.stream("chaos"), spare=(0,))
    world.run_for(10_000)
    down = 10 - len(world.live())
    assert 1 <= down <= 5 and world.boxes[0].live
    chaos.heal()
    assert len(world.live()) == 10
    world.run_for(100_000)
    assert chaos.crashes == down and len(world.live()) == 10
    assert not any(box.disk.full for box in world.boxes)


def test_no_power_cut_outlasts_the_healing():
    world = toy_world(22, 10)
    weather = faults.Faults(crash=1.0, power_cut=1.0, down_share=0.9)
    chaos = faults.Chaos(world, weather, world.stream("chaos"))
    world.run_for(30_000)
    assert chaos.crashes
    chaos.heal()
    world.boxes[0].node.learn({"news": 1})
    world.run_for(30_000)
    assert len(world.live()) == 10 and all("news" in box.node.rumours for box in world.boxes)


def test_drawn_faults_leave_some_faults_out():
    world = toy_world(21, 1)
    rng = world.stream("faults")
    drawn = [faults.draw(rng) for _ in range(50)]
    assert any(f.loss == 0 for f in drawn) and any(f.loss > 0.1 for f in drawn)
    assert faults.draw(rng, loss=0.5).loss == 0.5
