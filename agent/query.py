"""A query: how many boxes match, and how an attribute is spread among them.

Each box adds its own: whether it matches, its value, the value's square, and
for each of some thresholds whether it lies at or below it.  Averaged over the
fleet these give count, mean, variance and the distribution's exact height at
every threshold (Adam2: Sacha, Napper, Stratan, Pierre, ICDCS 2010); least and
greatest value spread as an epidemic.

All boxes must use the same thresholds.  Every box proposes some; the proposal
of least rank wins: a box that hears of a better one starts over with its own
answers to that, so everybody is counted under the winner once.  The first
epoch's thresholds are values heard from others; later ones are read off the
last distribution, at equal steps of its height, so that they close in on steep
places.
"""

from array import array

from .compat import const
from .errors import RemoteError
from .limits import CDF_POINTS, CDF_SAMPLES, CDF_SAMPLES_TOLD, PPM
from .pool import cells, floats, halves, pack_floats, part
from .predicate import holds
from .wire.hashes import sha256

# Values are held as floats; beyond this an attribute is cut off.
VALUE_MOST = 1 << 48
# Stands for "no value yet" in least and greatest.
NOTHING = 3e38
# Samples to have before the first thresholds are proposed, and exchanges after
# which they are proposed with fewer.
SAMPLES_LEAST = const(16)
PATIENCE = const(6)
# How much more a step counts upwards than sideways.  With 1, as in Adam2, steep places
# get too few thresholds: the worst error was 2 % for lognormal, 5 % for two far heaps.
HEIGHT_WEIGHT = const(3)
# Codes of an answer.
UNKNOWN = const(0)
SAME = const(1)
OTHER = const(2)
RANK_BYTES = const(5)
# match, value, square
MOMENTS = const(3)


class Distribution:
    """What an epoch found: match (share of the fleet), mean, variance, least,
    most, and the curve: at values[i] lie heights[i] (0..1) of the matching boxes
    at or below; both rise."""

    def __init__(self, epoch, at_ms, moments, least, most, values, heights):
        match = moments[0]
        self.epoch = epoch
        self.at_ms = at_ms
        self.match = part(match)
        # Liars may have drawn them anywhere: no further than from the least to the greatest value.
        self.mean = max(least, min(most, moments[1] / match)) if match > 0 else 0.0
        self.variance = max(0.0, moments[2] / match - self.mean * self.mean) if match > 0 else 0.0
        self.least = least
        self.most = most
        self.values = array("d", values)
        self.heights = array("d", heights)

    def knots(self):
        """[(value, height)] of the curve; empty if nobody matched."""
        return list(zip(self.values, self.heights))

    def below(self, value):
        """Share of the matching boxes whose value is at or below `value`."""
        return _along(self.values, self.heights, value, 0.0)

    def value_at(self, share):
        """The value below which `share` (0..1) of the matching boxes lie."""
        return _along(self.heights, self.values, share, self.values[0] if len(self.values) else 0.0)


def _along(ups, outs, up, least):
    """The piecewise linear curve through (ups[i], outs[i]) at up; least before it."""
    count = len(ups)
    if not count or up < ups[0]:
        return least
    for i in range(1, count):
        if up < ups[i]:
            return outs[i - 1] + (outs[i] - outs[i - 1]) * (up - ups[i - 1]) / (ups[i] - ups[i - 1])
    return outs[count - 1]


