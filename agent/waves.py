"""Waves: when a box may take an update, by what boxes before it say of theirs.

A firmware manifest may name waves, each a share of the boxes, and a box's place among
them is a hash of the image and of its identity: everybody can compute anybody's.  The
first wave goes at once.  Whoever is of a later one asks `polled` boxes of the wave
before it, each directly, and goes when `need` of them have run the image for soak_s
without a crash.  Sealed speech makes each box count once, so a liar weighs one of
`polled`.

Whom to ask: boxes come by in views, and are named by others (NAMES in each answer).
Of all members that a box hears of it keeps those with the least hash under a key of its
own (Brahms: Bortnikov et al. 2009), so who is named often is asked no sooner.

The verdict is "hold" until it is "go", and is asked for again and again: nothing but
the operator's signed word (update.py) ends a rollout.  Who is silent counts as not
good, for an image may leave a box without speech.  Boxes that never become good make
way for others after a while, but the failures among them stay in the count: of all that
were ever heard, good and failed, the good must be `need` in `polled`.  So an image does
not get through by being asked for until chance favours it.

Loaded while a firmware with waves is about.
"""

from .compat import const
from .descriptor import REACHABLE, pack_all, unpack_all
from .errors import RemoteError
from .limits import WAVE_POLLED, WAVES
from .wire.hashes import sha256
from .wire.messages import POLL, POLLED, holds

# What a box says of itself and one firmware.
ABROAD = const(0)  # of another class or region: it is in no such wave
WAITS = const(1)
TRIES = const(2)
RUNS = const(3)
BACK = const(4)  # it failed here, or has crashed since it was confirmed
# Shares are of so much, and a place is below this.
WHOLE = const(10000)
# Longer than a month nobody waits for one wave.
SOAK_MOST_S = 30 * 86400
REGION_LETTERS = const(32)

# Boxes named in an answer: with IPv6 222 bytes.
NAMES = const(6)
# Asked at once: when none of these is good, nobody else needs to be asked.
AT_ONCE = const(5)
RETRY_MS = const(3000)
ASKS = const(3)
# A poll that says hold is taken again after this part of soak_s, within these bounds.
SOAK_PART = const(4)
AGAIN_LEAST_MS = const(5000)
AGAIN_MOST_MS = const(3600000)
# Polls that said hold, after which others are asked: some of the first may be gone for good.
REDRAW = const(8)
# Boxes of other regions remembered, four bytes of each, so as not to be asked again: as many come
# before the twentieth of a region with 4 % of the boxes.  The oldest is dropped.
STRANGERS = const(512)
# Looking for members: each busy round at first, each round after so many tries.
EAGER = const(40)


def check(value):
    """A manifest's waves, [rows, polled, need, soak_s], each row [share of WHOLE, region]; RemoteError."""
    if not isinstance(value, list) or len(value) != 4 or not holds(("l", "u", "u", "u"), value):
        raise RemoteError("suit: the waves")
    rows, polled, need, soak_s = value
    if not 2 <= len(rows) <= WAVES or not 1 <= need <= polled <= WAVE_POLLED or soak_s > SOAK_MOST_S:
        raise RemoteError("suit: the waves' numbers")
    for row in rows:
        if not isinstance(row, list) or len(row) != 2 or not holds(("u",), row[:1]) or not isinstance(row[1], str):
            raise RemoteError("suit: a wave")
        if not 1 <= row[0] <= WHOLE or len(row[1]) > REGION_LETTERS:
            raise RemoteError("suit: a wave's share or region")
    if rows[-1] != [WHOLE, ""]:
        raise RemoteError("suit: the last wave is not all boxes")
    return value


def place(image, id):
    """Where a box stands for an image (SHA-256), 0 to WHOLE - 1, the same for everybody."""
    return int.from_bytes(sha256(image, id)[:4], "big") * WHOLE >> 32


def wave_of(fields, id, region):
    """The number of a box's wave."""
    rows, at = fields["waves"][0], place(fields["image"], id)
    for number in range(len(rows)):
        if at < rows[number][0] and rows[number][1] in ("", region):
            return number


def names(node, fields, wave, among):
    """Packed Descriptors of up to NAMES boxes that may be of a wave, from a list."""
    share = fields["waves"][0][wave][0]
    found = [box for box in among if box.flags & REACHABLE and place(fields["image"], box.id) < share]
    return pack_all(node.rng.sample(found, NAMES))


def stopped(node, firmware):
    """Why a firmware is not to be taken, if the operator's last word about it was no "go"; else None."""
    said = node.rumours.get("rollout", firmware.name)
    if said and said.fields["firmware"] == firmware.seq and not said.end and said.fields["word"] != "go":
        return "the operator's word about it is: " + said.fields["word"]


