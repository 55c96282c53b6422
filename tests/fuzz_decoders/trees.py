"""Changes values by what they mean: a field for a field, and what lies packed in a byte string.

A strict reader of CBOR refuses nearly all bytes that are changed by bytes alone.  So a
value is taken apart, one of its nodes is changed, and it is encoded again; a byte string
that is itself CBOR is opened with some chance, so that a change gets below a header too.
"""

from backfence.agent.errors import RemoteError
from backfence.agent.wire import cbor

# What stands at the edges: of heads, of words, of small integers, of caps.
ODD = [
    0, 1, 2, 5, 16, 23, 24, 32, 64, 255, 256, 1024, 32767, 32768, 65535, 65536, (1 << 30) - 1, 1 << 30, (1 << 31) - 1,
    1 << 31, (1 << 32) - 1, 1 << 32, (1 << 48) - 1, (1 << 53) - 1, 1 << 53, (1 << 63) - 1, (1 << 64) - 1, -1, -46, -(1 << 64),
    True, False, None, b"", "", [], {}, b"\0", bytes(16), bytes(32), b"\xff" * 16, b"\xff" * 40, "a", "\0", "\u20ac",
    "x" * 65, [[]], {0: 0}, {"a": []}, cbor.Tag(18, []), b"\x80",
]
# Nesting that is opened, so that a value cannot lead a mutation astray.
DEPTH = 24


def opened(data):
    """The value that a byte string encodes, None if it is no CBOR of more than one byte."""
    if not isinstance(data, bytes) or len(data) < 2:
        return None
    try:
        value = cbor.decode(data, DEPTH, 1 << 16)
    except RemoteError:
        return None
    return value if isinstance(value, (list, dict, cbor.Tag)) else None


def odd(rnd):
    """One odd value."""
    value = rnd.choice(ODD)
    return {dict: dict, list: list}.get(type(value), lambda same: same)(value)


def changed_bytes(rnd, data):
    """Bytes with one to three places changed, cut, doubled or filled."""
    out = bytearray(data)
    for _ in range(rnd.randint(1, 3)):
        at = rnd.randint(0, len(out))
        how = rnd.randrange(6)
        if how == 0 and at < len(out):
            out[at] = rnd.choice((out[at] ^ 1 << rnd.randrange(8), rnd.randrange(256), 0, 255))
        elif how == 1:
            del out[at : at + rnd.choice((1, 1, 2, 4, 16, 32))]
        elif how == 2:
            out[at:at] = rnd.randbytes(rnd.choice((1, 1, 2, 4, 16, 32)))
        elif how == 3:
            out[at:at] = out[at : at + rnd.choice((2, 8, 25, 33, 37, 64))]
        elif how == 4:
            width = rnd.choice((1, 2, 4))
            out[at : at + width] = rnd.choice((0, 1, 0x7F, (1 << 8 * width) - 1)).to_bytes(width, "big")
        else:
            out = out[:at]
    return bytes(out)


def changed(rnd, value, depth=0):
    """A value with one node changed; value itself stays as it was."""
    inner = None
    if depth < DEPTH and rnd.random() < 0.85:
        if isinstance(value, list) and value:
            return _list(rnd, value, depth)
        if isinstance(value, dict) and value:
            return _map(rnd, value, depth)
        if isinstance(value, cbor.Tag):
            if rnd.random() < 0.1:
                return cbor.Tag(rnd.choice((0, 18, 98, 107, 1 << 32)), value.value)
            return cbor.Tag(value.number, changed(rnd, value.value, depth + 1))
        inner = opened(value)
        if inner is not None and rnd.random() < 0.8:
            return encoded(changed(rnd, inner, depth + 1))
    if isinstance(value, bytes) and rnd.random() < 0.8:
        return changed_bytes(rnd, value)
    if type(value) is int and rnd.random() < 0.6:
        return max(-(1 << 64), min((1 << 64) - 1, value + rnd.choice((-1, 1, -value, value, 256, -(1 << 32), 1 << 32))))
    if isinstance(value, str) and value and rnd.random() < 0.6:
        at = rnd.randrange(len(value))
        return value[:at] + rnd.choice(("", "a", "-", "\0", "\xe9", value)) + value[at + 1 :]
    return odd(rnd)


def _list(rnd, value, depth):
    out = list(value)
    at = rnd.randrange(len(out))
    how = rnd.randrange(12)
    if how == 0:
        del out[at]
    elif how == 1:
        out.insert(at, odd(rnd))
    elif how == 2:
        out.insert(at, out[rnd.randrange(len(out))])
    elif how == 3:
        other = rnd.randrange(len(out))
        out[at], out[other] = out[other], out[at]
    elif how == 4:
        out = out * rnd.choice((2, 5, 40))
    else:
        out[at] = changed(rnd, out[at], depth + 1)
    return out


def _map(rnd, value, depth):
    out = dict(value)
    key = rnd.choice(list(out))
    how = rnd.randrange(10)
    if how == 0:
        del out[key]
    elif how == 1:
        out[rnd.choice((0, 9, "x", "end", "seats", "share", "where", "top", "by"))] = odd(rnd)
    elif how == 2:
        out[key] = out[rnd.choice(list(out))]
    else:
        out[key] = changed(rnd, out[key], depth + 1)
    return out


def encoded(value):
    """Bytes of a value."""
    return cbor.encode(value)


def mutated(rnd, data):
    """Other bytes, near to data: by what it means if it is CBOR, else or sometimes by bytes."""
    value = opened(data)
    if value is None or rnd.random() < 0.15:
        return changed_bytes(rnd, data)
    for _ in range(rnd.choice((1, 1, 1, 2, 4))):
        value = changed(rnd, value)
    return encoded(value)
