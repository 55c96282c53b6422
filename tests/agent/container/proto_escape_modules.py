"""Escape attempts by the module's own bytes: numbers, sizes, counts and names; on every engine."""

from modules import END, I32, command, function, get, i32, module, section, tick, u, vector
from escapes import Box, ended, engines

# Each kind of integers and of memory views once; the same tables on more of a kind show nothing new.
INTERPRETERS = ("cpython", "micropython", "armhf", "mips")

HEAD = b"\0asm\1\0\0\0"
MOST = b"\xff\xff\xff\xff\x0f"  # 2^32-1
WASI = b"wasi_snapshot_preview1"


def code(body):
    """A module with one body as it is, of type () -> ()."""
    return HEAD + section(1, b"\1\x60\0\0") + section(3, b"\1\0") + section(10, b"\1" + u(len(body)) + body)


def test_numbers_and_sizes_that_lie():
    # Each is refused at once, and nothing as large as it says is ever made.
    rows = (
        ("2^32-1 locals", code(b"\1" + MOST + b"\x7f\x0b")),
        ("2^31 twice", code(b"\2\xff\xff\xff\xff\7\x7f\xff\xff\xff\xff\7\x7f\x0b")),
        ("2^32-1 groups of locals", code(MOST + b"\1\x7f\x0b")),
        ("a br_table of 2^32-1", code(b"\0\x41\0\x0e" + MOST + b"\0\x0b")),
        ("a label 2^32-1", code(b"\0\x0c" + MOST + b"\x0b")),
        ("a call of 2^32-1", code(b"\0\x10" + MOST + b"\x0b")),
        ("a block of type -2^32", code(b"\0\x02\x80\x80\x80\x80\x70\x0b\x0b")),
        ("select of 2^32-1 types", code(b"\0\x1c" + MOST + b"\x7f\x0b")),
        ("a number of 11 bytes", code(b"\0\x42" + b"\x80" * 10 + b"\0\x1a\x0b")),
        ("a number without an end", code(b"\0\x41" + b"\x80" * 30)),
        ("a body that ends in an instruction", code(b"\0\x41\x80")),
        ("a body without an end", code(b"\0\x02\x40\x0b")),
        ("two ends", code(b"\0\x0b\x0b")),
        ("a section larger than the module", HEAD + b"\1" + MOST),
        ("a section of the rest and more", HEAD + b"\1\5\0"),
        ("a section with bytes left", HEAD + b"\1\2\0\0"),
        ("2^32-1 types", HEAD + section(1, MOST)),
        ("2^32-1 parameters", HEAD + section(1, b"\1\x60" + MOST + b"\0")),
        ("2^32-1 bodies", HEAD + section(10, MOST)),
        ("functions without bodies", HEAD + section(1, b"\1\x60\0\0") + section(3, b"\1\0")),
        ("a body of 2^32-1", HEAD + section(1, b"\1\x60\0\0") + section(3, b"\1\0") + section(10, b"\1" + MOST + b"\0\x0b")),
        ("a table of 2^32-1", HEAD + section(4, b"\1\x70\0" + MOST)),
        ("a memory of 2^32-1 pages", HEAD + section(5, b"\1\0" + MOST)),
        ("a memory of 65,537 pages", HEAD + section(5, b"\1\0\x81\x80\4")),
        ("elements 2^32-1", HEAD + section(4, b"\1\x70\0\1") + section(9, b"\1\0\x41\0\x0b" + MOST)),
        ("data of 2^32-1", HEAD + section(5, b"\1\0\1") + section(11, b"\1\0\x41\0\x0b" + MOST)),
        ("a name of 2^32-1", HEAD + section(7, b"\1" + MOST)),
        ("a start function 2^32-1", HEAD + section(8, MOST)),
        ("a section 255", HEAD + b"\xff\0"),
        ("nothing but a magic number", b"\0asm"),
        ("the next version", b"\0asm\2\0\0\0"),
        ("nothing", b""),
    )  # fmt: skip
    for engine in engines():
        box = Box(engine)
        for name, data in rows:
            text = box.refusal(data)
            assert text and len(text) < 2000, (engine, name)
            box.guard()
            box.whole(0)


def importing(space, name):
    """A command that imports and calls one function."""
    return command(b"\x10\0", imports=[(space, name, b"\x60\0\0")])


