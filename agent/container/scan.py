"""A first pass over a function body: which labels are branched to, and its fuel.

Fuel is defined here, from opcodes alone, so that every engine charges the same:
each opcode costs 1, but nop, block, loop, else and end cost nothing.  The
opcodes outside any loop, plus 1 for the call itself, are charged when the
function is entered.  The opcodes of a loop, without those of loops inside it,
are charged each time its start is reached.  memory.copy and memory.fill charge
1 more for each 64 bytes.  A call of WASI costs 200 beside its opcode, each vector
or subscription that it looks at 50, each 64 bytes that fd_read and fd_write move 1,
each 32 bytes begun of random_get 32.
"""

from .limits import Refused
from .opcodes import BLOCK, BR, EIGHT, ELSE, END, FOUR, ILLEGAL, IMMEDIATES, NONE, NOP, ONE, PREFIX, TABLE, TYPED

# Deeper structures are translated by the flat lowering: CPython takes 20 nested
# `while` and 100 levels of indentation.
WHILE_DEPTH = 18
TOTAL_DEPTH = 60


class Shape:
    """What the scan found.  Lists are indexed by construct, in order of `begin`; 0 is the function."""

    def __init__(self):
        self.targets = [0]  # branches to the construct's label
        self.costs = [1]  # fuel: of the function's entry, of a loop's round
        self.starts = [0]  # segment numbers for the flat lowering:
        self.elses = [0]  # of a loop's start, an `else`, the code after the `end`
        self.ends = [0]
        self.flat = False
        self.branches = False  # a branch may cross a `while`
        self.memory = False  # it names the memory
        # What the nested lowering decides from (translated/structure.py):
        self.parents = [0]
        self.jumps = []  # where a branch stands << 16 | the construct it names, if not the function
        self.kinds = bytearray(1)
        self.classes = [0]  # equal where constructs end together
        self.falls = bytearray(1)  # 1: its end can be run into
        self.calls = bytearray(1)  # 1: something in it may charge fuel by itself
        self._ended = 0  # class of the construct that ended last, if it gave no values
        self._at = 0  # behind that `end`
        self._alive = 1  # 0 behind what goes away for good

    def _begin(self, op, parent, plain):
        """Note a construct; `plain`: it gives no values."""
        self.targets.append(0)
        self.costs.append(0)
        self.starts.append(0)
        self.elses.append(0)
        self.ends.append(0)
        self.parents.append(parent)
        self.kinds.append(op)
        self.classes.append(0 if plain else -1)
        self.falls.append(0)
        self.calls.append(0)

    def _end(self, i, pos):
        """Note the end of construct i, its opcode just before pos."""
        plain = self.classes[i] == 0
        self.classes[i] = self._ended if plain and self._ended and pos == self._at + 1 else pos
        self._ended = self.classes[i] if plain else 0
        self._at = pos
        if self.kinds[i] == 4 and not self.elses[i]:
            self._alive = 1
        self.falls[i] |= self._alive
        if self.kinds[i] != 3 and (self.targets[i] or self.falls[i]):
            self._alive = 1

    def _else(self, i, segment):
        self.elses[i] = segment
        self.falls[i] = self._alive
        self._alive = 1

    def _call(self, open_):
        """Note a call in all constructs that are open."""
        for i in reversed(open_):
            if self.calls[i]:
                break
            self.calls[i] = 1


def scan(data, pos, end, nesting, name):
    """Scan the body's opcodes in data[pos:end]; Refused when they are cut or unknown."""
    shape = Shape()
    targets, costs = shape.targets, shape.costs
    open_ = [0]  # constructs begun and not ended
    loops = [0]  # for each, the construct whose fuel its opcodes cost
    whiles = [0]  # for each, the nested `while` blocks found inside it
    segment = deepest = 0
    while open_:
        if pos >= end:
            raise Refused("not valid WebAssembly: the body ends early (%s)" % name)
        op = data[pos]
        pos += 1
        kind = IMMEDIATES[op]
        if kind > ELSE or kind < BLOCK:
            if kind == ILLEGAL:
                raise Refused("opcode 0x%02x is not supported: build for the WebAssembly MVP (%s)" % (op, name))
            if kind == END:
                i = open_.pop()
                loops.pop()
                inside = whiles.pop()
                if i and targets[i]:
                    inside += 1
                segment += 1
                shape.ends[i] = segment
                shape._end(i, pos)
                if whiles:
                    whiles[-1] = max(whiles[-1], inside)
                else:
                    deepest = inside
                continue
            if kind == NOP:
                continue
            costs[loops[-1]] += 1
            if kind == NONE:
                if op < 0x10:  # unreachable, return
                    shape._alive = 0
                continue
            if op == 0x10 or op == 0x11 or op == 0xFC:
                shape._call(open_)
            if 0x28 <= op <= 0x40 or op == 0xFC:
                shape.memory = True
            pos = _skip(data, pos, end, kind, open_, shape, name)
            if op == 0x0C or op == 0x0E:
                shape._alive = 0
        elif kind == BLOCK:
            i = len(targets)
            shape._begin(op, open_[-1], data[pos] == 0x40)
            pos = _leb(data, pos)
            if op == 3:
                segment += 1
            shape.starts[i] = segment
            open_.append(i)
            loops.append(i if op == 3 else loops[-1])
            whiles.append(0)
            if op == 4:
                costs[loops[-1]] += 1
            if len(open_) > nesting:
                raise Refused("blocks nest deeper than %d: split the function (%s)" % (nesting, name))
            if len(open_) > TOTAL_DEPTH:
                shape.flat = True
        else:  # else
            segment += 1
            shape._else(open_[-1], segment)
    if pos != end:
        raise Refused("not valid WebAssembly: bytes after the body's end (%s)" % name)
    if deepest > WHILE_DEPTH:
        shape.flat = True
    shape.branches = deepest > 1
    return shape


def _leb(data, pos):
    while data[pos] & 128:
        pos += 1
    return pos + 1


def number(data, pos):
    """(value, position behind it) of an unsigned LEB128, or of the low bits of a signed one."""
    value = shift = 0
    while True:
        b = data[pos]
        pos += 1
        value |= (b & 127) << shift
        shift += 7
        if b < 128 or shift > 35:
            return value, pos


def _jump(shape, open_, depth):
    if depth < len(open_):
        to = open_[-1 - depth]
        shape.targets[to] += 1
        if to:
            shape.jumps.append(open_[-1] << 16 | to)


def _skip(data, pos, end, kind, open_, shape, name):
    """Skip an opcode's immediates; note branches."""
    try:
        if kind == BR:
            depth, pos = number(data, pos)
            _jump(shape, open_, depth)
        elif kind == TABLE:
            n, pos = number(data, pos)
            while n >= 0 and pos < end:
                depth, pos = number(data, pos)
                _jump(shape, open_, depth)
                n -= 1
        elif kind == FOUR:
            pos += 4
        elif kind == EIGHT:
            pos += 8
        elif kind == ONE:
            pos += 1
        elif kind == TYPED:
            n, pos = number(data, pos)
            pos += n
        elif kind == PREFIX:
            op, pos = number(data, pos)
            if op > 7:
                if op not in (10, 11):
                    raise Refused("opcode 0xfc %d is not supported: build for the WebAssembly MVP (%s)" % (op, name))
                pos += 2 if op == 10 else 1
        else:  # INDEX, TWO
            pos = _leb(data, pos)
            if kind != 1:
                pos = _leb(data, pos)
    except IndexError:
        raise Refused("not valid WebAssembly: the body ends early (%s)" % name)
    return pos