def soak_ms(node, sequence):
    """How long the waves of the firmware with that sequence soak; 0 without.

    So long must a confirmed image run for its crashes to be forgotten: what crashes more
    seldom than others wait would never be given up.
    """
    for manifest in node.rumours.of_kind("firmware"):
        if manifest.seq == sequence and "waves" in manifest.fields:
            return manifest.fields["waves"][3] * 1000
    return 0


def fares(node, manifest):
    """(how a firmware fares on this box, seconds that it has run)."""
    update = node.update
    record, sequence, seq = update.record, update.sequence(), manifest.seq
    if sequence is None or update.refusal(manifest)[0] == "updates_foreign":
        return ABROAD, 0
    if seq in record.failed or sequence < seq <= record.floor:
        return BACK, 0
    if sequence < seq:
        return WAITS, 0
    if update.on_trial():
        return TRIES, 0
    return (BACK if record.crashes else RUNS), (node.now_ms - node.started_ms) // 1000


def answer(node, waves, peer, message):
    """A box asks how a firmware fares here, and whom we know of a wave.  waves: ours, or None."""
    _, exchange, digest, wave = message
    state, seconds, named = WAITS, 0, b""
    for manifest in node.rumours.of_kind("firmware"):
        fields = manifest.fields
        if manifest.digest[:8] == digest and wave < len(fields.get("waves", ((),))[0]):
            state, seconds = fares(node, manifest)
            if fields["waves"][0][wave][1] not in ("", node.config.region):
                state, seconds = ABROAD, 0
            known = list(node.membership.view.values())
            if waves and waves.manifest is manifest and waves.wave - 1 == wave:
                known += waves.known.values()
            named = names(node, fields, wave, known)
    node.send(peer.id, peer.addr, POLLED, exchange, state, min(seconds, (1 << 32) - 1), named)


