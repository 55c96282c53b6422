"""Sweeps on a pool and on a real Dask scheduler with two workers, resumed; figures with their words."""

import json
import os
import subprocess
import sys
import time

import distributed
import pytest
from click.testing import CliRunner

from backfence.sim import __main__ as cli
from backfence.sim.scale import figures, sweep, tasks
from backfence.sim.scale.errors import ScaleError

RUNS = [("rumour", {"nodes": 60, "seed": seed}) for seed in range(1, 7)]


@pytest.fixture
def cluster(tmp_path):
    """The address of a Dask scheduler with two workers, each a process of its own."""
    file, children = tmp_path / "scheduler.json", []
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def start(*words):
        children.append(subprocess.Popen([sys.executable, "-m", *words], **quiet))

    try:
        start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        for name in ("one", "two"):
            start("distributed.cli.dask_worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny",
                  "--no-dashboard", "--name", name, "--local-directory", str(tmp_path / name))
        deadline = time.monotonic() + 120
        while not file.exists():
            assert time.monotonic() < deadline and children[0].poll() is None, "the scheduler does not start"
            time.sleep(0.1)
        yield json.loads(file.read_text())["address"]
    finally:
        for child in children:
            child.kill()  # a worker that is asked tries to reach the scheduler first
            child.wait()


def results(folder, scheduler=None):
    said = []
    found = sweep.sweep(RUNS, folder, said.append, scheduler, 2)
    return found, said


def test_a_cluster_of_two_workers_finds_what_the_pool_finds(cluster, tmp_path):
    with distributed.Client(cluster, timeout=60) as client:
        client.wait_for_workers(2, timeout=120)
        here, said = results(tmp_path / "cluster", cluster)
        assert len(said) == len(RUNS) and said[-1].startswith("6 of 6: ")
        spread = client.run(os.getpid)
        assert len(set(spread.values())) == 2 and os.getpid() not in spread.values()
    assert here == results(tmp_path / "pool")[0] == [tasks.run(*run) for run in RUNS]


def test_a_sweep_goes_on_where_it_was(tmp_path, monkeypatch):
    first, _ = results(tmp_path)
    sweep.path_of(tmp_path, *RUNS[3]).unlink()
    again, said = results(tmp_path)
    assert again == first and said[0] == "5 of 6 runs are there already" and len(said) == 2
    monkeypatch.setattr(tasks, "VERSION", tasks.VERSION + 1)
    assert sweep.path_of(tmp_path, *RUNS[3]).exists() is False


def test_no_scheduler_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "WAIT_S", 0.3)
    with pytest.raises(ScaleError, match="no Dask scheduler answers at tcp://127.0.0.1:1"):
        sweep.sweep(RUNS, tmp_path, print, "tcp://127.0.0.1:1")


def test_a_figure_is_a_picture_and_a_table_with_its_seeds_and_command(tmp_path):
    words = ["figures", "rumour-serf", "--nodes", "10000", "--seeds", "2", "--processes", "1", "--out", str(tmp_path)]
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "rumour-serf.csv").read_text().splitlines()
    assert lines[0] == "# python -m backfence.sim figures rumour-serf --nodes 10000 --seeds 2   (seeds 1 to 2)"
    assert lines[1] == "line,x,seconds,least,most,source" and "half,1,0.37,0.37,0.37,serf 0.9.4" in lines
    ours = [line.split(",") for line in lines if line.endswith(",ours")]
    assert [row[0] for row in ours] == ["half", "last"] and all(0.2 < float(row[2]) < 0.9 for row in ours)
    assert (tmp_path / "rumour-serf.png").read_bytes()[:4] == b"\x89PNG"


def test_a_table_of_the_agents_own_classes_is_drawn_beside_the_published(tmp_path, monkeypatch):
    monkeypatch.setitem(figures.REAL, "percentiles", 20)
    figures.make(["percentiles"], 10_000, 1, tmp_path, print, processes=1)
    lines = (tmp_path / "percentiles.csv").read_text().splitlines()
    assert lines[0] == "# python -m backfence.sim figures percentiles   (the agent's own classes; seed 1)"
    assert lines[1] == "figure,boxes,ours,published,source" and len(lines) > 4
    assert (tmp_path / "percentiles.png").read_bytes()[:4] == b"\x89PNG"


def test_every_figure_has_points_of_ours_and_every_task_is_known():
    for name, figure in figures.figures(100_000).items():
        assert figure.ours and all(row[2] in tasks.TASKS for row in figure.ours), name
    wrong = CliRunner().invoke(cli.main, ["figures", "nonsense"])
    assert wrong.exit_code == 2 and "Error: there is no figure 'nonsense'" in wrong.stderr
