"""Epochs: when all boxes begin to average afresh, and when a result is complete.

Averages are restarted in numbered epochs (Jelasity, Montresor, Babaoglu, TOCS
2005).  An epoch is told with the time it has lasted, so all boxes end it at
nearly the same moment, whatever their clocks say and whenever they heard of it.
A box that was not up when an epoch began takes no part in it: what is counted
is the fleet at the epoch's start.

An epoch lasts ROUNDS rounds, in which boxes average, and a rest.  A *quick*
epoch, begun when something new is asked, counts in busy rounds, an idle one in
idle rounds.
"""

from .compat import const
from .errors import RemoteError
from .limits import EPOCH_JUMP, EPOCH_QUICK_BURST

# Cycles of averaging: 0.3 ^ 30 leaves nothing of the variance.
ROUNDS = const(30)
# Rounds at an epoch's end in which nothing is begun: what is under way comes to
# its end, and no mass is left on the way.
SETTLE_ROUNDS = const(4)
# Rounds of rest after an idle epoch, to halve its traffic, and after a quick one.
IDLE_REST_ROUNDS = const(30)
QUICK_REST_ROUNDS = const(4)
# Busy rounds for which a joined box waits to hear of an epoch, before it begins.
FIRST_ROUNDS = const(10)
# The first epochs of a fleet are quick: it is just being switched on.
FIRST_QUICK = const(3)
# What peers say of the time that has passed moves an epoch's start by at most
# this part of its length.
SHIFT_PART = const(8)


class Epoch:
    """number: 0 before the first; quick: bool; started_ms: as far as we know."""

    def __init__(self, node):
        self._node = node
        self.number = 0
        self.quick = False
        self.started_ms = node.now_ms
        self.taking_part = False
        self.joined_ms = None
        self._up_ms = node.now_ms
        self._heard_start_ms = node.now_ms
        self._wanted_ms = None  # when to begin a quick epoch
        self._asked_ms = 0  # when that was asked for
        self._tokens = EPOCH_QUICK_BURST

    def round_ms(self):
        """The round by which this epoch counts."""
        return self._node.config.busy_round_ms if self.quick else self._node.config.round_ms

    def elapsed_ms(self):
        """How long this epoch has lasted."""
        return self._node.now_ms - self.started_ms

    def complete(self):
        """True once its averages are final."""
        return self.elapsed_ms() >= ROUNDS * self.round_ms()

    def averaging(self):
        """True while we take part and averages still move."""
        return self.taking_part and not self.complete()

    def mixing(self):
        """True while we may begin exchanges of averages."""
        return self.taking_part and self.elapsed_ms() < (ROUNDS - SETTLE_ROUNDS) * self.round_ms()

    def hurries(self):
        """True while a quick epoch wants busy rounds."""
        return self.quick and self.number > 0 and not self.complete()

    def _length_ms(self):
        return (ROUNDS + (QUICK_REST_ROUNDS if self.quick else IDLE_REST_ROUNDS)) * self.round_ms()

    def due(self):
        """Absolute ms of the next change that is ours to make."""
        if self.joined_ms is None:
            return self._node.now_ms + ROUNDS * self._node.config.round_ms
        if self.number == 0:
            return self.joined_ms + FIRST_ROUNDS * self._node.config.busy_round_ms
        end = self.started_ms + self._length_ms()
        done = self.started_ms + ROUNDS * self.round_ms()
        if self._node.now_ms < done:
            end = done
        return min(end, self._wanted_ms) if self._wanted_ms is not None else end

    def joined(self):
        """We have spoken with the fleet."""
        if self.joined_ms is None:
            self.joined_ms = self._node.now_ms

    def hurry(self, rounds):
        """A quick epoch is wanted, `rounds` busy rounds from now."""
        self._asked_ms = self._node.now_ms
        self._wanted_ms = self._node.now_ms + rounds * self._node.config.busy_round_ms

    def advance(self):
        """Begin the next epoch if it is time; True if one has begun."""
        node = self._node
        if self.joined_ms is None:
            return False
        wanted = self._wanted_ms is not None and node.now_ms >= self._wanted_ms
        if wanted:
            self._wanted_ms = None
            wanted = not (self.quick and self.started_ms > self._asked_ms)
        over = self.number > 0 and self.elapsed_ms() >= self._length_ms()
        first = self.number == 0 and node.now_ms - self.joined_ms >= FIRST_ROUNDS * node.config.busy_round_ms
        if not wanted and not over and not first:
            return False
        self._begin(self.number + 1, wanted or self.number < FIRST_QUICK, 0)
        return True

    def _begin(self, number, quick, elapsed_ms):
        node = self._node
        if quick:
            self._tokens = max(0, self._tokens - 1)
        else:
            self._tokens = min(EPOCH_QUICK_BURST, self._tokens + 1)
        self.number = number
        self.quick = quick
        self.started_ms = self._heard_start_ms = node.now_ms - elapsed_ms
        self.taking_part = self._up_ms <= self.started_ms
        node.counters.bump("epochs")
        if quick:
            node.hurry()

    def same(self, number, quick):
        """True if that is our epoch.  Of two with one number the quick one stands."""
        return number == self.number and bool(quick) == self.quick

    def hear(self, number, quick, elapsed_ms):
        """What a peer says of the epoch; True if we now are in a new one.

        A higher number is followed when our own epoch is complete or none of
        ours.  Only a quick one may break ours off: after signed news, or within
        a small allowance, or a liar could keep the fleet from ever finishing.
        """
        node = self._node
        quick = bool(quick)
        if self.same(number, quick) or number < self.number or number == self.number and not quick:
            if self.same(number, quick) and number:
                told = node.now_ms - elapsed_ms
                least = self._heard_start_ms - ROUNDS * self.round_ms() // SHIFT_PART
                self.started_ms = max(least, min(self.started_ms, told))
            return False
        if number - self.number > EPOCH_JUMP and self.number:
            raise RemoteError("epoch far ahead")
        early = quick and (self._wanted_ms is not None or self._tokens > 0 or number <= FIRST_QUICK)
        if self.averaging() and not early:
            node.counters.bump("epochs_refused")
            return False
        round_ms = node.config.busy_round_ms if quick else node.config.round_ms
        if elapsed_ms > (ROUNDS + IDLE_REST_ROUNDS) * round_ms:
            raise RemoteError("epoch past its end")
        self._begin(number, quick, elapsed_ms)
        if quick and self._wanted_ms is not None and self.started_ms > self._asked_ms:
            self._wanted_ms = None
        return True
