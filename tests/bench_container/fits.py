"""Admits and runs one program once, in the heap that MicroPython was given; `heaps` starts it.

    fits.py translated|machine FILE.wasm

Prints how many bytes of the heap the container itself takes, loaded from source.  Ends
with an error if the program does not fit.
"""

import gc
import sys

PAGE_BYTES = 65536


def load(engine):
    """Loads the container as an agent does: a page while the heap is whole, then the machine."""
    from backfence.agent.container.arena import reserve
    from backfence.agent.container.admission import engines

    reserve(1 << 16)
    if engine == "machine" and engine not in engines():
        raise SystemExit("the machine does not load")


def run(engine, data):
    """One run of a WASI command that reads its rounds on standard input."""
    from backfence.agent.container.limits import Limits
    from backfence.agent.container.admission import Admission

    admission = Admission(data, Limits(), engine=engine)
    while not admission.step():
        continue
    outcome = admission.program.start(b"1", [], 1 << 60, 4096, 1, True, bytes(32)).run(lambda: True)
    if outcome.kind != "ok":
        raise SystemExit("%s: %s" % (outcome.kind, outcome.reason))


def main():
    """What the arguments say."""
    gc.collect()
    before = gc.mem_alloc()
    load(sys.argv[1])
    gc.collect()
    print(gc.mem_alloc() - before - PAGE_BYTES)
    with open(sys.argv[2], "rb") as file:
        run(sys.argv[1], file.read())


main()
