"""Bad knobs and bad places: one clear line, exit 1, and nothing is touched."""

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from backfence.bootstrap.operator import demo
from backfence.bootstrap.operator.errors import OperatorError


def run(folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "backfence.bootstrap.operator.demo", "--no-live", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def closed_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--agents", "many"], "AGENTS=many is not a number from 3 to 64"),
        (["--agents", "-1"], "AGENTS=-1 is not a number"),
        (["--agents", "1e2"], "AGENTS=1e2 is not a number"),
        (["--agents", "65"], "AGENTS=65 is not a number from 3 to 64"),
        (["--agents", "\u0664"], "is not a number"),
        (["--seats", "2"], "SEATS=2 is not a number from 3 to 64"),
        (["--seats", "x"], "SEATS=x is not a number"),
        (["--agents", "9", "--seats", "8"], "AGENTS=9 are too few: SEATS=8 and 2 agents to lose need at least 10"),
        (["--kills", "3", "--seats", "3"], "KILLS=3 leaves nothing of SEATS=3"),
        (["--heap-kb", "1"], "HEAP_KB=1 is not a number from 512"),
        (["--input", "no such file"], "INPUT=no such file does not exist"),
        (["--input", "."], "INPUT=. is not a file"),
        (["--broker", "x:y"], "'x:y' is not a broker's address; write host:port"),
        (["--broker", "127.0.0.1:%d" % closed_port()], "no broker answers at 127.0.0.1:"),
    ],
)
def test_a_bad_knob_is_one_line(tmp_path, arguments, message):
    code, out, err = run(tmp_path, *arguments)
    assert code == 1 and out == ""
    assert err.startswith("Error: ") and message in err and len(err.splitlines()) == 1
    assert os.listdir(tmp_path) == []


def test_empty_knobs_are_the_defaults():
    knobs = demo.Knobs(agents="", seats="", input="", broker="")
    assert (knobs.agents, knobs.seats, knobs.kills, knobs.input, knobs.broker) == (16, 8, 2, None, None)


def test_as_few_agents_as_can_be():
    assert demo.Knobs(agents="10", seats="8").agents == 10


def test_a_directory_of_something_else_is_not_emptied(tmp_path):
    precious = tmp_path / "thesis.txt"
    precious.write_text("years of work")
    code, out, err = run(tmp_path, "--run-dir", str(tmp_path))
    assert code == 1 and "holds other things than a run" in err and len(err.splitlines()) == 1
    assert precious.read_text() == "years of work"


def test_an_earlier_run_is_removed_without_following_its_links(tmp_path):
    precious = tmp_path / "source"
    precious.mkdir()
    (precious / "code.py").write_text("x")
    path = str(tmp_path / "run")
    with demo.run_directory(path):
        os.makedirs(path + "/boxes/b00")
        os.symlink(precious, path + "/link")
        os.makedirs(path + "/path")
        os.symlink(precious, path + "/path/backfence")
        (tmp_path / "run" / "report.json").write_text("{}")
    with demo.run_directory(path):
        assert os.listdir(path) == [demo.MARK]
    assert (precious / "code.py").exists()


def test_two_runs_at_once_are_one_too_many(tmp_path):
    path = str(tmp_path / "run")
    with demo.run_directory(path):
        code, out, err = run(tmp_path, "--run-dir", path)
        assert code == 1 and "another run is using" in err
    with demo.run_directory(path):
        pass


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="cannot use"), demo.run_directory(str(tmp_path / "file" / "run")):
        pass


def test_a_second_ctrl_c_does_not_stop_the_cleaning_up():
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    try:
        with demo.uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            over.wait(5)
    finally:
        over.set()
        other.join()
