"""Counters: names that exist, and everything else is our own bug."""

from backfence.agent.counters import NAMES, Counters
from backfence.agent.errors import LocalError


def refused(function, *arguments):
    try:
        function(*arguments)
    except LocalError:
        return True
    return False


def test_counting():
    counters = Counters()
    assert counters.nonzero() == {} and counters["resets"] == 0
    counters.bump("resets")
    counters.bump("bytes_in", 1 << 40)
    assert counters["resets"] == 1 and counters.nonzero() == {"resets": 1, "bytes_in": 1 << 40}
    counters.nonzero()["resets"] = 9
    assert counters["resets"] == 1


def test_unknown_names():
    counters = Counters()
    assert refused(counters.bump, "nonsense") and refused(counters.__getitem__, "nonsense")


def test_each_has_a_name_and_a_meaning():
    for name in NAMES:
        assert name == name.lower() and " " not in name and 5 < len(NAMES[name]) < 80
