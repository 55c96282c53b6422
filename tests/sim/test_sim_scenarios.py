"""The agent's own nodes in virtual time: every scenario twice with one seed, and 150 nodes once."""

import pytest

from backfence.agent import backoff, seeds
from backfence.sim import run as runs
from backfence.sim.lab import Lab

# Small worlds: the claims do not depend on the size, the minutes of `make test` do.
USUAL = 14
SMALL = {
    "broker-outage": 10, "busy": 12, "cancel": 10, "churn": 12, "clock-skew": 10, "idle": 12, "job": 12, "join": 16, "late-joiner": 8,
    "lossy": 14, "many-slices": 11, "merge": 11, "monitoring": 10, "one-way": 10, "partition-heal": 14,
    "restart-storm": 10, "scale": 16, "rumour": 16, "slice": 14, "storm": 12, "terminate": 10, "two-slices": 11, "words": 10,
    "top-slice": 15, "unfillable": 24, "regions": 24, "blackout": 16, "join-one-seed": 40, "long-partition": 14, "nat": 12,
    "moved": 16, "revoked": 12, "repetition": 16, "tenant": 14, "replaced": 12,
    "rotation": 12, "rotation-cut": 8,
    "sudden-death": 30, "power-cut": 20,
}


def perform(name, nodes, seed):
    """Runs a scenario; its report, or a failure that names seed and command."""
    report = runs.perform(Lab(name, nodes, seed), runs.load(name).play)
    assert report["ok"], "%s\n%s\n%s" % (
        report["failure"], report["repeat"], report["checks"].get("no node raises", {}).get("detail", ""))
    return report


@pytest.mark.parametrize("name", sorted(set(runs.names()) - {"month", "rollout", "rollout-bad", "rollout-regions"}))
def test_scenario_holds_and_its_seed_repeats_it(name):
    first, second = (perform(name, SMALL.get(name, USUAL), 1) for _ in range(2))
    assert first["trace_hash"] == second["trace_hash"], "two runs differ: %s" % first["repeat"]


def test_a_month_holds_in_its_shortest_form():
    # Once: a day of turns costs as much as ten other scenarios.
    assert perform("month", 8, 1)["metrics"]["turns"] == 12


def test_a_good_image_goes_to_all_in_waves():
    # Once: these minutes are many.
    perform("rollout", 24, 1)


def test_regions_take_their_turns_and_a_halt_ends_it():
    perform("rollout-regions", 30, 1)


def test_bad_images_are_held_in_the_first_wave():
    # Those that show themselves soon: the others take hours of virtual time.
    lab = Lab("rollout-bad", 24, 1)
    report = runs.perform(lab, lambda lab: runs.load("rollout-bad").part(lab, ("crash", "mute"), soak_s=200))
    assert report["ok"], report["failure"]
    assert 2 <= report["metrics"]["crash_hit"] < 12 and 2 <= report["metrics"]["mute_hit"] < 12


def test_two_seeds_two_traces():
    assert perform("join", 8, 5)["trace_hash"] != perform("join", 8, 6)["trace_hash"]


def test_150_nodes_join_and_hear_of_a_manifest():
    report = perform("rumour", 150, 1)
    assert report["metrics"]["nodes"] == 150


def test_without_contacts_first_and_chance_a_power_cut_is_a_stampede(monkeypatch):
    def in_step(self):
        pause_ms, self._pause_ms = self._pause_ms, min(self._most_ms, self._pause_ms * 2)
        return pause_ms

    monkeypatch.setattr(seeds, "CONTACTS_MS", 250)
    monkeypatch.setattr(backoff.Backoff, "next_ms", in_step)
    report = runs.perform(Lab("power-cut", 40, 1), runs.load("power-cut").play)
    assert report["failure"].startswith("few ask the controller"), report["failure"]
    assert report["metrics"]["seeds_asked"] >= 20 and report["metrics"]["broker_peak_when_back"] > 3
