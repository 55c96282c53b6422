"""How a run ended."""


class Outcome:
    """How a run ended.

    kind: "ok" (exit code 0), "exit" (another code), "trap", "fuel", "memory",
    "cancelled"; also "refused" for an input that admission refused.  code: the exit code.  reason: one short line,
    for "exit" the first line the job wrote to stderr.  output: stdout, also when the run
    ended badly.  fuel: what it used, never above its allowance.  pages: its
    memory's peak, in 64 KiB pages.  ms: what it took, left to the caller.
    """

    def __init__(self, kind, code=0, reason="", output=b"", fuel=0, pages=0, ms=0):
        self.kind = kind
        self.code = code
        self.reason = reason
        self.output = output
        self.fuel = fuel
        self.pages = pages
        self.ms = ms
