"""Control flow: nested branches, tables, values on labels, and the flat lowering of deep nests."""

from modules import END, I32, I64, admit, call, function, get, i32, i64, module, put, start, tick, u


def table_program(cases):
    """f0(i): a switch of nested blocks; case k gives 100 + k, the default 999."""
    body = b"\x02\x40" * (cases + 1)
    body += get(0) + b"\x0e" + u(cases) + b"".join([u(k) for k in range(cases)]) + u(cases)
    for k in range(cases):
        body += END + i32(100 + k) + b"\x0f"
    body += END + i32(999)
    return module([function((I32,), (I32,), body)])


def test_br_table_of_many_sizes():
    # More than 17 cases nest deeper than CPython's 20 blocks and take the flat lowering.
    for cases in (1, 2, 3, 15, 16, 17, 18, 19, 40, 100):
        program = start(table_program(cases), fuel=10000000)
        for i in list(range(cases + 2)) + [-1, -0x80000000, 0x7FFFFFFF]:
            want = 100 + i if 0 <= i < cases else 999
            assert program.invoke("f0", (i,), tick)[3] == (want,), (cases, i)


def nested_blocks(depth):
    """f0(n): leaves n of `depth` blocks at once; each left at its end adds 1 to the result."""
    body = b"\x02\x40" * depth + table(depth)
    for _ in range(depth):
        body += END + get(1) + i32(1) + b"\x6a\x21\1"
    return module([function((I32,), (I32,), body + get(1), [I32])])


def table(depth):
    return get(0) + b"\x0e" + u(depth) + b"".join([u(k) for k in range(depth)]) + u(depth - 1)


