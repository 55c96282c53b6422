"""Runs programs in the container on this interpreter; for tests that need a process of its own.

    run_program.py ENGINE FUEL PAGES MODULE_BYTES STDIN LIST [ARGUMENT]...

LIST is a file of programs' paths, a line each: MicroPython takes no argument of more
than 255 bytes.  Prints a line of JSON for each: {kind, code, reason, fuel, pages, output}, output in hexadecimal.
"""

import gc
import json
import sys

from backfence.agent.container.limits import Limits, Refused
from backfence.agent.container.outcome import Outcome
from backfence.agent.container.admission import Admission, engines


def run(engine, fuel, pages, module_bytes, text, program, args):
    """The Outcome of one run."""
    with open(program, "rb") as file:
        data = file.read()
    # Asking for the names loads the machine, which takes a while.
    if engine != "translated" and engine not in engines():
        raise ValueError("no engine %s here" % engine)
    try:
        steps = Admission(data, Limits(module_bytes=int(module_bytes)), engine=engine)
        while not steps.step():
            pass
    except Refused as reason:
        return Outcome("refused", 0, str(reason), b"", 0, 0)
    instance = steps.program.start(text, list(args), int(fuel), 32768, int(pages), True, bytes(32))
    return instance.run(lambda: True)


def main(engine, fuel, pages, module_bytes, stdin, programs, *args):
    """Run each and print what became of it."""
    with open(stdin, "rb") as file:
        text = file.read()
    with open(programs) as file:
        paths = file.read().split("\n")
    for program in paths:
        gc.collect()
        outcome = run(engine, fuel, pages, module_bytes, text, program, args)
        said = {name: getattr(outcome, name) for name in ("kind", "code", "reason", "fuel", "pages")}
        said["output"] = "".join(["%02x" % byte for byte in outcome.output])
        print(json.dumps(said))


main(*sys.argv[1:])
