"""How a run ends from inside: the exception, and the traps by name."""


class Unwind(Exception):
    """Ends a run from inside: kind, exit code, reason."""

    def __init__(self, kind, code, reason):
        super().__init__(reason)
        self.kind = kind
        self.code = code
        self.reason = reason


def trap(reason):
    """End the run as a trap, for this reason."""
    raise Unwind("trap", 0, reason)


def unreachable():
    """The instruction `unreachable`."""
    trap("unreachable executed")


def too_deep():
    """A call deeper than CALL_DEPTH."""
    trap("call depth exceeded")


def out_of_bounds():
    """An address that cannot be in the memory."""
    trap("out of bounds memory access")
