"""CBOR beside another implementation, under random values and random bytes."""

import tracemalloc

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfence.agent.errors import RemoteError
from backfence.agent.wire import cbor

integers = st.integers(min_value=-(1 << 64), max_value=(1 << 64) - 1)
scalars = st.one_of(st.none(), st.booleans(), integers, st.binary(max_size=300), st.text(max_size=300))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=30),
        st.dictionaries(st.one_of(integers, st.text(max_size=30)), inner, max_size=30),
    ),
    max_leaves=40,
)


@settings(max_examples=300)
@given(values)
def test_same_bytes_as_the_oracle(value):
    data = cbor.encode(value)
    # The oracle's canonical mode sorts keys by RFC 7049's rule (length first);
    # the two rules differ only between key types.
    assert cbor2.loads(data) == value
    assert len(data) == len(cbor2.dumps(value, canonical=True))
    assert cbor.decode(data, max_depth=50) == value


@settings(max_examples=200)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_as_the_oracle(value):
    data = cbor.encode(value)
    assert data == cbor2.dumps(value)
    assert cbor.decode(data, floats=True) == value


def check_garbage(data):
    """A value whose one encoding is `data`, or RemoteError; nothing else."""
    try:
        value = cbor.decode(data)
    except RemoteError:
        return
    assert cbor.encode(value) == data


@settings(max_examples=2000)
@given(st.binary(max_size=100))
def test_garbage_is_a_value_or_a_remote_error(data):
    check_garbage(data)


@settings(max_examples=500)
@given(values, st.data())
def test_damaged_encodings(value, data):
    damaged = bytearray(cbor.encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    check_garbage(bytes(damaged))


def test_every_head_with_every_second_byte():
    for first in range(256):
        for second in range(256):
            check_garbage(bytes((first, second)))
            check_garbage(bytes((first, second, second, second, second)))


@given(st.binary(max_size=20))
def test_text_is_checked_as_strictly_as_cpython_does(raw):
    expected = True
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        expected = False
    else:
        assert cbor._is_strict(raw)
    accepted = True
    try:
        cbor.decode(bytes((0x60 + len(raw),)) + raw)
    except RemoteError:
        accepted = False
    assert accepted == expected


# 60 KB that an array, map or string could be filled from, item by item.
ZEROS = bytes(60_000)
PAIRS = b"".join(b"\x19" + key.to_bytes(2, "big") + b"\x00" for key in range(256, 15_256))


@pytest.mark.parametrize("width", [4, 8])
@pytest.mark.parametrize("major, rest", [(2, ZEROS), (3, ZEROS), (4, ZEROS), (5, PAIRS)])
def test_a_claimed_length_allocates_nothing(major, rest, width):
    head = bytes((major << 5 | (26 if width == 4 else 27),)) + b"\x0f" * width
    data = head + rest
    tracemalloc.start()
    try:
        with pytest.raises(RemoteError):
            cbor.decode(data, max_items=1 << 70)
        assert tracemalloc.get_traced_memory()[1] < 5_000
    finally:
        tracemalloc.stop()


def test_an_array_above_the_item_cap_is_not_built():
    data = b"\x99\xea\x60" + ZEROS
    tracemalloc.start()
    try:
        with pytest.raises(RemoteError):
            cbor.decode(data)
        assert tracemalloc.get_traced_memory()[1] < 5_000
    finally:
        tracemalloc.stop()
