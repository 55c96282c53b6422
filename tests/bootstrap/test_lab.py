"""The lab: which interpreter it takes, real processes started, watched, killed and cleaned up."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time

import pytest

from backfence.bootstrap.operator import lab as labs

WAIT_S = 20
REAL = labs.choose_interpreter()


def fake(folder, prints, code=0):
    """An executable called micropython that says what it likes."""
    folder.mkdir()
    file = folder / "micropython"
    file.write_text("#!/bin/sh\necho '%s'\nexit %d\n" % (prints, code))
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(folder)


def test_a_micropython_on_path_comes_first(tmp_path):
    path = fake(tmp_path / "new", "micropython 1 23 0")
    chosen = labs.choose_interpreter(path=path)
    assert chosen.command == [path + "/micropython"]
    assert (chosen.name, chosen.micropython) == ("MicroPython 1.23.0", True)


def test_a_preview_is_named_as_such(tmp_path):
    path = fake(tmp_path / "new", "micropython 1 29 0 preview")
    assert labs.choose_interpreter(path=path).name == "MicroPython 1.29.0-preview"


@pytest.mark.parametrize(
    "prints, code",
    [
        ("micropython 1 22 2", 0),
        ("micropython 1 19 1", 0),
        ("cpython 3 11 7 final 0", 0),
        ("", 0),
        ("micropython 1 25 0", 1),
        ("micropython a b c", 0),
    ],
)
def test_what_is_too_old_or_no_micropython_is_passed_over(tmp_path, prints, code):
    bad = fake(tmp_path / "bad", prints, code)
    good = fake(tmp_path / "good", "micropython 1 24 1")
    assert labs.choose_interpreter(path=bad, venv=good).command == [good + "/micropython"]


def test_cpython_when_there_is_no_other(tmp_path):
    chosen = labs.choose_interpreter(path=str(tmp_path), venv=str(tmp_path))
    assert chosen.command == [sys.executable]
    assert chosen.name.startswith("CPython 3.") and not chosen.micropython
    assert "heapsize" not in " ".join(chosen.argv("m", 1000))


def test_the_packaged_micropython_is_found(tmp_path):
    assert labs.choose_interpreter(path=str(tmp_path)).micropython


def agent(lab, tmp_path, body, name="b00"):
    """Starts a stand-in for the agent: `body` as a module on the lab's interpreter."""
    home = tmp_path / name
    home.mkdir()
    module = "lab_" + name
    for folder in (lab.path, str(tmp_path)):
        with open(os.path.join(folder, module + ".py"), "w") as file:
            file.write(body)
    argv = lab.interpreter.argv(module, lab.heap_bytes) + ["--home", str(home)]
    process = lab._start(name, str(home), argv, niceness=5)
    lab.agents.append(process)
    return process


@pytest.fixture
def lab(tmp_path):
    made = labs.Lab(str(tmp_path / "lab"), REAL, 256 * 1024)
    yield made
    made.stop_everything()


def wait(condition):
    for _ in range(WAIT_S * 50):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("waited %d s in vain" % WAIT_S)


STATUS = """
import sys, time, json
home = sys.argv[2]
with open(home + "/status.json", "w") as file:
    file.write(json.dumps({"id": "ab", "name": sys.implementation[0]}))
print("up")
time.sleep(60)
"""


def test_a_real_process_and_its_status_file(lab, tmp_path):
    process = agent(lab, tmp_path, STATUS)
    wait(lambda: process.status() is not None)
    assert process.status() == {"id": "ab", "name": "micropython"}
    assert process.status_age_s() < WAIT_S
    assert lab.statuses() == [process.status()]
    lab.check()


def test_the_heap_is_hard(lab, tmp_path):
    process = agent(lab, tmp_path, "x = bytearray(200000)\nprint('one')\ny = bytearray(200000)\nprint('two')\n")
    wait(lambda: not process.alive())
    with open(process.log) as log:
        text = log.read()
    assert "one" in text and "two" not in text and "MemoryError" in text


def test_the_package_is_found_through_the_link(lab, tmp_path):
    process = agent(lab, tmp_path, "from backfence.agent.errors import RemoteError\nprint(RemoteError.__name__)\n")
    wait(lambda: not process.alive())
    assert labs.last_line(process.log) == "RemoteError"


def test_a_kill_is_a_kill_and_no_surprise(lab, tmp_path):
    process = agent(lab, tmp_path, STATUS)
    wait(lambda: process.status() is not None)
    process.kill()
    assert process.code == -signal.SIGKILL
    assert not process.alive() and lab.living() == [] and lab.statuses() == []
    lab.check()


def test_a_ctrl_c_inside_popen_does_not_keep_us_from_ending_it(lab, tmp_path):
    process = agent(lab, tmp_path, STATUS)
    wait(lambda: process.status() is not None)
    # So does Ctrl-C leave it, one time in ten, when it comes while we look who lives.
    process.popen._waitpid_lock.acquire()
    lab.stop_everything()
    assert not process.alive() and process.code == -signal.SIGTERM


def test_an_agent_that_ends_by_itself_is_a_failure_with_its_last_words(lab, tmp_path):
    process = agent(lab, tmp_path, "raise ValueError('box.key is missing')\n")
    wait(lambda: not process.alive())
    with pytest.raises(labs.LabError, match="agent b00 ended with code 1: ValueError: box.key is missing .*b00.log"):
        lab.check()


def test_stop_everything_ends_those_that_do_not_listen(lab, tmp_path):
    deaf = lab.start_python("deaf", ["timeit", "-n1", "-r1", "-s", "import signal, time; signal.signal(15, lambda *a: 0)",
                                     "print('up', flush=True); time.sleep(60); time.sleep(60)"])
    process = agent(lab, tmp_path, STATUS)
    wait(lambda: process.status() is not None and "up" in open(deaf.log).read())
    lab.stop_everything()
    assert not deaf.alive() and not process.alive()


def test_a_file_that_is_no_status_is_none(lab, tmp_path):
    process = agent(lab, tmp_path, STATUS)
    assert process.status() is None or process.status()
    wait(lambda: process.status() is not None)
    (tmp_path / "b00" / "status.json").write_text('{"id": ')
    assert process.status() is None


def test_the_fleet_dies_with_a_killed_demonstration(tmp_path):
    code = (
        "from backfence.bootstrap.operator import lab; import time;"
        "l = lab.Lab(%r, lab.choose_interpreter(), 1 << 20);"
        "p = l.start_python('sleeper', ['timeit', '-n1', '-r1', 'import time; time.sleep(60)']);"
        "print(p.pid, flush=True); time.sleep(60)" % str(tmp_path / "lab")
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    wait(lambda: _gone(pid))


def _gone(pid):
    try:
        with open("/proc/%d/stat" % pid) as source:
            return source.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_ports_in_a_row_are_free():
    first = labs.free_ports(40)
    for port in range(first, first + 40):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind(("127.0.0.1", port))


def test_a_taken_port_is_passed_over():
    first = labs.free_ports(40)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", first + 20))
        assert not labs.all_free(first, 40)
    assert labs.all_free(first, 40)


def test_last_line_of_a_log(tmp_path):
    log = tmp_path / "log"
    assert labs.last_line(str(log)) == "no output"
    log.write_text("Traceback\n" * 1000 + "MemoryError: x\n\n  \n")
    assert labs.last_line(str(log)) == "MemoryError: x"
    log.write_text(json.dumps("x" * 1000))
    assert len(labs.last_line(str(log))) == 200
