"""CBOR (RFC 8949) in one spelling: deterministic to write, strict to read.

Every value has exactly one encoding here (section 4.2.1: shortest heads,
definite lengths, keys in the order of their encoded bytes), so bytes that were
hashed or signed can be compared as bytes.  The reader takes that encoding and
nothing else.  It allocates for a length only after it has seen that so many
bytes are there: what a sender claims costs the receiver nothing.

Types: int from -2**64 to 2**64 - 1, bytes, str, list, dict with int or str
keys, True, False, None, Tag, and finite floats, always as 64 bits, where the
reader asks for them.
"""

import struct

from ..compat import const
from ..errors import LocalError, RemoteError

# Nesting of arrays, maps and tags.  The deepest message of ours is a manifest
# with a predicate of depth 8, and that one asks for more.
MAX_DEPTH = const(8)
# Data items in one message, so that many tiny items cannot fill a small heap:
# a MicroPython list slot is 4 or 8 bytes, an empty dict about 48.
MAX_ITEMS = const(2048)

_UINT = const(0)
_NEGATIVE = const(1)
_BYTES = const(2)
_TEXT = const(3)
_ARRAY = const(4)
_MAP = const(5)
_TAG = const(6)
_SIMPLE = const(7)


class Tag:
    """A tagged value: `number` (an unsigned int) says how to read `value`."""

    def __init__(self, number, value):
        self.number = number
        self.value = value

    def __eq__(self, other):
        return isinstance(other, Tag) and (self.number, self.value) == (other.number, other.value)

    def __repr__(self):
        return "Tag(%d, %r)" % (self.number, self.value)


def encode(value):
    """Return the deterministic encoding of `value` as bytes.

    Raises LocalError for a type, key or number that CBOR or this profile lacks.
    """
    out = bytearray()
    _put(out, value)
    return bytes(out)


def _put(out, value):
    kind = type(value)
    if kind is bytes:
        _put_head(out, _BYTES, len(value))
        out.extend(value)
    elif kind is int and 0 <= value < 24:
        out.append(value)
    elif kind is list or kind is tuple:
        _put_head(out, _ARRAY, len(value))
        for item in value:
            _put(out, item)
    # bool before int: on CPython True is an int too.
    elif value is None:
        out.append(0xF6)
    elif value is True:
        out.append(0xF5)
    elif value is False:
        out.append(0xF4)
    elif isinstance(value, int):
        if value >= 0:
            _put_head(out, _UINT, value)
        else:
            _put_head(out, _NEGATIVE, -1 - value)
    elif isinstance(value, (bytearray, memoryview)):
        _put_head(out, _BYTES, len(value))
        out.extend(value)
    elif isinstance(value, str):
        value = value.encode()
        _put_head(out, _TEXT, len(value))
        out.extend(value)
    elif isinstance(value, dict):
        _put_map(out, value)
    elif isinstance(value, Tag):
        _put_head(out, _TAG, value.number)
        _put(out, value.value)
    elif isinstance(value, float) and value - value == 0:
        out.append(0xFB)
        out.extend(struct.pack(">d", value))
    else:
        raise LocalError("cbor: cannot encode %r" % (value,))


def _put_map(out, value):
    keys = []
    for key in value:
        if key is True or key is False or not isinstance(key, (int, str)):
            raise LocalError("cbor: a map key must be int or str, not %r" % (key,))
        keys.append((encode(key), key))
    keys.sort()
    _put_head(out, _MAP, len(keys))
    for encoded, key in keys:
        out.extend(encoded)
        _put(out, value[key])


def _put_head(out, major, number):
    major <<= 5
    if number < 24:
        if number < 0:
            raise LocalError("cbor: a tag number cannot be negative")
        out.append(major | number)
    elif number < 0x100:
        out.append(major | 24)
        out.append(number)
    elif number < 0x10000:
        out.append(major | 25)
        out.append(number >> 8)
        out.append(number & 0xFF)
    elif number < 1 << 32:
        out.append(major | 26)
        out.extend(number.to_bytes(4, "big"))
    elif number < 1 << 64:
        out.append(major | 27)
        out.extend(number.to_bytes(8, "big"))
    else:
        raise LocalError("cbor: an integer is wider than 64 bits")


def decode(data, max_depth=MAX_DEPTH, max_items=MAX_ITEMS, floats=False):
    """Return the one value that `data` (bytes-like) encodes.

    `max_depth` caps the nesting of arrays, maps and tags, `max_items` the data
    items in all.  Floats are refused unless `floats` is true.
    Raises RemoteError for anything but exactly one deterministic encoding.
    """
    if not isinstance(data, bytes):
        data = bytes(memoryview(data))
    reader = _Reader(data, max_items, floats)
    value = reader.item(max_depth)
    if reader.pos != len(data):
        raise RemoteError("cbor: bytes after the end")
    return value


