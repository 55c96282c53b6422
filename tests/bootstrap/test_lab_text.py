"""The text that is counted, and the count it is compared with."""

import os
import subprocess
import sys
import tempfile

import pytest
import wasmtime

import backfence
from backfence.bootstrap.operator import text
from backfence.bootstrap.operator.results import merge
from backfence.bootstrap.operator.split import split


@pytest.fixture(scope="module")
def default():
    return text.default_text()


def test_the_default_is_a_megabyte_of_english(default):
    assert 1_000_000 <= len(default) <= 2_000_000
    counts = text.count(default)
    assert counts[b"the"] > 5000 and counts[b"of"] > 1000 and len(counts) > 3000
    # Lines of prose, not of code or tables.
    assert sum(counts.values()) > 100_000


def test_one_python_gives_one_text(default):
    code = "import sys; from backfence.bootstrap.operator import text; sys.stdout.buffer.write(text.default_text())"
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True,
                           env=dict(os.environ, PYTHONHASHSEED="7"))
    assert again.stdout == default


def test_a_stripped_python_gives_what_it_has_or_says_so(monkeypatch):
    monkeypatch.setattr(text, "_documentation", lambda: iter(["x" * 500_000] * 2))
    assert len(text.default_text()) == 1_000_004
    monkeypatch.setattr(text, "_documentation", lambda: iter(["x" * 500_000]))
    with pytest.raises(text.TextError, match="only 500002 bytes of documentation; name a text with INPUT=FILE"):
        text.default_text()


def test_a_file_is_taken_as_it_is(tmp_path):
    data = b"\xff\x00 Caf\xc3\xa9\r\n" * 4000
    (tmp_path / "in put").write_bytes(data)
    assert text.load(str(tmp_path / "in put")) == data


def bad_missing(folder):
    return folder / "none", "does not exist"


def bad_folder(folder):
    return folder, "is not a file"


def bad_small(folder):
    (folder / "small").write_bytes(b"word " * 100)
    return folder / "small", "has 500 bytes; the demonstration needs at least"


def bad_empty(folder):
    (folder / "empty").write_bytes(b"")
    return folder / "empty", "has 0 bytes"


def bad_large(folder):
    with open(folder / "large", "wb") as file:
        file.truncate(text.INPUT_MAX_BYTES + 1)
    return folder / "large", "takes at most"


@pytest.mark.parametrize("bad", [bad_missing, bad_folder, bad_small, bad_empty, bad_large], ids=lambda b: b.__name__)
def test_a_bad_input_is_one_clear_line(tmp_path, bad):
    path, message = bad(tmp_path)
    with pytest.raises(text.TextError) as caught:
        text.load(str(path))
    assert message in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_count_is_the_rule_of_the_program():
    assert text.count(b"Don't DON'T 'x'2y' caf\xc3\xa9 -a-b_c''d\n") == {
        b"don't": 2, b"x": 1, b"y": 1, b"caf": 1, b"a": 1, b"b": 1, b"c": 1, b"d": 1,
    }


def test_merged_counts_of_pieces_are_the_count_of_the_whole(default):
    data = default[:200_000]
    outputs = [text.lines(text.count(piece)) for piece in split(data, "words", 5000)]
    assert merge(outputs, "sum") == text.lines(text.count(data))
    assert merge(outputs[1:], "sum") != text.lines(text.count(data))


def test_the_program_counts_as_cpython_does(default):
    # Two implementations of one rule: the C program under another engine, and a regular expression.
    with open(os.path.join(os.path.dirname(backfence.__file__), "examples", "words.wasm"), "rb") as file:
        program = file.read()
    data = default[:100_000] + b" o'clock '' 'tis rock'n'roll it''s \xe2\x80\x99 END'"
    outputs = [run(program, piece) for piece in split(data, "words", 16384)]
    assert merge(outputs, "sum") == text.lines(text.count(data))


def run(program, data):
    with tempfile.TemporaryDirectory() as folder:
        names = [os.path.join(folder, name) for name in ("in", "out")]
        with open(names[0], "wb") as file:
            file.write(data)
        engine = wasmtime.Engine()
        linker, store, wasi = wasmtime.Linker(engine), wasmtime.Store(engine), wasmtime.WasiConfig()
        wasi.stdin_file, wasi.stdout_file = names
        store.set_wasi(wasi)
        linker.define_wasi()
        instance = linker.instantiate(store, wasmtime.Module(engine, program))
        try:
            instance.exports(store)["_start"](store)
        except wasmtime.ExitTrap as end:
            assert end.code == 0
        with open(names[1], "rb") as file:
            return file.read()


@pytest.mark.parametrize("size, seats", [(1_200_000, 8), (60_000, 3), (32_768, 8), (16 << 20, 8), (1_200_000, 1)])
def test_tasks_are_small_enough_and_many_enough(size, seats):
    each = text.task_bytes(size, seats)
    assert text.TASK_MIN_BYTES <= each <= text.TASK_MAX_BYTES
    assert size / each >= min(seats * text.TASKS_A_SEAT, size / text.TASK_MIN_BYTES)
