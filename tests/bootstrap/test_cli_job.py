"""`backfence check` and `backfence try`: what a person who writes jobs gets to see."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
import wasmtime
from click.testing import CliRunner

import backfence
from backfence.agent.container.admission import Admission
from backfence.bootstrap.operator import cli, lab, program, trial
from backfence.bootstrap.trial import profile

ROOT = os.path.dirname(os.path.abspath(backfence.__file__))
EXAMPLES = os.path.join(ROOT, "examples")

WASI = """
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
"""
# Copies stdin to stdout, 100 bytes at a time; then a trap if there are arguments.
COPY = f"""(module {WASI}
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
  (memory 1)
  (func $main (export "_start")
    (loop $again
      (i32.store (i32.const 0) (i32.const 1000)) (i32.store (i32.const 4) (i32.const 100))
      (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br_if $again (i32.load (i32.const 4))))
    (drop (call $args (i32.const 0) (i32.const 4)))
    (if (i32.gt_u (i32.load (i32.const 0)) (i32.const 1)) (then unreachable))))"""
# Loops, calls both ways, moves memory, draws random bytes, and writes nothing.
BUSY = f"""(module {WASI}
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory 1 2)
  (table 2 funcref) (elem (i32.const 0) $inner $fill)
  (func $inner (param $n i32) (loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func $fill (param $n i32)
    (memory.fill (i32.const 9) (local.get $n) (i32.const 60000))
    (memory.copy (i32.const 0) (i32.const 99) (i32.const 9000)))
  (func $main (export "_start") (local $i i32)
    (loop $l
      (call $inner (i32.const 700))
      (call_indirect (param i32) (i32.or (local.get $i) (i32.const 1)) (i32.and (local.get $i) (i32.const 1)))
      (drop (call $random (i32.const 64) (i32.const 70)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 9))))))"""
STRAIGHT = """(module (memory 1) (func $two (drop (i32.const 1)))
  (func (export "_start") (call $two) (call $two)))"""


def call(*arguments, stdin=b""):
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def wasm(tmp_path):
    """wasm(text) writes a program and returns its path."""

    def write(text, name="prog.wasm"):
        (tmp_path / name).write_bytes(wasmtime.wat2wasm(text))
        return str(tmp_path / name)

    return write


def example(name):
    return os.path.join(EXAMPLES, name + ".wasm")


def admit(data, kind=Admission, *rest):
    admission = kind(data, None, *rest)
    while not admission.step():
        pass
    return admission.program


# try: bytes, codes, lines.


def test_output_is_the_programs_byte_for_byte(wasm):
    data = bytes(range(256)) * 20
    done = call("try", wasm(COPY), stdin=data)
    assert (done.exit_code, done.stdout_bytes, done.stderr) == (0, data, "")


def test_what_was_written_before_a_trap_comes_out(wasm, tmp_path):
    (tmp_path / "in").write_bytes(b"\xff\0\r\n" * 50)
    path = wasm(COPY)
    done = call("try", path, "--input", tmp_path / "in", "argument")
    fuel = admit(open(path, "rb").read()).start(b"\xff\0\r\n" * 50, ["argument"], 10**6, 999, 1, True, b"").run(lambda: True).fuel
    assert (done.exit_code, done.stdout_bytes) == (134, b"\xff\0\r\n" * 50)
    assert done.stderr == f"trap: unreachable executed (fuel {fuel:,})\n"


@pytest.mark.parametrize("arguments, code, out, line", [
    (["trap", "exit"], 3, b"", r"trap: asked to fail\nexit: code 3 \(fuel [0-9,]+\)"),
    (["forever", "--fuel", "100000"], 124, b"begun\n", "fuel: all 100,000 used up, and the program had not ended"),
    (["forever", "--pages", "0"], 137, b"", r"memory: it needs \d pages?, its limit is 0 \(fuel 0\)"),
    (["forever", "--output", "5"], 134, b"", r"trap: output over its cap of 5 bytes \(fuel [0-9,]+\)"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_how_a_program_goes_wrong(arguments, code, out, line):
    done = call("try", example(arguments[0]), *arguments[1:])
    assert (done.exit_code, done.stdout_bytes) == (code, out)
    assert re.fullmatch(line + "\n", done.stderr), done.stderr


def test_a_refused_program_is_told_from_one_that_failed(tmp_path):
    (tmp_path / "text.wasm").write_text("hello")
    done = call("try", tmp_path / "text.wasm")
    assert done.exit_code == 126 and done.stderr.startswith("Error: a box would refuse the program ")
    assert "it does not begin with \\0asm\nHint: Name a .wasm file" in done.stderr


@pytest.mark.parametrize("arguments, code, problem", [
    (["no.wasm"], 2, "does not exist"),
    ([example("words"), "--heap", "lots"], 2, "512K, 2M or 1wM"),
    ([example("words"), "--heap", "4G"], 2, "512K, 2M or 1wM"),
    ([example("words"), "--heap", "64K"], 2, "from 256K"),
    ([example("words"), "--heap", "256K"], 1, "a heap of 262,144 bytes does not hold the agent"),
    ([example("words"), "--seed", "xy"], 2, "in hexadecimal"),
    ([example("words"), "--fuel", "0"], 1, "fuel is 0; it must be from 1"),
    ([example("words"), "--engine", "steam"], 1, "no such engine of the container\nHint: It has: translated"),
    ([example("words"), "--engine", "steam", "--profile"], 2, "leave --engine out"),
    ([example("words"), *["a"] * 9], 1, "number of arguments is 9"),
    ([example("words"), "--manifest", os.path.join(EXAMPLES, "slice.toml")], 1, "is a slice"),
])
def test_mistakes_are_told_in_one_line(arguments, code, problem):
    done = call("try", *arguments)
    assert done.exit_code == code and problem in done.stderr and "Error: " in done.stderr and not done.stdout
    assert "Traceback" not in done.stderr


def test_a_manifests_limits_and_arguments_hold(tmp_path):
    text = (
        'kind = "workload"\nname = "t"\nslice = "s"\nprogram = "x.wasm"\ninput = "x"\n'
        'args = ["exit"]\n[limits]\npages = 2\nfuel = 100_000\n'
    )
    (tmp_path / "t.toml").write_text(text)
    given = ("--manifest", tmp_path / "t.toml")
    assert call("try", example("trap"), *given).exit_code == 3
    assert call("try", example("trap"), "divide", *given, "--fuel", "50").stderr.startswith("fuel: all 50 used up")


def test_ctrl_c_ends_it_at_once():
    process = subprocess.Popen(
        [os.path.join(os.path.dirname(sys.executable), "backfence"), "try", example("forever"), "--fuel", str(1 << 50)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        # Who starts the tests in the background may have them ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout.readline() == b"begun\n"  # while it runs
        runs = children(process.pid)
        assert len(runs) == 1
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (130, b"", b"cancelled: interrupted\n")
        assert not os.path.exists(f"/proc/{runs[0]}")
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


def test_without_a_micropython_it_says_so(monkeypatch, wasm):
    python = lab.Interpreter([sys.executable], "CPython", False)
    monkeypatch.setattr(lab, "choose_interpreter", lambda: python)
    done = call("try", wasm(COPY), stdin=b"abc")
    assert (done.exit_code, done.stdout_bytes) == (0, b"abc") and done.stderr.startswith("Warning: no MicroPython")


def test_an_input_larger_than_a_tasks_is_warned_of(wasm):
    data = b"x" * 40000
    done = call("try", wasm(COPY), "--output", "32768", stdin=data)
    assert "Warning: the input has more than the 32,768 bytes" in done.stderr
    assert done.exit_code == 134 and done.stdout_bytes == data[:32700]


# What it took.


def test_stats_are_one_line_or_one_object(wasm):
    path = wasm(BUSY)
    outcome = admit(open(path, "rb").read()).start(b"", [], 10**6, 9, 2, True, bytes(32)).run(lambda: True)
    line = call("try", path, "--stats").stderr
    assert re.fullmatch(
        rf"ok; fuel {outcome.fuel:,}, 1 page, 0 bytes out, [\d,]+ ms to admit, [\d,]+ ms to run; \w+, MicroPython .*\n", line
    )
    value = json.loads(call("try", path, "--format", "json", "--fuel", "30000").stderr)
    assert (value["outcome"], value["exit"], value["fuel"], value["heap_bytes"]) == ("fuel", 124, 30000, 2 << 20)


def test_a_profile_adds_up_on_micropython(wasm):
    path = wasm(BUSY)
    value = json.loads(call("try", path, "--profile", "--format", "json").stderr)
    rows = {row["name"]: (row["calls"], row["fuel"]) for row in value["profile"]}
    assert sum(fuel for _, fuel in rows.values()) == value["fuel"]
    # Four of nine calls by way of the table go to $fill.
    assert set(rows) == {"inner", "fill", "main", "random_get"} and [rows[name][0] for name in ("inner", "fill", "main", "random_get")] == [14, 4, 1, 9]
    text = call("try", path, "--profile", "--fuel", "20000").stderr
    assert re.search(r"\d+\.\d %  █+\S* +[\d,]+ +[\d,]+  \[\d\] inner\n", text) and " 20,000 " in text
    assert "have no names" not in text
    assert "have no names here: link with -Wl,--strip-debug" in call("try", example("words"), "--profile").stderr


def test_a_profile_adds_up_wherever_a_run_ends(wasm):
    data = open(wasm(BUSY), "rb").read()

    def run(allowance, cancel_after):
        counts = profile.Profile()
        instance = admit(data, profile.Admission, counts).start(b"", [], allowance, 9, 2, True, bytes(32))
        counts.watch(instance)
        left = [cancel_after]

        def tick():
            left[0] -= 1
            return left[0] >= 0

        outcome = instance.run(tick)
        return outcome, counts.rows(outcome.fuel)

    whole = admit(data).start(b"", [], 10**6, 9, 2, True, bytes(32)).run(lambda: True)
    assert whole.kind == "ok" and whole.fuel > 30000
    for allowance in (1, 17, 23, 3000, 4444, 20000, 20001, 23456, 33333, whole.fuel - 1, whole.fuel):
        outcome, rows = run(allowance, 99)
        assert outcome.kind == ("fuel" if allowance < whole.fuel else "ok")
        assert sum(row[2] for row in rows) == outcome.fuel == allowance
        assert all(row[2] >= 0 for row in rows)
    outcome, rows = run(10**6, 0)
    assert outcome.kind == "cancelled" and sum(row[2] for row in rows) == outcome.fuel


def test_fuel_is_the_same_on_every_engine(wasm):
    path = wasm(BUSY)
    first = json.loads(call("try", path, "--engine", "translated", "--format", "json").stderr)
    second = json.loads(call("try", path, "--format", "json").stderr)
    assert first["engine"] == "translated" and second["engine"] in ("translated", "machine")
    same = ("outcome", "fuel", "pages", "output")
    assert [first[key] for key in same] == [second[key] for key in same]


# check.


def test_an_admitted_program_is_described(wasm):
    path = wasm(BUSY)
    done = call("check", path)
    assert done.exit_code == 0 and done.stdout.startswith(f"{path}: a box admits it (")
    for words in ("3; the largest is [", "fd_read, fd_write, random_get", "1 page of 64 KiB at the start", "64 KiB of memory and ", "2 of 3 functions"):
        assert words in done.stdout, words
    straight = json.loads(call("check", wasm(STRAIGHT), "--format", "json").stdout)
    outcome = admit(open(wasm(STRAIGHT), "rb").read()).start(b"", [], 99, 9, 2, True, b"").run(lambda: True)
    assert straight["admitted"] and straight["fuel"]["most"] == outcome.fuel > straight["fuel"]["least"] == 3
    assert (straight["pages"], straight["pages_most"], straight["functions"]) == (1, 1, 2)
    heap = straight["heap"]
    assert heap["memory"] == 65536 and 0 < heap["code"] < 8192 and 0 < heap["translation_32"] < heap["translation_64"]


@pytest.mark.parametrize("text, reason, fix", [
    ('(module (import "env" "x" (func)) (func (export "_start")))', "it imports function env.x", "docs/programs.md"),
    ('(module (func (export "main")))', "exports no function _start", ""),
    ('(module (memory 17) (func (export "_start")))', "asks for 17 pages", "docs/programs.md"),
    ('(module (func (export "_start") (drop (v128.const i32x4 0 0 0 0))))', "0xfd is not supported", "-mcpu=mvp"),
    (f'(module (func (export "_start") {"(drop (i64.const 0x1234567890))" * 1200}))', "the cap is 8192", "docs/programs.md"),
])
def test_a_refused_program_gets_its_reason_and_a_fix(wasm, text, reason, fix):
    path = wasm(text)
    done = call("check", path)
    assert done.exit_code == 1 and reason in done.stderr and fix in done.stderr.partition("Hint: ")[2]
    assert done.stderr.startswith("Error: a box would refuse the program") and not done.stdout
    value = json.loads(call("check", path, "--format", "json").stdout)
    assert value["admitted"] is False and reason in value["reason"] and value["fix"]


def test_only_a_box_knows_what_it_can_compile(wasm):
    """MicroPython's jumps are 16 bits: no cap says so, only its own compiler."""
    chain = "(local.set 0 (i32.load offset=9 (local.get 0)))" * 1000
    path = wasm(
        f'(module (memory 1) (func $f (param i32) (loop (if (local.get 0) (then {chain} (br 1)))))'
        ' (func (export "_start") (call $f (i32.const 0))))'
    )
    program.Survey(open(path, "rb").read())
    done = call("check", path)
    assert done.exit_code == 1 and "too large or too deep for this interpreter" in done.stderr


