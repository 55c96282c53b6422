"""The demo's job runs on every interpreter, at the same cost."""

from modules import admit, tick

HERE = __file__.rpartition("/")[0] or "."
TEXT = b"Good fences make good neighbours; don't they?\n" * 40 + b"He says again, 'Good fences...'\n"


def test_words():
    with open(HERE + "/../../../examples/words.wasm", "rb") as file:
        program = admit(file.read())
    outcome = program.start(TEXT, [], 1 << 28, 32768, 1, True, bytes(32)).run(tick)
    assert outcome.kind == "ok", outcome.reason
    assert outcome.output == (
        b"again 1\ndon't 40\nfences 41\ngood 81\nhe 1\nmake 40\nneighbours 40\nsays 1\nthey 40\n"
    )
    assert (outcome.fuel, outcome.pages) == (319490, 1)


def test_nbody():
    with open(HERE + "/../../../examples/nbody.wasm", "rb") as file:
        program = admit(file.read())
    outcome = program.start(b"", ["10"], 1 << 28, 100, 1, True, bytes(32)).run(tick)
    assert (outcome.kind, outcome.output) == ("ok", b"-169075163\n-169073021\n")
    assert outcome.fuel == 34809
