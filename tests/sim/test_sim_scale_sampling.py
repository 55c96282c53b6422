"""The model of peer sampling and averages, held against what the agent's own classes did."""

import numpy as np
import pytest
from click.testing import CliRunner

from backfence.sim import __main__ as cli
from backfence.sim.scale import checks, sampling, validate

NODES, SEEDS, HEAL = 1_000, (1, 2, 3), 9


@pytest.fixture(scope="module")
def real():
    """The recording, with the first HEAL cycles of its healing."""
    found = dict(validate.observed("sampling", NODES)[0])
    found["heal"] = found["heal"][:HEAL]
    return found


def compared(real, rules=validate.RULES):
    """{figure: held} of the model with these rules."""
    models = [validate.model(NODES, seed, real["cycles"], HEAL, rules) for seed in SEEDS]
    return {row[0]: row[1] for row in validate.compare(real, models)}


def test_the_overlay_and_its_healing_are_those_of_the_agents_classes(real):
    assert all(compared(real).values())


def test_a_model_that_does_not_heal_is_seen(real):
    held = compared(real, validate.WRONG["no healing"])
    assert [name for name in held if not held[name]] == ["dead share %d cycles after the death of half" % n for n in range(3, 10)]


def test_averages_fall_as_among_the_agents_classes():
    assert validate.averaging_rows(NODES, 3)[0][0][1]


def test_mass_stays_without_death_and_loss_alone_takes_none():
    fleet = sampling.Fleet(300, 1, loss=0.2)
    fleet.values[7, 0] = 1.0
    fleet.epoch()
    assert abs(fleet.values.sum() - 1) < 1e-9
    assert np.allclose(1 / fleet.values[:, 0], 300, rtol=0.01)
    assert fleet.tally[0] - fleet.tally[2] == fleet.tally[1] and fleet.tally[2] > 0


def test_churn_keeps_the_size_and_the_rows_are_used_again():
    fleet = sampling.Fleet(200, 2, churn=0.05)
    for _ in range(sampling.REST_ROUNDS + 20):
        fleet.cycle()
    assert len(fleet.live()) == 200
    assert fleet.links()[2] < 0.35 and len(fleet.state["live"]) < 1_000
    for box in fleet.live():
        row = fleet.state["links"][box, : fleet.state["count"][box]]
        assert box not in row and len(set(row)) == len(row)


def test_a_seed_is_a_run():
    one, two, other = (sampling.Fleet(100, seed) for seed in (5, 5, 6))
    for fleet in (one, two, other):
        fleet.cycle()
    assert np.array_equal(one.state["links"], two.state["links"]) and not np.array_equal(one.state["links"], other.state["links"])


def test_what_was_not_recorded_is_one_clear_line():
    result = CliRunner().invoke(cli.main, ["validate", "--nodes", "77"])
    assert result.exit_code == 1 and result.stderr.startswith("Error: nothing was recorded at 77 boxes")
    assert checks.SIGMAS == 4.0 and len(validate.WRONG) == 4
