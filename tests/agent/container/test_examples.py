"""The example programs do what wasmtime says they do, and what their sources say."""

import collections
import csv
import functools
import hashlib
import io
import json
import random
import re
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

import proto_examples
import pytest
import wasmtime
from backfence.agent.container.limits import Limits, Refused
from backfence.agent.container.admission import Admission
from backfence.bootstrap.operator import source
from backfence.sim.live import interpreters

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
PICTURE = proto_examples.PICTURE
PROSE = (EXAMPLES / "words.c").read_bytes() + b"Don't 'quote' o'clock''s end' rock'n'roll \xc3\xa9t\xc3\xa9 A"


RUNNER = Path(__file__).parent / "run_program.py"


@functools.cache
def admit(name):
    admission = Admission((EXAMPLES / f"{name}.wasm").read_bytes(), Limits())
    while not admission.step():
        pass
    return admission.program


def run(name, stdin=b"", args=(), fuel=1 << 30, pages=4, output=32768):
    return admit(name).start(stdin, list(args), fuel, output, pages, True, bytes(32)).run(lambda: True)


@functools.cache
def compiled(name):
    engine = wasmtime.Engine()
    return engine, wasmtime.Module.from_file(engine, str(EXAMPLES / f"{name}.wasm"))


def reference(name, folder, stdin=b"", args=()):
    """(exit code or "trap", stdout) by wasmtime."""
    return by_wasmtime(*compiled(name), folder, stdin, args)


def by_wasmtime(engine, module, folder, stdin, args):
    """The same of a compiled module."""
    store = wasmtime.Store(engine)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    wasi = wasmtime.WasiConfig()
    (folder / "in").write_bytes(stdin)
    wasi.stdin_file, wasi.stdout_file = str(folder / "in"), str(folder / "out")
    wasi.argv = ["job", *args]
    store.set_wasi(wasi)
    instance = linker.instantiate(store, module)
    try:
        instance.exports(store)["_start"](store)
        code = 0
    except wasmtime.ExitTrap as e:
        code = e.code
    except wasmtime.Trap:
        code = "trap"
    return code, (folder / "out").read_bytes()


def on_micropython(programs, stdin, args=(), engine="translated", fuel=1 << 30, pages=16, module_bytes=32768, heap="8M"):
    """What run_program.py says of each program, dicts, on the interpreter of a box."""
    found = interpreters.find("micropython")
    with tempfile.NamedTemporaryFile("w") as paths:
        paths.write("\n".join(map(str, programs)))
        paths.flush()
        words = [engine, fuel, pages, module_bytes, stdin, paths.name, *args]
        run = subprocess.run(
            found.arguments(str(RUNNER), *map(str, words), heap=heap), env=found.environment, capture_output=True, text=True
        )
    assert run.returncode == 0, run.stdout + run.stderr
    said = [json.loads(line) for line in run.stdout.splitlines()]
    return [dict(each, output=bytes.fromhex(each["output"])) for each in said]


def text_of(rnd, size):
    return bytes(rnd.choices(b"a,\"\n\r .-+019#P6x", k=size))


