"""What C's and Rust's libraries ask of WASI: the table of docs/wasi.md, and that it is served.

Each row's program is built, its imports and size compared with the row's, and run on
MicroPython; exit code and output must be wasmtime's.  std.wasm is Rust's and
committed; `make rust` builds it anew.
"""

import re
import subprocess
from pathlib import Path

import pytest
import test_examples
import wasmtime
from backfence.agent.container.decode import Decoder
from backfence.agent.container.limits import Limits
from backfence.agent.container.wasi import HOSTS

LIBRARIES = Path(__file__).parent / "libraries"
TABLE = Path(__file__).resolve().parents[3] / "docs" / "wasi.md"
STDIN = b"12 34\nb a\n"
NO_FLOATS = "-lc-printscan-no-floating-point"
CLOCKS = ("-D_WASI_EMULATED_PROCESS_CLOCKS", "-lwasi-emulated-process-clocks")

# name in the table: (headers, body of main, flags of clang)
PROGRAMS = {
    "`read`, `write`": ("unistd", "char b[9]; ssize_t n; while ((n = read(0, b, 9)) > 0) write(1, b, n);"),
    "`getchar`, `putchar`": ("stdio", "int c; while ((c = getchar()) != EOF) putchar(c);"),
    "`puts`": ("stdio", 'puts("text");'),
    "`printf`, no floats": ("stdio", 'printf("%5d %s %x\\n", -3, "text", 255);', NO_FLOATS),
    "`printf`": ("stdio", 'printf("%.3f\\n", 1.5);'),
    "`scanf`, no floats": ("stdio", "int a = 0, b = 0; scanf(\"%d %d\", &a, &b); return a + b;", NO_FLOATS),
    "`getline`": ("stdio", "char *s = 0; size_t n = 0; return getline(&s, &n, stdin);"),
    "`main(argc, argv)`": ("unistd", "write(1, argv[1], 2); return argc;"),
    "`malloc`, `free`": ("stdlib", "char *p = malloc(argc * 1000); p[1] = 1; free(p); return p == 0;"),
    "`getenv`": ("stdlib", 'return getenv("HOME") != 0;'),
    "`time`": ("time", "return time(0) < 1;"),
    "`clock_gettime`, `clock_getres`": (
        "time", "struct timespec t; return clock_gettime(CLOCK_MONOTONIC, &t) | clock_getres(CLOCK_REALTIME, &t);",
    ),
    "`clock`": ("time", "return clock() == (clock_t)-1;", *CLOCKS),
    "`sleep`, `usleep`": ("unistd", "return sleep(0) | usleep(1000);"),
    "`poll`": ("poll", "struct pollfd p = {0, POLLIN, 0}; return poll(&p, 1, 100) != 1 || !(p.revents & POLLIN);"),
    "`rand`, `srand`": ("stdlib", "srand(5); return rand() & 63;"),
    "`getentropy`": ("unistd", "char b[8]; return getentropy(b, 8);"),
    "`exit`, `atexit`": ("stdlib unistd", "atexit(bye); exit(3);"),
    "`abort`": ("stdlib", "abort();"),
    "`assert`, no floats": ("assert", "assert(argc == 77);", NO_FLOATS),
    "`isatty`": ("unistd", "return isatty(0) | isatty(1);"),
    "`fstat`": ("sys/stat", "struct stat s; return fstat(0, &s);"),
    "`qsort`": ("stdlib", "char t[] = \"dbca\"; qsort(t, 4, 1, order); return (t[3] - t[0]) * 10 + t[1] - t[0];"),
    "`strtod`, no floats": ("stdlib", "return strtod(argv[2], 0) * 4;", NO_FLOATS),
    "`fopen`": ("stdio", 'return fopen("none", "r") != 0;'),
}  # fmt: skip
BEFORE = {
    "`exit`, `atexit`": "static void bye(void) { write(1, \"bye\", 3); }",
    "`qsort`": "static int order(const void *a, const void *b) { return *(char *)a - *(char *)b; }",
}
ARGS = ("one", "2.5")


def rows():
    """{name: (bytes or None, imports, what is said)} of the table."""
    found = {}
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and re.fullmatch("[0-9,]+", cells[1]):
            found[cells[0]] = (int(cells[1].replace(",", "")), cells[2].replace("`", "").split(), cells[3])
    return found


def build(name, folder):
    """Builds the program of a row as row.wasm in the folder."""
    headers, body, *flags = PROGRAMS[name]
    parameters = "int argc, char **argv" if "arg" in body else "void"
    text = "".join(f"#include <{header}.h>\n" for header in headers.split())
    (folder / "row.c").write_text(f"{text}{BEFORE.get(name, '')}\nint main({parameters}) {{ {body} return 0; }}\n")
    clang = ["clang", "--target=wasm32-wasi"]
    defines = [flag for flag in flags if flag.startswith("-D")]
    libraries = [flag for flag in flags if flag.startswith("-l")]
    linking = ["-Wl,--strip-all,-z,stack-size=8192", *libraries]
    subprocess.run([*clang, "-Oz", "-w", *defines, "-c", "-o", "row.o", "row.c"], check=True, cwd=folder)
    subprocess.run([*clang, "-o", "row.wasm", "row.o", *linking], check=True, cwd=folder)
    return folder / "row.wasm"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """{name: (its program, what it did on MicroPython)}, all in one process there."""
    stdin = tmp_path_factory.mktemp("stdin") / "stdin"
    stdin.write_bytes(STDIN)
    programs = {name: build(name, tmp_path_factory.mktemp("row")) for name in PROGRAMS}
    did = test_examples.on_micropython(programs.values(), stdin, ARGS)
    return {name: (programs[name], each) for name, each in zip(PROGRAMS, did, strict=True)}


def imports(data):
    """Names of the calls that a module imports, in order of the alphabet."""
    decoder = Decoder(data, Limits(module_bytes=1 << 20, function_bytes=1 << 20), HOSTS)
    while not decoder.step():
        pass
    return sorted(name for _, name, _ in decoder.module.imports)


def reference(program, folder, args):
    """(exit code or "trap", stdout) by wasmtime."""
    engine = wasmtime.Engine()
    return test_examples.by_wasmtime(engine, wasmtime.Module.from_file(engine, str(program)), folder, STDIN, args)


def test_the_table_has_all_programs():
    assert sorted(rows()) == sorted([*PROGRAMS, "Rust's `std`"])


def code_of(did):
    return "trap" if did["kind"] == "trap" else did["code"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_row_of_c(name, built, tmp_path):
    program, did = built[name]
    size, calls, said = rows()[name]
    assert imports(program.read_bytes()) == calls
    if test_examples.debian_clang():
        assert program.stat().st_size == size
    if said.startswith("refused"):
        assert did["kind"] == "refused" and "bytes, the cap is" in did["reason"]
    else:
        assert (code_of(did), did["output"]) == reference(program, tmp_path, ARGS), did


def test_rusts_standard_library(tmp_path):
    program = LIBRARIES / "std.wasm"
    size, calls, said = rows()["Rust's `std`"]
    assert (program.stat().st_size, imports(program.read_bytes())) == (size, calls) and said.startswith("refused")
    # Everything it does, and a panic at its end.
    (tmp_path / "stdin").write_bytes(STDIN)
    did = test_examples.on_micropython([program], tmp_path / "stdin", ["panic"], module_bytes=1 << 20)[0]
    assert (code_of(did), did["output"]) == reference(program, tmp_path, ["panic"])
    assert did["kind"] == "trap" and did["output"].count(b"\n") == 9
