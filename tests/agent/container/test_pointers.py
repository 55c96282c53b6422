"""The digests of pointers.py, which the portable test checks, are wasmtime's."""

import collections

import pointers
import pytest
import wasmtime


def begin(data, seen=None):
    """call(arguments) of a module, by wasmtime; `seen` counts how the calls ended."""
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    function = wasmtime.Instance(store, wasmtime.Module(engine, data), []).exports(store)["f0"]

    def call(arguments):
        try:
            text = "%d" % function(store, *arguments)
        except wasmtime.Trap as trap:
            assert trap.trap_code == wasmtime.TrapCode.MEMORY_OUT_OF_BOUNDS
            text = "out of bounds memory access"
        if seen is not None:
            seen["trap" if text[0] == "o" else "value"] += 1
        return text

    return call


@pytest.mark.parametrize("whole", [True, False])
def test_digests_are_wasmtimes(whole):
    assert pointers.digest(pointers.SEEDS[whole], begin) == pointers.DIGESTS[whole]


def test_most_walks_end_well_and_some_in_a_trap():
    seen = collections.Counter()
    pointers.digest(pointers.SEEDS[True], lambda data: begin(data, seen))
    assert seen["value"] > seen["trap"] > 10, seen


if __name__ == "__main__":
    for whole, seeds in pointers.SEEDS.items():
        print(f'    {whole}: "{pointers.digest(seeds, begin)}",')
