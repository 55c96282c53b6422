"""One task of a workload, as its owner sees it: its state, and the votes of boxes."""

import dataclasses

QUEUED, IN_PROGRESS, SUCCEEDED = "QUEUED", "IN_PROGRESS", "SUCCEEDED"
FAILED, TIMED_OUT, REJECTED, CANCELED = "FAILED", "TIMED_OUT", "REJECTED", "CANCELED"
STATES = (QUEUED, IN_PROGRESS, SUCCEEDED, FAILED, TIMED_OUT, REJECTED, CANCELED)
OPEN = (QUEUED, IN_PROGRESS)
# What a workload is called of which not all tasks SUCCEEDED: the first that fits.
ENDS = (CANCELED, TIMED_OUT, REJECTED, FAILED)

# Why open tasks were closed.
CLOSED = {TIMED_OUT: "the deadline passed", CANCELED: "the workload was ended"}


@dataclasses.dataclass
class Task:
    """votes: {first id of a box: receipt map}, in the order in which they came; winner: the first
    box that voted for what was decided; output: bytes once SUCCEEDED, if kept here.
    asked: boxes asked so far; needed: votes that decided it; judged: {ballot: whether
    the verifier took it}."""

    state: str = QUEUED
    votes: dict = dataclasses.field(default_factory=dict)
    winner: bytes = b""
    output: bytes = b""
    reason: str = ""
    asked: int = 1
    needed: int = 1
    judged: dict = dataclasses.field(default_factory=dict)


def ballot(receipt):
    """What replicas must agree on: the same output at the same cost, or the same failure."""
    if receipt["outcome"] == "ok":
        return "ok", receipt["output"], receipt["fuel"], receipt["pages"]
    return receipt["outcome"], receipt["code"]
