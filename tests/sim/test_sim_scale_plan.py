"""Rumours, waves and images on the scale model, and `backfence plan`."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from backfence.agent.limits import PARTS_LENT
from backfence.bootstrap.operator import cli
from backfence.sim.distribution import UP
from backfence.sim.scale import chunks, spreading, waves

SHARES = (0.01, 0.1, 0.5, 1.0)


def rollout(nodes=20_000, seed=1, need=18, soak_s=3_600, **bad):
    return waves.rollout(nodes, seed, SHARES, 20, need, soak_s, **bad)


@pytest.mark.parametrize("nodes, half, last", [(50, 0.40, 0.44), (1_000, None, 0.86), (10_000, None, 1.12)])
def test_a_rumour_takes_about_as_long_as_among_the_agents_classes(nodes, half, last):
    """The figures of docs/dissemination.md, a quarter either way."""
    found = [spreading.Rumour(nodes, seed, round_s=0.2).go() for seed in range(1, 6)]
    if half:
        assert abs(np.median([row[0] for row in found]) / half - 1) < 0.25
    assert abs(np.median([row[2] for row in found]) / last - 1) < 0.25


def test_a_rumour_without_comparing_leaves_boxes_out(monkeypatch):
    monkeypatch.setattr(spreading, "LIMIT_S", 20)
    rumour = spreading.Rumour(5_000, 1, loss=0.2)
    rumour.go()
    assert rumour.left() == 0
    monkeypatch.setattr(spreading.Rumour, "_compare", lambda self, now: None)
    rumour = spreading.Rumour(5_000, 1, loss=0.2)
    rumour.go()
    assert rumour.left() > 0


def test_boxes_that_are_off_are_left_out_and_replaced_ones_learn():
    rumour = spreading.Rumour(5_000, 1, loss=0.02, down=0.2, churn=0.002)
    rumour.go()
    assert 0.75 * 5_000 < rumour.up.sum() < 0.85 * 5_000 and rumour.left() <= 20


def test_a_good_image_goes_on_wave_by_wave_and_a_bad_one_is_held_in_the_first():
    good, bad = rollout(), rollout(bad=1.0)
    assert good["reached"] == 1.0 and good["hit"] == 0.0
    assert all(3_600 < after - before < 6_000 for before, after in zip(good["waves"], good["waves"][1:]))
    assert 0.005 < bad["hit"] < 0.015 and bad["reached"] == bad["hit"]


def test_liars_neither_pass_a_bad_image_nor_stop_a_good_one():
    assert rollout(bad=1.0, liars=0.1)["hit"] < 0.015
    assert rollout(need=16, liars=0.1, liars_say_good=False)["reached"] == 1.0


def test_what_waves_do_not_stop():
    assert rollout(bad=0.05, need=16)["reached"] == 1.0
    assert rollout(bad=1.0, shows_s=7_300)["hit"] == 1.0
    assert rollout(bad=1.0, need=1, liars=0.5)["hit"] > 0.9  # a poll of one is no poll


def test_an_image_goes_from_peer_to_peer():
    swarm = chunks.Swarm(128, 32, 1)
    times = swarm.go() / chunks.part_s(UP)
    assert 32 + 7 < times.max() < 4 * (32 + 7)
    assert swarm.has.all() and swarm.uploads.sum() >= (128 - 3) * 32
    assert swarm.uploads[:3].sum() < 10 * 32 and (swarm.lending <= PARTS_LENT).all()
    assert chunks.parts_of(32_769) == 2


def test_an_image_takes_longer_where_datagrams_are_lost_or_lines_are_slow():
    found = chunks.swarm(64, 16, 1)["all"]
    assert chunks.swarm(64, 16, 1, loss=0.1)["all"] > 1.1 * found
    assert chunks.swarm(64, 16, 1, uplink=UP / 4)["all"] > 2 * found


def test_plan_answers_with_ranges():
    words = ["plan", "--fleet", "5000", "--loss", "2%", "--seeds", "2", "--image", "256KiB", "--soak", "30min",
             "--rollout", "1,10,100", "--format", "json"]
    result = CliRunner().invoke(cli.main, words)
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    rows = {row["figure"]: row for row in value["figures"]}
    assert value["wish"]["rollout"] == [0.01, 0.1, 1.0] and value["wish"]["soak_s"] == 1_800
    assert 0.3 < rows["a manifest at the last box that is on, s"]["median"] < 10
    assert all(row["least"] <= row["median"] <= row["most"] for row in value["figures"] if row["median"] is not None)
    assert rows["hit by a bad image before it is held, % of the fleet"]["most"] < 2
    assert rows["broker connections"]["median"] == 3
    text = CliRunner().invoke(cli.main, words[:-2] + ["--need", "20", "--liars", "95%"])
    assert "never" in text.stdout


@pytest.mark.parametrize("words, code", [
    (["--rollout", "10,1,100"], 1), (["--need", "21"], 1), (["--rollout", "0.01,100"], 1), (["--doors", "6000"], 1),
    (["--loss", "many"], 2), (["--soak", "long"], 2), (["--image", "MB"], 2), (["--rollout", "x"], 2)])
def test_what_makes_no_sense_is_one_line(words, code):
    result = CliRunner().invoke(cli.main, ["plan", "--fleet", "5000"] + words)
    assert result.exit_code == code and "Error: " in result.stderr and "Traceback" not in result.output
