"""An Executor, joblib, Dask and `backfence map` on real MicroPython agents, over a real mosquitto."""

import collections
import os
import subprocess
import sys
import time

import pytest

from backfence.bootstrap import Executor, TaskFailed
from backfence.bootstrap.operator import results
from backfence.bootstrap.operator.errors import OperatorError
from backfence.sim.live import interpreters
from backfence.sim.live.fleet import LiveFleet

from fleets import mosquitto

EXAMPLES = interpreters.REPOSITORY / "examples"
WORDS = str(EXAMPLES / "words.wasm")
TEXTS = [b"the cat sat on mat %d\n" % number * (number + 1) for number in range(12)]
BOXES = 4
# A box sees the end of its job at its next rest, and the end travels in busy rounds of half a second.
CANCELED_S = 10


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    """Four agents, two of them doors, and a slice of them all."""
    with mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        with LiveFleet(tmp_path_factory.mktemp("fleet"), broker, ["micropython"] * BOXES, doors=2) as fleet:
            fleet.slice(BOXES)
            yield fleet


def counted(text):
    """What the program says of a text, counted in another way."""
    counts = collections.Counter(text.split())
    return {word.decode(): count for word, count in counts.items() if word.isalpha()}


def read(output):
    pairs = [line.split() for line in output.decode().splitlines()]
    return {word: int(count) for word, count in pairs if word.isalpha()}


def open_executor(fleet, **options):
    return Executor(fleet.operator.directory, "edge", program=options.pop("program", WORDS), **options)


def test_a_map_on_real_boxes(boxes):
    with open_executor(boxes, replicas=2, quorum=2) as executor:
        found = list(executor.map(None, TEXTS))
    assert [read(output) for output in found] == [counted(text) for text in TEXTS]
    work = results.Work.newest(boxes.operator, "executor-1")
    assert all(len(task.votes) >= 2 for task in work.settlement.tasks)


def test_joblib_with_one_changed_line(boxes):
    from joblib import Parallel, delayed

    with open_executor(boxes) as executor:
        words = executor.function(WORDS)
        found = Parallel(n_jobs=len(TEXTS), backend="threading")(delayed(words)(text) for text in TEXTS)
    assert [read(output) for output in found] == [counted(text) for text in TEXTS]


def test_dask_runs_programs_there_and_python_here(boxes):
    import dask
    import dask.bag

    before = len(results.runs(boxes.operator, "executor-1"))
    with open_executor(boxes) as executor:
        words = executor.function(WORDS)
        bag = dask.bag.from_sequence(TEXTS, npartitions=len(TEXTS)).map(words).map(read).map(lambda row: row["cat"])
        assert bag.sum().compute(scheduler="threads", num_workers=len(TEXTS)) == sum(range(1, 13))
        # Its own Executor interface takes Python functions, which boxes cannot run.
        with dask.config.set(scheduler=executor), pytest.raises(TypeError, match="they run WebAssembly"):
            bag.sum().compute()
    assert len(results.runs(boxes.operator, "executor-1")) == before + 1, "its calls travelled apart"


def test_a_trap_on_a_real_box_is_told(boxes):
    with open_executor(boxes, program=str(EXAMPLES / "trap.wasm")) as executor:
        with pytest.raises(TaskFailed) as failed:
            executor.submit(None, b"x", "divide").result(60)
    assert failed.value.state == "FAILED" and failed.value.receipt["outcome"] == "trap"


def at_work(boxes):
    return [status["id"] for status in boxes.statuses() if status["tasks"]["running"]]


def until(condition, what, most_s):
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < most_s, what
        time.sleep(0.1)
    return time.monotonic() - begun


def test_ended_work_stops_on_all_boxes_in_seconds(boxes):
    executor = open_executor(boxes, program=str(EXAMPLES / "forever.wasm"), fuel=1 << 50)
    futures = [executor.submit(None, b"%d" % number) for number in range(24)]
    until(lambda: len(at_work(boxes)) == BOXES, "not all are at work", 60)
    executor.shutdown(cancel_futures=True)
    until(lambda: not at_work(boxes), "some are still at work", CANCELED_S)
    assert {future.exception(0).state for future in futures} == {"CANCELED"}


def begin(boxes, folder, *arguments):
    command = [os.path.join(os.path.dirname(sys.executable), "backfence"), *map(str, arguments)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "BACKFENCE_FLEET": boxes.operator.directory})


def test_an_owner_killed_in_the_midst_finds_the_rest_and_all_is_exact(boxes, tmp_path):
    """kill -9 of `backfence map`; the boxes go on without it; `backfence results` ends exact."""
    lines = [b"line %d of the cat\n" % number for number in range(120)]
    (tmp_path / "lines").write_bytes(b"".join(lines))

    def settled():
        try:
            return results.Work.newest(boxes.operator, "killed").settlement.counts()["SUCCEEDED"]
        except OperatorError:
            return 0

    process = begin(boxes, tmp_path, "map", WORDS, "lines", "--split", "line", "--name", "killed")
    until(lambda: settled() >= 10, "no results", 60)
    process.kill()
    process.communicate()
    there = settled()
    assert there < len(lines), "it was over already"
    until(lambda: not any(status["tasks"]["open"] for status in boxes.statuses()), "the boxes do not end", 120)
    assert settled() == there
    done = begin(boxes, tmp_path, "results", "killed", "--each", "each")
    out, err = done.communicate(timeout=60)
    assert done.returncode == 0 and "120/120 SUCCEEDED" in out, out + err
    found = [read((tmp_path / "each" / f"{number:03}.out").read_bytes()) for number in range(len(lines))]
    assert found == [counted(line) for line in lines]
    assert len(results.runs(boxes.operator, "killed")) == 1
