"""The owner's memory does not grow with the inputs and outputs of a workload."""

import tracemalloc

import pytest

from backfence.bootstrap.operator import files, manifests, push, results
from backfence.bootstrap.operator.split import split_file

from fleets import PROGRAM, hands, make_fleet

TASKS = 2048
INPUT_BYTES = 8192
MEMORY_BYTES = 4 << 20  # of 16 MB of inputs, and of 32 MB of outputs


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    return make_fleet(tmp_path_factory.mktemp("fleet") / "fleet", boxes=2)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file of 16 MB, no piece of which is like another."""
    path = tmp_path_factory.mktemp("input") / "input"
    with open(path, "wb") as file:
        for task in range(TASKS):
            file.write(b"%08d\n" % task * (INPUT_BYTES // 9))
    return str(path)


def planned(fleet, path, name):
    pieces = split_file(path, "lines", INPUT_BYTES)
    return manifests.workload_manifest(fleet, name, "edge", PROGRAM, pieces, pages=1)


class Peak:
    """bytes: what Python's objects took at the most, beyond what was there."""

    def __enter__(self):
        tracemalloc.start()
        return self

    def __exit__(self, *_):
        self.bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


def test_inputs_are_cut_hashed_and_sent_one_at_a_time(fleet, path):
    sent = 0
    with Peak() as peak:
        plan = planned(fleet, path, "inputs")
        for _topic, payload in push.messages_of(fleet, plan.blobs, "manifest", b"signed"):
            sent += len(payload)
    assert sent > TASKS * (INPUT_BYTES - 9) and len(plan.inputs) >= TASKS
    assert peak.bytes < MEMORY_BYTES, peak.bytes


def test_outputs_are_kept_and_merged_one_at_a_time(fleet, path, tmp_path):
    hand = hands(fleet)[0]
    plan = planned(fleet, path, "outputs")
    work = results.Work.create(fleet, plan, fleet.sign(plan))
    with Peak() as peak:
        for task in range(1024):
            output = b"%08d" % task * 4000
            assert work.take(*hand.result(plan, task, output, bytes_in=plan.sizes[task])) == "accepted"
        work.sync()
        work.close()
        again = results.Work(fleet, work.folder)
        size = sum(len(output) for output in again.outputs() if output)
        files.write_parts(str(tmp_path / "out"), (output for output in again.outputs() if output))
    assert size == 1024 * 32000 == (tmp_path / "out").stat().st_size
    assert peak.bytes < 2 * MEMORY_BYTES, peak.bytes
