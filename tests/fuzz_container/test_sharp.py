"""The fuzzing finds what it is for: the container is broken on purpose, in several ways."""

import random

import cases
import compare
import findings
import pytest

from backfence.agent.container import reader, validate
from backfence.agent.container.memory import Memory
from backfence.agent.container.translated import access, code, control, numeric, stack, views

# Modules of a fixed seed within which each fault must show.
MOST = 800


def first_finding(draw, seed):
    """How many modules it took to find something, and what; (MOST, "") if nothing."""
    for number in range(MOST):
        case = draw(random.Random(f"{seed}/{number}"))
        text = compare.finding(compare.Oracle(case), findings.here(case, None))
        if text:
            return number + 1, text
    return MOST, ""


def generated(rnd):
    return cases.generated(rnd)


def mutated(rnd):
    return cases.mutated(rnd, None, 40)


def no_bounds(monkeypatch):
    """A bounds check that lets the last bytes pass."""
    monkeypatch.setattr(Memory, "check", lambda self, at, size: at + size > self.size + 8 and access_trap())


def access_trap():
    raise IndexError


def no_mask(monkeypatch):
    """Sums that stay as long as they come."""
    monkeypatch.setattr(numeric, "_sum_range", lambda which, a, b: (0, 0xFFFFFFFF))


def stale_memory(monkeypatch):
    """A caller keeps the memory it had before a call."""
    monkeypatch.setattr(access.Access, "refresh", lambda self: None)


def late_traps(monkeypatch):
    """What may trap waits on the stack for as long as it likes."""
    monkeypatch.setattr(stack.Stack, "settle_effects", lambda self: None)


def free_loops(monkeypatch):
    """A loop's rounds cost one too much."""
    fuel = control.Control.fuel
    monkeypatch.setattr(control.Control, "fuel", lambda self, cost: fuel(self, cost + 1 if cost > 3 else cost))


def any_type(monkeypatch):
    """call_indirect that does not look at types."""
    monkeypatch.setattr(code.Code, "indirect", lambda self, index, canon: self.names["f%d" % self.table[index]])


def old_bytes(monkeypatch):
    """A memory that was not zeroed when it grew."""
    grow = Memory.grow

    def dirty(self, more):
        old = grow(self, more)
        if more and old >= 0:
            self.bytes[old << 16] = 1
        return old

    monkeypatch.setattr(Memory, "grow", dirty)


def store_order(monkeypatch):
    """A store that writes before it traps."""
    store8 = views.Views.store8

    def torn(self, at, value):
        if 0 <= at < self.memory.size:
            self.memory.bytes[at] = value & 255
        store8(self, at, value)

    monkeypatch.setattr(views.Views, "store8", torn)


def loose_alignment(monkeypatch):
    """A load or store that may promise any alignment."""
    monkeypatch.setattr(validate.Validator, "access_offset", lambda self, size: (self.u32(), self.u32())[1])


def loose_loops(monkeypatch):
    """A branch to a loop that takes what the loop gives."""
    monkeypatch.setattr(validate.Validator, "label_types", lambda self, frame: frame.results)


def bare_ifs(monkeypatch):
    """An `if` without `else` that may give what it does not take."""
    monkeypatch.setattr(validate.Validator, "check_end", lambda self: self.frames[-1])


def uneven_tables(monkeypatch):
    """A br_table whose labels may take more or less than the default one."""

    def check(self, frames):
        for frame in frames:
            self.stack.extend(self.pop_all(self.label_types(frame)))
        return len(self.label_types(frames[-1]))

    monkeypatch.setattr(validate.Validator, "check_table", check)


def untyped_tables(monkeypatch):
    """A br_table that looks at the types of its default label alone."""

    def check(self, frames):
        types = self.label_types(frames[-1])
        self.stack.extend(self.pop_all(types))
        if any(len(self.label_types(frame)) != len(types) for frame in frames):
            self.bad("type mismatch")
        return len(types)

    monkeypatch.setattr(validate.Validator, "check_table", check)


def long_numbers(monkeypatch):
    """A reader that takes numbers of any length."""

    def u32(self):
        value = shift = 0
        while True:
            b = self.byte()
            value |= (b & 127) << shift
            shift += 7
            if b < 128:
                return value & 0xFFFFFFFF

    monkeypatch.setattr(reader.Reader, "u32", u32)


FAULTS = {
    no_bounds: generated, no_mask: generated, stale_memory: generated, late_traps: generated, free_loops: generated,
    any_type: generated, old_bytes: generated, store_order: generated, loose_alignment: mutated, loose_loops: generated, long_numbers: mutated,
    bare_ifs: mutated, uneven_tables: mutated, untyped_tables: mutated,
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_found(monkeypatch, fault):
    fault(monkeypatch)
    took, text = first_finding(FAULTS[fault], fault.__name__)
    print(f"{fault.__name__}: found in module {took}: {text[:100]}")
    assert text
