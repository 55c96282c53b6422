"""What integers and floats do in WebAssembly, where Python has no word for it.

Integers given here are clean; an unsigned argument is 0..2^bits-1 in both integer
modes, and an unsigned result is wrapped by the caller where its mode needs it.
"""

import math
import struct
from array import array

from .trap import trap

# Integers.

_WORD = array("i", [0])
_LONG = array("q", [0])


def wrap32(x):
    """Into -2^31..2^31-1."""
    return (x & 0xFFFFFFFF ^ 0x80000000) - 0x80000000


def wrap64(x):
    """Into -2^63..2^63-1."""
    return (x & 0xFFFFFFFFFFFFFFFF ^ 0x8000000000000000) - 0x8000000000000000


def wrap32_cell(x):
    """wrap32 where array stores truncate: three times as fast on 32-bit MicroPython."""
    _WORD[0] = x
    return _WORD[0]


def wrap64_cell(x):
    """wrap64, likewise."""
    _LONG[0] = x
    return _LONG[0]


def divs(a, b, most):
    """Signed division toward zero."""
    if not b:
        trap("integer divide by zero")
    if (a < 0) == (b < 0):
        q = abs(a) // abs(b)
        if q > most:
            trap("integer overflow")
        return q
    return -(abs(a) // abs(b))


def rems(a, b):
    """Remainder with the dividend's sign."""
    if not b:
        trap("integer divide by zero")
    r = abs(a) % abs(b)
    return -r if a < 0 else r


def shl(a, k):
    """i64 shift left, wrapped."""
    return wrap64(a << k)


def rotl(a, k, bits):
    """Rotate left; an i64 comes out signed."""
    k &= bits - 1
    a = (a << k | a >> bits - k) & (1 << bits) - 1
    return a - (1 << 64) if bits == 64 and a >> 63 else a


def clz(a, bits):
    """Leading zeros of an integer of `bits` bits."""
    n = bits
    if a >= 1 << 32:
        n -= 32
        a >>= 32
    while a >= 256:
        n -= 8
        a >>= 8
    while a:
        n -= 1
        a >>= 1
    return n


def ctz(a, bits):
    """Trailing zeros of an integer of `bits` bits."""
    if not a:
        return bits
    n = 0
    while not a & 255:
        n += 8
        a >>= 8
    while not a & 1:
        n += 1
        a >>= 1
    return n


def popcnt(a, bits):
    """How many bits are set."""
    n = 0
    while a:
        n += a & 1
        a >>= 1
    return n


# Floats.  An f32 is held as the double of the same value.

_SINGLE = array("f", [0.0])
_INF = float("inf")
_NAN = float("nan")
# From here on every double is an integer.
_WHOLE = 4503599627370496.0


def single(x):
    """Round to f32."""
    _SINGLE[0] = x
    return _SINGLE[0]


def float_from_bytes(raw):
    """The value of a little-endian f32 or f64."""
    return struct.unpack("<f" if len(raw) == 4 else "<d", raw)[0]


def fdiv(a, b):
    """Division that never raises."""
    if b:
        return a / b
    if a != a or b != b or not a:
        return _NAN
    return math.copysign(_INF, math.copysign(1.0, a) * math.copysign(1.0, b))


def fmin(a, b):
    """The less; NaN if one is."""
    if a < b:
        return a
    if b < a:
        return b
    if a == b:
        # -0 is less than 0.
        return a if math.copysign(1.0, a) < 0 else b
    return _NAN


def fmax(a, b):
    """The greater; NaN if one is."""
    if a > b:
        return a
    if b > a:
        return b
    if a == b:
        return b if math.copysign(1.0, a) < 0 else a
    return _NAN


def sqrt(x):
    """Square root; NaN below 0."""
    return math.sqrt(x) if x >= 0.0 else _NAN


def trunc(x):
    """To the integer toward zero, keeping the sign of zero."""
    if -_WHOLE < x < _WHOLE:
        return math.copysign(float(int(x)), x)
    return x if x == x else _NAN


def floor(x):
    """To the integer below."""
    y = trunc(x)
    if y > x:
        y -= 1.0
    return y


def ceil(x):
    """To the integer above, keeping the sign of zero."""
    y = trunc(x)
    if y < x:
        return math.copysign(y + 1.0, x)
    return y


def near(x):
    """To the nearest integer, ties to even: what adding 2^52 does to a double."""
    if 0.0 <= x < _WHOLE:
        return math.copysign((x + _WHOLE) - _WHOLE, x)
    if -_WHOLE < x < 0.0:
        return -((_WHOLE - x) - _WHOLE)
    return x if x == x else _NAN


def copysign(a, b):
    """a with the sign of b."""
    return math.copysign(a, b)


def copysign_canonical(a, b):
    """copysign that does not show the sign of a NaN."""
    if a != a:
        return a
    return math.copysign(a, b) if b == b else math.copysign(a, 1.0)


def ftoi(x, lo, hi):
    """Truncate to an integer of lo..hi."""
    if x != x:
        trap("invalid conversion to integer")
    if -1.8446744073709552e19 < x < 1.8446744073709552e19:
        i = int(x)
        if lo <= i <= hi:
            return i
    trap("integer overflow")


def sat(x, lo, hi):
    """Truncate to an integer of lo..hi, saturating; NaN is 0."""
    if x != x:
        return 0
    if x <= -1e19:
        return lo
    if x >= 1e20:
        return hi
    i = int(x)
    return lo if i < lo else hi if i > hi else i


def itod(i):
    """An integer of up to 64 bits to the nearest double.

    Both halves are exact and their sum is rounded once; MicroPython's own conversion
    of a long integer rounds at every digit.
    """
    if -0x20000000 < i < 0x20000000:
        return float(i)
    if i < 0:
        return -itod(-i)
    return float(i >> 32) * 4294967296.0 + float(i & 0xFFFFFFFF)


def itof(i):
    """An integer of up to 64 bits to the nearest f32.

    Going by way of a double would round twice; bits too low to matter alone are
    gathered in one sticky bit first.
    """
    if i < 0:
        return -itof(-i)
    if i >= 1 << 53:
        i = i >> 11 << 11 | (0x800 if i & 0x7FF else 0)
    return single(itod(i))


def fbits(x):
    """The bits of an f32, signed."""
    return struct.unpack("<i", struct.pack("<f", x))[0]


def dbits(x):
    """The bits of an f64, signed."""
    return struct.unpack("<q", struct.pack("<d", x))[0]


def fbits_canonical(x):
    """fbits where every NaN has the same bits."""
    return fbits(x) if x == x else 0x7FC00000


def dbits_canonical(x):
    """dbits where every NaN has the same bits."""
    return dbits(x) if x == x else 0x7FF8000000000000


def bitsf(i):
    """The f32 of these bits, unsigned."""
    return struct.unpack("<f", struct.pack("<I", i))[0]


def bitsd(i):
    """The f64 of these bits, signed."""
    return struct.unpack("<d", struct.pack("<q", i))[0]


# A processor of the older MIPS kind has its own NaN bits: there all are made one.
ODD_NAN = struct.pack("<f", float_from_bytes(b"\0\0\xc0\x7f")) != b"\0\0\xc0\x7f"
