"""The example programs do what wasmtime says they do, and what their sources say."""

import collections
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import wasmtime

from backfence.agent.container import Admission, Limits, Refused

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
PROSE = (EXAMPLES / "words.c").read_bytes() + b"Don't 'quote' o'clock''s end' rock'n'roll \xc3\xa9t\xc3\xa9 A"


def admit(name):
    admission = Admission((EXAMPLES / f"{name}.wasm").read_bytes(), Limits())
    while not admission.step():
        pass
    return admission.program


def run(name, stdin=b"", args=(), fuel=1 << 30, pages=4, output=32768):
    return admit(name).start(stdin, list(args), fuel, output, pages, True, bytes(32)).run(lambda: True)


def reference(name, folder, stdin=b"", args=()):
    """(exit code or "trap", stdout) by wasmtime."""
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    wasi = wasmtime.WasiConfig()
    (folder / "in").write_bytes(stdin)
    wasi.stdin_file, wasi.stdout_file = str(folder / "in"), str(folder / "out")
    wasi.argv = ["job", *args]
    store.set_wasi(wasi)
    instance = linker.instantiate(store, wasmtime.Module.from_file(engine, str(EXAMPLES / f"{name}.wasm")))
    try:
        instance.exports(store)["_start"](store)
        code = 0
    except wasmtime.ExitTrap as e:
        code = e.code
    except wasmtime.Trap:
        code = "trap"
    return code, (folder / "out").read_bytes()


CASES = [
    ("words", PROSE, ()),
    ("words", b"", ()),
    ("words", b"''' 'a' a'b b'' \n" * 900, ()),
    ("words", bytes(range(256)) * 64, ()),
    ("words", b"x" * 32700, ()),
    ("nbody", b"", ("25",)),
    ("nbody", b"", ()),
    ("hello", PROSE, ("neighbour", "across the fence")),
    ("hello", b"", ()),
    ("trap", b"", ()),
    ("trap", b"", ("divide",)),
    ("trap", b"", ("memory",)),
    ("trap", b"", ("null",)),
    ("trap", b"", ("abort",)),
    ("trap", b"", ("exit",)),
]


@pytest.mark.parametrize("name, stdin, args", CASES)
def test_as_wasmtime(name, stdin, args, tmp_path):
    ours = run(name, stdin, args)
    code = "trap" if ours.kind == "trap" else ours.code
    assert (code, ours.output) == reference(name, tmp_path, stdin, args)
    assert ours.kind in ("ok", "exit", "trap")


def test_words_are_counted_as_the_source_says():
    words = re.findall(rb"[a-z]+(?:'[a-z]+)*", PROSE.lower())
    counts = collections.Counter(words)
    expected = b"".join(b"%s %d\n" % (word, counts[word]) for word in sorted(counts))
    assert run("words", PROSE).output == expected


def test_words_of_the_worst_text():
    # All words of 1, 2 and 3 letters, each once: 16 KB holds the most distinct words this way.
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [a for a in letters] + [a + b for a in letters for b in letters]
    names += [a + b + c for a in letters for b in letters for c in letters]
    text = " ".join(names).encode()
    outcome = run("words", text[:16384])
    assert outcome.kind == "ok" and outcome.output.count(b"\n") > 4000
    outcome = run("words", text[:65536])
    assert (outcome.kind, outcome.code, outcome.reason) == ("exit", 2, "words: too many distinct words")


@pytest.mark.parametrize(
    "how, kind, reason",
    [
        ("divide", "trap", "integer divide by zero"),
        ("memory", "trap", "out of bounds memory access"),
        ("null", "trap", "uninitialized element"),
        ("abort", "trap", "unreachable executed"),
        ("deep", "trap", "call depth exceeded"),
        ("exit", "exit", "trap: asked to fail"),
    ],
)
def test_how_a_job_goes_wrong(how, kind, reason):
    outcome = run("trap", args=[how])
    assert (outcome.kind, outcome.reason) == (kind, reason)


def test_a_job_without_end_runs_out_of_fuel():
    outcome = run("forever", fuel=100000)
    assert (outcome.kind, outcome.fuel, outcome.output) == ("fuel", 100000, b"begun\n")


def test_a_memory_eater_gets_what_its_limit_allows():
    for pages in (2, 3, 10):
        outcome = run("eater", pages=pages)
        assert (outcome.kind, outcome.pages, outcome.output) == ("ok", pages, b"%d\n" % (pages - 1))


def test_examples_are_small():
    for path in EXAMPLES.glob("*.wasm"):
        assert path.stat().st_size < 32768 * 3 // 4, path


def test_printf_with_floats_is_refused_on_boxes_with_a_reason():
    with pytest.raises(Refused, match="function .* bytes, the cap is 1000: split it"):
        admission = Admission((EXAMPLES / "hello.wasm").read_bytes(), Limits(function_bytes=1000))
        while not admission.step():
            pass


def debian_clang():
    """Is it the compiler the committed files were built with?"""
    clang = shutil.which("clang")
    if not clang:
        return False
    return "clang version 14.0.6" in subprocess.run([clang, "--version"], capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.c")))
def test_the_committed_bytes_are_the_sources(name, tmp_path):
    built = EXAMPLES / f"{name}.wasm"
    if not debian_clang():
        # Without that compiler only this can be said: the file is there and is admitted.
        assert admit(name)
        return
    subprocess.run(["make", "-s", "-C", str(EXAMPLES), f"OUT={tmp_path}", f"{tmp_path}/{name}.wasm"], check=True)
    assert (tmp_path / f"{name}.wasm").read_bytes() == built.read_bytes()