class Query:
    """One query in one box: its own answer, and the averages of this epoch."""

    def __init__(self, key, where, attribute):
        """key: 4 bytes; where: a checked predicate or None; attribute: name or None."""
        self.key = key
        self.where = where
        self.attribute = attribute
        self.result = None  # the Distribution of the last epoch that had this query
        self.match = False
        self.value = 0.0
        self.samples = []  # values heard of, in this epoch and until the next
        self.rank = None  # of the thresholds in use: the least known
        self.points = array("f")
        self.shares = array("d")

    def begin(self, number, id, attributes):
        """Start epoch `number` with our own answer; id: our identity."""
        value = attributes.get(self.attribute) if self.attribute else 0
        self.match = isinstance(value, int) and (self.where is None or holds(self.where, attributes))
        # As the wire rounds it, so that a threshold made of it is not missed.
        value = max(-VALUE_MOST, min(VALUE_MOST, value)) if self.match else 0
        self.value, _ = floats(pack_floats([value]), 0, 1)
        self.value = self.value[0]
        self.moments = [1.0, self.value, self.value * self.value] if self.match else [0.0, 0.0, 0.0]
        self.least = self.value if self.match else NOTHING
        self.most = self.value if self.match else -NOTHING
        self._seed = sha256(id, self.key, number.to_bytes(8, "big"))[:4]
        self._exchanges = 0
        self.rank = None
        self.points = array("f")
        self.shares = array("d")
        if self.result and self.attribute and len(self.result.values) > 1:
            self._adopt(b"\0" + self._seed, self._refined())
        self.samples = [self.value] if self.match and self.attribute else []

    # -- thresholds

    def _refined(self):
        """Thresholds that follow the last distribution, as many as fit."""
        steps = CDF_POINTS - 1
        while True:
            out = _rounded(sorted(self._steps(steps)))
            if len(out) <= CDF_POINTS:
                return out
            steps -= len(out) - CDF_POINTS

    def _steps(self, steps):
        # Equal steps along the curve (Adam2's LCut), its height counting more than its
        # width.  Where the height alone rises by more than a step both ends stay, so
        # that what is known of a jump is not lost, and values heard of go in between.
        knots = self.result.knots()
        width = max(knots[-1][0] - knots[0][0], 1.0)
        out = [knots[0][0]]
        way = 0.0
        for (low, below), (high, above) in zip(knots, knots[1:]):
            rise = above - below
            before = way
            way += (HEIGHT_WEIGHT * rise + (high - low) / width) / (HEIGHT_WEIGHT + 1)
            count = int(way * steps) - int(before * steps)
            if rise * steps > 2:
                out.append(low)
                out.append(high)
                out += self._between(low, high, count - 1)
            else:
                out += [low + (high - low) * i / count for i in range(1, count + 1)]
        # Attributes are whole numbers: nothing is lost between them.
        return [float(int(point)) for point in out]

    def _between(self, low, high, count):
        """Up to count values strictly between: heard of, each with the value just
        below it, so that a jump shows its exact place and height; else even steps."""
        heard = sorted(set([value for value in self.samples if low < value < high]))
        out = []
        for i in range(min(len(heard), count // 2)):
            value = heard[i * len(heard) // min(len(heard), count // 2)]
            out += [_before(value), value]
        rest = count - len(out)
        return out + [low + (high - low) * i / (rest + 1) for i in range(1, rest + 1)]

    def _sampled(self):
        """Thresholds from values heard of, filled up between them."""
        heard = sorted(set(self.samples))[: CDF_POINTS // 2]
        out = heard + [_before(value) for value in heard]
        while 1 < len(heard) and len(out) + len(heard) <= CDF_POINTS:
            between = [(a + b) / 2 for a, b in zip(heard, heard[1:])]
            out += between
            heard = sorted(heard + between)
        return _rounded(sorted(out)[:CDF_POINTS])

    def _adopt(self, rank, points):
        self.rank = rank
        self.points = array("f", points)
        self.shares = array("d", [1.0 if self.match and self.value <= point else 0.0 for point in points])

    def _propose(self):
        self._exchanges += 1
        if self.rank is None and self.samples and self.attribute:
            if len(self.samples) >= SAMPLES_LEAST or self._exchanges >= PATIENCE:
                self._adopt(b"\1" + self._seed, self._sampled())

    def _hear_samples(self, samples):
        for value in samples:
            if len(self.samples) < CDF_SAMPLES and value not in self.samples:
                self.samples.append(value)

    # -- the wire

    def pack(self, rng):
        """Our side of an exchange: rank, thresholds and all averages."""
        self._propose()
        samples = rng.sample(self.samples, CDF_SAMPLES_TOLD)
        out = self.rank if self.rank else b"\xff" * RANK_BYTES
        out += bytes((len(self.points), len(samples)))
        return out + pack_floats(
            self.moments + [self.least, self.most] + list(self.points) + list(self.shares) + samples)

    def answer(self, theirs):
        """Average with a parsed query; bytes for the asker."""
        rank, moments, points, shares, samples = theirs
        self._hear_samples(samples)
        self._propose()
        if rank and (self.rank is None or rank < self.rank):
            self._adopt(rank, points)
        data, moved = halves(self.moments, moments[:MOMENTS])
        self.moments = [mine - change for mine, change in zip(self.moments, moved)]
        self.least = min(self.least, moments[MOMENTS])
        self.most = max(self.most, moments[MOMENTS + 1])
        data += pack_floats([self.least, self.most])
        if self.rank is None:
            return bytes((SAME, 0)) + data
        if rank == self.rank:
            more, moved = halves(self.shares, shares)
            self.shares = array("d", [mine - change for mine, change in zip(self.shares, moved)])
            return bytes((SAME, len(moved))) + data + more
        return bytes((OTHER, len(self.points))) + data + self.rank + pack_floats(self.points)

    def apply(self, changes, asked_rank):
        """Take a parsed answer to a question that was asked under asked_rank."""
        rank, moments, rest = changes
        self.moments = [mine + change for mine, change in zip(self.moments, moments)]
        self.least = min(self.least, moments[MOMENTS])
        self.most = max(self.most, moments[MOMENTS + 1])
        if rank is None:
            # Under other thresholds meanwhile: our part in the old ones is void.
            if asked_rank == self.rank and len(rest) == len(self.shares):
                self.shares = array("d", [mine + change for mine, change in zip(self.shares, rest)])
        elif rest and (self.rank is None or rank < self.rank):
            self._adopt(rank, rest)

    # -- the result

    def finish(self, number, now_ms):
        """Keep this epoch's averages as the result."""
        self.result = self.present(number, now_ms)

    def present(self, number, now_ms):
        """The Distribution as the averages stand now, complete or not."""
        match = self.moments[0]
        values, heights = [], []
        if self.attribute == "availability":  # nobody is up more than all the time
            self.least, self.most = max(0.0, self.least), min(PPM, self.most)
        if match > 0 and self.least <= VALUE_MOST:
            values, heights = [self.least], [0.0]
            height = 0.0
            for point, share in zip(self.points, self.shares):
                height = max(height, min(1.0, share / match))
                if point == self.least:
                    heights[0] = height
                elif self.least < point < self.most:
                    values.append(point)
                    heights.append(height)
            if self.most > self.least:
                values.append(self.most)
                heights.append(1.0)
            else:
                heights[0] = 1.0
        return Distribution(number, now_ms, self.moments, self.least, self.most, values, heights)

    def fraction(self, id):
        """Our rank among the matching boxes, 0 (least) to 1; None if not known.

        Boxes of equal value are told apart by their identity's hash, so that a
        share of them is a share.
        """
        return self.fraction_in(self.result, id)

    def fraction_in(self, found, id):
        """The same in a given Distribution, or None."""
        if found is None or not self.match:
            return None
        high = found.below(self.value)
        low = min(high, found.below(self.value - 1))
        lot = int.from_bytes(sha256(id, self.key)[:3], "big") / (1 << 24)
        return low + lot * (high - low)


def parse(data, start):
    """(what a peer's Query.pack gave, end offset); RemoteError."""
    at = start + RANK_BYTES + 2
    if at > len(data):
        raise RemoteError("short query")
    count, told = data[at - 2], data[at - 1]
    if count > CDF_POINTS or told > CDF_SAMPLES_TOLD:
        raise RemoteError("query too long")
    moments, at = _moments(data, at)
    points, at = _points(data, at, count)
    shares, at = cells(data, at, count)
    samples, at = floats(data, at, told)
    for value in samples:
        if not -VALUE_MOST <= value <= VALUE_MOST:
            raise RemoteError("query sample")
    rank = bytes(data[start : start + RANK_BYTES]) if count else None
    return (rank, moments, points, shares, samples), at


def parse_answer(data, start):
    """(what a peer's Query.answer gave, or None if it has no such query, end
    offset); RemoteError."""
    if start < len(data) and data[start] == UNKNOWN:
        return None, start + 1
    if start + 2 > len(data) or data[start] not in (SAME, OTHER) or data[start + 1] > CDF_POINTS:
        raise RemoteError("query answer")
    code, count = data[start], data[start + 1]
    moments, at = _moments(data, start + 2)
    if code == SAME:
        shares, at = cells(data, at, count)
        return (None, moments, shares), at
    rank = bytes(data[at : at + RANK_BYTES])
    points, at = _points(data, at + RANK_BYTES, count)
    return (rank, moments, points), at


def _points(data, at, count):
    """(thresholds, end offset): rising and in range; RemoteError."""
    points, end = floats(data, at, count)
    for i in range(count):
        if not -VALUE_MOST <= points[i] <= VALUE_MOST or i and points[i - 1] >= points[i]:
            raise RemoteError("query thresholds")
    return points, end


def _moments(data, at):
    """([match, value, square, least, most], end offset); RemoteError."""
    values, end = floats(data, at, MOMENTS + 2)
    bounds = (2.0, VALUE_MOST, 4.0 * VALUE_MOST * VALUE_MOST)
    for value, bound in zip(values, bounds):
        if not -bound <= value <= bound:
            raise RemoteError("query moments")
    for value, nothing in ((values[MOMENTS], 1), (values[MOMENTS + 1], -1)):
        # The wire rounds what stands for "no value yet".
        if not (-VALUE_MOST <= value <= VALUE_MOST or value * nothing > NOTHING * 0.9):
            raise RemoteError("query bounds")
    return values, end


def _before(value):
    """The next smaller whole number that the wire can tell from value."""
    return value - max(1.0, abs(value) / (1 << 22))


def _rounded(points):
    """Thresholds as the wire gives them, equal ones dropped."""
    rounded, _ = floats(pack_floats(points), 0, len(points))
    out = []
    for point in rounded:
        if not out or point > out[-1]:
            out.append(point)
    return out
