"""What is refused before it runs, and in which words."""

from modules import END, I32, admit, command, function, get, i32, i64, load, module, run, section, u

from backfence.agent.container.limits import Limits, Refused


def refusal(data, limits=None, is_command=False):
    try:
        admit(data, limits, is_command)
    except Refused as e:
        text = str(e)
        assert "\n" not in text and 10 < len(text) < 700, text
        return text
    raise AssertionError("accepted")


def body(code, params=(), results=(), locals=(), **options):
    return module([function(params, results, code, locals)], **options)


def test_what_is_not_a_module():
    for data in (b"", b"\0asm", b"hello, world", b"\0ASM\1\0\0\0", b"\x7fELF" + bytes(60)):
        assert "not a WebAssembly module" in refusal(data)
    assert "version" in refusal(b"\0asm\2\0\0\0")


def test_every_cut_of_a_module_is_refused():
    data = command(i32(1) + b"\x1a", table=2, elements=[(0, [0])], data=[(0, b"abc")], globals=[(I32, 1, i32(3))])
    assert run(data).kind == "ok"
    whole_sections = 0
    for n in range(len(data)):
        try:
            admit(data[:n])
        except Refused:
            continue
        # Cut just before the data section it is a module still.
        whole_sections += 1
    assert whole_sections == 1
    refusal(data + b"\0", None, True)


def test_every_cap_is_named():
    caps = (
        (body(b"", memory=(3, 3)), {"pages": 2}, "pages"),
        (body(b"\1" * 200), {"module_bytes": 100}, "bytes"),
        (body(b"\1" * 200), {"function_bytes": 100}, "function 0"),
        (module([function((), (), b"")] * 5), {"functions": 4}, "functions"),
        (module([function((), (), b"")] * 5), {"types": 4}, "types"),
        (body(b"", locals=[I32] * 9), {"locals": 8}, "locals"),
        (body(i32(0) * 9 + b"\x1a" * 9), {"stack": 8}, "stack"),
        (body((b"\x02\x40" * 9) + END * 9), {"nesting": 8}, "nest"),
        (body(b"", params=(I32,) * 9), {"params": 8}, "parameters"),
        (module([function((), (I32,) * 3, i32(1) * 3)]), {"results": 2}, "results"),
        (body(b"", globals=[(I32, 0, i32(1))] * 5), {"globals": 4}, "globals"),
        (body(b"", exports={"a%d" % i: 0 for i in range(5)}), {"exports": 4}, "exports"),
        (body(b"", memory=(1, 1), data=[(0, b"a")] * 5), {"segments": 4}, "segments"),
        (body(b"", table=5), {"table": 4}, "table"),
        (body(b"", table=4, elements=[(0, [0] * 5)]), {"table": 4}, "table"),
        (body((get(0) + i32(1) + b"\x6a" + b"\x21\0") * 400, params=(I32,)), {"source_bytes": 2000}, "translates"),
    )
    for data, limits, word in caps:
        text = refusal(data, Limits(**limits))
        assert word in text and "not valid" not in text, text
        for name in limits:
            limits[name] *= 100
        admit(data, Limits(**limits), False)


def test_imports_that_a_job_may_not_have():
    kind = function((), (), b"")[0]
    text = refusal(body(b"", imports=[(b"env", b"system", kind)]))
    assert "env.system" in text and "fd_write" in text
    assert "path_open" in refusal(body(b"", imports=[(b"wasi_snapshot_preview1", b"path_open", kind)]))
    assert "another type" in refusal(body(b"", imports=[(b"wasi_snapshot_preview1", b"fd_write", kind)]))
    for rest in (b"\1\x70\0\1", b"\2\0\1", b"\3\x7f\0"):
        data = b"\0asm\1\0\0\0" + section(2, b"\1\1a\1b" + rest)
        assert "a.b" in refusal(data)


def test_a_command_needs_its_start():
    assert "_start" in refusal(body(b""), None, True)
    assert "_start" in refusal(module([function((I32,), (), b"")], exports={"_start": 0}), None, True)
    assert "_start" in refusal(body(b"", memory=(1, 1), exports={}), None, True)