# What was wrong with each is said on stderr; wasmtime's exit code and output must be the same.
BAD = [
    ("pow", b"\n", ()),
    ("pow", b"fence 65 0 1\n", ()),
    ("pow", b"fence 1 18446744073709551615 2\n", ()),
    ("pow", b"fence 1 18446744073709551616 2\n", ()),
    ("pow", b"f" * 36 + b" 1 0 1\n", ()),
    ("pow", b"f" * 300, ()),
    ("pow", b"", ("fence", "1", "0")),
    ("bench", b"", ("x",)),
    ("nbody", b"", ("-1",)),
    ("scale", b"", ("3", "2")),
    ("scale", b"P5 1 1 255\n\0", ("3", "2")),
    ("scale", b"P6 1 1 256\n\0\0\0", ("3", "2")),
    ("scale", b"P6 4097 1 255\n", ("3", "2")),
    ("scale", b"P6 2 2 255\n" + bytes(11), ("3", "2")),
    ("scale", b"P6 2 2 255\n" + bytes(12), ()),
    ("scale", b"P6 2 2 255\n" + bytes(12), ("0", "2")),
    ("scale", b"P6 2 2 255\n" + bytes(12), ("1025", "2")),
    ("csv", b"a,b\n1,2\n", ()),
    ("csv", b"a,b\n1,2\n", ("a", "c")),
    ("csv", b"a,b\n1,2\n", ("a", "2")),
    ("csv", b"a,b\n1\n", ("a", "b")),
    ("csv", b"a,b\n1,x\n", ("a", "b")),
    ("csv", b"a,b\n1,0.0000001\n", ("a", "b")),
    ("csv", b'a,b\n"1,2\n', ("a", "b")),
    ("csv", b'a,b\n"1"x,2\n', ("a", "b")),
    ("csv", b"a,b\n" + b"1,999999999999\n" * 10, ("a", "b")),
    ("csv", b"a,b\n" + b"x" * 256 + b",1\n", ("a", "b")),
    ("csv", b"".join(b"%d,1\n" % i for i in range(1400)), ("1", "2")),
    ("logscan", b"no log\n", ()),
    ("logscan", b"".join(b"1 s%d\n" % i for i in range(401)), ()),
    ("words", b"".join(b"%s " % hashlib.sha512(b"%d" % i).hexdigest().translate(
        {c: c + 49 for c in range(48, 58)}).encode() for i in range(500)), ()),
]  # fmt: skip
CASES = [
    ("words", PROSE, ()),
    ("words", b"", ()),
    ("words", b"''' 'a' a'b b'' \n" * 900, ()),
    ("words", bytes(range(256)) * 64, ()),
    ("words", b"x" * 32700, ()),
    ("pow", b"", ()),
    ("pow", b"x 3 18446744073709551614 2\ny 64 5 3\nz 0 7 0\nz 0 7 1\n", ()),
    ("bench", b"", ("2",)),
    ("nbody", b"", ("100",)),
    ("scale", PICTURE, ("1", "1")),
    ("scale", PICTURE, ("4", "3")),
    ("scale", PICTURE, ("11", "7")),
    ("scale", PICTURE, ("300", "1")),
    ("csv", b"5\r\n\r\n6", ("1", "1")),
    ("csv", b"", ("1", "2")),
    ("csv", b"".join(b"k%d,%d.%d\n" % (i % 70, i - 900, i) for i in range(1800)), ("1", "2")),
    ("logscan", b"", ()),
    ("logscan", b"".join(b"%d s%d\n" % (i, i % 4) for i in range(20)) + b"1 s0\n" * 9, ()),
    ("hello", PROSE, ("neighbour", "across the fence")),
    ("hello", b"", ()),
    ("trap", b"", ()),
    ("trap", b"", ("divide",)),
    ("trap", b"", ("memory",)),
    ("trap", b"", ("null",)),
    ("trap", b"", ("abort",)),
    ("trap", b"", ("exit",)),
]


@pytest.mark.parametrize("name, stdin, args", CASES + BAD)
def test_as_wasmtime(name, stdin, args, tmp_path):
    ours = run(name, stdin, args)
    code = "trap" if ours.kind == "trap" else ours.code
    assert (code, ours.output) == reference(name, tmp_path, stdin, args)
    assert ours.kind in ("ok", "exit", "trap")


@pytest.mark.parametrize("name, stdin, args", BAD)
def test_bad_input_ends_in_one_line(name, stdin, args):
    outcome = run(name, stdin, args)
    assert outcome.kind == "exit" and outcome.code in (1, 2) and len(outcome.reason) > 15


@pytest.mark.parametrize("name", ["pow", "csv", "logscan", "scale", "words"])
def test_noise_is_taken_as_wasmtime_takes_it(name, tmp_path):
    rnd = random.Random(name)
    args = {"csv": ("1", "2"), "scale": ("3", "2")}.get(name, ())
    for head in (b"", b"P6 2 2 255\n", b"1,2\n1 a b\n"):
        stdin = head + text_of(rnd, 300)
        ours = run(name, stdin, args)
        assert ours.kind in ("ok", "exit") and (ours.code, ours.output) == reference(name, tmp_path, stdin, args)


@pytest.mark.parametrize("name, args, stdin, output, fuel", proto_examples.RUNS)
def test_what_all_interpreters_print_is_wasmtimes(name, args, stdin, output, fuel, tmp_path):
    assert reference(name, tmp_path, stdin, args) == (0, output)


@pytest.mark.parametrize("engine", ["translated", "machine"])
@pytest.mark.parametrize("name", ["words", "pow", "csv", "logscan", "scale"])
def test_each_manifests_input_on_micropython(name, engine, tmp_path):
    """The program, arguments, input and limits of NAME.toml, on the interpreter of a box."""
    settings = source.load(str(EXAMPLES / f"{name}.toml"))
    program, stdin = Path(settings["program"]), Path(settings["input"])
    args, limits = settings.get("args", []), settings["limits"]
    assert program.read_bytes() == (EXAMPLES / f"{name}.wasm").read_bytes() and stdin.stat().st_size <= 32768
    ours = on_micropython([program], stdin, args, engine, limits["fuel"], limits["pages"])[0]
    assert (ours["kind"], ours["pages"]) == ("ok", 1), ours
    assert reference(name, tmp_path, stdin.read_bytes(), args) == (0, ours["output"])
    here = run(name, stdin.read_bytes(), args)
    assert (here.output, here.fuel) == (ours["output"], ours["fuel"])


def test_the_benchmark_on_micropython(tmp_path):
    """With each engine; it is too long for emulated processors."""
    (tmp_path / "stdin").write_bytes(b"")
    program = EXAMPLES / "bench.wasm"
    did = [on_micropython([program], tmp_path / "stdin", ["2"], engine)[0] for engine in ("translated", "machine")]
    assert did[0] == did[1] and (0, did[0]["output"]) == reference("bench", tmp_path, b"", ["2"])
    assert did[0]["output"].startswith(b"list c4ec\nmatrix 3589\nstate f3e8\nwhole ")


