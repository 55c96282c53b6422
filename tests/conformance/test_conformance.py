"""A sharp part of WebAssembly's tests on each engine; the whole is `make conformance`."""

import tomllib

import conformance
import convert
import pytest
import results
from click.testing import CliRunner
from results import Result

TABLE = tomllib.loads(conformance.TABLE.read_text())
# Whole files, chosen for what differs from one interpreter and one engine to the next.
NATIVE = (
    "i32", "i64", "conversions", "br_table", "call", "func_ptrs", "memory_trap", "binary", "labels", "float_misc",
    "left-to-right", "start", "ext_multi", "ext_memory",
)  # fmt: skip
EMULATED = ("memory_trap", "ext_multi")
RESULTS = [Result("call", 275, "assert_return", "FAIL", 0, "call depth exceeded")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The native runs and the emulated ones, of every engine."""
    made = []
    for name, files in (("micropython", NATIVE), ("armhf", EMULATED)):
        paths = conformance.prepare(TABLE, files)
        assert len(paths) == len(files)
        here = [conformance.Run(name, engine) for engine in conformance.engines(name)]
        for run in here:
            run.folder = tmp_path_factory.mktemp("kept")
        conformance.carry_out(here, paths, print)
        made += here
    return made


def test_every_engine_passes(runs):
    assert {run.interpreter.name for run in runs} == {"micropython", "armhf"}
    found, wrong = conformance.report(runs, TABLE, "", False)
    assert not wrong, "\n".join(wrong)
    for engine in found["interpreters"]["micropython"].values():
        counts = engine["kinds"]
        assert counts["assert_return"]["passed"] > 1900
        assert counts["assert_trap"]["passed"] > 250
        assert counts["assert_invalid"]["passed"] > 150
        assert counts["assert_malformed"]["passed"] > 50


def test_fuel_is_the_same_everywhere(runs):
    compared, lines = results.fuel_differs({run.name: run.results for run in runs})
    assert compared > 200
    assert lines == []


def test_every_file_of_the_suite_is_in_or_out():
    decided = TABLE["files"]["in"] + [name for names in TABLE["files"]["out"].values() for name in names]
    assert len(set(decided)) == len(decided)
    assert set(decided) == {path.stem for path in (conformance.SPECIFICATION / "wast").glob("*.wast")}


def test_a_failure_that_the_table_lacks_is_told():
    lines = results.beside_the_table([*RESULTS, RESULTS[0]._replace(line=1)], TABLE, "translated")
    assert "call.wast:1: assert_return: call depth exceeded" in lines
    assert not any(line.startswith("call.wast:275") for line in lines)


def test_a_tabled_failure_that_passes_is_told():
    lines = results.beside_the_table([RESULTS[0]._replace(verdict="ok")], TABLE, "translated")
    assert any(line.startswith("call.wast:275: passes") for line in lines)


def test_more_refusals_than_tabled_are_told():
    lines = results.beside_the_table([RESULTS[0]._replace(file="i32", verdict="caps")], TABLE, "translated")
    assert lines == ["i32.wast: 1 commands refused for caps, the table says 0"]


def test_a_missed_aim_is_told():
    counts = results.tally([Result("i32", 1, "assert_trap", "FAIL", 0, ""), Result("i32", 2, "assert_trap", "ok", 0, "")])
    assert results.missed(counts) == ["assert_trap: 1 of 2, the aim is 100.0%"]


def test_other_fuel_is_told():
    other = RESULTS[0]._replace(fuel=3)
    assert results.fuel_differs({"a": RESULTS, "b": [other]}) == (
        1, ["call.wast:275: assert_return: 0 on a, 3 on b"],
    )


def test_old_ways_of_writing_are_made_new():
    old = '(func (export "f") (result f64))\n(assert_return_canonical_nan (invoke "f" (f64.const 0)))'
    assert convert.modernise(old).endswith('(assert_return (invoke "f" (f64.const 0)) (f64.const nan:canonical))')
    assert convert.modernise("(block $l i32 (br 0))") == "(block $l (result i32) (br 0))"


def test_an_interpreter_that_does_not_exist_is_refused_in_one_line():
    run = CliRunner().invoke(conformance.main, ["--interpreters", "vax"])
    assert run.exit_code == 1
    assert run.output.startswith("Error: there is no interpreter 'vax'")
    assert run.output.count("\n") == 1
