"""The text of a choice: a ranking, a predicate, both, or one clear error."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from backfence.agent import manifest as boxes
from backfence.agent import predicate as evaluation
from backfence.bootstrap.operator import attributes, choice, predicate
from backfence.bootstrap.operator.errors import OperatorError

from test_predicate import trees

MIPSEL = ["==", "arch", "mipsel"]


@pytest.mark.parametrize("text, wanted", [
    ("", {}),
    ("count", {}),
    ('count where arch == "mipsel"', {"where": MIPSEL}),
    ('arch == "mipsel"', {"where": MIPSEL}),
    ('where arch == "mipsel"', {"where": MIPSEL}),
    ("top 10 % by availability", {"top": [100, "availability"]}),
    ("top 0.5% by load", {"top": [5, "load"]}),
    ("top 99.9 % by mem_free", {"top": [999, "mem_free"]}),
    ('top 10 % by availability where arch == "mipsel" and mem_free >= 32 MiB',
     {"top": [100, "availability"], "where": ["and", MIPSEL, [">=", "mem_free", 32 << 20]]}),
    ("availability", {"by": "availability"}),
    ("by load where load < 50", {"by": "load", "where": ["<", "load", 50]}),
    ('availability where region == "north"', {"by": "availability", "where": ["==", "region", "north"]}),
    ("availability >= 99.5 %", {"where": [">=", "availability", 995_000]}),
    ("availability>=1 % and load<150%", {"where": ["and", [">=", "availability", 10_000], ["<", "load", 150]]}),
    ("region == 'a \"b\"' and class == \"it's\"", {"where": ["and", ["==", "region", 'a "b"'], ["==", "class", "it's"]]}),
    ("uptime_s > 2 d", {"where": [">", "uptime_s", 172_800]}),
    ("mem_free > 1.5 KiB", {"where": [">", "mem_free", 1536]}),
])
def test_text_becomes_fields_of_a_manifest(text, wanted):
    assert choice.parse(text).fields() == wanted
    assert choice.parse(choice.show(choice.parse(text))).fields() == wanted


@pytest.mark.parametrize("text, column, problem, hint", [
    ("top", 4, "expected a percentage", ""),
    ("top 10", 7, "expected '%' and found the end", ""),
    ("top 10 %", 9, "expected 'by' and found the end", "availability"),
    ("top 10 % by", 12, "expected an attribute", "Attributes are"),
    ("top 10 % by arch", 13, "arch is text and has no order", "load"),
    ("top 10 % by availabilty", 13, "no box has", "Did you mean 'availability'?"),
    ("top 0 % by load", 5, "from 0.1 % to 100 %", ""),
    ("top 0.05 % by load", 5, "from 0.1 % to 100 %", ""),
    ("top 101 % by load", 5, "from 0.1 % to 100 %", ""),
    ("top 100 % by load", 5, "all of them", "Leave `top` out"),
    ("top ten % by load", 5, "expected a percentage", ""),
    ("top 10 % by load and door == 1", 18, "expected 'where' or the end and found and", ""),
    ("top 10 % by load where", 23, "expected an attribute", ""),
    ("load where top 10 % by load", 12, "expected an attribute and found top", ""),
    ("region", 1, "region is text and has no order", ""),
    ("load 50", 6, "expected one of ==", ""),
    ("count where", 12, "expected an attribute", ""),
    ("-1 % by load", 1, "'-' has no meaning here", ""),
    ("mem_free > 10 %", 15, "'%' is not a unit of mem_free", "MiB"),
    ("load > 3 MiB", 10, "'MiB' is not a unit of load", "%"),
    ("word_bits == 32 B", 17, "'B' is not a unit of word_bits", "has no unit"),
    ("mem_free > 0.3 KiB", 12, "whole number of bytes", ""),
    ("door == 0.5", 9, "whole number", ""),
])
def test_a_mistake_is_pointed_at(text, column, problem, hint):
    with pytest.raises(OperatorError) as error:
        choice.parse(text)
    assert problem in error.value.message and hint in error.value.hint
    first, shown, caret = error.value.message.split("\n")
    assert f"column {column}:" in first and caret.index("^") == column + 1 and shown[2:] == text


@pytest.mark.parametrize("text", ["availability", "by load where door == 1"])
def test_a_slice_is_not_chosen_by_an_attribute_alone(text):
    with pytest.raises(OperatorError, match="alone chooses no boxes") as error:
        choice.of_slice(text)
    assert "top 10 % by" in error.value.hint


@pytest.mark.parametrize("text, permille", [("10 %", 100), ("0.1%", 1), ("100 %", 1000), (" 12.5 % ", 125)])
def test_shares(text, permille):
    assert choice.parse_share(text) == permille == choice.parse_share(choice.show_share(permille))


@pytest.mark.parametrize("text", ["", "10", "%", "0 %", "100.1 %", "0.01 %", "10 % of all", "ten"])
def test_what_is_no_share(text):
    with pytest.raises(OperatorError, match="share is wrong at column"):
        choice.parse_share(text)


numbers = some.sampled_from(attributes.numeric())
rankings = some.one_of(
    some.just({}), numbers.map(lambda name: {"by": name}),
    some.tuples(some.integers(1, 999), numbers).map(lambda top: {"top": list(top)}),
)


@given(rankings, some.none() | trees)
def test_shown_text_parses_to_the_same(ranking, where):
    made = choice.Choice(ranking.get("top"), ranking.get("by"), where)
    try:
        again = choice.parse(choice.show(made))
    except OperatorError as error:
        assert "a box takes" in error.message  # a predicate of more parts than that
        return
    assert (again.top, again.by) == (made.top, made.by)
    # What text cannot say, such as (a and b) and c, comes back as a and b and c.
    assert choice.show(again) == choice.show(made)
    boxes._check_choice(again.fields())


@given(some.sampled_from(sorted(attributes.ATTRIBUTES)), some.integers(0, (1 << 63) - 1))
def test_every_number_has_a_text_that_means_it(name, value):
    if attributes.ATTRIBUTES[name].kind is int:
        assert predicate.parse(f"{name} == {attributes.exact(name, value)}") == ["==", name, value]
        assert attributes.rounded(name, value)


words = some.sampled_from([
    "top", "by", "where", "count", "and", "or", "not", "(", ")", "10", "%", "0.5", "==", ">=", '"mips"', "MiB", "true",
    *attributes.ATTRIBUTES,
])


@given(some.one_of(some.text(max_size=60), some.lists(words, max_size=12).map(" ".join)))
def test_any_text_is_a_choice_or_a_clear_error(text):
    try:
        boxes._check_choice(choice.parse(text).fields())
    except OperatorError as error:
        assert error.message
        assert len(error.message.split("\n")) in (1, 3)


plain = some.one_of(some.integers(-(1 << 63), 1 << 63), some.text(max_size=8), some.none(), some.booleans(), some.binary(max_size=4), some.floats())


@given(trees, some.dictionaries(some.sampled_from(sorted(attributes.ATTRIBUTES)), plain))
def test_a_box_evaluates_any_checked_predicate_on_any_attributes(tree, attributes_):
    assert evaluation.holds(tree, attributes_) in (True, False)
