"""An input in pieces is the input."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from backfence.bootstrap.operator.errors import OperatorError
from backfence.bootstrap.operator.split import split, split_file

texts = some.lists(some.sampled_from([b"a", b"word", b" ", b"\n", b"\t\t", b"\xc3\xa9"]), max_size=60).map(b"".join)


@given(texts, some.sampled_from(["words", "lines"]), some.integers(8, 40))
def test_pieces_joined_are_the_input_and_no_word_is_cut(data, way, size):
    try:
        pieces = split(data, way, size)
    except OperatorError:
        parts = data.split() if way == "words" else data.split(b"\n")
        assert max(map(len, parts)) >= size - 1
        return
    assert b"".join(pieces) == data
    assert all(len(piece) <= size for piece in pieces)
    if way == "words":
        assert [word for piece in pieces for word in piece.split()] == data.split()
    else:
        assert all(piece.endswith(b"\n") for piece in pieces[:-1])


@given(texts)
def test_a_line_a_task(data):
    pieces = split(data, "line", 1000)
    assert pieces == (data.splitlines(keepends=True) if b"\v" not in data else pieces) or data == b""
    assert b"".join(pieces) == data


@pytest.mark.parametrize("way", ["words", "lines", "line"])
def test_a_file_is_cut_as_its_bytes_are(tmp_path, way):
    data = b"some words\nand a line\n" * 40 + b"the end"
    (tmp_path / "input").write_bytes(data)
    found = split_file(str(tmp_path / "input"), way, 64)
    assert [piece.read() for piece in found] == split(data, way, 64)
    (tmp_path / "input").write_bytes(data[:100])
    with pytest.raises(OperatorError, match="became shorter"):
        found[-1].read()


def test_pieces_are_nearly_full():
    pieces = split(b"word " * 20000)
    assert len(pieces) == 4 and all(len(piece) > 32000 for piece in pieces[:-1])


def test_a_piece_may_be_exactly_full():
    assert split(b"ab cd", "words", 5) == [b"ab cd"]
    assert split(b"ab cd", "words", 2 + 1) == [b"ab ", b"cd"]


def test_an_empty_input_is_one_empty_task():
    assert split(b"") == [b""]


@pytest.mark.parametrize("data, way, size, problem", [
    (b"x" * 40, "words", 20, "at byte 0, is longer than 20 bytes"),
    (b"ab " + b"x" * 40, "words", 20, "at byte 3"),
    (b"ab cd" * 10, "lines", 20, "one of the lines"),
    (b"a\n" + b"x" * 40, "line", 20, "one of the lines in the input, at byte 2"),
    (b"x" * 40, "whole", 20, "a task takes 20"),
    (b"x", "letters", 20, "cannot be split by 'letters'"),
    (b"x", "words", 0, "not 0"),
    (b"x", "words", 32769, "not 32,769"),
])
def test_what_cannot_be_split_is_refused(data, way, size, problem):
    with pytest.raises(OperatorError, match=problem):
        split(data, way, size)