def test_a_manifest_too_small_is_told_before_it_is_pushed(tmp_path):
    text = 'kind = "workload"\nname = "t"\nslice = "s"\nprogram = "x.wasm"\ninput = "x"\n[limits]\n%s = %d\n'
    for key, value, reason in (("pages", 0, "needs 1 pages at the start"), ("fuel", 1, "fuel to begin")):
        (tmp_path / "t.toml").write_text(text % (key, value))
        done = call("check", example("words"), "--manifest", tmp_path / "t.toml")
        assert done.exit_code == 1 and reason in done.stderr and f"{key}" in done.stderr.partition("Hint: ")[2]
    (tmp_path / "t.toml").write_text(text % ("output", 40000))
    assert "output is 40000" in call("check", example("words"), "--manifest", tmp_path / "t.toml").stderr
    (tmp_path / "t.toml").write_text(text % ("pages", 1))
    done = call("check", example("words"), "--manifest", tmp_path / "t.toml")
    assert done.exit_code == 0 and "pages 1" in done.stdout


def test_names_of_functions(wasm):
    data = wasmtime.wat2wasm(BUSY)
    survey = program.Survey(data)
    assert [survey.names[one.index] for one in survey.functions] == ["inner", "fill", "main"] and not survey.stripped
    assert survey.entries == [5]
    # A name section that is broken harms nobody.
    at = data.index(b"\x04name")
    for cut in range(at + 5, len(data) - 1):
        broken = data[:at - 1] + bytes([cut - at]) + data[at:cut]
        assert program.Survey(broken).names[5] in ("_start", "main")


def test_a_request_is_what_the_trial_reads():
    asked = trial.request(b"prog", b"in", fuel=7)
    size = int.from_bytes(asked[:4], "big")
    head = json.loads(asked[4:4 + size])
    assert (head["program"], head["input"], head["fuel"]) == (4, 2, 7) and asked[4 + size:] == b"progin"
