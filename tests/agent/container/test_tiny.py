"""tiny.h reads and writes numbers as Python's decimals say, and the guide's program does what it says."""

import decimal
import random
import re
import struct
import subprocess

import test_examples
import wasmtime
from backfence.agent.container.admission import Admission
from test_examples import EXAMPLES
from test_libraries import LIBRARIES

GUIDE = EXAMPLES.parent / "docs" / "programs.md"
decimal.getcontext().prec = 400


def build(source, folder):
    """A program's bytes, by the guide's own command line."""
    command = re.search(r"^clang .*?\n\n|^clang .*?\n```", GUIDE.read_text(), re.S | re.M).group(0).rstrip("`\n")
    words = command.replace("\\\n", " ").replace("longest.c", str(source)).replace("longest.wasm", "program.wasm").split()
    subprocess.run([*words, "-I", str(EXAMPLES), "-Wall", "-Wextra", "-Werror"], check=True, cwd=folder)
    return (folder / "program.wasm").read_bytes()


def both(data, folder, stdin):
    """stdout of a program that ends well, from the container and from wasmtime."""
    steps = Admission(data)
    while not steps.step():
        pass
    outcome = steps.program.start(stdin, [], 1 << 30, 1 << 20, 1, True, b"").run(lambda: True)
    engine = wasmtime.Engine()
    code, output = test_examples.by_wasmtime(engine, wasmtime.Module(engine, data), folder, stdin, ())
    assert (outcome.code, outcome.output) == (code, output), outcome.reason
    return outcome


def fixed(text, digits):
    """What read_fixed makes of a text, and the text that is left."""
    head, sign, whole, point, part, tail = re.match(r"(([+-]?)(\d*)(\.?)(\d*))(.*)", text).groups()
    value = decimal.Decimal(f"{sign}{whole or 0}.{part or 0}").scaleb(digits)
    whole_most = 10**18 // 10**digits
    if not (whole or part) or value != int(value) or int(whole or 0) > whole_most:
        return "no" + text
    units = int(value)
    size = f"{abs(units):0{digits + 1}d}"
    shown = size[:-digits] + "." + size[-digits:] if digits else size
    return f"{units} {'-' if units < 0 else ''}{shown}{tail}"


def double(bits, digits):
    """What put_double writes, up to 16 digits."""
    value = struct.unpack("<d", struct.pack("<Q", bits))[0]
    if value != value:
        return "nan"
    if value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    exact = abs(decimal.Decimal(value)).quantize(decimal.Decimal(1).scaleb(-digits), decimal.ROUND_HALF_UP)
    return f"{'-' if value < 0 else ''}{exact:f}"


def questions(rnd):
    """Lines for tiny.c and what it must answer."""
    for text in ("0", "7x", "", "-1", "255", "256", "00012", "18446744073709551615", "18446744073709551616", "9" * 30):
        for most in (0, 6, 255, 2**32, 2**64 - 1):
            head = re.match(r"\d*", text).group(0)
            good = head and int(head) <= most
            yield f"U {most} {text}", f"{int(head)}{text[len(head):]}" if good else "no" + text
    texts = ["", ".", "-", "+.", "1.", ".5", "-.5x", "+12.25,", "0.000000", "1e3", "1..2", "--1", "999999999999.999999", "1000000000000"]
    texts += ["1000000000001", "10000000000000001"]
    texts += ["%s%d.%0*d" % (rnd.choice("-+ ").strip(), rnd.getrandbits(rnd.randrange(40)), k, rnd.randrange(10**k))
              for k in (1, 2, 3, 5, 6, 9) for _ in range(4)]  # fmt: skip
    for text in texts:
        for digits in (0, 2, 6):
            yield f"F {digits} {text}", fixed(text, digits)
    for _ in range(60):
        digits = rnd.randrange(7)
        value = rnd.choice([rnd.uniform(-1000, 1000), rnd.uniform(-1, 1) * 10 ** rnd.randrange(8), rnd.randrange(9) / 2])
        bits = struct.unpack("<Q", struct.pack("<d", value))[0]
        yield f"D {digits} {bits}", double(bits, digits)
    for bits, text in ((0x7FF8 << 48, "nan"), (0x7FF0 << 48, "inf"), (0xFFF0 << 48, "-inf"), (0x4415AF1D78B58C40, "1.0e+20")):
        yield f"D 1 {bits}", text
    for n in (0, 1, 255, 2**32 - 1, 2**32, 2**64 - 1, 10**18):
        yield f"H 16 {n}", f"{n:016x}"
        yield f"H 3 {n}", f"{n & 0xFFF:03x}"
        yield f"P 1 {n}", f"{n or 0}"
        yield f"P 25 {n}", f"{n:025d}"
    yield "U 9 8x\r", "8x"


def test_numbers_in_and_out(tmp_path):
    asked = list(questions(random.Random(5)))
    stdin = "".join(question + "\n" for question, _ in asked).encode()
    outcome = both(build(LIBRARIES / "tiny.c", tmp_path), tmp_path, stdin)
    answers = outcome.output.decode().split("\n")[:-1]
    assert answers.pop() == "same" and len(answers) == len(asked)
    for (question, right), answer in zip(asked, answers, strict=True):
        assert answer == right, question


def test_the_guides_program(tmp_path):
    (tmp_path / "longest.c").write_text(re.search(r"```c\n(.*?)```", GUIDE.read_text(), re.S).group(1))
    data = build("longest.c", tmp_path)
    for text, said in (
        (b"a\nbbb\nbb\n", b"2: bbb (33.3 %)\n"), (b"x", b"1: x (50.0 %)\n"), (b"\n\n", b"1:  (0.0 %)\n"), (b"", b""),
    ):  # fmt: skip
        outcome = both(data, tmp_path, text)
        ended = (outcome.output, outcome.code, outcome.reason)
        assert ended == ((said, 0, "") if said else (b"", 1, "longest: the input is empty"))
