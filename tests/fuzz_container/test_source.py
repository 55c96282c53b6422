"""No byte of a module reaches the source that is executed: it is made of numbers and a fixed vocabulary."""

import ast
import builtins
import random
import re
import subprocess

import batches
import cases
import edges
import pytest
from modules import I32, function, i32, module

from backfence.agent.container.limits import Limits, Refused
from backfence.agent.container.admission import Admission
from backfence.agent.container.mode import Mode
from backfence.agent.container.translated import code
from backfence.agent.container.translated.names import names
from backfence.sim.live import interpreters

# What generated code calls and reads: numbered names, one-letter globals, the helpers of names.py.
NUMBERED = re.compile(r"[flsg]\d{1,3}$")
GLOBALS = set("abdmptuwxEFGIKMNTUVWXYZR") | {"lw", "sw", "lq", "sq", "lf", "ld", "sf", "sd", "mcopy", "mfill"}
BUILTINS = {"abs", "float"}
NODES = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Global, ast.If, ast.While, ast.For, ast.Break, ast.Continue,
    ast.Return, ast.Pass, ast.Expr, ast.Assign, ast.AugAssign, ast.Name, ast.Constant, ast.Call, ast.Subscript, ast.Tuple,
    ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.IfExp, ast.NamedExpr, ast.operator, ast.unaryop, ast.cmpop,
    ast.boolop, ast.expr_context,
)  # fmt: skip
MODES = [None, Mode(True, False, False), Mode(False, False, False)]


@pytest.fixture
def sources(monkeypatch):
    """All sources that are compiled while a test runs."""
    seen = []
    compile_ = code.Lowering.compile

    def noted(self, source):
        seen.append(bytes(source))
        return compile_(self, source)

    monkeypatch.setattr(code.Lowering, "compile", noted)
    return seen


def admit(data, mode):
    """Admit a module or see it refused."""
    work = Admission(data, Limits(), False, mode, "translated")
    try:
        while not work.step():
            pass
    except Refused:
        pass


def strange(source):
    """What stands in a source that has no business there, or ""."""
    tree = ast.parse(source.decode("ascii"))
    vocabulary = GLOBALS | BUILTINS | set(names(MODES[1]))
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and _only_writes_fuel(node):
            continue
        if not isinstance(node, NODES):
            return f"a {type(node).__name__}"
        if isinstance(node, ast.Constant) and type(node.value) not in (int, float):
            return f"the constant {node.value!r}"
        word = getattr(node, "id", None) or getattr(node, "arg", None) or getattr(node, "name", None)
        if word and not NUMBERED.match(word) and word not in vocabulary:
            return f"the name {word}"
    return ""


def _only_writes_fuel(node):
    """try ... finally:F=x catches nothing: what goes through it goes on."""
    plain = not node.handlers and not node.orelse and len(node.finalbody) == 1
    return plain and ast.unparse(node.finalbody[0]) == "F = x"


def test_the_vocabulary_is_fixed(sources):
    for mode in MODES:
        for number in range(60):
            rnd = random.Random(f"source/{number}")
            admit((cases.generated(rnd) if number % 3 else cases.mutated(rnd, None, 40))["data"], mode)
        for group in sorted(edges.groups()):
            admit(edges.program(edges.groups()[group]), mode)
    assert len(sources) > 300
    found = {strange(source) for source in sources} - {""}
    assert not found, found


def test_names_of_a_module_do_not_show(sources):
    word = "QqInjected"
    functions = [function((), (I32,), i32(1))]
    admit(module(functions, exports={f"{word}\n    import os": 0, f'"""{word}': 0}, data=[(0, word.encode())], memory=(1, 1)), None)
    assert sources and not any(word.encode() in source for source in sources)


def test_a_stranger_would_be_seen():
    for source in (b"import os\n", b"def f0(d):\n x.y\n", b"s0='a'\n", b"try:\n pass\nfinally:\n pass\n", b"open(1)\n", b"lambda: 0\n",
                   b"try:\n pass\nexcept:\n pass\n", b"while 1:\n try:\n  pass\n finally:\n  break\n"):
        assert strange(source), source
    assert not set(dir(builtins)) & GLOBALS


def test_no_names_are_interned_for_ever(tmp_path):
    """MicroPython says how many strings it has interned: modules seen once or 200 times leave as many."""
    batch = [cases.generated(random.Random(f"interned/{number}"), 30) for number in range(60)]
    path = tmp_path / "batch"
    batches.write(path, batch)
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(batches.DEVICE.parent)!r})\nimport device, micropython\n"
        "def every(rest):\n"
        f"    for n, line in enumerate(open({str(path)!r})):\n"
        "        if n % 2 == rest:\n"
        "            try:\n                device.record(device.load(line), 'translated')\n"
        "            except device.Refused:\n                pass\n"
        "every(0)\nmicropython.qstr_info()\nevery(1)\nmicropython.qstr_info()\n"
    )
    found = interpreters.find("micropython")
    run = subprocess.run(found.arguments(str(script), heap="48M"), env=found.environment, capture_output=True, text=True)
    counts = [int(n) for n in re.findall(r"n_qstr=(\d+)", run.stdout)]
    assert len(counts) == 2, run.stdout + run.stderr
    # The second half's functions may be longer than any of the first's: a few more l7, s12.
    assert counts[1] - counts[0] < 60, counts
