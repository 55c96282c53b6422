"""Counters: those that moved, and 0 for the others."""

from backfence.agent.counting import Counters


def test_counting():
    counters = Counters()
    assert counters.nonzero() == {} and counters["resets"] == 0
    counters.bump("resets")
    counters.bump("bytes_in", 1 << 40)
    assert counters["resets"] == 1 and counters.nonzero() == {"resets": 1, "bytes_in": 1 << 40}
    counters.nonzero()["resets"] = 9
    assert counters["resets"] == 1