class Waves:
    """A firmware that waits for its wave.  go() is called once, when it has come.

    manifest: the firmware's, verified, for this box; its wave is `wave`, above 0.
    """

    def __init__(self, node, manifest, wave, go):
        self._node = node
        self.manifest = manifest
        self.wave = wave
        self._go = go
        self.known = {}  # id: Descriptor of members of the wave before, WAVE_POLLED at most
        self._asking = {}  # exchange id: [Descriptor, when to ask again, asks, counts in the poll]
        self._said = None  # id: True for good, while a poll is under way
        self._strangers = b""
        self._key = node.rng.bytes(8)
        self._tries = 0
        self.polls = self._bad = 0
        self._past_good = self._past_bad = 0  # words of the boxes that made way for others
        self.held = False  # the last poll met a failure
        self.result = None  # (good, bad, asked) of the last poll
        soak_ms = manifest.fields["waves"][3] * 1000
        elapsed_ms = max(0, node.wall_s() - manifest.issued) * 1000
        # Not before the waves ahead can have soaked; who comes late asks soon.
        self._poll_ms = node.now_ms + node.rng.below(1 + soak_ms // SOAK_PART) + max(0, wave * soak_ms - elapsed_ms)
        self._seek_ms = self.due = node.now_ms

    def _full(self):
        return len(self.known) >= self.manifest.fields["waves"][1]

    # -- whom to ask

    def _hear(self, box):
        """A box that may be a member: kept if its keyed hash is among the least."""
        fields = self.manifest.fields
        id = box.id
        if not box.flags & REACHABLE or id == self._node.id or id in self.known or id[:4] in self._strangers:
            return
        if place(fields["image"], id) >= fields["waves"][0][self.wave - 1][0] or self._node.is_revoked(id):
            return
        self.known[id] = box
        if len(self.known) > fields["waves"][1]:
            del self.known[max(self.known, key=lambda id: sha256(self._key, id))]

    def _seek(self, now_ms):
        """Look through the view, and ask a box for names.

        Whoever waits for the same wave knows members, and by its place all know who does.
        Partners are asked in every second turn, for views may be liars' alone.
        """
        node = self._node
        mates = []
        for box in list(node.membership.view.values()):
            self._hear(box.copy())
            if self._tries & 1 and wave_of(self.manifest.fields, box.id, node.config.region) == self.wave:
                mates.append(box)
        self._tries += 1
        eager = self._tries < EAGER and not self._full()
        self._seek_ms = now_ms + node.rng.jitter(node.config.busy_round_ms if eager else node.config.round_ms)
        for box in node.rng.sample(mates, 1) or node.membership.some(1):
            self._ask(box, now_ms, False)

    # -- asking

    def _ask(self, box, now_ms, counts):
        if len(self._asking) > 2 * AT_ONCE:
            return
        exchange = int.from_bytes(self._node.rng.bytes(4), "big")
        self._asking[exchange] = [box, 0, 0, counts]
        self._again(exchange, now_ms)

    def _again(self, exchange, now_ms):
        row = self._asking[exchange]
        row[1] = now_ms + self._node.rng.jitter(RETRY_MS)
        row[2] += 1
        self._node.counters.bump("polls")
        self._node.send(row[0].id, row[0].addr, POLL, exchange, self.manifest.digest[:8], self.wave - 1)

    def on_polled(self, peer, message):
        """An answer; what it says of itself counts if it was polled, what it names is tested.

        Returns when tick() is due.
        """
        _, exchange, state, seconds, packed = message
        row = self._asking.get(exchange)
        if row is None or row[0].id != peer.id:
            return self.due
        if state > BACK:
            raise RemoteError("polled state")
        named = unpack_all(packed, NAMES, peer.seen)
        del self._asking[exchange]
        for box in named:
            self._hear(box)
        now_ms = self._node.now_ms
        if state == ABROAD and self.known.pop(peer.id, None):
            self._strangers = self._strangers[4 - 4 * STRANGERS :] + peer.id[:4]
            if self._said is not None:  # others are needed: from the start, when there are enough
                self._said = None
                self._poll_ms = now_ms + AGAIN_LEAST_MS
            self._tries, self._seek_ms = 0, min(self._seek_ms, now_ms + self._node.config.busy_round_ms)
            self.due = min(self._poll_ms, self._seek_ms)
        elif not row[3] or self._said is None:
            self.due = min(self.due, now_ms + 1) if self._full() else self.due
        else:
            self._take(peer.id, state == RUNS and seconds >= self.manifest.fields["waves"][3], state == BACK)
        return self.due

    def _take(self, id, good, bad):
        """Count one box's word, and judge."""
        self._said[id] = good
        self._bad += 1 if bad else 0
        _, polled, need, soak_s = self.manifest.fields["waves"]
        count = sum(1 for known in self._said.values() if known)
        left = polled - len(self._said)
        if count < need <= count + left:
            self.due = self._node.now_ms
            return
        self.result = (count, self._bad, len(self._said))
        good, bad = self._past_good + count, self._past_bad + self._bad
        goes = count >= need and good * polled >= need * (good + bad)
        self.held = bad > 0 and not goes
        self._said = None
        self._asking = {}
        if goes:
            self._go()
            return
        self.polls += 1
        if self.held:
            self._node.counters.bump("rollouts_held")
        if not self.polls % REDRAW:
            self._past_good, self._past_bad = good, bad
            self._key = self._node.rng.bytes(8)
            self.known = {}
            self._tries = 0
        wait_ms = min(max(soak_s * 1000 // SOAK_PART, AGAIN_LEAST_MS), AGAIN_MOST_MS)
        self._poll_ms = self._node.now_ms + self._node.rng.jitter(wait_ms)
        self.due = self._node.now_ms

    # -- time

    def tick(self, now_ms):
        """Look for members, begin a poll when it is time, ask those on whom it stands."""
        for exchange in list(self._asking):
            row = self._asking.get(exchange)
            if row and now_ms >= row[1]:
                if row[2] < ASKS and row[3]:
                    self._again(exchange, now_ms)
                else:
                    del self._asking[exchange]
                    if row[3] and self._said is not None:
                        self._node.counters.bump("polls_silent")
                        self._take(row[0].id, False, False)
        if now_ms >= self._seek_ms and self._said is None:
            self._seek(now_ms)
        if self._said is None and now_ms >= self._poll_ms and self._full():
            self._said = {}
            self._bad = 0
        if self._said is not None:
            self._fill(now_ms)
        self.due = now_ms + RETRY_MS
        if self._said is None:
            self.due = self._seek_ms if not self._full() else max(self._poll_ms, now_ms + 1)
        for row in self._asking.values():
            self.due = min(self.due, row[1])

    def _fill(self, now_ms):
        """Ask further members, AT_ONCE at a time, those of the poll in random order."""
        asked = [row[0].id for row in self._asking.values() if row[3]]
        todo = [box for box in self.known.values() if box.id not in self._said and box.id not in asked]
        for box in self._node.rng.sample(todo, AT_ONCE - len(asked)):
            self._ask(box, now_ms, True)

    def seeds(self):
        """[(id, address)] of boxes that may have the image: the members known."""
        return [(box.id, box.addr) for box in self.known.values()]

    def status(self):
        """dict, JSON-able: which wave this box is in, and what it last heard of the one before."""
        good, bad, asked = self.result or (0, 0, 0)
        return {"wave": self.wave, "held": self.held, "known": len(self.known), "good": good, "bad": bad, "asked": asked,
                "polls": self.polls}
