"""The digests of edges.py, which the portable tests check, are wasmtime's."""

import edges
import pytest
import wasmtime


@pytest.mark.parametrize("share", sorted(edges.DIGESTS))
@pytest.mark.parametrize("group", sorted(edges.groups()))
def test_digests_are_wasmtimes(group, share):
    assert reference(group, share) == edges.DIGESTS[share][group]


def test_the_pairs_for_emulated_processors_hold_every_value_on_both_sides():
    for turn in range(edges.SHARE):
        for kind in (edges.I32, edges.I64, edges.F32, edges.F64):
            pairs = edges.arguments((kind, kind), edges.SHARE, turn)
            for side in (0, 1):
                assert {pair[side] for pair in pairs} == set(edges.values(kind))


def test_every_numeric_opcode_is_tried():
    tried = {op[3] for ops in edges.groups().values() for op in ops}
    assert tried == {bytes([op]) for op in range(0x45, 0xC5)} | {bytes([0xFC, i]) for i in range(8)}
    assert all(set(digests) == set(edges.groups()) for digests in edges.DIGESTS.values())


def reference(group, share):
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

    return edges.digest(ops, invoke, share)


if __name__ == "__main__":
    for share in sorted(edges.DIGESTS):
        for group in sorted(edges.groups()):
            print(f"    {share}: {group!r}: {reference(group, share)!r},")
