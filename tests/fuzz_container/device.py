"""Runs a batch of cases in one process, on CPython or MicroPython, and prints a record of each.

    device.py BATCH [ENGINE ...]

BATCH has one case a line, as JSON (see oracle.py; "data" and "stdin" are hexadecimal).
Before each case a line `begin NUMBER ENGINE` is printed, so that the last line of a
process that died names the culprit.  After each case a witness runs: a module that must
find zeros where the former's memory was, and give the right answer.
"""

import binascii
import hashlib
import json
import struct
import sys

from backfence.agent.container import admission
from backfence.agent.container.arena import reserve
from backfence.agent.container.limits import Limits, Refused
from backfence.agent.container.admission import Admission

OUTPUT_CAP = 1000
SEED = b"s" * 32
# (func (export "f") (result i32) i32.const 0 i32.load i32.const 65532 i32.load i32.or i32.const 7 i32.add)
WITNESS = binascii.unhexlify(
    "0061736d010000000105016000017f030201000503010001070501016600000a14011200410028020041fcff0328020072"
    "41076a0b"
)


def engines():
    """The names of the engines that can be had here."""
    return admission.engines()


def admit(data, engine, mode=None):
    """The program of a module that need not be a command."""
    work = Admission(data, Limits(), False, mode, engine)
    while not work.step():
        pass
    return work.program


def given(t, value):
    """An argument of value type `t`, floats from their bits."""
    if t == 0x7D:
        return struct.unpack("<f", struct.pack("<i", value))[0]
    if t == 0x7C:
        return struct.unpack("<d", struct.pack("<q", value))[0]
    return value


def taken(t, value):
    """A result, floats as their bits."""
    if t in (0x7D, 0x7C):
        if value != value:
            return "nan"
        return struct.unpack("<i", struct.pack("<f", value))[0] if t == 0x7D else struct.unpack("<q", struct.pack("<d", value))[0]
    return value


def tick():
    """The job may go on."""
    return True


def call(program, instance, name, args):
    """[kind, ...] of one call."""
    module = program.module
    params, results = module.types[module.functions[module.exports[name][1]]]
    args = tuple([given(t, a) for t, a in zip(params, args)])
    kind, code, reason, values = instance.invoke(name, args, tick)
    if kind == "ok":
        if len(values) != len(results):
            return ["ok, but with %d values" % len(values)]
        return ["ok", [taken(t, v) for t, v in zip(results, values)]]
    if kind == "exit":
        return [kind, code]
    return [kind, reason] if kind == "trap" else [kind]


def record(case, engine, mode=None):
    """The record of a case: what was admitted, what each call did, what was left behind."""
    try:
        program = admit(case["data"], engine, mode)
    except Refused as e:
        return {"refused": str(e)}
    instance = program.start(
        case.get("stdin", b""), case.get("args", []), case["fuel"], OUTPUT_CAP, case["pages"], True, SEED
    )
    calls = []
    for name, args in case["calls"]:
        calls.append(call(program, instance, name, args))
        if not instance.ready or calls[-1][0] not in ("ok", "trap"):
            break  # the run is over: there is no calling it again
    out = {"calls": calls, "fuel": instance.used(), "output": hexadecimal(instance.wasi.output)}
    memory = instance.memory
    if memory:
        out["memory"] = [memory.size >> 16, hashlib.sha256(memory.bytes).digest().hex()]
    instance.release()
    return out


def hexadecimal(data):
    """Text of bytes."""
    return str(binascii.hexlify(bytes(data)), "ascii")


def witness(engine):
    """What is wrong after a job, or ""."""
    program = admit(WITNESS, engine)
    instance = program.start(b"", [], 1000, 0, 2, True, SEED)
    answer = instance.invoke("f", (), tick)
    wrong = ""
    if answer != ("ok", 0, "", (7,)) or instance.used() != 8:
        wrong = "the next job gave %r for %d fuel" % (answer, instance.used())
    elif any_byte(instance.memory.bytes):
        wrong = "the next job saw bytes of the former"
    instance.release()
    return wrong


def any_byte(memory):
    """Is any byte not zero?"""
    zeros = bytes(4096)
    for at in range(0, len(memory), 4096):
        if bytes(memory[at : at + 4096]) != zeros:
            return True
    return False


def load(line):
    """A case from its line."""
    case = json.loads(line)
    for key in ("data", "stdin"):
        if key in case:
            case[key] = binascii.unhexlify(case[key])
    return case


def main(path, names):
    """Run the batch; each case on each engine."""
    reserve(2 << 16)
    known = engines()  # compiles the machine, where there is one
    with open(path) as file:
        for number, line in enumerate(file):
            case = load(line)
            for engine in names or known:
                print("begin %d %s" % (number, engine))
                try:
                    out = record(case, engine)
                    wrong = witness(engine)
                    if wrong:
                        out["after"] = wrong
                except Exception as e:
                    out = {"raised": "%s: %s" % (type(e).__name__, e)}
                print("end %s" % json.dumps(out))
                if hasattr(sys.stdout, "flush"):
                    sys.stdout.flush()
    print("done")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
