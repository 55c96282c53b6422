"""The two processes of `make test`: every test is in one of them, and every failure counts."""

import shutil
import subprocess
import sys

import both
import pytest


def test_the_rooms_beside_hold_nothing_that_minds_a_busy_machine():
    for name in both.BESIDE:
        room = both.TESTS / name
        assert list(room.rglob("test_*.py"))
        assert not list(room.rglob("proto_*.py")) and not list(room.rglob("*_live.py"))


@pytest.mark.parametrize("failing, code", [(None, 0), ("sim", 1), ("agent", 1)])
def test_a_failure_in_either_process_is_the_exit_code(tmp_path, failing, code):
    shutil.copy(both.TESTS / "both.py", tmp_path)
    for name in ("agent", *both.BESIDE):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"test_{name}.py").write_text(f"def test_it(): assert {name != failing}\n")
    done = subprocess.run(
        [sys.executable, tmp_path / "both.py", "-q", "-p", "no:cacheprovider"],
        capture_output=True, text=True, cwd=tmp_path,
    )
    assert done.returncode == code, done.stdout
    passed = len(both.BESIDE) + 1 - (failing is not None)
    counts = [int(line.split()[line.split().index("passed") - 1]) for line in done.stdout.splitlines() if " passed" in line]
    assert sum(counts) == passed and ("1 failed" in done.stdout) == bool(code), done.stdout
