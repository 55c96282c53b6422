"""Runs one program once inside MicroPython, and says what it took; `contenders` starts it.

    runner.py translated|machine|unmetered FILE.wasm ROUNDS
    runner.py hand NAME ROUNDS

Prints one line of JSON.  cpu_s is processor time of the run alone: not of starting,
importing, admitting.
"""

import gc
import json
import sys
import time


def admit(engine, data):
    """The program, admitted in steps as a box does."""
    from backfence.agent.container.limits import Limits
    from backfence.agent.container.admission import Admission

    # Benches may be larger than a box's default.
    limits = Limits(module_bytes=65536)
    if engine == "unmetered":
        admission = unmetered(data, limits)
    else:
        admission = Admission(data, limits, engine=engine)
    while not admission.step():
        pass
    return admission.program


def unmetered(data, limits):
    """An admission whose translated code counts no fuel: it shows what counting costs."""
    from backfence.agent.container import load

    while not (load() and load("translated")):  # a small stack does not hold their imports inside each other
        pass
    from backfence.agent.container.admission import Admission
    from backfence.agent.container.translated.code import Lowering
    from backfence.agent.container.translated.translate import Translator

    class Free(Translator):
        def fuel(self, cost):
            pass

    class FreeAdmission(Admission):
        def lower(self):
            lowering = Lowering(self.module, self.mode, self.limits)
            lowering.translator = Free(self.module, self.mode, self.limits, lowering.constants)
            return lowering

    return FreeAdmission(data, limits, engine="translated")


def run_wasm(engine, path, rounds):
    """One run of a WASI command that reads its rounds on standard input."""
    with open(path, "rb") as f:
        data = f.read()
    program = admit(engine, data)
    gc.collect()
    instance = program.start(b"%d" % rounds, [], 1 << 60, 4096, 1, True, bytes(32))
    begun = time.clock()
    outcome = instance.run(lambda: True)
    cpu_s = time.clock() - begun
    if outcome.kind != "ok":
        raise SystemExit("%s %s: %s %s" % (engine, path, outcome.kind, outcome.reason))
    return {"cpu_s": cpu_s, "sum": bytes(outcome.output).decode().strip(), "fuel": outcome.fuel}


def run_hand(name, rounds):
    """The same, written in Python by hand."""
    module = __import__(name)
    gc.collect()
    begun = time.clock()
    total = module.run(rounds)
    return {"cpu_s": time.clock() - begun, "sum": "%08x" % total}


def main():
    """What the arguments say."""
    engine, what, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/kernels")
    found = run_hand(what, rounds) if engine == "hand" else run_wasm(engine, what, rounds)
    print(json.dumps(found))


main()
