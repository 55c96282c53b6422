"""A small fixed part of `make fuzz`: the same modules each time, on CPython and MicroPython."""

import random

import batches
import cases
import compare
import findings
import fuzz
import pytest

COUNT = 40


def drawn(seed, count, draw):
    """[(case, wasmtime's word on it)], always the same for the same seed."""
    out = []
    for number in range(count):
        case = draw(random.Random(f"{seed}/{number}"))
        out.append((case, compare.Oracle(case)))
    return out


@pytest.fixture(scope="module")
def generated():
    """Generated modules, of several sizes."""
    return drawn("generated", COUNT, lambda rnd: cases.generated(rnd, rnd.choice((10, 40, 80))))


def check(found, name, engine, case, oracle, record):
    """Note what is wrong with a record."""
    text = compare.finding(oracle, record)
    if text:
        found.append(f"{name} {engine}: {text}: {case['data'].hex()} {case['calls']}")


@pytest.mark.parametrize("name", sorted(fuzz.MODES))
def test_generated_modules(generated, name):
    """Each integer mode that CPython can take; nearly all are admitted, and run."""
    found, returned = [], 0
    for case, oracle in generated:
        record = findings.here(case, fuzz.MODES[name])
        check(found, name, "translated", case, oracle, record)
        returned += sum([call[0] == "ok" for call in record.get("calls", ())])
    assert not found, "\n".join(found)
    assert returned > 3 * COUNT


def test_generated_modules_on_micropython(generated):
    """All engines that this processor has."""
    found, engines = [], set()
    for index, engine, record in batches.run("micropython", [case for case, _ in generated]):
        engines.add(engine)
        check(found, "micropython", engine, *generated[index], record)
    assert not found, "\n".join(found)
    assert "translated" in engines


def test_mutated_modules():
    """What wasmtime refuses is refused, in a Refused; what both admit does the same."""
    found = []
    admitted = refused = 0
    for case, oracle in drawn("mutated", 300, lambda rnd: cases.mutated(rnd, None, 12)):
        record = findings.here(case, None)
        check(found, "cpython", "translated", case, oracle, record)
        admitted += "calls" in record
        refused += "refused" in record
    assert not found, "\n".join(found)
    assert admitted > 30 and refused > 100, (admitted, refused)
