"""The processes of `make test`: every test is in one of them, and every failure counts."""

import shutil
import subprocess
import sys

import pytest
import side_by_side


def test_portable_tests_are_all_in_the_first_process():
    for name in side_by_side.LIVE + side_by_side.BESIDE:
        room = side_by_side.TESTS / name
        assert list(room.rglob("test_*.py"))
        assert not list(room.rglob("proto_*.py"))


def test_the_rooms_that_yield_to_all_hold_no_live_fleets():
    for name in side_by_side.BESIDE:
        assert not list((side_by_side.TESTS / name).rglob("*_live.py"))


@pytest.mark.parametrize("failing, code", [(None, 0), ("sim", 1), ("bootstrap", 1), ("agent", 1)])
def test_a_failure_in_any_process_is_the_exit_code(tmp_path, failing, code):
    shutil.copy(side_by_side.TESTS / "side_by_side.py", tmp_path)
    rooms = ("agent", *side_by_side.LIVE, *side_by_side.BESIDE)
    for name in rooms:
        (tmp_path / name).mkdir()
        (tmp_path / name / f"test_{name}.py").write_text(f"def test_it(): assert {name != failing}\n")
    done = subprocess.run(
        [sys.executable, tmp_path / "side_by_side.py", "-q", "-p", "no:cacheprovider"],
        capture_output=True, text=True, cwd=tmp_path,
    )
    assert done.returncode == code, done.stdout
    counts = [int(line.split()[line.split().index("passed") - 1]) for line in done.stdout.splitlines() if " passed" in line]
    assert sum(counts) == len(rooms) - (failing is not None) and ("1 failed" in done.stdout) == bool(code), done.stdout