def test_types_are_checked():
    wrong = (
        b"\x6a",
        i32(1) + b"\x6a",
        i32(1) + i64(1) + b"\x6a\x1a",
        i32(1),
        b"\x1a",
        b"\x02\x7f\x0b\x1a",
        b"\x02\x40" + i32(1) + b"\x0b",
        i64(1) + b"\x04\x40\x0b",
        i32(1) + b"\x04\x7f" + i32(1) + b"\x0b\x1a",
        b"\x05",
        b"\x0c\1",
        i32(0) + b"\x0e\0\2",
        get(0),
        b"\x23\0\x1a",
        b"\x10\1",
        i32(0) + b"\x11\0\0",
        i32(0) + load(0x28) + b"\x1a",
        b"\x3f\0\x1a",
        i32(1) + i64(1) + i32(1) + b"\x1b\x1a",
        b"\x0f" + i32(1) + i64(1) + b"\x6a\x1a",
        b"\0\x6a",
        b"\x02\x7e" + i32(1) + b"\x0c\0\x0b\x1a",
    )
    for code in wrong:
        assert "function 0" in refusal(body(code)), code
    # Bodies after `unreachable` are checked by the polymorphic rules.
    for code in (b"\0\x6a\x1a", b"\0\x1b\x1a", b"\x02\x7f\0\x0b\x1a", b"\x0f\x68\x1a", b"\0\x0e\0\0"):
        admit(body(code), None, False)


def test_memory_instructions_are_checked():
    for op, bytes_ in ((0x28, 4), (0x29, 8), (0x2D, 1), (0x2F, 2), (0x35, 4)):
        align = {1: 0, 2: 1, 4: 2, 8: 3}[bytes_]
        admit(body(i32(0) + load(op, 5, align) + b"\x1a", memory=(1, 1)), None, False)
        assert "alignment" in refusal(body(i32(0) + load(op, 5, align + 1) + b"\x1a", memory=(1, 1)))
        assert "alignment" in refusal(body(i32(0) + load(op, 5, 0xFFFFFFFF) + b"\x1a", memory=(1, 1)))
    refusal(body(i32(0) + b"\x28\0\xff\xff\xff\xff\x7f\x1a", memory=(1, 1)))


def test_numbers_too_long_are_refused():
    for code in (
        b"\x41\x80\x80\x80\x80\x80\0\x1a", b"\x41\xff\xff\xff\xff\x0f\x1a", b"\x42" + b"\x80" * 10 + b"\0\x1a",
        b"\x20\x80\x80\x80\x80\x80\0\x1a", b"\x20\x80\x80\x80\x80\x10\x1a",
    ):  # fmt: skip
        refusal(body(code, params=(I32,)))
    # Not the shortest, but allowed.
    admit(body(b"\x41\x80\x80\x80\x80\x00\x1a\x20\x80\x00\x1a", params=(I32,)), None, False)


def test_what_is_not_in_the_mvp_says_so():
    vector = b"\xfd\x0c" + bytes(16) + b"\x1a"
    for code in (vector, b"\xfe\x00\x02\0", b"\xd0\x70\x1a", b"\xfc\x08\0\0", b"\x06\x40\x0b"):
        assert "not supported" in refusal(body(code, memory=(1, 1)))
    assert "not supported" in refusal(b"\0asm\1\0\0\0" + section(1, b"\1\x60\1\x7b\0"))
    assert "not supported" in refusal(b"\0asm\1\0\0\0" + section(4, b"\1\x6f\0\1"))


def test_sections_in_order_and_of_their_size():
    empty = b"\0asm\1\0\0\0"
    admit(empty, None, False)
    types = section(1, b"\0")
    assert "order" in refusal(empty + types + types)
    assert "order" in refusal(empty + section(3, b"\0") + types)
    refusal(empty + section(1, b"\0\0"))
    refusal(empty + section(1, b"\1"))
    refusal(empty + b"\x0e\0")
    refusal(empty + section(3, b"\1\0"))
    refusal(empty + section(0, b"\2\xc0\x80x"))
    # Counts larger than what follows are refused before anything is made of them.
    for ident in (1, 2, 3, 6, 7, 9, 10, 11):
        refusal(empty + section(ident, u(0xFFFFFFFF)))


def test_a_step_is_a_part_of_the_work():
    from backfence.agent.container.admission import Admission

    data = module([function((I32,), (), (get(0) + b"\x1a") * 500)] * 3, exports={"f": 0})
    admission = Admission(data, Limits(), False)
    steps = 1
    while not admission.step():
        steps += 1
    assert steps > 3 * 1000 // 100
    assert admission.step() and admission.program
