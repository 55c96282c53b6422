"""The digests of edges.py, which the portable tests check, are wasmtime's."""

import edges
import pytest
import wasmtime


@pytest.mark.parametrize("group", sorted(edges.DIGESTS))
def test_digests_are_wasmtimes(group):
    assert reference(group) == edges.DIGESTS[group]


def test_every_numeric_opcode_is_tried():
    tried = {op[3] for ops in edges.groups().values() for op in ops}
    assert tried == {bytes([op]) for op in range(0x45, 0xC5)} | {bytes([0xFC, i]) for i in range(8)}
    assert set(edges.DIGESTS) == set(edges.groups())


def reference(group):
    """The digest by wasmtime."""
    ops = edges.groups()[group]
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    exports = wasmtime.Instance(store, wasmtime.Module(engine, edges.program(ops)), []).exports(store)

    def invoke(name, args):
        try:
            return exports[name](store, *args)
        except wasmtime.Trap:
            return None

    return edges.digest(ops, invoke)


if __name__ == "__main__":
    for group in sorted(edges.groups()):
        print(f"    {group!r}: {reference(group)!r},")
