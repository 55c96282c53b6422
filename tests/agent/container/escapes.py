"""What the escape tables share: a box around the job, and a look at what stayed whole."""

from modules import I32, command, function, get, i32, load, module, tick, u

from backfence.agent.container import admission, arena
from backfence.agent.container.arena import reserve
from backfence.agent.container.limits import Limits, Refused
from backfence.agent.container.admission import Admission

PAGE = 65536
OUT = ("trap", "out of bounds memory access")
# Memory of the agent's, before and after the jobs' arena.
_GUARD = 0xA5
_before = bytearray(bytes([_GUARD]) * 4096)
reserve(2 << 16)
_after = bytearray(bytes([_GUARD]) * 4096)

# Sums its page's first and last words and 7: 7 where the memory is clean.
NEXT_JOB = module(
    [function((), (I32,), i32(0) + load(0x28) + i32(PAGE - 4) + load(0x28) + b"\x72" + i32(7) + b"\x6a")], memory=(1, 1)
)


def engines():
    """The names of all engines that can be had here."""
    return admission.engines()


class Box:
    """Runs jobs on one engine; `whole` fails if one did harm beyond itself."""

    def __init__(self, engine):
        self.engine = engine
        self.next = self.admit(NEXT_JOB)

    def admit(self, data, is_command=False, limits=None):
        """The program of a module."""
        work = Admission(data, limits or Limits(), is_command, None, self.engine)
        while not work.step():
            pass
        return work.program

    def refusal(self, data, is_command=False):
        """Why a module is refused."""
        try:
            self.admit(data, is_command)
        except Refused as e:
            assert "\n" not in str(e), e
            return str(e)
        raise AssertionError("admitted")

    def start(self, data, fuel=1000000, pages=1, stdin=b"", output=1000):
        """An instance of a module that need not be a command; beyond its pages the arena is guarded."""
        program = self.admit(data)
        self.guard()
        return program.start(stdin, [], fuel, output, pages, True, b"s" * 32)

    def run(self, data, fuel=1000000, pages=1, stdin=b"", output=1000, tick=tick):
        """The outcome of a command."""
        program = self.admit(data, True)
        self.guard()
        return program.start(stdin, [], fuel, output, pages, True, b"s" * 32).run(tick)

    def guard(self):
        """Write the guard over the whole arena: a job finds its own pages zeroed."""
        raw = arena._arena[0]
        piece = bytes([_GUARD]) * 4096
        for at in range(0, len(raw), 4096):
            raw[at : at + 4096] = piece

    def whole(self, pages=1):
        """The agent's memory, the arena beyond `pages` and the next job are as they should be."""
        guard = bytes([_GUARD]) * 4096
        assert _before == guard and _after == guard, "the agent's memory was written"
        raw = arena._arena[0]
        for at in range(pages * PAGE, len(raw), 4096):
            assert bytes(raw[at : at + 4096]) == guard, "the arena was written beyond the job's pages"
        job = self.next.start(b"", [], 1000, 0, 1, True, b"")
        answer = job.invoke("f0", (), tick)
        used = job.used()
        job.release()
        assert answer == ("ok", 0, "", (7,)) and used == 8, ("the next job", answer, used)


def ended(instance, name, *args):
    """(kind, reason), or ("ok", the values)."""
    kind, code, reason, values = instance.invoke(name, args, tick)
    if kind == "ok":
        return kind, values
    return kind, reason


__all__ = ("Box", "OUT", "PAGE", "command", "ended", "engines", "get", "u")
