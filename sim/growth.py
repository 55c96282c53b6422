"""Growth: what a node keeps, measured from outside, and the rule that says whether it grows.

`weigh` walks everything that can be reached from a node, whatever it is called, so
that a table that nobody thought of is measured too.  `grown` is Mann and Kendall's
test for a trend, with Theil and Sen's slope: neither asks how the noise is spread.
"""

import collections
import math
import types

# A trend counts from so many standard deviations of Kendall's S: one series in
# 300,000 gets there by chance, and a run judges some thousand.
DEVIATIONS = 4.5
# The fewest samples of which a steady rise passes that: 16 * 15 / 2 = 120 rises in
# pairs, of 22.2 for one deviation.
SAMPLES_LEAST = 16
# A rise that is smaller than this share of what was there is not growth.
SHARE = 0.02
# More objects than this are not one node's: the walk has left it.
OBJECTS_MOST = 300_000

_LEAVES = (bool, int, float, complex, type(None), type, types.ModuleType, types.BuiltinFunctionType)


class Weight:
    """What was found at one place: entries of its containers, bytes of its texts and buffers."""

    __slots__ = ("entries", "bytes")

    def __init__(self):
        self.entries = 0
        self.bytes = 0


def walk(root, shared=()):
    """Yields (path, value) of each text, buffer and container that `root` reaches, each once.

    A path has the attributes' names; "[]" is any entry of a container.  `shared`
    are objects at which the walk stops, because many own them.
    """
    seen = {id(one) for one in shared}
    waiting = collections.deque([("", root)])
    while waiting:
        path, value = waiting.popleft()
        if isinstance(value, _LEAVES) or id(value) in seen:
            continue
        seen.add(id(value))
        if len(seen) > OBJECTS_MOST:
            raise AssertionError("more than %d objects, at %s" % (OBJECTS_MOST, path))
        if isinstance(value, (str, bytes, bytearray, memoryview)):
            yield path, value
        elif isinstance(value, (dict, list, tuple, set, frozenset, collections.deque)):
            yield path, value
            inner = path if path.endswith("[]") else path + "[]"
            waiting.extend((inner, one) for one in value)
            if isinstance(value, dict):
                waiting.extend((inner, one) for one in value.values())
        else:
            waiting.extend((path + "." + name if path else name, one) for name, one in _parts(value))


def _parts(value):
    """(name, object) of all that an object, function, method or generator holds."""
    if isinstance(value, types.MethodType):
        return [("(self)", value.__self__), ("(function)", value.__func__)]
    if isinstance(value, types.FunctionType):
        return [("(closure)", one) for one in _contents(value.__closure__ or ()) + list(value.__defaults__ or ())]
    if isinstance(value, types.GeneratorType):
        return list(value.gi_frame.f_locals.items()) if value.gi_frame else []
    parts = list(getattr(value, "__dict__", {}).items())
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                parts.append((name, getattr(value, name)))
    return parts


def _contents(cells):
    found = []
    for cell in cells:
        try:
            found.append(cell.cell_contents)
        except ValueError:
            pass  # empty: its function has not come to it
    return found


def weigh(root, shared=()):
    """{path: Weight} of all that `root` reaches."""
    weights = {}
    for path, value in walk(root, shared):
        weight = weights.setdefault(path, Weight())
        if isinstance(value, str):
            weight.bytes += len(value.encode(errors="replace"))
        elif isinstance(value, (bytes, bytearray)):
            weight.bytes += len(value)
        elif isinstance(value, memoryview):
            weight.bytes += value.nbytes
        else:
            weight.entries += len(value)
    return weights


def trend(series):
    """(deviations, rise) of numbers at equal distances: how sure a rise is, and how large from first to last.

    Deviations are those of Kendall's S from 0; the rise is Theil and Sen's.
    """
    pairs = [(later - sooner, b - a) for b, later in enumerate(series) for a, sooner in enumerate(series[:b])]
    total = sum((rise > 0) - (rise < 0) for rise, _ in pairs)
    ties = collections.Counter(series).values()
    count = len(series)
    variance = (_pairs_weight(count) - sum(map(_pairs_weight, ties))) / 18
    if variance <= 0:
        return 0.0, 0.0
    slopes = sorted(rise / steps for rise, steps in pairs)
    middle = len(slopes) // 2
    slope = slopes[middle] if len(slopes) % 2 else (slopes[middle - 1] + slopes[middle]) / 2
    return (total - (total > 0) + (total < 0)) / math.sqrt(variance), slope * (count - 1)


def _pairs_weight(count):
    return count * (count - 1) * (2 * count + 5)


def grown(series, least):
    """The rise (a number) of a series that grows, 0 of one that does not.

    It grows if its rise is DEVIATIONS sure, at least `least`, and more than SHARE
    of its mean.  A series shorter than SAMPLES_LEAST can not show it: ValueError.
    """
    if len(series) < SAMPLES_LEAST:
        raise ValueError("%d samples cannot show growth, %d can" % (len(series), SAMPLES_LEAST))
    deviations, rise = trend(series)
    large = rise >= least and rise > SHARE * sum(series) / len(series)
    return rise if large and deviations > DEVIATIONS else 0
