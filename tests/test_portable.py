"""The portable tests' collector: what fails on one interpreter is reported as that."""

import os
import subprocess
import sys

import portable
import pytest

from backfence.sim.live import interpreters

SAMPLE = """
import sys

def test_passes():
    assert True

def test_fails():
    print("word size", sys.maxsize)
    assert 1 == 2, "one is not two"
"""


@pytest.fixture
def write(tmp_path):
    """Writes a portable file; returns its path."""
    def write(text, name="proto_sample.py"):
        path = tmp_path / name
        path.write_text(text)
        return path
    return write


@pytest.mark.parametrize("name", interpreters.KNOWN)
def test_outcomes_and_words_are_told_apart(write, name):
    results, _ = portable.run_file(write(SAMPLE), name, ["test_passes", "test_fails"])
    assert results["test_passes"] == ("ok", "")
    outcome, text = results["test_fails"]
    assert outcome == "FAIL"
    assert text.startswith("word size ") and "one is not two" in text
    assert ("2147483647" in text) == (name in ("armhf", "mips"))


@pytest.mark.parametrize("name", interpreters.KNOWN)
def test_a_run_that_ends_early_fails_what_did_not_run(write, name):
    path = write("import sys\ndef test_a(): pass\ndef test_b(): sys.exit(0)\ndef test_c(): pass\n")
    results, rest = portable.run_file(path, name, ["test_a", "test_b", "test_c"])
    assert results == {"test_a": ("ok", "")}
    assert rest == f"{name} ended before this test did: exit status 0"


def test_a_file_that_does_not_import_fails_with_its_traceback(write):
    results, rest = portable.run_file(write("import nothing_like_it\ndef test_a(): pass\n"), "micropython", ["test_a"])
    assert results == {} and "no module named 'nothing_like_it'" in rest


def test_an_endless_test_is_stopped(write):
    path = write("def test_a():\n    while True: pass\n")
    results, rest = portable.run_file(path, "micropython", ["test_a"], limit_s=1)
    assert results == {} and rest.endswith("stopped after 1 s")


def test_a_test_cannot_pass_by_printing(write):
    path = write("def test_a():\n    print('ok test_a')\n    print('ok test_b')\n    assert False\n")
    results, _ = portable.run_file(path, "cpython", ["test_a"])
    assert set(results) == {"test_a"} and results["test_a"][0] == "FAIL"


def test_a_missing_interpreter_is_a_failure_that_says_how_to_get_it(write, monkeypatch, tmp_path):
    monkeypatch.setattr(interpreters, "SYSROOTS", tmp_path)
    for name in ("armhf", "s390x", "mips"):
        results, rest = portable.run_file(write(SAMPLE), name, ["test_passes"])
        assert (results, rest) == ({}, f"no MicroPython for {name}: run `python -m backfence.sim.live.sysroots {name}`")


@pytest.mark.parametrize("text, words", [
    ("x = 1\n", "has no test functions"),
    ("def test_a(): pass\ndef test_a(): pass\n", "defines a test twice"),
])
def test_files_that_would_test_less_than_they_say_are_refused(write, text, words):
    with pytest.raises(pytest.Collector.CollectError, match=words):
        portable.function_names(write(text))


def pytest_on(path, *arguments, **environment):
    """Runs a pytest of its own on a file, with this project's plugins."""
    folder = path.parent
    (folder / "conftest.py").write_text((interpreters.REPOSITORY / "tests/conftest.py").read_text())
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", folder, "-c", os.devnull, *arguments, path],
        capture_output=True, text=True, cwd=folder,
        env=dict(os.environ, CI="", PYTHONPATH=str(interpreters.REPOSITORY / "tests")) | environment,
    )


def test_each_function_is_an_item_on_each_interpreter(write):
    run = pytest_on(write(SAMPLE), "--interpreters", "cpython micropython")
    assert run.returncode == 1
    assert "2 failed, 2 passed" in run.stdout
    assert "::test_fails[cpython]" in run.stdout and "::test_fails[micropython]" in run.stdout


def test_an_unknown_interpreter_is_a_usage_error(write):
    run = pytest_on(write(SAMPLE), "--interpreters", "vax")
    assert run.returncode == 4
    assert run.stderr.startswith("ERROR: there is no interpreter 'vax'; known: cpython")


def test_ci_takes_no_restriction_and_no_skip(write):
    run = pytest_on(write(SAMPLE), "--interpreters", "cpython", CI="true")
    assert run.returncode == 4 and "CI runs on every interpreter" in run.stderr
    path = write("import pytest\ndef test_a():\n    pytest." + "skip('no reason')\n", "test_sample.py")
    assert pytest_on(path).returncode == 0
    run = pytest_on(path, CI="true")
    assert run.returncode == 1 and "skipped tests count as failures" in run.stdout


def test_ci_names_a_failure_when_it_happens(write):
    path = write("def test_a():\n    assert 1 == 2\ndef test_b():\n    print('later')\n", "test_sample.py")
    words = "call failed: test_sample.py::test_a"
    told, _, later = pytest_on(path, "-s", CI="true").stdout.partition("later")
    assert words in told and "assert 1 == 2" in told and "FAILED" in later
    assert words not in pytest_on(path, "-s").stdout
    assert words in pytest_on(path, "-s", "--at-once").stdout.partition("later")[0]


def test_an_emulated_run_knows_that_it_is_one(write):
    text = "import emulated\ndef test_a():\n    assert emulated.fewer(1, 2) == %d\n"
    for name in interpreters.KNOWN:
        path = write(text % (2 if name in interpreters.EMULATED else 1), f"proto_{name}.py")
        assert portable.run_file(path, name, ["test_a"])[0] == {"test_a": ("ok", "")}


def test_a_file_may_name_its_interpreters(write):
    assert portable.interpreters_of(write("INTERPRETERS = ('micropython', 'mips')\ndef test_a(): pass\n")) == (
        "micropython", "mips",
    )  # fmt: skip
    assert portable.interpreters_of(write("def test_a(): pass\n")) == ()
    for path in interpreters.REPOSITORY.glob("tests/**/proto_*.py"):
        named = portable.interpreters_of(path)
        assert set(named) <= set(interpreters.KNOWN), path
        # A processor with 32-bit words at least.
        assert not named or "micropython" in named and {"armhf", "mips"} & set(named), path


def test_every_file_runs_on_an_interpreter_that_it_does_not_name(write):
    path = write("INTERPRETERS = ('micropython', 'mips')\ndef test_a(): pass\n", "proto_sample.py")
    assert "no tests ran" in pytest_on(path, "--interpreters", "cpython").stdout
    assert "1 passed" in pytest_on(path, "--interpreters", "cpython", "--every-file").stdout
