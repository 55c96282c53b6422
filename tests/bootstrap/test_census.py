"""A census as the operator reads it: what it must be, what is made of it, what is believed of it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from backfence.agent import limits
from backfence.agent.wire import cbor
from backfence.bootstrap.operator import census, manifests, monitor

from fleets import census_of, make_fleet

BOX, OTHER = bytes(16), b"\1" * 16


def read(**changes):
    return census.read(cbor.encode(census_of(BOX, **changes)))


def spread(values, points=32, **changes):
    """A query's row for these values, as exact as a CDF of so many points is."""
    values = sorted(values)
    levels = sorted({values[len(values) * number // points] for number in range(points)})
    cdf = [[level, 10_000 * sum(value <= level for value in values) // len(values)] for level in levels]
    mean = sum(values) // len(values)
    return {"count": len(values), "attribute": "load", "age_s": 1, "mean": mean, "sd": 0, "least": values[0],
            "most": values[-1], "cdf": cdf, "top": None, "threshold": None, **changes}


def test_it_is_read_as_it_was_written():
    read_ = read()
    assert read_["door"] == BOX.hex() and read_["slices"]["edge"]["heard"] == [[0, 1, BOX.hex()], [1, 1, BOX.hex()]]
    assert read_["size"] == 8 and read_["left_out"] == []


def test_what_is_a_tenants_is_named_after_him():
    edge, words = census_of(BOX)["slices"]["edge"], {"seq": 1, "tasks": 2, "slice": "acme/edge"}
    read_ = read(slices={"edge": edge, "acme/edge": edge}, workloads={"acme/words": words})
    assert sorted(read_["slices"]) == ["acme/edge", "edge"] and read_["workloads"]["acme/words"]["slice"] == "acme/edge"
    assert read(slices={"acme/edge/more": edge}) is None and read(slices={"/edge": edge}) is None


WRONG = [
    ("door", None), ("door", 7), ("wall_s", "x"), ("epoch", "1"), ("epoch", True), ("quick", 1), ("size", b""), ("slices", []),
    ("slices", {"Edge!": {}}), ("slices", {"edge": {}}), ("slices", {"edge": 1}), ("slices", {1: {}}),
    ("queries", {"[red]": spread([1])}), ("queries", {"load": spread([1], cdf=[[1]])}),
    ("queries", {"load": spread([1], cdf=[[1, 10_001]])}), ("queries", {"load": spread([1], cdf=[[2, 1], [1, 2]])}),
    ("queries", {"load": spread([1], cdf=[[1, 2], [2, 1]])}), ("queries", {"load": spread([1], mean=None)}),
    ("queries", {"load": spread([1], top=[1])}), ("queries", {"load": spread([1], top=["x", 1])}),
    ("versions", {"1": "many"}), ("versions", {1: 1}), ("jobs", None), ("workloads", {"words": {"seq": 1}}),
]


@pytest.mark.parametrize("key, value", WRONG)
def test_what_is_out_of_form_is_none(key, value):
    assert read(**{key: value}) is None


@pytest.mark.parametrize("payload", [b"", b"x", b"\x80", b"\xa0", bytes(limits.CENSUS_BYTES + 1)])
def test_what_is_no_census_at_all(payload):
    assert census.read(payload) is None


values = some.recursive(
    some.one_of(some.integers(-5, 5), some.text(max_size=3), some.binary(max_size=3), some.none(), some.booleans()),
    lambda inner: some.one_of(some.lists(inner, max_size=3), some.dictionaries(some.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)


@given(some.dictionaries(some.sampled_from(sorted(census_of(BOX))), values, max_size=3), some.binary(max_size=40))
def test_whatever_the_broker_says_is_a_census_or_none(changes, tail):
    found = read(**changes)
    if found:
        census.view(found)
        monitor.lines(found)
    assert census.read(tail) is None
    whole = cbor.encode(census_of(BOX))
    assert census.read(whole[:-1] + tail[:1]) is None or tail[:1] == whole[-1:]


def test_the_door_that_is_online_and_counted_last_is_believed():
    def told(**changes):
        return read(**{"wall_s": 1000, **changes})

    old, new = told(epoch=3), told(epoch=4)
    assert census.newest({}, {}) is None
    assert census.newest({"a": old, "b": new}, {}) is new
    assert census.newest({"a": old, "b": new}, {"a": "online", "b": "offline"}) is old
    assert census.newest({"a": told(epoch=4, wall_s=1001), "b": new}, {"a": "online", "b": "online"})["wall_s"] == 1001
    assert census.newest({"a": told(epoch=None), "b": old}, {}) is old
    # Doors that died with their fleet say nothing against one that starts anew.
    assert census.newest({"a": told(epoch=900), "b": told(epoch=1)}, {"a": "offline", "b": "online"})["epoch"] == 1


def test_ages_are_of_now():
    found = read(wall_s=1000, age_s=40)
    assert census.told_s(found, 1015) == 15 and census.age_s(found, 1015) == 55
    assert census.told_s(found, 900) == 0, "a door's clock that is ahead"
    assert census.when(found, 1015) == "epoch 3, complete 55 s ago; idle, counts in rounds of 60 s"
    quick = read(quick=True, rounds_ms=300, epoch=None, age_s=None)
    assert census.when(quick) == "no epoch is complete yet; quick, counts in rounds of 0.3 s"
    assert [census.ago(seconds) for seconds in (0, 119, 120, 7199, 7200, 172800)] == [
        "0 s", "119 s", "2 min", "120 min", "2.0 h", "2.0 d"]


def test_percentiles_of_a_straight_line_are_exact():
    row = spread(range(0, 1001), cdf=[[250, 2500], [500, 5000], [750, 7500]])
    assert census.percentiles(row) == {"p5": 50, "p25": 250, "p50": 500, "p75": 750, "p95": 950, "p99": 990}


@pytest.mark.parametrize("seed", range(3))
def test_percentiles_are_where_the_values_are(seed):
    """Interpolated ones lie at most a step of the CDF from those of the values themselves."""
    draw = random.Random(seed)
    values_ = sorted(int(draw.lognormvariate(8, 1.5)) for _ in range(5000))
    found = census.percentiles(spread(values_))
    for percent in census.PERCENTILES:
        rank = sum(value <= found[f"p{percent}"] for value in values_) / len(values_)
        assert abs(100 * rank - percent) < 100 / 32


def test_percentiles_of_one_value_and_of_none():
    assert set(census.percentiles(spread([7, 7, 7])).values()) == {7}
    assert set(census.percentiles(spread([7], cdf=[])).values()) == {7}
    assert census.percentiles(spread([7], count=0)) == {} == census.percentiles(spread([7], attribute=None))


@given(some.lists(some.integers(0, 1 << 40), min_size=1, max_size=60))
def test_percentiles_rise_and_stay_between_least_and_most(values_):
    found = list(census.percentiles(spread(values_)).values())
    assert found == sorted(found) and min(values_) <= found[0] and found[-1] <= max(values_)


@pytest.mark.parametrize("wanted, filled, matching, says, short", [
    (50, 37, 40, "edge: 37 of 50 seats filled, 40 boxes match: 10 short of matching boxes", 13),
    (50, 37, 1234, "edge: 37 of 50 seats filled, 1,234 boxes match: 13 more to fill, if they sit in no other slice", 13),
    (50, 50, 61, "edge: 50 of 50 seats filled, 61 boxes match", 0),
    (50, 50, 40, "edge: 50 of 50 seats filled, 40 boxes match: 10 short of matching boxes", 0),
    (2, 0, 1, "edge: 0 of 2 seats filled, 1 box matches: 1 short of matching boxes", 2),
    (50, 51, 61, "edge: 51 of 50 seats filled, 61 boxes match", 0),
    (50, None, None, "edge: 50 seats wanted, not counted yet, 2 heard of", None),
    (50, 37, None, "edge: 37 of 50 seats filled", 13),
    (None, None, None, "edge: its share of the fleet is not counted yet, 2 seats heard of", None),
])
def test_a_slice_says_by_how_much_it_is_short(wanted, filled, matching, says, short):
    row = {"seats": wanted, "filled": filled, "matching": matching, "heard": [[0, 1, BOX], [3, 1, BOX]], "candidates": 0}
    row = read(slices={"edge": row})["slices"]["edge"]
    assert census.filling("edge", row) == says and census.short_by(row) == short


def test_an_answer_is_to_the_question_that_is_asked(tmp_path):
    fleet = make_fleet(tmp_path / "fleet", boxes=0)
    row = spread([10, 20, 30], attribute="load", top=[100, "load"], threshold=30)
    found = read(queries={"best": row})

    def ask(choice):
        return monitor.answer(manifests.query_manifest(fleet, "best", choice).payload, found)

    assert ask("top 10 % by load where door == 1")["count"] == 3
    for other in ("top 20 % by load", "load", "availability", "count", "top 10 % by uptime_s"):
        assert ask(other) is None
    lines = monitor.answer_lines(ask("top 10 % by load"), found)
    assert lines[0] == "query best: top 10 % by load" and lines[2].startswith("3 of 8 boxes match, counted")
    assert lines[-1] == "the top 10 % by load: begins at 0.30"
    assert monitor.answer(manifests.query_manifest(fleet, "best", "load").payload, None) is None