class _Reader:
    """A position in `data`, and how many more items may be read."""

    def __init__(self, data, items, floats):
        self.data = data
        self.end = len(data)
        self.pos = 0
        self.items = items
        self.floats = floats

    def item(self, depth):
        """Read one item that may hold `depth` more levels."""
        if self.pos >= self.end:
            raise RemoteError("cbor: ends early")
        if self.items <= 0:
            raise RemoteError("cbor: too many items")
        self.items -= 1
        number = self.data[self.pos]
        self.pos += 1
        if number < 24:
            return number
        major = number >> 5
        number &= 31
        if major == _SIMPLE:
            return self._simple(number)
        if number >= 24:
            number = self._number(number)
        if major == _UINT:
            return number
        if major == _BYTES:
            return self._take(number)
        if major == _TEXT:
            return self._text(number)
        if major == _NEGATIVE:
            return -1 - number
        if depth <= 0:
            raise RemoteError("cbor: nested too deep")
        return self._nested(major, number, depth)

    # Small functions: a call with more than eleven words of state takes heap on
    # MicroPython, and there are as many calls as items.

    def _nested(self, major, number, depth):
        if major == _TAG:
            return Tag(number, self.item(depth - 1))
        # An item is at least one byte, so this bounds the list by the input.
        left = min(self.end - self.pos, self.items)
        if major == _ARRAY:
            if number > left:
                raise RemoteError("cbor: array longer than its bytes or the cap")
            return self._array(number, depth - 1)
        if number > left >> 1:
            raise RemoteError("cbor: map longer than its bytes or the cap")
        return self._map(number, depth - 1)

    def _number(self, info):
        """Read the 1, 2, 4 or 8 bytes that follow a head, in shortest form."""
        if info > 27:
            raise RemoteError("cbor: indefinite length or reserved head")
        if info == 24 and self.pos < self.end:
            number = self.data[self.pos]
            if number >= 24:
                self.pos += 1
                return number
        raw = self._take(1 << info - 24)
        number = int.from_bytes(raw, "big")
        if number < 24 or (info > 24 and number >> (4 << info - 24) == 0):
            raise RemoteError("cbor: a number is not in its shortest form")
        return number

    def _take(self, size):
        pos = self.pos
        if size > self.end - pos:
            raise RemoteError("cbor: longer than its bytes")
        self.pos = pos + size
        return self.data[pos : pos + size]

    def _text(self, size):
        raw = self._take(size)
        try:
            text = str(raw, "utf-8")
        except UnicodeError:
            raise RemoteError("cbor: text is not UTF-8")
        if len(text) != size and not _is_strict(raw):
            raise RemoteError("cbor: text is not UTF-8")
        return text

    def _array(self, size, depth):
        # No comprehension: on MicroPython it would put `self` into a heap cell.
        result = []
        while len(result) < size:
            result.append(self.item(depth))
        return result

    def _map(self, size, depth):
        data = self.data
        result = {}
        previous = b""
        for _ in range(size):
            start = self.pos
            key = self.item(0)
            if not isinstance(key, (int, str)) or key is True or key is False:
                raise RemoteError("cbor: a map key must be int or str")
            encoded = data[start : self.pos]
            if encoded <= previous:
                raise RemoteError("cbor: map keys repeat or are out of order")
            previous = encoded
            result[key] = self.item(depth)
        return result

    def _simple(self, info):
        if info == 20:
            return False
        if info == 21:
            return True
        if info == 22:
            return None
        if info == 27 and self.floats:
            value = struct.unpack(">d", self._take(8))[0]
            if value - value == 0:
                return value
        raise RemoteError("cbor: this simple or floating-point value is not in use")


def _is_strict(raw):
    """True unless UTF-8 `raw` holds an overlong form, a surrogate or > U+10FFFF.

    MicroPython's str() checks how sequences are built but lets these through
    (RFC 3629 section 4 gives the ranges of the second byte).
    """
    previous = 0
    for byte in raw:
        if byte > 0xF4 or byte & 0xFE == 0xC0:
            return False
        if previous >= 0xE0 and (
            (previous == 0xE0 and byte < 0xA0)
            or (previous == 0xED and byte > 0x9F)
            or (previous == 0xF0 and byte < 0x90)
            or (previous == 0xF4 and byte > 0x8F)
        ):
            return False
        previous = byte
    return True
