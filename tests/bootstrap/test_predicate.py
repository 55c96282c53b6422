"""The text of a predicate, and what a person hears about a wrong one."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from backfence.agent import predicate as boxes
from backfence.agent.errors import RemoteError
from backfence.bootstrap.operator import predicate
from backfence.bootstrap.operator.errors import OperatorError

MIPS = {"arch": "mipsel", "mem_free": 40 << 20, "word_bits": 32, "door": 0, "class": "box"}


@pytest.mark.parametrize("text, wanted", [
    ('arch == "mipsel"', ["==", "arch", "mipsel"]),
    ("arch=='mipsel'", ["==", "arch", "mipsel"]),
    ("mem_free >= 32 MiB", [">=", "mem_free", 33554432]),
    ("mem_free<1_000kB", ["<", "mem_free", 1000000]),
    ("door == true", ["==", "door", 1]),
    ("not door == false", ["not", ["==", "door", 0]]),
    ("door == 1 and word_bits == 64 and mem_free > 0",
     ["and", ["==", "door", 1], ["==", "word_bits", 64], [">", "mem_free", 0]]),
    ("door == 1 or door == 0 and word_bits == 64",
     ["or", ["==", "door", 1], ["and", ["==", "door", 0], ["==", "word_bits", 64]]]),
    ("(door == 1 or door == 0) and word_bits == 64",
     ["and", ["or", ["==", "door", 1], ["==", "door", 0]], ["==", "word_bits", 64]]),
    ('region == "and"', ["==", "region", "and"]),
])
def test_text_becomes_arrays(text, wanted):
    assert predicate.parse(text) == wanted
    boxes.check(wanted)


@pytest.mark.parametrize("text, column, problem, hint", [
    ("", 1, "expected an attribute and found the end", "Attributes are"),
    ("arch", 5, "expected one of ==", ""),
    ("arch ==", 8, "found the end", ""),
    ('arch = "mips"', 6, "'=' has no meaning here", ""),
    ('arch == "mips', 9, "'\"' has no meaning here", ""),
    ("arch == mips", 9, "found mips", ""),
    ("arch == 3", 9, "arch is compared with text in quotes", ""),
    ('mem_free == "3"', 13, "mem_free is compared with a whole number", ""),
    ('arch < "mips"', 1, "text is compared with == or !=", ""),
    ("mem_fre > 3", 1, "no box has an attribute 'mem_fre'", "Did you mean 'mem_free'?"),
    ("zz > 3", 1, "no box has an attribute", "Attributes are"),
    ("mem_free > 3 PiB", 14, "'PiB' is not a unit", "MiB"),
    ("door == 1 door == 0", 11, "expected 'and', 'or' or the end", ""),
    ("(door == 1", 11, "expected ')'", ""),
    ("door == 1)", 10, "expected 'and', 'or' or the end", ""),
    ("door == 1 and", 14, "found the end", ""),
    ("and door == 1", 1, "found and", ""),
    ("mem_free > 99999999999999999999", 12, "too large", ""),
    ("(" * 5000 + "door == 1", None, "longer than", ""),
    ("(" * 40 + "door == 1" + ")" * 40, 33, "nested deeper than 32", "fewer brackets"),
    ("not " * 9 + "door == 1", None, "10 parts in 10 levels", "fewer"),
    (" or ".join(["door == 1"] * 32), None, "33 parts in 2 levels", "fewer"),
    ('arch == "' + "x" * 65 + '"', 9, "longer than 64 bytes", ""),
])
def test_a_mistake_is_pointed_at(text, column, problem, hint):
    with pytest.raises(OperatorError) as error:
        predicate.parse(text)
    assert problem in error.value.message
    assert hint in error.value.hint
    if column:
        first, shown, caret = error.value.message.split("\n")
        assert f"column {column}:" in first
        assert caret.index("^") == column + 1 and shown[2:] == text


comparison = some.one_of(
    some.tuples(
        some.sampled_from(sorted(predicate.COMPARISONS)),
        some.sampled_from(["mem_free", "mem_total", "word_bits", "door"]),
        some.integers(0, 1 << 40),
    ),
    some.tuples(
        some.sampled_from(["==", "!="]), some.sampled_from(["arch", "region"]),
        some.text("abc xyz()'<>=", max_size=8),
    ),
).map(list)
trees = some.recursive(
    comparison,
    lambda inner: some.one_of(
        some.tuples(some.just("not"), inner).map(list),
        some.tuples(some.sampled_from(["and", "or"]), some.lists(inner, min_size=2, max_size=3)).map(
            lambda pair: [pair[0], *pair[1]]
        ),
    ),
    max_leaves=8,
)


def flat(tree):
    """(a and b) and c is the same predicate as a and b and c."""
    if tree[0] not in ("and", "or"):
        return ["not", flat(tree[1])] if tree[0] == "not" else tree
    return [tree[0], *(flat(part) for part in tree[1:])]


@given(trees, some.dictionaries(some.sampled_from(sorted(MIPS)), some.integers(0, 1 << 41)))
def test_shown_text_means_the_same_to_a_box(tree, changes):
    try:
        boxes.check(tree)
    except RemoteError:
        return  # deeper than a box takes
    again = predicate.parse(predicate.show(tree))
    boxes.check(again)
    assert again == flat(tree)
    attributes = {**MIPS, **changes}
    assert boxes.holds(again, attributes) == boxes.holds(tree, attributes)


@given(some.text(max_size=60))
def test_any_text_is_a_predicate_or_a_clear_error(text):
    try:
        boxes.check(predicate.parse(text))
    except OperatorError as error:
        assert error.message
