"""Reads one request from stdin, admits and runs the program, reports on stderr."""

import gc
import json
import sys
import time

# The memory for jobs first, as the agent has it.
from ...agent.container import arena

arena.set_aside()
# What a box has in its heap beside the container.
from ...agent.edge import main as agent  # noqa: E402,F401
from ...agent import container  # noqa: E402
from ...agent.container.admission import Admission, Limits, Refused, engines  # noqa: E402
from ...agent.limits import BLOB_BYTES  # noqa: E402
from . import profile  # noqa: E402

NO_MEMORY = "the box has no memory left for it"


def now_ms():
    """Milliseconds from anywhere, only rising."""
    return time.ticks_ms() if hasattr(time, "ticks_ms") else time.monotonic_ns() // 1000000


def heap_used():
    """Bytes of heap in use, garbage apart; None where the interpreter does not say."""
    gc.collect()
    return gc.mem_alloc() if hasattr(gc, "mem_alloc") else None


class Trial:
    """One program, admitted and perhaps run as an agent does it.

    request: the JSON object that __init__.py describes.  report: what becomes of it.
    """

    def __init__(self, request, data, stdin):
        self.request = request
        self.data = data
        self.stdin = stdin
        self.sent = 0
        self.instance = None
        self.profile = profile.Profile() if request["profile"] else None
        usable = list(engines())
        for name in usable:  # what is loaded for all programs is not this one's
            while not container.load(name):
                pass
        self.report = {"engines": usable, "heap": [heap_used()]}

    def go(self):
        """Admit, run, fill in the report."""
        engine = self.request["engine"]
        if engine and engine not in self.report["engines"]:
            self.end("engine", "")
            return
        try:
            program = self.admit()
            self.report["heap"].append(heap_used())
            if self.request["run"]:
                self.run(program)
            else:
                self.end("admitted", "")
                # What stays without it was loaded for all programs.
                program = None
                self.report["heap"].append(heap_used())
        except Refused as refusal:
            self.end("refused", str(refusal))
        except MemoryError as problem:
            self.profile = None
            gc.collect()
            self.end("memory", str(problem) or NO_MEMORY)

    def admit(self):
        """The Program; Refused, MemoryError."""
        began_ms = now_ms()
        limits = Limits(module_bytes=BLOB_BYTES)
        if self.profile:
            admission = profile.Admission(self.data, limits, self.profile)
        else:
            admission = Admission(self.data, limits, engine=self.request["engine"])
        while not admission.step():
            pass
        self.report["admit_ms"] = now_ms() - began_ms
        self.report["engine"] = admission.program.engine
        return admission.program

    def run(self, program):
        """Run it to its end; its output goes out as it comes."""
        request = self.request
        self.instance = program.start(
            self.stdin, request["args"], request["fuel"], request["output"], request["pages"],
            request["deterministic"], bytes.fromhex(request["seed"]),
        )
        if self.profile:
            self.profile.watch(self.instance)
        began_ms = now_ms()
        outcome = self.instance.run(self.tick)
        self.report["run_ms"] = now_ms() - began_ms
        self.drain(outcome.output)
        self.end(outcome.kind, outcome.reason)
        errors = self.instance.wasi.errors
        self.report.update({
            "code": outcome.code, "fuel": outcome.fuel, "pages": outcome.pages,
            "output": len(outcome.output), "errors": "".join([chr(byte) for byte in errors]),
        })
        if self.profile:
            self.report["profile"] = self.profile.rows(outcome.fuel)

    def end(self, kind, reason):
        self.report["kind"] = kind
        self.report["reason"] = reason

    def tick(self):
        """What was written since the last tick goes out."""
        self.drain(self.instance.wasi.output)
        return True

    def drain(self, output):
        if len(output) > self.sent:
            sys.stdout.buffer.write(output[self.sent :])
            if hasattr(sys.stdout, "flush"):
                sys.stdout.flush()
            self.sent = len(output)


def main():
    """Read, try, report."""
    read = sys.stdin.buffer.read
    request = json.loads(read(int.from_bytes(read(4), "big")))
    trial = Trial(request, read(request["program"]), read(request["input"]))
    trial.go()
    sys.stderr.write(json.dumps(trial.report) + "\n")


main()
