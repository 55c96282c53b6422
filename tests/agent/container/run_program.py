"""Runs a program in the container on this interpreter; for tests that need a process of its own.

    run_program.py ENGINE FUEL PAGES MODULE_BYTES PROGRAM STDIN [ARGUMENT ...]

Prints a line of JSON {kind, code, reason, fuel, pages}, then the program's stdout.
"""

import json
import sys

from backfence.agent.container import Admission, Limits, Outcome, Refused


def run(engine, fuel, pages, module_bytes, program, stdin, *args):
    """The Outcome of one run."""
    with open(program, "rb") as file:
        data = file.read()
    with open(stdin, "rb") as file:
        text = file.read()
    try:
        steps = Admission(data, Limits(module_bytes=int(module_bytes)), engine=engine)
        while not steps.step():
            pass
    except Refused as reason:
        return Outcome("refused", 0, str(reason), b"", 0, 0)
    instance = steps.program.start(text, list(args), int(fuel), 32768, int(pages), True, bytes(32))
    return instance.run(lambda: True)


outcome = run(*sys.argv[1:])
meter = {name: getattr(outcome, name) for name in ("kind", "code", "reason", "fuel", "pages")}
sys.stdout.write(json.dumps(meter) + "\n")
sys.stdout.flush()
getattr(sys.stdout, "buffer", sys.stdout).write(outcome.output)
