"""Aggregation: what the whole fleet adds up to, known to every box.

Push-pull averaging with epochs (Jelasity, Montresor, Babaoglu, TOCS 2005):
two boxes that meet replace their values by the mean; after some thirty rounds
all values are the average over the fleet.  The partner is the one of the
shuffle that was just answered, so no greeting is paid for.  averages.py says
what is averaged.

Lost datagrams.  A question is repeated under its exchange id until it is
answered, the peer is dead or the epoch over, and is answered from a cache, so an
exchange happens once or not at all.  The answer is a difference, so exchanges
may overlap.  Mass is lost with a dead peer and in no other way.
"""

from .averages import JOBS, Averages, parse_body, version_text
from .compat import const
from .epoch import Epoch
from .limits import AVERAGES_ASKED, AVERAGES_KEPT, SIZE_CELLS
from .pool import KEY_BYTES, part, whole
from .report import report
from .wire.messages import AVERAGE, AVERAGED, pack

RETRY_MS = const(500)
# Tries before the pauses double, and before the peer is taken for dead: half a
# minute, and a chance of 1 in 3,000 for a live one where 30 % is lost each way.
RETRY_EVEN = const(10)
TRIES = const(15)
EMPTY_TRIES = const(2)
# A repeat of a question rarely comes later than this.
KEEP_MS = const(4000)
# And never later than this: the answer need not be kept.
_LAST_MS = const(32000)
# A question whose first copies were all lost tells what its box held so many
# rounds ago.  Averaging with that would carry both away from what all agree on by
# now: one box of 10,000 was off by half at 20 % loss.
STALE_ROUNDS = const(3)
# Busy rounds from a new query or slice to the quick epoch that counts it: time
# for the manifest to be everywhere, and for a slice to fill.
QUERY_ROUNDS = const(10)
# Exchanges besides the shuffles' in an epoch's first round.  What a cell begins
# with lies on one box: the sooner it is spread, the less a death can take away.
KICKS = const(4)
SLICE_ROUNDS = const(25)
# A cell says another size than the keys by so many times at most, or it is odd.  Of honest
# epochs with 24 keys 3 in 100,000 are further off.
ODD = 2.5


class Asked:
    """A question that waits for its answer."""

    def __init__(self, exchange, peer, message, parts, now_ms):
        self.exchange = exchange
        self.id = peer.id
        self.addr = peer.addr
        self.message = message
        self.parts = parts
        self.tries = 1
        self.due = now_ms + RETRY_MS


class Outcome:
    """A complete epoch: number, at_ms, size (boxes at its start, None if nobody
    was heard), versions {text: share}, vectors {key: averages}."""

    def __init__(self, number, node):
        averages = node.aggregate.averages
        self.number = number
        self.at_ms = node.now_ms
        self.size, odd = count(averages.sizes.cells, node.trust.places())
        if odd:
            node.counters.bump("averages_odd", odd)
        self.versions = {version_text(key): max(0.0, cell) for key, cell in averages.versions.cells.items()}
        self.vectors = {key: list(numbers) for key, numbers in averages.vectors.items()}


