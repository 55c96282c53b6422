"""Lowered functions as one program's code, and the loop around the machine.

The machine runs until something needs Python: a checkpoint of fuel, a WASI call,
memory.grow, a trap.  It keeps nothing but what the register file holds, so it goes
on where it stopped.  The register file is one array of words: the words of words.S_*,
the control stack, the table, the globals, then the frames.
"""

import struct
import uctypes
from array import array

from ..limits import CALL_DEPTH
from ..reader import F64, I32, I64
from ..trap import trap
from . import Unsuitable
from .lower import Lowerer
from .words import (
    COPY, DONE, FILL, FUEL, GROW, HOST, S_A, S_CANONICAL, S_CP, S_ENTRIES, S_FUEL, S_INF32, S_INF64, S_IP, S_LIMIT,
    S_RB, S_SIGNLESS, S_SIZE, S_TABLE, S_WORDS, STORED, TRAPS,
)  # fmt: skip
from .slow import Slow

# Opcodes lowered in one step: about 3 ms on a PC's MicroPython.
STEP_OPCODES = 100
# Places in one step in which calls are told where their functions begin.
STEP_CALLS = 500
# A register file of more bytes is refused: the other engine needs none.
REGISTER_BYTES = 65536
# With more than one slow instruction in so many, the other engine is the faster.
SLOW_SHARE = 12

_NO_FUNCTION = 0x3FFFFFFF
_CONTROL = (S_WORDS + 1 & ~1) * 4
# One place each for the way back of the first call, for each deeper call, for a host's stub.
_TABLE = _CONTROL + (CALL_DEPTH + 3) * 8


class Lowering:
    """Makes the code of `module` function by function; `step` raises Refused or Unsuitable."""

    def __init__(self, module, limits, machine, forced):
        self.module = module
        self.forced = forced  # take it however slow it will be
        self.machine = machine
        self.words = array("i")
        self.globals_at = _TABLE + max(module.table, 0) * 8
        self.frames_at = self.globals_at + len(module.globals) * 8
        self.places = []
        self.frame_bytes = 64
        self.lowerer = Lowerer(module, limits, self.words, machine.numbers, self.globals_at)
        self.next = 0
        self.busy = False
        self.told = 0
        self.stubs()

    def stubs(self):
        """The end of a run at place 0, then a stub for each import: the call, and back."""
        numbers, words = self.machine.numbers, self.words
        words.append(numbers["done"][0])
        for i in range(len(self.module.imports)):
            self.places.append(len(words) * 4)
            words.extend(array("i", [numbers["host"][0], i, numbers["ret"][0]]))

    def step(self):
        """A few milliseconds of work; the Code when all functions are done, else None."""
        lowerer = self.lowerer
        if self.next < len(self.module.bodies):
            if not self.busy:
                self.places.append(len(self.words) * 4)
                lowerer.start(self.next)
                self.busy = True
            elif lowerer.step(STEP_OPCODES):
                # Two more slots: for numbers of comparisons, and a return of several values.
                size = (len(lowerer.locals) + lowerer.deepest + 2) * 8
                self.frame_bytes = max(self.frame_bytes, size)
                self.busy = False
                self.next += 1
            return None
        return self.connect()

    def connect(self):
        """Tell the calls where their functions begin."""
        words, calls = self.words, self.lowerer.calls
        end = min(self.told + STEP_CALLS, len(calls))
        for i in range(self.told, end):
            words[calls[i]] = self.places[words[calls[i]]]
        self.told = end
        if end < len(calls):
            return None
        if not self.forced and self.lowerer.slow_ones * SLOW_SHARE > self.lowerer.instructions:
            raise Unsuitable("most of it is floats")
        size = self.frames_at + (CALL_DEPTH + 2) * self.frame_bytes
        if size > REGISTER_BYTES:
            raise Unsuitable(
                "a function has too many locals for the machine: its register file would have %d bytes, the cap is %d; "
                "split it" % (size, REGISTER_BYTES)
            )
        return Code(self.module, self.machine, self.words, self.places, self.globals_at, self.frames_at, size)


