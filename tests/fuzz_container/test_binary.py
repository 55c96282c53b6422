"""The fuzzer takes modules apart: what is none is refused before it costs memory."""

import pytest
from binary import HEADER, Parts
from modules import u


@pytest.mark.parametrize("ident", [13, 77, 255])
def test_a_section_that_does_not_exist_is_refused_whatever_it_counts(ident):
    payload = u((1 << 32) - 1) + b"\0"
    with pytest.raises(ValueError, match=f"there is no section {ident}"):
        Parts(HEADER + bytes([ident]) + u(len(payload)) + payload)


def test_a_vector_longer_than_its_bytes_is_refused():
    for ident in (1, 3, 4, 5, 6, 7, 9, 10, 11):
        payload = u((1 << 32) - 1) + b"\0" * 3
        with pytest.raises((IndexError, ValueError)):
            Parts(HEADER + bytes([ident]) + u(len(payload)) + payload)
