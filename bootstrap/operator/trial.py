"""A program on trial on this machine, on the interpreter and in the heap that a box has.

`backfence try` and `backfence check` start bootstrap/trial on the MicroPython of
`make run`, hand it the program and the input, and read its report.
"""

import json
import os
import subprocess
import tempfile

import backfence

from . import lab
from .errors import OperatorError

MODULE = "backfence.bootstrap.trial"
# As firmware gives a box: 1wM, which is 2 MiB where a word has 64 bits.
HEAP_BYTES = 2 << 20
PIECE_BYTES = 65536
REPORT_BYTES = 1 << 20


class Verdict:
    """What came of a trial.

    kind: an Outcome's kind, or "refused", "admitted".  reason: one line.
    report: the JSON object that bootstrap/trial wrote.  interpreter: its name.
    micropython: False if it ran on CPython, for want of a MicroPython.
    """

    def __init__(self, interpreter, report):
        self.interpreter = interpreter.name
        self.micropython = interpreter.micropython
        self.report = report
        self.kind = report["kind"]
        self.reason = report["reason"]


def request(program, stdin=b"", **settings):
    """The bytes that bootstrap/trial reads: see its __init__.py for the settings."""
    head = {
        "args": [], "fuel": 1, "pages": 0, "output": 0, "deterministic": True, "seed": "",
        "engine": None, "run": True, "profile": False,
    }
    head = json.dumps({**head, **settings, "program": len(program), "input": len(stdin)}).encode()
    return len(head).to_bytes(4, "big") + head + program + stdin


def hold(asked, heap_bytes, write, interpreter=None):
    """Runs one trial; returns its Verdict.  Raises OperatorError.

    asked: what `request` made.  write(bytes) gets the program's output as it
    comes.  interpreter: a lab.Interpreter, by default the one of `make run`.
    However this ends, the process does not outlive it.
    """
    interpreter = interpreter or lab.choose_interpreter()
    with tempfile.TemporaryDirectory(prefix="backfence-try-") as folder:
        os.symlink(os.path.dirname(os.path.abspath(backfence.__file__)), os.path.join(folder, "backfence"))
        environment = dict(os.environ, PYTHONPATH=folder, MICROPYPATH=f".frozen:{folder}")
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                interpreter.argv(MODULE, heap_bytes), env=environment, cwd=folder,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                start_new_session=True, preexec_fn=lab.Child(0),  # Ctrl-C is ours: it may come at any instruction
            )
            try:
                _feed(process, asked)
                while piece := process.stdout.read1(PIECE_BYTES):
                    write(piece)
                process.wait()
            finally:
                process.kill()
                process.wait()
                process.stdout.close()
            errors.seek(0)
            return Verdict(interpreter, _report(errors.read(REPORT_BYTES), process.returncode, heap_bytes))


def _feed(process, asked):
    try:
        process.stdin.write(asked)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it ended early; its report or its last words say why


def _report(text, code, heap_bytes):
    lines = [line for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    try:
        report = json.loads(lines[-1]) if lines else None
    except ValueError:
        report = None
    if isinstance(report, dict) and "kind" in report:
        return report
    last = lines[-1].strip()[:200] if lines else "no output"
    if last.startswith("MemoryError"):
        raise OperatorError(
            f"a heap of {heap_bytes:,} bytes does not hold the agent and this input", "Give more with --heap, such as 2M."
        )
    raise OperatorError(f"the container ended with code {code}: {last}")
