"""The demonstration, small and real: six agents, three seats, one killed, and mosquitto as the broker."""

import collections
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from backfence.bootstrap.operator import lab, text

RUN_S = 200
KEYS = {"agents", "interpreter", "heap_bytes", "controller_stopped", "slice", "killed", "tasks",
        "matches_reference", "receipts", "seconds"}


@pytest.fixture(scope="module")
def mosquitto():
    """The port of a mosquitto of our own."""
    program = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    assert program, "mosquitto is not installed"
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    process = subprocess.Popen([program, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield port
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def finished(mosquitto, tmp_path_factory):
    """(exit code, stdout, stderr, run directory, the text) of one run."""
    folder = tmp_path_factory.mktemp("live")
    data = text.default_text()[200_000:260_000]
    (folder / "input.txt").write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", "backfence.bootstrap.operator.demo", "--no-live", "--agents", "6", "--seats", "3",
         "--kills", "1", "--input", "input.txt", "--broker", "127.0.0.1:%d" % mosquitto, "--run-dir", "run"],
        cwd=folder, capture_output=True, text=True, timeout=RUN_S,
    )
    return done.returncode, done.stdout, done.stderr, folder / "run", data


def test_it_ends_well(finished):
    code, out, err, _folder, _data = finished
    assert (code, err) == (0, ""), out[-3000:] + err
    assert "stopped the controller for good" in out and "kill -9 of" in out


def test_the_report_tells_all(finished):
    report = json.loads((finished[3] / "report.json").read_text())
    assert KEYS <= report.keys()
    assert report["agents"] == 6 and report["controller_stopped"] is True and report["matches_reference"] is True
    assert (report["slice"]["wanted"], report["slice"]["filled"]) == (3, 3)
    assert report["interpreter"] == lab.choose_interpreter().name
    assert report["tasks"]["succeeded"] == report["tasks"]["total"] >= 3 * text.TASKS_A_SEAT
    assert report["broker"].startswith("127.0.0.1:")
    assert report["living"] == 5 == report["census"]["size"]
    assert report["census"]["slices"]["edge"]["seats"] == 3 and report["census"]["queries"]["alive"]["count"] == 5
    rows = report["receipts"]
    assert len({row["box"] for row in rows}) == len(rows) >= 2
    assert sum(row["tasks"] for row in rows) >= report["tasks"]["total"]
    assert all(row["fuel"] > 0 and row["bytes_in"] > 0 for row in rows)


def test_something_was_lost_and_made_good(finished):
    (victim,) = json.loads((finished[3] / "report.json").read_text())["killed"]
    assert victim["seats"] and victim["open_tasks"] > 0 and victim["rescued"] > 0
    assert victim["settled_before"] > 0
    assert not os.path.exists("/proc/%d" % victim["pid"])


def test_the_counts_are_right(finished):
    # Counted in another way than text.count does it.
    letters = "".join(chr(byte) if chr(byte).isalpha() and byte < 128 or byte == 39 else " " for byte in finished[4])
    words = collections.Counter()
    for run in letters.lower().split():
        words.update(word.strip("'") for word in run.replace("''", " ").split())
    del words[""]
    lines = (finished[3] / "words.txt").read_text().splitlines()
    assert dict(line.split(" ") for line in lines) == {word: str(number) for word, number in words.items()}


def commands():
    """The command lines of all processes here."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                yield file.read().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue


def test_no_process_is_left(finished):
    assert not [command for command in commands() if str(finished[3].parent) in command]


def test_ctrl_c_leaves_nothing_behind(mosquitto, tmp_path):
    (tmp_path / "input.txt").write_bytes(text.default_text()[:60_000])
    process = subprocess.Popen(
        [sys.executable, "-m", "backfence.bootstrap.operator.demo", "--no-live", "--agents", "5", "--seats", "3",
         "--input", "input.txt", "--broker", "127.0.0.1:%d" % mosquitto, "--run-dir", "run"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    for line in process.stdout:
        if "started the controller" in line:
            break
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err.startswith("Error: interrupted") and len(err.splitlines()) == 1
    assert not [command for command in commands() if str(tmp_path) in command]
