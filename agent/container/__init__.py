"""The job container: WebAssembly with WASI preview 1, inside the agent.

A module is admitted (decoded, validated, translated to Python, within caps), then
started with bytes on stdin, arguments and an allowance of fuel, then run:

    admission = Admission(data, Limits())
    while not admission.step():      # raises Refused with one clear line
        ...                          # other work, between steps of a few ms
    instance = admission.program.start(stdin, args, fuel, output_cap, pages, deterministic, seed)
    outcome = instance.run(tick)     # tick() -> True to go on, False to cancel

Nothing outside this package knows how the code is run.
"""

# What lies deepest comes first: on 32-bit processors MicroPython's stack holds
# no more than eight imports inside each other.
from . import limits
from . import reader
from . import validate
from .translated import numeric
from .translated import branches
from .admission import Admission, engines
from .instance import Outcome
from .limits import Limits, Refused
from .memory import reserve
from .room import NoRoom

__all__ = ("Admission", "engines", "Limits", "NoRoom", "Outcome", "Refused", "reserve")
