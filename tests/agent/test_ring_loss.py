"""Rings under loss, from many seeds."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from proto_ring_loss import close_under_loss  # noqa: E402


@pytest.mark.parametrize("seed", range(100, 112))
def test_every_fifth_datagram_lost(seed):
    close_under_loss(seed)
