"""A module taken apart and put together again: the tests' own reader of the binary format.

It shares nothing with the agent's decoder, and takes only modules that wasmtime has
found valid within the container's feature set.  modules.py encodes.  Format:
WebAssembly core specification, chapter 5.
"""

from modules import u

TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA, DATA_COUNT = range(1, 13)
# Sections in the order they stand in.
ORDER = (TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, DATA_COUNT, CODE, DATA)
HEADER = b"\0asm\1\0\0\0"


class Cursor:
    """A position in bytes."""

    def __init__(self, data, pos=0):
        self.data = data
        self.pos = pos

    def byte(self):
        self.pos += 1
        return self.data[self.pos - 1]

    def u(self):
        value = shift = 0
        while True:
            b = self.byte()
            value |= (b & 127) << shift
            shift += 7
            if b < 128:
                return value

    def take(self, n):
        if self.pos + n > len(self.data):
            raise IndexError("the data end early")
        self.pos += n
        return bytes(self.data[self.pos - n : self.pos])

    def skip_constant(self):
        """Past a constant expression."""
        while True:
            op, _, self.pos = instruction(self.data, self.pos)
            if op == 0x0B:
                return


def sections(data):
    """[(ident, payload)] of a module; IndexError where it is cut."""
    cursor = Cursor(data, 8)
    out = []
    while cursor.pos < len(data):
        ident = cursor.byte()
        out.append((ident, cursor.take(cursor.u())))
    return out


def instruction(data, pos):
    """(opcode, where its immediates begin, where it ends); 0xFC opcodes are 0xFC00 + n."""
    cursor = Cursor(data, pos)
    op = cursor.byte()
    at = cursor.pos
    if op in (0x02, 0x03, 0x04, 0x0C, 0x0D, 0x10, 0x41, 0x42) or 0x20 <= op <= 0x24:
        cursor.u()
    elif op == 0x0E:
        for _ in range(cursor.u() + 1):
            cursor.u()
    elif op == 0x11 or 0x28 <= op <= 0x3E:
        cursor.u()
        cursor.u()
    elif op in (0x3F, 0x40):
        cursor.byte()
    elif op == 0x43:
        cursor.take(4)
    elif op == 0x44:
        cursor.take(8)
    elif op == 0x1C:
        for _ in range(cursor.u()):
            cursor.byte()
    elif op == 0xFC:
        op = 0xFC00 + cursor.u()
        if op >= 0xFC08:
            cursor.take(2 if op == 0xFC0A else 1)
    return op, at, cursor.pos


def instructions(body, pos):
    """[(opcode, start, end)] of a body from `pos` on."""
    out = []
    while pos < len(body):
        op, _, end = instruction(body, pos)
        out.append((op, pos, end))
        pos = end
    return out


def locals_end(body):
    """Where a body's declarations of locals end."""
    cursor = Cursor(body)
    for _ in range(cursor.u()):
        cursor.u()
        cursor.byte()
    return cursor.pos


class Parts:
    """A module's vectors as lists of encoded items, to be changed and joined."""

    def __init__(self, data):
        self.lists = {ident: [] for ident in ORDER if ident not in (START, DATA_COUNT)}
        self.start = None
        self.data_count = None
        for ident, payload in sections(data):
            if ident == START:
                self.start = Cursor(payload).u()
            elif ident == DATA_COUNT:
                self.data_count = Cursor(payload).u()
            elif ident and ident not in self.lists:
                raise ValueError(f"there is no section {ident}")
            elif ident:
                self.lists[ident] = _items(ident, payload)

    def __getitem__(self, ident):
        return self.lists[ident]

    def join(self):
        """The module's bytes."""
        out = [HEADER]
        for ident in ORDER:
            if ident == START:
                payload = b"" if self.start is None else u(self.start)
            elif ident == DATA_COUNT:
                payload = b"" if self.data_count is None else u(len(self[DATA]))
            else:
                items = self[ident]
                if ident == CODE:
                    items = [u(len(body)) + body for body in items]
                payload = u(len(items)) + b"".join(items) if items else b""
            if payload:
                out.append(bytes([ident]) + u(len(payload)) + payload)
        return b"".join(out)

    def imported(self):
        """[(module, name, type index)]: all imports are functions."""
        out = []
        for item in self[IMPORT]:
            cursor = Cursor(item)
            space = cursor.take(cursor.u()).decode()
            name = cursor.take(cursor.u()).decode()
            cursor.byte()
            out.append((space, name, cursor.u()))
        return out

    def signature(self, type_index):
        """(params, results) of a type."""
        cursor = Cursor(self[TYPE][type_index], 1)
        return cursor.take(cursor.u()), cursor.take(cursor.u())

    def function_type(self, index):
        """(params, results) of a function."""
        imports = self.imported()
        if index < len(imports):
            return self.signature(imports[index][2])
        return self.signature(Cursor(self[FUNCTION][index - len(imports)]).u())

    def exported(self):
        """[(name, kind, index)]."""
        out = []
        for item in self[EXPORT]:
            cursor = Cursor(item)
            out.append((cursor.take(cursor.u()).decode(), cursor.byte(), cursor.u()))
        return out


def _items(ident, payload):
    cursor = Cursor(payload)
    out = []
    for _ in range(cursor.u()):
        start = cursor.pos
        if ident == CODE:
            out.append(cursor.take(cursor.u()))
            continue
        _skip_item(ident, cursor)
        out.append(bytes(payload[start : cursor.pos]))
    return out


def _skip_item(ident, cursor):
    if ident == TYPE:
        cursor.byte()
        cursor.take(cursor.u())
        cursor.take(cursor.u())
    elif ident == IMPORT:
        cursor.take(cursor.u())
        cursor.take(cursor.u())
        if cursor.byte():
            raise ValueError("only functions can be imported here")
        cursor.u()
    elif ident == FUNCTION:
        cursor.u()
    elif ident in (TABLE, MEMORY):
        if ident == TABLE:
            cursor.byte()
        if cursor.byte():
            cursor.u()
        cursor.u()
    elif ident == GLOBAL:
        cursor.take(2)
        cursor.skip_constant()
    elif ident == EXPORT:
        cursor.take(cursor.u())
        cursor.byte()
        cursor.u()
    elif ident == ELEMENT:
        cursor.u()
        cursor.skip_constant()
        for _ in range(cursor.u()):
            cursor.u()
    elif ident == DATA:
        cursor.u()
        cursor.skip_constant()
        cursor.take(cursor.u())
