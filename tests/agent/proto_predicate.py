"""Predicates: their truth, their caps, and everything that is none."""

from backfence.agent.errors import RemoteError
from backfence.agent.limits import PREDICATE_DEPTH, PREDICATE_NODES
from backfence.agent.predicate import check, holds

BOX = {"arch": "mipsel", "mem_free": 100, "door": 0, "word_bits": 32}


def refused(predicate):
    try:
        check(predicate)
    except RemoteError:
        return True
    return False


def test_comparisons():
    for op, less, same, more in (
        ("==", 0, 1, 0), ("!=", 1, 0, 1), ("<", 0, 0, 1), ("<=", 0, 1, 1), (">", 1, 0, 0), (">=", 1, 1, 0),
    ):
        for wanted, truth in ((99, less), (100, same), (101, more)):
            check([op, "mem_free", wanted])
            assert holds([op, "mem_free", wanted], BOX) == bool(truth), (op, wanted)
    assert holds(["==", "arch", "mipsel"], BOX) and holds(["<", "arch", "x"], BOX)
    assert holds([">", "mem_free", -(1 << 62)], BOX) and holds(["<", "mem_free", 1 << 62], BOX)


def test_missing_attributes_and_other_types_are_false():
    for op in ("==", "!=", "<", "<=", ">", ">="):
        assert not holds([op, "absent", 1], BOX) and not holds([op, "absent", "x"], BOX)
        assert not holds([op, "arch", 1], BOX) and not holds([op, "mem_free", "100"], BOX)


def test_no_attribute_of_any_kind_makes_it_raise():
    values = (None, b"100", [], {}, (), 1.5, True, -1, (1 << 62) * 2, "", "x" * 9999, object())
    for op in ("==", "!=", "<", "<=", ">", ">="):
        for wanted in (0, -(1 << 63), 1 << 62, "", "mipsel"):
            for value in values:
                for predicate in ([op, "x", wanted], ["not", [op, "x", wanted]], ["and", [op, "x", wanted], [op, "y", 1]]):
                    check(predicate)
                    assert holds(predicate, {"x": value}) in (True, False)
    assert not holds(["==", "x", 1], {"x": b"1"}) and not holds(["!=", "x", 1], {"x": 1.5})
    assert not holds(["<", "x", "y"], {"x": None})


class Counted:
    """Attributes that count how often they are looked at."""

    def __init__(self, attributes):
        self.attributes = attributes
        self.asked = 0

    def get(self, name):
        self.asked += 1
        return self.attributes.get(name)


def test_each_part_is_looked_at_once_at_most():
    wide = ["and"] + [["==", "a", 1]] * (PREDICATE_NODES - 1)
    box = Counted({"a": 1})
    check(wide)
    assert holds(wide, box) and box.asked == PREDICATE_NODES - 1
    box = Counted({"a": 2})
    assert not holds(wide, box) and box.asked == 1


def test_and_or_not():
    true, false = ["==", "word_bits", 32], ["==", "word_bits", 64]
    for op, table in (("and", (1, 0, 0, 0)), ("or", (1, 1, 1, 0))):
        rows = ((true, true), (true, false), (false, true), (false, false))
        assert [holds([op] + list(row), BOX) for row in rows] == [bool(t) for t in table]
    assert holds(["not", false], BOX) and not holds(["not", true], BOX) and holds(["and", true], BOX)
    assert holds(["and", true, ["or", false, ["not", ["and", true, false]]]], BOX)


def test_the_caps():
    deep = ["==", "a", 1]
    for _ in range(PREDICATE_DEPTH - 1):
        deep = ["not", deep]
    assert not refused(deep) and refused(["not", deep])
    wide = ["and"] + [["==", "a", 1]] * (PREDICATE_NODES - 1)
    assert not refused(wide) and refused(wide + [["==", "a", 1]])
    assert refused(["and"] + [["or"] + [["==", "a", 1]] * 16] * 3)


def test_what_is_no_predicate():
    good = ["==", "a", 1]
    for wrong in (
        None, 1, "", "and", b"", {}, [], [[]], [None], ["and"], ["or"], ["not"], ["not", good, good], ["xor", good],
        ["==", "a"], ["==", "a", 1, 2], ["==", 1, 1], ["==", "a", None], ["==", "a", True], ["==", "a", b"x"],
        ["==", "a", [1]], ["and", good, None], ["and", "a", 1], [["=="], "a", 1], ("==", "a", 1), [b"==", "a", 1],
    ):
        assert refused(wrong), wrong
