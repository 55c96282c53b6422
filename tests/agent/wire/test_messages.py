"""Messages beside another CBOR library."""

import pathlib
import re

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfence.agent.errors import RemoteError
from backfence.agent.wire import messages

BY_FORM = {
    "u": st.integers(0, (1 << 32) - 1), "U": st.integers(0, (1 << 53) - 1), "b": st.binary(max_size=1000),
    "l": st.lists(st.lists(st.one_of(st.integers(0, 99), st.binary(max_size=40), st.none()), max_size=4), max_size=9),
    "8": st.binary(min_size=8, max_size=8), "h": st.binary(min_size=16, max_size=16),
    "?b": st.one_of(st.none(), st.binary(max_size=300)), "s": st.binary(min_size=32, max_size=32), "?u": st.one_of(st.none(), st.integers(0, (1 << 32) - 1)),
}
MESSAGE = st.sampled_from(sorted(messages.FORMS)).flatmap(
    lambda kind: st.tuples(st.just(kind), *(BY_FORM[form] for form in messages.FORMS[kind])))


@given(MESSAGE)
def test_packed_and_unpacked_alike(message):
    body = messages.pack(*message)
    assert body == cbor2.dumps(list(message), canonical=True)
    assert messages.unpack(body) == cbor2.loads(body) == list(message)


@given(MESSAGE, st.data())
def test_a_changed_byte_is_another_good_message_or_refused(message, data):
    body = bytearray(messages.pack(*message))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = messages.unpack(bytes(body))
    except RemoteError:
        return
    assert found == cbor2.loads(bytes(body)) and messages.pack(*found) == bytes(body)


@given(st.binary(max_size=200))
def test_garbage_is_refused(body):
    try:
        kind = messages.unpack(body)[0]
    except RemoteError:
        return
    assert kind in messages.FORMS and len(cbor2.loads(body)) == len(messages.FORMS[kind]) + 1


def test_kinds_and_forms_are_those_of_the_wire():
    text = (pathlib.Path(__file__).parents[3] / "docs" / "wire.cddl").read_text()
    written = {int(kind) for kind in re.findall(r"^[a-z]+ += \[([0-9]+)[,\]]", text, re.MULTILINE)}
    assert set(messages.FORMS) == written
    for kind in (0, max(written) + 1):
        with pytest.raises(RemoteError):
            messages.unpack(cbor2.dumps([kind]))
