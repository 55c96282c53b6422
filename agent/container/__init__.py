"""The job container: WebAssembly with WASI preview 1, inside the agent.

A module is admitted (decoded, validated, translated to Python, within caps), then
started with bytes on stdin, arguments and an allowance of fuel, then run:

    while not load():                # other work, between steps of a few ms
        ...
    from .container.admission import Admission, Limits
    admission = Admission(data, Limits())
    while not admission.step():      # raises Refused with one clear line
        ...                          # other work, likewise
    instance = admission.program.start(stdin, args, fuel, output_cap, pages, deterministic, seed)
    outcome = instance.run(tick)     # tick() -> True to go on, False to cancel

Nothing outside this package knows how the code is run.  A box that never runs a job
pays for this file and arena.py alone; the rest is loaded before the first one, and of
the engines only what a program needs.
"""

import sys

# Modules in an order in which each finds loaded what it imports.
_COMMON = (
    "limits", "outcome", "reader", "opcodes", "scan", "validate", "decode", "trap", "arithmetic", "memory",
    "without_files", "wasi", "instance", "room", "machine", "admission",
)
_ENGINES = {
    "translated": (
        "translated", "translated.stack", "translated.conditions", "translated.numeric", "translated.alignment",
        "translated.structure", "translated.control", "translated.branches", "translated.names", "translated.access",
        "translated.translate", "translated.views", "translated.code",
    ),
    "machine": ("machine.words", "machine.slots", "machine.control", "machine.lower", "machine.slow", "machine.code"),
}


def load(engine=None):
    """Load a module of what admits programs, or of an engine; True if there was none left.

    One at a time: on a slow box each takes milliseconds, and a small stack does not hold
    many imports inside each other.
    """
    for name in _ENGINES[engine] if engine else _COMMON:
        name = __name__ + "." + name
        if name not in sys.modules:
            __import__(name)
            return False
    return True
