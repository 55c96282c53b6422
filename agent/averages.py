"""The averages themselves: what this box holds of the fleet's sums, and its words.

    size      cells that hold 1 somewhere (pool.py): their mean is 1/N
    versions  likewise, one cell per version
    vectors   [filled, matching] of each slice, [running, open] of jobs
    queries   distributions of attributes (query.py)

Nothing here knows of time or datagrams: aggregate.py has epochs and exchanges.
A body is parts one behind the other, each a tag, a key and numbers; its answer
has an answer for each part, in the same order.
"""

from .compat import const
from .errors import RemoteError
from .limits import AVERAGES_BYTES, AVERAGES_SENT, QUERIES, SIZE_CELLS, VERSIONS
from .pool import KEY_BYTES, Pool, floats, halves, pack_floats
from .query import Query, parse, parse_answer
from .wire.hashes import sha256

SIZE = const(1)
VERSION = const(2)
VECTOR = const(3)
QUERY = const(4)

BUILT_IN = ("availability", "load", "mem_free")
JOBS = b"jobs"
VECTOR_MOST = 1e6


class Averages:
    """The averages of one box in the present epoch."""

    def __init__(self, node):
        self._node = node
        self.sizes = Pool(SIZE_CELLS)
        self.versions = Pool(VERSIONS)
        self.vectors = {}  # key: [numbers]
        self._added = {}  # key: [numbers]: our own part in them
        self.queries = {}  # key: Query
        self.running = []  # keys of the queries averaged in this epoch
        self._turn = 0
        for name in BUILT_IN:
            self.ask(sha256(name.encode())[:KEY_BYTES], None, name)

    def ask(self, key, where, attribute):
        """Count a query from the next epoch on."""
        if len(self.queries) >= QUERIES and key not in self.queries:
            self._node.counters.bump("queries_full")
        else:
            self.queries[key] = Query(key, where, attribute)

    def drop(self, key):
        """A slice or query is over."""
        self.queries.pop(key, None)
        self.vectors.pop(key, None)
        self._added.pop(key, None)

    def begin(self, number, quick):
        """Our own values, for epoch `number`.

        A quick epoch counts all queries; in idle ones they take turns.
        """
        node = self._node
        self.sizes.begin(sha256(b"epoch", number.to_bytes(8, "big"), node.id)[:KEY_BYTES])
        self.versions.begin(version_key(node.attributes.get("version", "")))
        self._added = {}
        self.vectors = {}
        keys = sorted(self.queries)
        self.running = keys if quick else [keys[number % len(keys)]]
        for key in self.running:
            self.queries[key].begin(number, node.id, node.attributes)
        self.update()

    def update(self):
        """Bring our own part in the vectors up to date: the sum follows."""
        for key, numbers in self._own_vectors():
            before = self._added.get(key)
            self._added[key] = numbers
            if before is None:
                self.vectors[key] = list(numbers)
            elif before != numbers:
                self.vectors[key] = [old + new - was for old, new, was in zip(self.vectors[key], numbers, before)]

    def _own_vectors(self):
        node = self._node
        tasks = node.tasks
        out = [(JOBS, [1.0 if tasks.job else 0.0, float(tasks.open_count())])]
        for slice in node.slicing.slices.values():
            manifest = slice.manifest
            filled = 1.0 if node.ring.slice_id == manifest.id else 0.0
            matching = 1.0 if filled or node.slicing.matches(manifest) else 0.0
            out.append((manifest.id[:KEY_BYTES], [filled, matching]))
        return out

    def finish(self, number, now_ms):
        """Keep the queries' averages as their results."""
        for key in self.running:
            if key in self.queries:
                self.queries[key].finish(number, now_ms)

    # -- asking

    def bodies(self):
        """[(body, parts)]: all that is averaged, in as few datagrams as it takes."""
        parts = [self._part(SIZE, b""), self._part(VERSION, b"")]
        parts += [self._part(VECTOR, key) for key in sorted(self.vectors)]
        parts += [self._part(QUERY, key) for key in self.running if key in self.queries]
        out = []
        for tag, key, more, data in parts:
            if not out or len(out[-1][0]) + len(data) > AVERAGES_BYTES:
                out.append([b"", []])
            out[-1][0] += data
            out[-1][1].append((tag, key, more))
        if len(out) <= AVERAGES_SENT:
            return out
        # The size always, of the rest some in turn.
        self._turn += AVERAGES_SENT - 1
        return out[:1] + [out[1 + (self._turn + i) % (len(out) - 1)] for i in range(AVERAGES_SENT - 1)]

    def _part(self, tag, key):
        """(tag, key, what the answer needs, bytes)."""
        if tag == VECTOR:
            numbers = self.vectors[key]
            return tag, key, len(numbers), bytes((tag,)) + key + bytes((len(numbers),)) + pack_floats(numbers)
        if tag == QUERY:
            query = self.queries[key]
            data = query.pack(self._node.rng)
            return tag, key, query.rank, bytes((tag,)) + key + data
        data, keys = (self.sizes if tag == SIZE else self.versions).pack()
        return tag, key, keys, bytes((tag,)) + data

    # -- answering

    def answer(self, parts):
        """Average with what parse() gave; bytes for the asker."""
        return b"".join([self._answer(tag, key, theirs) for tag, key, theirs in parts])

    def _answer(self, tag, key, theirs):
        if tag == SIZE:
            return self.sizes.answer(theirs)
        if tag == VERSION:
            return self.versions.answer(theirs)
        if tag == QUERY:
            query = self.queries.get(key) if key in self.running else None
            return query.answer(theirs) if query else b"\0"
        ours = self.vectors.get(key)
        if ours is None or len(ours) != len(theirs):
            return b"\0"
        data, moved = halves(ours, theirs)
        self.vectors[key] = [mine - change for mine, change in zip(ours, moved)]
        return bytes((len(ours),)) + data

    def parse_answer(self, parts, body):
        """Changes for each part that was asked; RemoteError, and nothing is changed."""
        out = []
        at = 0
        for tag, key, more in parts:
            if tag == SIZE or tag == VERSION:
                change, at = (self.sizes if tag == SIZE else self.versions).parse_answer(body, at, more)
            elif tag == QUERY:
                change, at = parse_answer(body, at)
            else:
                change, at = _parse_vector(body, at, more)
            out.append(change)
        if at != len(body):
            raise RemoteError("averages too long")
        return out

    def apply(self, parts, changes):
        """Take the answer to `parts`."""
        for (tag, key, more), change in zip(parts, changes):
            if tag == SIZE:
                self.sizes.apply(change)
            elif tag == VERSION:
                self.versions.apply(change)
            elif change is not None and tag == QUERY:
                if key in self.queries and key in self.running:
                    self.queries[key].apply(change, more)
            elif change is not None and key in self.vectors:
                self.vectors[key] = [mine + step for mine, step in zip(self.vectors[key], change)]