class Code:
    """A program's functions as the machine's instructions."""

    engine = "machine"

    def __init__(self, module, machine, words, places, globals_at, frames_at, register_bytes):
        self.module = module
        self.machine = machine
        self.words = words
        self.places = places
        self.globals_at = globals_at
        self.frames_at = frames_at
        self.register_bytes = register_bytes
        self.registers = None
        self.instance = None
        self.spent = 0  # what was left of the fuel when the last run ended

    # The meter.

    def left(self):
        """Fuel granted and not used."""
        return self.registers[S_FUEL] if self.registers else self.spent

    def grant(self, fuel):
        """Allow so much more."""
        if not self.registers:
            self.registers = array("i", bytes(self.register_bytes))
            self.bytes = uctypes.bytearray_at(uctypes.addressof(self.registers), self.register_bytes)
        self.registers[S_FUEL] += fuel

    def charge(self, fuel):
        """Take fuel for what one instruction did, with a checkpoint when it is due."""
        self.registers[S_FUEL] -= fuel
        if self.registers[S_FUEL] < 0:
            self.instance.checkpoint()

    # A run.

    def reset(self):
        """Forget the last run."""
        self.registers = None
        self.spent = 0

    def begin(self, instance, canonical):
        """Bind globals and imports for one run; `canonical`: NaNs show no bits of their own."""
        registers = self.registers
        self.instance = instance
        self.memory = None
        self.address = 0
        self.slow = Slow(self.bytes, canonical)
        self.hosts = [instance.wasi.bind(entry[1]) for entry in self.module.imports]
        registers[S_CANONICAL] = 1 if canonical else 0
        registers[S_SIGNLESS] = 0x7FFFFFFF
        registers[S_INF32] = 0x7F800000
        registers[S_INF64] = 0x7FF00000
        registers[S_LIMIT] = _CONTROL + (CALL_DEPTH + 1) * 8
        registers[S_TABLE] = _TABLE
        at = self.globals_at
        for t, _, value in self.module.globals:
            self.put(t, at, value)
            at += 8

    def put(self, t, at, value):
        """A value into the register file; a float may come as bytes."""
        if isinstance(value, bytes):
            self.bytes[at : at + len(value)] = value
        elif t == I32 or t == I64:
            struct.pack_into("<i" if t == I32 else "<q", self.bytes, at, value)
        else:
            struct.pack_into("<d" if t == F64 else "<f", self.bytes, at, value)

    def fill_table(self, table):
        """The table's functions: of each its type and its place."""
        module, registers = self.module, self.registers
        registers[S_ENTRIES] = len(table)
        at = _TABLE // 4
        for function in table:
            if function < 0:
                registers[at] = _NO_FUNCTION
            else:
                registers[at] = module.canon[module.functions[function]]
                registers[at + 1] = self.places[function]
            at += 2

    def attach(self, memory):
        """The instance's memory is there, or has moved."""
        self.memory = memory
        self.address = uctypes.addressof(memory.bytes)
        self.registers[S_SIZE] = memory.size

    def call(self, index, args):
        """Call function `index`; what it returns: None, a value, or a tuple."""
        module, registers = self.module, self.registers
        params, results = module.types[module.functions[index]]
        for i in range(len(params)):
            self.put(params[i], self.frames_at + 8 * i, args[i])
        registers[S_IP] = self.places[index]
        registers[S_RB] = self.frames_at
        # The way back is the end of the run.
        registers[_CONTROL // 4] = registers[_CONTROL // 4 + 1] = 0
        registers[S_CP] = _CONTROL + 8
        self.go_on()
        values = [self.get(results[i], self.frames_at + 8 * i) for i in range(len(results))]
        return tuple(values) if len(values) > 1 else values[0] if values else None

    def get(self, t, at):
        kind = "<i" if t == I32 else "<q" if t == I64 else "<d" if t == F64 else "<f"
        return struct.unpack_from(kind, self.bytes, at)[0]

    def go_on(self):
        """Run until the outermost function returns; whatever ends the run else is raised."""
        run = self.machine.run
        code = uctypes.addressof(self.words)
        registers = self.registers
        base = uctypes.addressof(registers)
        slow = self.slow.perform
        while True:
            status = run(code, base, 0, self.address, slow)
            if status == FUEL:
                self.instance.checkpoint()
            elif status == HOST:
                self.host(registers[S_A])
            elif status == DONE:
                return
            elif status == STORED:
                raise self.slow.fault
            elif status in TRAPS:
                trap(TRAPS[status])
            else:
                self.move_memory(status)

    def host(self, index):
        """Call an import: its arguments stand where its frame begins, its result goes there."""
        module, rb = self.module, self.registers[S_RB]
        params, results = module.types[module.imports[index][2]]
        args = [self.get(params[i], rb + 8 * i) for i in range(len(params))]
        value = self.hosts[index](0, *args)
        if results:
            self.put(results[0], rb, value)

    def move_memory(self, status):
        """memory.grow, memory.copy, memory.fill; their operands' slots stand in S_A and on."""
        registers = self.registers
        rb = registers[S_RB]
        slots = [rb + registers[S_A + i] for i in range(2 if status == GROW else 3)]
        if status == GROW:
            self.put(I32, slots[0], self.memory.grow(self.get(I32, slots[1]) & 0xFFFFFFFF))
            return
        a, b, n = [self.get(I32, slot) & 0xFFFFFFFF for slot in slots]
        if status == COPY:
            self.memory.copy(a, b, n)
        elif status == FILL:
            self.memory.fill(a, b, n)

    def end(self):
        """Let go of the run: only the code is kept."""
        if self.registers:
            self.spent = self.registers[S_FUEL]
        self.registers = None
        self.bytes = None
        self.memory = None
        self.hosts = None
        self.slow = None
        self.instance = None