class Aggregate:
    """Epochs, exchanges, and the outcome of the last complete epoch."""

    def __init__(self, node):
        self._node = node
        self.epoch = Epoch(node)
        self.averages = Averages(node)
        self.outcome = None
        self.asked = []
        self._answers = []  # [(peer id, exchange, packed answer, when)]
        self._kicks = 0
        self._kick_ms = 0
        self._told_size = None  # what others said, before we knew
        self.due = node.now_ms + 60000

    def shed(self):
        """Memory ran out: a repeated question gets no answer."""
        self._answers.clear()

    # -- what is asked

    def on_manifest(self, manifest):
        """A new slice or query: a quick epoch counts it soon."""
        key = manifest.id[:KEY_BYTES]
        if manifest.end:
            self.averages.drop(key)
            return
        fields = manifest.fields
        if manifest.kind == "query" or "top" in fields:
            attribute = fields["top"][1] if "top" in fields else fields.get("by")
            self.averages.ask(key, fields.get("where"), attribute)
        self.epoch.hurry(QUERY_ROUNDS if key in self.averages.queries else SLICE_ROUNDS)
        self.due = self._node.now_ms

    def on_expired(self, manifest):
        """A slice or query is over."""
        self.averages.drop(manifest.id[:KEY_BYTES])

    # -- epochs

    def tick(self, now_ms):
        """End and begin epochs; repeat questions."""
        epoch = self.epoch
        if epoch.taking_part and epoch.complete() and (self.outcome is None or self.outcome.number != epoch.number):
            self.asked = []
            self.outcome = Outcome(epoch.number, self._node)
            self.averages.finish(epoch.number, now_ms)
        if epoch.advance():
            self._begin()
        for asked in list(self.asked):
            if now_ms >= asked.due:
                self._repeat(asked, now_ms)
        while self._answers and now_ms - self._answers[0][3] > _LAST_MS:
            self._answers.pop(0)
        if self._kicks and now_ms >= self._kick_ms:
            self._kick(now_ms)
        self.due = max(now_ms + 1, epoch.due())
        if self._kicks:
            self.due = min(self.due, self._kick_ms)
        for asked in self.asked:
            self.due = min(self.due, asked.due)

    def _begin(self):
        self.asked = []
        self._answers = []
        self.averages.begin(self.epoch.number, self.epoch.quick)
        self._kicks = KICKS
        self._kick_ms = self.due = self._node.now_ms

    def _kick(self, now_ms):
        self._kicks -= 1
        self._kick_ms = now_ms + self._node.rng.jitter(self.epoch.round_ms() // KICKS)
        for peer in self._node.membership.some(1):
            self.exchange(peer)

    # -- asking

    def exchange(self, peer):
        """Average with a box that we have just exchanged views with."""
        epoch = self.epoch
        epoch.joined()
        self.due = min(self.due, epoch.due())
        if epoch.number == 0:
            self._ask(peer, b"", [])  # only to hear of the epoch
        elif epoch.mixing():
            self.averages.update()
            for body, parts in self.averages.bodies():
                self._ask(peer, body, parts)

    def _ask(self, peer, body, parts):
        node = self._node
        epoch = self.epoch
        if len(self.asked) >= AVERAGES_ASKED:
            node.counters.bump("averages_full")
            return
        exchange = int.from_bytes(node.rng.bytes(4), "big")
        message = pack(AVERAGE, exchange, epoch.number, int(epoch.quick), epoch.elapsed_ms(), body)
        self.asked.append(Asked(exchange, peer, message, parts, node.now_ms))
        node.counters.bump("averages")
        node.send_packed(peer.id, peer.addr, message)
        self.due = min(self.due, node.now_ms + RETRY_MS)

    def _repeat(self, asked, now_ms):
        node = self._node
        most = TRIES if asked.parts else EMPTY_TRIES
        if asked.tries >= most or self.epoch.number and not self.epoch.averaging():
            self.asked.remove(asked)
            return
        asked.due = now_ms + node.rng.jitter(RETRY_MS << max(0, asked.tries - RETRY_EVEN))
        asked.tries += 1
        node.counters.bump("averages_repeated")
        node.send_packed(asked.id, asked.addr, asked.message)

    # -- answering

    def on_average(self, peer, message):
        """Answer a question: average, and tell the differences."""
        _, exchange, number, quick, elapsed_ms, body = message
        node = self._node
        for id, asked, answer, _ in self._answers:
            if id == peer.id and asked == exchange:
                node.send_packed(peer.id, peer.addr, answer)
                return
        parts = parse_body(body)
        if self.epoch.hear(number, quick, elapsed_ms):
            self._begin()
        epoch = self.epoch
        answer = None
        stale = epoch.elapsed_ms() - elapsed_ms > STALE_ROUNDS * epoch.round_ms()
        if parts and epoch.same(number, quick) and epoch.averaging() and stale:
            node.counters.bump("averages_stale")
        elif parts and epoch.same(number, quick) and epoch.averaging():
            self.averages.update()
            answer = self.averages.answer(parts)
        packed = pack(AVERAGED, exchange, epoch.number, int(epoch.quick), epoch.elapsed_ms(), answer, self.size())
        if answer is not None:
            self._answers.append((peer.id, exchange, packed, node.now_ms))
            if len(self._answers) > AVERAGES_KEPT:
                if node.now_ms - self._answers.pop(0)[3] < KEEP_MS:
                    node.counters.bump("averages_dropped")
            node.counters.bump("averages_answered")
        node.send_packed(peer.id, peer.addr, packed)

    def on_averaged(self, peer, message):
        """Take the answer to a question of ours."""
        _, exchange, number, quick, elapsed_ms, body, size = message
        found = None
        for asked in self.asked:
            if asked.exchange == exchange and asked.id == peer.id:
                found = asked
        if found is None:
            return
        changes = self.averages.parse_answer(found.parts, body) if body is not None else None
        same = self.epoch.same(number, quick)
        begins = self.epoch.hear(number, quick, elapsed_ms)
        # From here on nothing is refused.
        self.asked.remove(found)
        if size and self._told_size is None:
            self._told_size = min(size, self._node.trust.places())
        if changes is not None and same:
            self.averages.apply(found.parts, changes)
        if begins:
            self._begin()

    # -- reading

    def size(self):
        """Boxes at the start of the last complete epoch, None before the first.

        A box that took part in none yet says what others told it.
        """
        return self.outcome.size if self.outcome else self._told_size

    def age_ms(self):
        """Time since that epoch was complete, None before the first."""
        return self._node.now_ms - self.outcome.at_ms if self.outcome else None

    def distribution(self, manifest):
        """The query.Distribution last found for a manifest, else None."""
        query = self.averages.queries.get(manifest.id[:KEY_BYTES])
        return query.result if query else None

    def rank(self, manifest):
        """Our rank (0..1) by `top` among those who match a manifest; None if not known."""
        query = self.averages.queries.get(manifest.id[:KEY_BYTES])
        return query.fraction(self._node.id) if query else None

    def in_top(self, manifest, slack=1.0):
        """True if we rank among the `top` of a manifest, slack times as many taken.

        None while no epoch that had it is complete.
        """
        if self.distribution(manifest) is None:
            return None
        rank = self.rank(manifest)
        return rank is not None and rank >= 1.0 - slack * manifest.fields["top"][0] / 1000

    def filled(self, manifest):
        """(filled seats, matching boxes) of a slice in the last epoch, or None."""
        size = self.size()
        numbers = self.outcome.vectors.get(manifest.id[:KEY_BYTES]) if self.outcome else None
        return (whole(part(numbers[0]) * size), whole(part(numbers[1]) * size)) if numbers and size else None

    def report(self):
        """dict for the census (report.py)."""
        return report(self._node)

    def jobs(self):
        """(running, open) jobs in the fleet in the last epoch, (0, 0) before."""
        size = self.size()
        numbers = self.outcome.vectors.get(JOBS) if self.outcome else None
        return (whole(part(numbers[0]) * size), whole(numbers[1] * size)) if numbers and size else (0, 0)


def count(cells, most):
    """(the size of the fleet, cells that are odd): a trimmed mean of what the cells say; None without cells.

    Liars may say what they like of a cell, but not keep its key from others.  Keys
    are drawn evenly, so the k-th least of N lies near k/N (k minimum values:
    Bar-Yossef et al. 2002), 21 % off with 24 of them; what keys liars make up only
    make N greater.  Cells that say something far from that are left out; without
    half of them the keys alone count.  most: boxes that are enrolled.
    """
    if not cells:
        return None, 0
    told = len(cells)
    if told >= SIZE_CELLS:
        told = (told - 1) * 4294967296.0 / (int.from_bytes(max(cells), "big") + 1)
    told = min(told, most)
    estimates = sorted([1.0 / cell for cell in cells.values() if 1 / ODD <= cell * told <= ODD])
    odd = len(cells) - len(estimates)
    if odd > len(estimates):
        return whole(told), odd
    # The lowest and the highest third are left out, as in the paper.
    cut = len(estimates) // 3
    kept = estimates[cut : len(estimates) - cut]
    return min(most, whole(sum(kept) / len(kept))), odd