def test_searches_find_what_hashlib_finds():
    found = 0
    for line in run("pow", (EXAMPLES / "pow.txt").read_bytes()).output.decode().splitlines():
        text, bits, number, *hash_ = line.split()
        if hash_:
            digest = hashlib.sha256((text + number).encode()).hexdigest()
            assert digest == hash_[0] and int(digest, 16) >> 256 - int(bits) == 0
            found += 1
    assert found


def test_a_search_counts_on_over_all_lengths_of_numbers():
    for first in (0, 8, 98, 99999, 2**32 - 2, 2**64 - 3):
        for line in run("pow", b"%s 3 %d 3\n" % (b"t" * 35, first)).output.decode().splitlines():
            names = [f"{n}" for n in range(first, first + 3)]
            hits = [n for n in names if hashlib.sha256(("t" * 35 + n).encode()).digest()[0] < 32]
            assert line.split()[2] == (hits[0] if hits else "none")


def test_tables_are_summed_as_pythons_csv_does():
    text = (EXAMPLES / "sales.csv").read_text()
    groups = collections.defaultdict(list)
    for row in csv.DictReader(io.StringIO(text)):
        if row["price"]:
            groups[row["item"]].append(round(float(row["price"]) * 1e6))
    rows = list(csv.DictReader(io.StringIO(run("csv", text.encode(), ["item", "price"]).output.decode())))
    assert [row["key"] for row in rows] == sorted(groups) and len(rows) == 4
    for row in rows:
        values = groups[row["key"]]
        ours = [int(row["count"])] + [round(float(row[k]) * 1e6) for k in ("sum", "min", "max")]
        assert ours == [len(values), sum(values), min(values), max(values)]


def test_a_picture_is_averaged_as_fractions_say():
    from fractions import Fraction

    def covered(at, of, length):
        """Share of each pixel of a line of `length` in the at-th of `of` parts."""
        lo, hi = Fraction(at * length, of), Fraction((at + 1) * length, of)
        return [max(Fraction(0), min(hi, i + 1) - max(lo, i)) for i in range(length)]

    pixels = PICTURE.split(b"255\n", 1)[1]
    for width, height in ((3, 2), (4, 3), (1, 1), (9, 5)):
        output = run("scale", PICTURE, (str(width), str(height))).output
        head = b"P6\n%d %d\n255\n" % (width, height)
        expected = bytearray()
        for y in range(height):
            for x in range(width):
                across, down = covered(x, width, 4), covered(y, height, 3)
                for k in range(3):
                    mean = sum(pixels[(j * 4 + i) * 3 + k] * a * d for j, d in enumerate(down) for i, a in enumerate(across))
                    expected.append(int(mean / sum(across) / sum(down) + Fraction(1, 2)))
        assert output == head + bytes(expected)


def test_scores_are_the_modified_z_scores():
    text = (EXAMPLES / "router.log").read_bytes()
    counts = collections.Counter(line.split()[1] for line in text.splitlines() if line.startswith(b"2026"))
    middle = statistics.median(counts.values())
    mad = statistics.median(abs(n - middle) for n in counts.values())
    lines = run("logscan", text).output.splitlines()
    assert lines.pop() == b"# 1 lines skipped" and len(lines) == len(counts)
    for line in lines:
        name, events, alarms, _, score, *outlier = line.split()
        assert int(events) == counts[name]
        assert int(alarms) == len(re.findall(rb" %s .*(?:FAILED|timeout)" % name, text))
        assert abs(float(score) - 0.6745 * abs(counts[name] - middle) / mad) < 0.006
        assert (outlier == [b"outlier"]) == (float(score) > 3.5) and (outlier or name != b"ap-7")


def test_times_are_those_of_the_calendar():
    import datetime

    for day in ("1970-01-01", "1999-12-31", "2000-02-29", "2024-03-01", "2100-02-28", "9999-12-31"):
        seconds = int(datetime.datetime.fromisoformat(day + "T01:02:03+00:00").timestamp())
        # Both notations of one moment, and one an hour later: two gaps an hour.
        log = f"{day}T01:02:03 a x\n{seconds} a x\n{seconds + 3600} a x\n"
        assert run("logscan", log.encode()).output == b"a 3 0 2.0 0.00\n"


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


@pytest.mark.parametrize("engine", ["translated", "machine"])
def test_growing_never_fails_for_the_boxs_sake(engine, tmp_path):
    """A heap of 2 MB has no 40 pages: the job ends, and is not told less than others are."""
    (tmp_path / "stdin").write_bytes(b"")
    did = on_micropython([EXAMPLES / "eater.wasm"], tmp_path / "stdin", engine=engine, pages=40, heap="2M")[0]
    assert (did["kind"], did["output"]) == ("memory", b"") and 1 < did["pages"] < 32, did


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
