"""The agent's own nodes in virtual time: every scenario over a few seeds, and 300 nodes once."""

import pytest

from backfence.sim import run as runs
from backfence.sim.lab import Lab

# Small worlds: the claims do not depend on the size, the minutes of `make test` do.
SMALL = {
    "broker-outage": 12, "churn": 16, "idle": 12, "job": 12, "join": 16, "lossy": 14, "partition-heal": 14,
    "rumour": 16, "slice": 14, "storm": 16, "words": 10,
    "blackout": 24, "join-one-seed": 60, "long-partition": 14, "nat": 14, "sudden-death": 40,
}


def perform(name, nodes, seed):
    """Runs a scenario; its report, or a failure that names seed and command."""
    report = runs.perform(Lab(name, nodes, seed), runs.load(name).play)
    assert report["ok"], "%s\n%s\n%s" % (
        report["failure"], report["repeat"], report["checks"].get("no node raises", {}).get("detail", ""))
    return report


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", sorted(SMALL))
def test_scenario(name, seed):
    perform(name, SMALL[name], seed)


def test_every_scenario_is_tested():
    assert sorted(SMALL) == sorted(runs.names())


def test_one_seed_one_trace_two_seeds_two():
    first, second, other = (perform("join", 8, seed)["trace_hash"] for seed in (5, 5, 6))
    assert first == second != other


def test_300_nodes_join_and_hear_of_a_manifest():
    report = perform("rumour", 300, 1)
    assert report["metrics"]["nodes"] == 300
