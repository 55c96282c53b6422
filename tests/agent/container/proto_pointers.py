"""Walks through memory by locals do the same on every engine, and what wasmtime does."""

from modules import END, I32, call, function, get, i32, load, module, put, start, tick  # isort: skip: nests less

import pointers
from emulated import EMULATED

ADD, SUB, AND, SHL, LT_U, GE_U, EQZ = (bytes([op]) for op in (0x6A, 0x6B, 0x71, 0x74, 0x49, 0x4F, 0x45))
BR_IF = b"\x0d\0"
BLOCK, LOOP, IF, ELSE = b"\x02\x40", b"\x03\x40", b"\x04\x40", b"\x05"
LOAD = load(0x28)


def begin(data):
    """call(arguments) of a module, on every engine."""
    each = start(data)

    def call(arguments):
        kind, _, reason, values = each.invoke("f0", arguments, tick)
        return "%d" % values[0] if kind == "ok" else reason

    return call


def result(body, *arguments):
    """What a function of two parameters and four more locals gives; its memory holds 0, 1, 2 ..."""
    f = function((I32, I32), (I32,), body, [I32] * 4)
    return call(module([f], memory=(1, 1), data=[(0, bytes(range(64)))]), "f0", *arguments)


def word(at):
    """The word at an address of that memory."""
    return sum([at + i << 8 * i for i in range(4)])


def test_walks_are_wasmtimes():
    whole = not EMULATED
    assert pointers.digest(pointers.SEEDS[whole], begin) == pointers.DIGESTS[whole]


def test_a_pointer_is_as_aligned_as_what_was_added_to_it():
    # Local 3 is a multiple of four before the loop; it is added to local 2 and then grows by one.
    body = i32(4) + put(5) + LOOP + get(2) + LOAD + get(4) + ADD + put(4)
    body += get(2) + get(3) + ADD + put(2) + get(3) + i32(1) + ADD + put(3)
    body += get(5) + i32(1) + SUB + b"\x22\5" + BR_IF + END + get(4)
    assert result(body, 0, 0) == word(0) + word(0) + word(1) + word(3)


def test_the_other_branch_knows_only_what_held_before():
    body = get(0) + put(2) + get(1) + IF + i32(4) + put(2) + ELSE + get(2) + LOAD + put(3) + END + get(3)
    assert result(body, 1, 0) == word(1)
    body = get(1) + IF + i32(5) + put(2) + END + get(2) + LOAD
    assert (result(body, 0, 0), result(body, 0, 1)) == (word(0), word(5))


def test_an_aligned_address_below_zero_is_beyond_the_memory():
    for body in (get(0) + i32(2) + SHL + i32(4) + SUB, get(0) + i32(4) + AND + i32(8) + SUB):
        assert result(body + LOAD, 0, 0) == ("trap", "out of bounds memory access")
        assert result(body + i32(7) + load(0x36) + i32(1), 0, 0) == ("trap", "out of bounds memory access")


def test_what_a_branch_tells_of_a_local_is_not_one_too_much():
    # (local 0 + 2) < 5 where local 0 is below local 1; and (local 0 - 2) < 5 where it is not 0.
    below = BLOCK + get(0) + get(1) + GE_U + BR_IF + get(0) + i32(2) + ADD + i32(5) + LT_U + put(2) + END + get(2)
    for a, b, want in ((1, 2, 1), (3, 4, 0), (-2, -1, 1), (-3, -1, 0), (-2, -3, 0), (0x7FFFFFFE, 0x7FFFFFFF, 0)):
        assert result(below, a, b) == want, (a, b)
    left = BLOCK + get(0) + EQZ + BR_IF + get(0) + i32(2) + SUB + i32(5) + LT_U + put(2) + END + get(2)
    for a, want in ((0, 0), (1, 0), (2, 1), (6, 1), (7, 0), (-1, 0)):
        assert result(left, a, 0) == want, a
    either = get(0) + get(1) + LT_U + IF + i32(9) + put(2) + ELSE + get(0) + i32(1) + SUB + i32(5) + LT_U + put(2) + END
    for a, b, want in ((0, 0, 0), (1, 0, 1), (1, 1, 1), (6, 1, 0), (0, 1, 9), (-1, -1, 0)):
        assert result(either + get(2), a, b) == want, (a, b)
