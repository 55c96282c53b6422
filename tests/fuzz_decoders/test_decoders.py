"""Each decoder with what it takes, and with what is near to that: a value or a refusal, at a bounded cost."""

import random

import pytest
import trees
from decoders import DECODERS
from hypothesis import given, settings
from hypothesis import strategies as st

# A few of each; `make fuzz` tries millions, guided by what they reach.
SOME = settings(max_examples=25, deadline=None)


@pytest.mark.parametrize("name", DECODERS)
def test_what_is_good_is_taken(name):
    decoder = DECODERS[name]
    seeds = decoder.seeds()
    assert seeds
    for data in seeds:
        assert decoder.check(data), "a good input is refused"
        decoder.check_cost(data)


@pytest.mark.parametrize("name", DECODERS)
@SOME
@given(seed=st.integers(0, (1 << 32) - 1))
def test_what_is_near_to_good_is_taken_or_refused(name, seed):
    rnd = random.Random(seed)
    decoder = DECODERS[name]
    for _ in range(4):
        data = trees.mutated(rnd, rnd.choice(decoder.seeds()))
        decoder.check(data)
    decoder.check_cost(data)


@pytest.mark.parametrize("name", DECODERS)
@SOME
@given(data=st.binary(max_size=200))
def test_garbage_is_refused(name, data):
    DECODERS[name].check(data)
