"""Where a record of ours and wasmtime's differ: the properties that the fuzzing looks for."""

import oracle


class Oracle:
    """wasmtime's word on one case, asked once."""

    def __init__(self, case):
        self.case = case
        self.invalid = oracle.valid(case["data"])
        self._record = None

    def record(self):
        if self._record is None:
            self._record = oracle.record(self.case)
        return self._record


def finding(theirs, ours):
    """One line that says what is wrong with `ours` (a record by device.py), or ""."""
    if "raised" in ours:
        return "an undeclared error: " + ours["raised"]
    if ours.get("after"):
        return ours["after"]
    if "refused" in ours:
        text = ours["refused"]
        if not text or "\n" in text:
            return "a refusal that is not one line: %r" % text
        if not theirs.invalid and not any(part in text for part in oracle.BEYOND):
            return "refused, though valid: " + text
        return ""
    if theirs.invalid:
        return "admitted, though invalid: " + theirs.invalid
    expected = theirs.record()
    return difference(expected, ours)


def difference(expected, ours):
    """The first difference of two records, or ""."""
    if not ours["calls"]:
        return ""  # never instantiated: it has no exports to call
    for number, (theirs, mine) in enumerate(zip(expected["calls"], ours["calls"])):
        if theirs != mine:
            return "call %d: wasmtime %s, here %s" % (number, theirs, mine)
    if len(expected["calls"]) != len(ours["calls"]):
        return "%d calls at wasmtime, here %d" % (len(expected["calls"]), len(ours["calls"]))
    # Where fuel ends in the middle of a memory.copy, a part is done; nobody sees that memory.
    keys = ("output", "fuel") if expected["calls"][-1:] == [["fuel"]] else ("memory", "output", "fuel")
    for key in keys:
        if expected.get(key) != ours.get(key) and key in expected:
            return "%s: wasmtime %s, here %s" % (key, expected[key], ours.get(key))
    return ""

