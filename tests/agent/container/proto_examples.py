"""The example programs: the same bytes and the same fuel on every interpreter, with every engine.

test_examples.py compares what is said here with wasmtime.
"""

from hashlib import sha256

from backfence.agent.container.limits import Limits
from backfence.agent.container.admission import Admission, engines
from modules import tick

HERE = __file__.rpartition("/")[0] or "."
EXAMPLES = HERE + "/../../../examples/"
PROSE = b"Good fences make good neighbours; don't they?\n" * 8 + b"He says again, 'Good fences...'\n"
PICTURE = b"P6 # four by three\n4 3\n255\n" + bytes([i * 7 & 255 for i in range(36)])
TABLE = b'kind,price\npost,1.5\n"gate, red",-2\npost,.25\n'
LOG = b"2026-11-22T21:19:56Z ap-1 up\n1795382396 ap-1 auth FAILED\nnonsense\n1795385996 ap-2 up\n" + b"7 ap-3\n" * 9

# (program, arguments, stdin, stdout, fuel)
RUNS = (
    ("words", (), PROSE, b"again 1\ndon't 8\nfences 9\ngood 17\nhe 1\nmake 8\nneighbours 8\nsays 1\nthey 8\n", 92530),
    ("pow", ("fence", "5", "30", "20"), b"",
     b"fence 5 32 01cb58bb0d37cadb58a77da67a01c19a176f0f9bed6be5630717bbac3f6db421\n", 55058),
    ("nbody", ("10",), b"", b"-169075163\n-169073021\n", 30729),
    ("scale", ("3", "2"), PICTURE, b"P6\n3 2\n255\n!(/<CJV]d\x91\x98\x9f\xac\xb3\xba\xc6\xcd\xd4", 13438),
    ("csv", ("kind", "price"), TABLE,
     b'key,count,sum,min,max\n"gate, red",1,-2.000000,-2.000000,-2.000000\n'
     b"post,2,1.750000,0.250000,1.500000\n", 40594),
    ("logscan", (), LOG, b"ap-1 2 1 0.0 0.00\nap-2 1 0 0.0 0.67\nap-3 9 0 0.0 4.72 outlier\n# 1 lines skipped\n", 34700),
)  # fmt: skip

# tell.c: what it says of the box, and how it ends, in deterministic mode with two pages more.
TELL_SHA256 = b"ffb7b7aade2dca7b64db2bceb2cc3a33b3e15b73568e880c37177bf7f14829dd"
TELL_FUEL = 464592


def admit(name, engine):
    with open(EXAMPLES + name + ".wasm", "rb") as file:
        steps = Admission(file.read(), Limits(), engine=engine)
    while not steps.step():
        pass
    return steps.program


def test_examples():
    for engine in engines():
        for name, args, stdin, output, fuel in RUNS:
            outcome = admit(name, engine).start(stdin, list(args), 1 << 28, 32768, 1, True, bytes(32)).run(tick)
            said = (name, outcome.kind, outcome.reason, outcome.output, outcome.fuel, outcome.pages)
            assert said == (name, "ok", "", output, fuel, 1), (engine, said)


def test_no_box_can_be_told_from_another():
    for engine in engines():
        outcome = admit("tell", engine).start(b"", [], 1 << 28, 32768, 3, True, bytes(range(32))).run(tick)
        assert (outcome.kind, outcome.reason, outcome.pages) == ("trap", "call depth exceeded", 3), engine
        told = b"".join([b"%02x" % b for b in sha256(outcome.output).digest()])
        assert (told, outcome.fuel) == (TELL_SHA256, TELL_FUEL), (engine, outcome.output)
