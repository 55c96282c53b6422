"""The scale model beside a second implementation, and the tests by which it is believed."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from backfence.sim import __main__ as cli
from backfence.sim.scale import checks, newscast, versus
from backfence.sim.scale.errors import ScaleError
from backfence.sim.scale.plain import Plain

NODES, CYCLES, SEEDS = 400, 15, (1, 2, 3)


def figures(make, seed):
    """(in-degrees, variance factor per cycle) of a model after CYCLES cycles."""
    model = make(NODES, seed)
    first = np.var(model.values)
    for _ in range(CYCLES):
        model.cycle()
    if isinstance(model, Plain):
        degrees = model.in_degrees()
    else:
        degrees = np.bincount(model.links().ravel(), minlength=NODES)
    return list(degrees), (np.var(model.values) / first) ** (1 / CYCLES)


@pytest.fixture(scope="module")
def plain():
    return [figures(Plain, seed) for seed in SEEDS]


def compared(plain, model):
    """Whether in-degrees and factor agree."""
    degrees = checks.same_distribution(sum([row[0] for row in plain], []), sum([row[0] for row in model], []))
    factor = checks.agree([row[1] for row in plain], [row[1] for row in model], 0.004)
    return degrees[0], factor[0]


def test_newscast_and_its_averages_are_those_of_the_plain_version(plain):
    assert compared(plain, [figures(newscast.Newscast, seed) for seed in SEEDS]) == (True, True)


def test_a_newscast_that_is_another_is_seen(plain):
    narrow = [figures(lambda nodes, seed: newscast.Newscast(nodes, seed, 14), seed) for seed in SEEDS]
    assert compared(plain, narrow)[0] is False


def test_views_hold_others_once_and_dead_links_go():
    model = newscast.Newscast(NODES, 1)
    for _ in range(5):
        model.cycle()
    for node, row in enumerate(model.links()):
        assert len(set(row)) == len(row) and node not in row
    model.kill(0.5)
    seen = [model.dead_share()]
    for _ in range(6):
        model.cycle()
        seen.append(model.dead_share())
    assert 0.45 < seen[0] < 0.55 and seen[-1] < 0.01 and seen == sorted(seen, reverse=True)
    assert np.array_equal(newscast.Newscast(50, 4).views, newscast.Newscast(50, 4).views)


def test_dead_links_fall_as_published():
    """PeerSim's, 100,000 nodes: % of the links 1 to 3 cycles after the sudden death of half."""
    model = newscast.Newscast(20_000, 1)
    for _ in range(30):
        model.cycle()
    model.kill(0.5)
    for published, apart in ((42.8, 0.6), (14.3, 0.6), (0.53, 0.1)):
        model.cycle()
        assert abs(100 * model.dead_share() - published) < apart


def test_what_the_tests_allow():
    rng = np.random.default_rng(1)
    one, two = rng.poisson(20, 4_000), rng.poisson(20, 4_000)
    assert checks.same_distribution(one, two)[0] and not checks.same_distribution(one, two + 1)[0]
    assert checks.within(10.0, [9, 10, 11])[0] and not checks.within(16.0, [9, 10, 11])[0]
    assert checks.within(1.0, [1.0, 1.0]) == (True, 0.0) and not checks.within(1.1, [1.0, 1.0])[0]
    assert checks.agree([1, 2, 3], [2, 3, 1])[0] and not checks.agree([1, 2, 3], [11, 12, 13])[0]


def test_beside_peersim_each_run_is_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(versus, "REFERENCE", {2_000: (60, 4_000)})
    monkeypatch.setattr(versus, "PLAIN_NODES", 200)
    result = CliRunner().invoke(cli.main, ["peersim", "--nodes", "2000", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    rows = {row["figure"]: row for row in json.loads((tmp_path / "peersim.json").read_text())["rows"]}
    assert rows["CPU seconds, start of Python and all"]["aim"] == "<= 12"
    assert 20 < rows["resident MB at most"]["ours"] < 4_000
    monkeypatch.setattr(versus, "REFERENCE", {2_000: (60, 1)})
    result = CliRunner().invoke(cli.main, ["peersim", "--nodes", "2000", "--out", str(tmp_path)])
    assert result.exit_code == 1 and "Error: aims were missed" in result.output
    with pytest.raises(ScaleError):
        versus.run([sys.executable, "-c", "1 / 0"])


def test_without_numba_there_is_one_clear_line(monkeypatch):
    for name in ("jit", "newscast"):
        monkeypatch.delitem(sys.modules, "backfence.sim.scale." + name, raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ScaleError, match="pip install 'backfence\\[scale\\]'"):
        __import__("backfence.sim.scale.newscast")


def test_too_much_for_a_model_is_one_clear_line():
    with pytest.raises(ScaleError):
        newscast.Newscast(newscast.NODES_MOST + 1, 1)
    model = newscast.Newscast(30, 1)
    model.now = newscast.CYCLES_MOST
    with pytest.raises(ScaleError):
        model.cycle()