def test_branches_over_any_number_of_blocks():
    for depth in (1, 2, 5, 17, 18, 19, 60, 61, 200):
        program = start(nested_blocks(depth), fuel=10000000)
        for n in sorted({0, 1, 2, depth // 2, depth - 1, depth, depth + 5}):
            reached = min(n, depth - 1)
            assert program.invoke("f0", (n,), tick)[3] == (depth - reached,), (depth, n)


def nested_loops(depth):
    """f0(n): loops; the innermost goes back to the n-th around it, less one each time.

    Each start of loop k makes the result 5 * result + k.
    """
    body = b""
    for k in range(depth):
        body += b"\x03\x40" + get(1) + i32(5) + b"\x6c" + i32(k) + b"\x6a\x21\1"
    # Two more blocks to cross, and an end when n falls below 0.
    body += b"\x02\x40\x02\x40" + get(0) + i32(0) + b"\x48\x0d\0"
    body += get(0) + i32(-1) + b"\x6a\x22\0" + i32(1) + b"\x6a"
    body += b"\x0e" + u(depth) + b"".join([u(k + 2) for k in range(depth)]) + u(1) + END + END
    return module([function((I32,), (I32,), body + END * depth + get(1), [I32])])


def walk(depth, n):
    """What nested_loops does."""
    result, k = 0, 0
    while True:
        while k < depth:
            result = (5 * result + k) & 0xFFFFFFFF
            k += 1
        if n < 0:
            return result - 0x100000000 if result >> 31 else result
        if n >= depth:
            # The table's default leaves both blocks, and every loop ends.
            return result - 0x100000000 if result >> 31 else result
        k = depth - 1 - n
        n -= 1


def test_branches_back_to_any_loop():
    for depth in (1, 2, 3, 5, 16, 17, 18, 70):
        program = start(nested_loops(depth), fuel=10000000)
        for n in (-1, 0, 1, depth - 1, depth):
            assert program.invoke("f0", (n,), tick)[3] == (walk(depth, n),), (depth, n)


def test_a_loop_is_left_and_repeated_across_others():
    # loop A { loop B { block { br_table block, B, A, out } } }: both ways over the same loops.
    body = b"\x02\x40\x03\x40" + get(1) + i32(10) + b"\x6a\x21\1\x03\x40" + get(1) + i32(1) + b"\x6a\x21\1\x02\x40"
    body += get(0) + get(0) + i32(2) + b"\x76\x21\0" + i32(3) + b"\x71"
    body += b"\x0e\3\0\1\2\3" + END + get(1) + i32(100) + b"\x6a\x21\1" + END + END + END + get(1)
    program = start(module([function((I32,), (I32,), body, [I32])]))
    # Base-4 digits of n: 0 falls out of everything, 1 repeats B, 2 repeats A, 3 leaves.
    for n, want in ((0, 111), (3, 11), (1, 112), (2, 122), (0b1101, 12), (0b1110, 22), (0b11100110, 34)):
        assert program.invoke("f0", (n,), tick)[3] == (want,), n


def collatz(padding):
    """f0(n): steps to 1; `padding` blocks around the loop, each branched to at the end."""
    loop = b"\x03\x40" + get(0) + i32(1) + b"\x46\x0d\1"
    loop += get(0) + i32(1) + b"\x71\x04\x40" + get(0) + i32(3) + b"\x6c" + i32(1) + b"\x6a" + put(0)
    loop += b"\x05" + get(0) + i32(1) + b"\x76" + put(0) + END
    loop += get(1) + i32(1) + b"\x6a\x21\1\x0c\0" + END
    body = b"\x02\x40" * (padding + 1) + loop + END
    for _ in range(padding):
        body += get(1) + b"\x45\x0d\0" + END
    return module([function((I32,), (I32,), body + get(1), [I32])])


def test_both_lowerings_do_the_same_at_the_same_cost():
    costs = []
    for padding in (0, 10, 20, 80):
        program = start(collatz(padding), fuel=10000000)
        assert [program.invoke("f0", (n,), tick)[3][0] for n in (1, 6, 7, 27)] == [0, 8, 16, 111]
        # The padding's own three opcodes a block, for each call.
        costs.append(program.used() - 4 * 3 * padding)
    assert len(set(costs)) == 1, costs


def test_values_on_labels():
    # block (result i32): 1 2 br_if keeps the value; 3 below it is dropped by the branch.
    body = b"\x02\x7f" + i32(3) + i32(5) + get(0) + b"\x0d\0\x6a" + END
    assert call(module([function((I32,), (I32,), body)]), "f0", 1) == 5
    assert call(module([function((I32,), (I32,), body)]), "f0", 0) == 8
    # if with else and a result, under a pending value.
    body = get(0) + get(0) + b"\x04\x7f" + i32(7) + b"\x05" + i32(9) + END + b"\x6a"
    assert call(module([function((I32,), (I32,), body)]), "f0", 3) == 10
    assert call(module([function((I32,), (I32,), body)]), "f0", 0) == 9


def test_several_values():
    two = b"\x60\0\2\x7f\x7e"
    body = get(0) + b"\x04" + u(1) + i32(1) + i64(2) + b"\x05" + i32(3) + i64(4) + END
    # Type 1 is the second function's: () -> (i32, i64).
    data = module([function((I32,), (I32, I64), body), function((), (I32, I64), i32(5) + i64(-6))])
    assert two == function((), (I32, I64), b"")[0]
    assert call(data, "f0", 1) == (1, 2)
    assert call(data, "f0", 0) == (3, 4)
    assert call(data, "f1") == (5, -6)
    # A loop with a parameter: counts the value on the stack down.
    loop = get(0) + b"\x03" + u(1) + i32(1) + b"\x6b\x22\0" + get(0) + b"\x0d\0" + END
    data = module([function((I32,), (I32,), loop), function((I32,), (I32,), get(0))])
    assert call(data, "f0", 10) == 0


def test_an_old_value_survives_a_new_one():
    # get 0, then set 0: the value below is the old one.
    body = get(0) + get(0) + i32(1) + b"\x6a\x21\0" + get(0) + i32(100) + b"\x6c\x6a"
    assert call(module([function((I32,), (I32,), body)]), "f0", 5) == 605
    # The same with a load below a store, and a global below a call that sets it.
    body = i32(0) + i32(0) + b"\x28\0\0" + i32(0) + i32(9) + b"\x36\0\0" + i32(0) + b"\x28\0\0" + i32(100) + b"\x6c\x6a\x6a"
    assert call(module([function((), (I32,), body)], memory=(1, 1), data=[(0, b"\7")]), "f0") == 907
    data = module(
        [function((), (I32,), b"\x23\0\x10\1\x23\0" + i32(100) + b"\x6c\x6a"), function((), (), i32(8) + b"\x24\0")],
        globals=[(I32, 1, i32(7))],
    )
    assert call(data, "f0") == 807


def test_values_waiting_on_the_stack_keep_apart():
    # A global's old value waits while the global is set.
    body = b"\x23\0" + i32(8) + b"\x24\0\x23\0" + i32(100) + b"\x6c\x6a"
    assert call(module([function((), (I32,), body)], globals=[(I32, 1, i32(7))]), "f0") == 807
    # A sum that took up the second value waits while another second value is written down.
    store = i32(64) + i32(1) + b"\x36\0\0"
    peek = [i32(at) + b"\x28\0\0" for at in (0, 4)]
    body = get(0) + peek[0] + store + b"\x6a" + peek[1] + store + i32(10) + b"\x6c\x6a"
    data = module([function((I32,), (I32,), body)], memory=(1, 1), data=[(0, b"\7\0\0\0\5")])
    assert call(data, "f0", 1000) == 1057


def test_dead_code_is_left_out():
    body = i32(1) + b"\x0f" + i32(2) + b"\x02\x40\x03\x40\x0c\1\x0b\x0b\x04\x40\x05\x0b\0"
    assert call(module([function((), (I32,), body)]), "f0") == 1
    body = b"\x02\x40\x02\x40\x0c\1\x0b\0\x0b" + i32(4)
    assert call(module([function((), (I32,), body)]), "f0") == 4
    body = b"\x03\x40\x02\x40\x0c\0\x0b\x0b\x04\x7f\0\x05" + i32(6) + END
    assert call(module([function((I32,), (I32,), get(0) + body)]), "f0", 0) == 6
    assert admit(module([function((), (), b"\x03\x40\x0c\0\x0b\0")]), None, False)