def parse_body(body):
    """[(tag, key, values)] of a question; RemoteError."""
    out = []
    at = 0
    while at < len(body):
        tag = body[at]
        key = b""
        at += 1
        if tag in (VECTOR, QUERY):
            key = bytes(body[at : at + KEY_BYTES])
            at += KEY_BYTES
        if tag in (SIZE, VERSION):
            values, at = Pool(SIZE_CELLS if tag == SIZE else VERSIONS).parse(body, at)
        elif tag == QUERY:
            values, at = parse(body, at)
        elif tag == VECTOR and at < len(body) and body[at]:
            values, at = _parse_vector(body, at, body[at])
        else:
            raise RemoteError("averages")
        out.append((tag, key, values))
    return out


def _parse_vector(data, at, count):
    """(numbers or None, end offset): as many as count, or a 0 for "not known"."""
    if at < len(data) and data[at] == 0:
        return None, at + 1
    if at >= len(data) or data[at] != count:
        raise RemoteError("vector length")
    numbers, end = floats(data, at + 1, count)
    for number in numbers:
        if not -VECTOR_MOST <= number <= VECTOR_MOST:
            raise RemoteError("vector range")
    return numbers, end


def version_key(text):
    """4 bytes for a version such as 1.2.3: the newest are the least keys."""
    numbers = []
    for part in text.split("."):
        digits = ""
        for letter in part:
            if letter not in "0123456789":
                break
            digits += letter
        numbers.append(min(255, int(digits or "0")))
    numbers = (numbers + [0, 0, 0])[:3]
    return bytes([0] + [255 - number for number in numbers])


def version_text(key):
    """The version that version_key made a key of."""
    return ".".join([str(255 - number) for number in key[1:]])
