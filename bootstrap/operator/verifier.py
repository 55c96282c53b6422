"""Verifiers: programs that tell right outputs from wrong ones, for what is cheaper to check than to compute.

A verifier is a WebAssembly program like any other (docs/programs.md).  Its stdin is
the length of the task's input, 4 bytes little-endian, the input, and the output that
a box sent; its arguments are the workload's.  It exits 0 if the output is right;
whatever else comes of it, the output is wrong.

It runs here, in the agent's own container: a box that verifies might be in league
with the one that computed, and the owner is not.
"""

from ...agent.container.admission import Admission
from ...agent.container.limits import Limits, Refused
from . import program
from .errors import OperatorError

# A verifier's own caps: minutes of a slow box, seconds here.
FUEL = 200_000_000
PAGES = 64
SEED = bytes(32)


def admitted(data, path):
    """Returns the container's Program of a verifier's bytes; OperatorError, as for any program, if there is none."""
    admission = Admission(data, Limits())
    try:
        while not admission.step():
            pass
    except Refused as reason:
        raise OperatorError(f"a box would refuse the verifier {path}: {reason}", program.fix(str(reason))) from None
    return admission.program


def stdin_of(data, output):
    """Returns the bytes that a verifier reads: a task's input and what a box sent for it."""
    return len(data).to_bytes(4, "little") + data + output


class Verifier:
    """One verifier, admitted: holds(input, output) of one task at a time."""

    def __init__(self, data, args=(), path="given"):
        self._program = admitted(data, path)
        self._args = list(args)

    def holds(self, data, output):
        """True if the verifier exits 0 on a task's input (bytes) and an output of it (bytes)."""
        instance = self._program.start(stdin_of(data, output), self._args, FUEL, 0, PAGES, True, SEED)
        return instance.run(lambda: True).kind == "ok"