def test_imports_by_names_of_the_host():
    spaces = (b"", b"env", b"wasi_unstable", b"wasi_snapshot_preview1\0", b"__main__", b"backfence")
    names = (
        b"__class__", b"__init__", b"__dict__", b"__import__", b"tick", b"bind", b"view", b"charge", b"memory", b"output",
        b"fault", b"put32", b"vectors", b"answer", b"meter", b"stdin", b"exec", b"", b"fd_write\0", b"FD_WRITE", b"a" * 5000,
        "fd_wr\u0131te".encode(), b"\x1b[2J\n\r",
    )  # fmt: skip
    for engine in engines():
        box = Box(engine)
        for name in names:
            text = box.refusal(importing(WASI, name), True)
            # What a terminal would obey, or fills a receipt, is not passed on.
            assert "it imports" in text and len(text) < 2000, (engine, name)
            assert all([" " <= c <= "~" for c in text]), (engine, name, text)
        for space in spaces:
            assert "it imports" in box.refusal(importing(space, b"fd_write"), True)
        for bad in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc3"):
            assert "UTF-8" in box.refusal(importing(WASI, bad), True)
            assert "UTF-8" in box.refusal(importing(bad, b"fd_write"), True)
        for kind in (b"\x60\0\0", b"\x60\1\x7f\1\x7f", b"\x60\4\x7f\x7f\x7f\x7e\1\x7f"):
            assert "another type" in box.refusal(command(b"", imports=[(WASI, b"fd_write", kind)]), True)


NAMES = (
    "class", "None", "__import__", "__class__", "import os", "f0", "f1", "F", "T", "M", "W", "d", "K[0]", "m", "s0", "l0", "",
    "\n", "'", '"""', "a b", "\u00fc\u20ac\U0001f600", "_start", "x" * 300, "\\n", "0", ");import os;(",
)  # fmt: skip


def test_exports_may_have_any_name():
    # As many functions, each giving its own number.
    names = sorted(NAMES)
    functions = [function((), (I32,), i32(100 + i)) for i in range(len(names))]
    exports = {names[i]: i for i in range(len(names))}
    for engine in engines():
        box = Box(engine)
        job = box.start(module(functions, exports=exports))
        for i in range(len(names)):
            assert ended(job, names[i]) == ("ok", (100 + i,)), (engine, names[i])
        job.release()
        box.whole(0)


def test_custom_sections_claim_nothing():
    # A name section that gives functions and locals the names of what is around them.
    claims = vector([u(0) + u(2) + b"f1", u(1) + u(1) + b"F"])
    custom = [section(0, u(4) + b"name" + section(1, claims)), section(0, u(2) + b"f0" + b"import os"), section(0, b"\0"),
              section(0, u(5) + b"start" + b"\0"), section(0, u(4) + b"name" + b"\xff" * 50)]  # fmt: skip
    plain = module([function((), (I32,), b"\x10\1"), function((), (I32,), i32(9))], memory=(1, 1))
    data = plain[:8] + b"".join(custom) + plain[8:] + b"".join(custom)
    for engine in engines():
        box = Box(engine)
        job = box.start(data)
        assert ended(job, "f0") == ("ok", (9,)), engine
        box.whole()
        assert "UTF-8" in box.refusal(plain + section(0, b"\1\xff"))
        box.refusal(plain + section(0, b"\5ab"))


def test_dead_code_is_checked_and_never_runs():
    bad = (b"\x41\0\x6a\x42\0\x6a", b"\x20\7", b"\x10\7", b"\x0c\7", b"\x28\7\0", b"\x42\0\x0d\0", b"\x05", b"\x24\0", b"\x11\0\0")
    for engine in engines():
        box = Box(engine)
        for code_ in bad:
            assert box.refusal(module([function((), (), b"\0" + code_)], memory=(1, 1))), (engine, code_)
        # On a stack that may hold anything these are valid, and stay away.
        for code_ in (b"\x6a\x1a", b"\x1b\x1a", b"\x0d\0\x1a", b"\x0e\0\0", b"\x28\2\0\x1a", b"\x36\2\0", b"\x40\0\x1a", b"\x10\0\x1a"):
            job = box.start(module([function((), (I32,), i32(1) + b"\x0f" + code_ + i32(2))], memory=(1, 1)))
            assert ended(job, "f0") == ("ok", (1,)), (engine, code_)
            box.whole()


def test_many_modules_leave_nothing_behind():
    import gc

    for engine in engines():
        box = Box(engine)

        def one(n):
            body = get(0) + i32(n) + b"\x6a" + b"\x02\x40" * (n % 5) + END * (n % 5)
            data = module([function((I32,), (I32,), body)], memory=(1, 1), exports={"name of its own %d" % n: 0})
            program = box.admit(data)
            job = program.start(b"", [], 1000, 0, 1, True, b"")
            assert job.invoke("name of its own %d" % n, (1,), tick)[3] == (n + 1,)
            job.release()

        if not hasattr(gc, "mem_alloc"):
            one(1)
            continue
        for n in range(10):
            one(n)
        gc.collect()
        before = gc.mem_alloc()
        for n in range(10, 50):
            one(n)
        gc.collect()
        # 40 names of exports, each interned nowhere; a block or two of allocator's dust is no leak.
        assert gc.mem_alloc() - before < 1024, (engine, gc.mem_alloc() - before)
