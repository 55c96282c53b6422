"""An image among boxes that all want it at once, as agent/parts.py, seek.py and download.py share it out.

Time goes in ticks, TICKS of them in what one part of 32 KiB takes on one uplink.  A box
asks for the image's index first, some of its view and then a door.  Then it asks one
box at a time for a part that it lacks: who sent it one last, then who asked it and has
something, else one of its view, and a door after FRUITLESS in vain.  Who is asked lends
the part after the one it lent last, PARTS_LENT at once at most.  What is lent at once
shares an uplink with what its box says, which waits there too; so doors, whom all ask,
are slow at first.  They give each part once, each its share of them, and beyond that what
they have, or the broker's for who has found nobody else.

Left out: boxes that are slow, hidden, lie or are interrupted; other speech on the lines.
What a full line drops is one share of everything, fitted.
"""

import numpy as np

from ...agent.limits import BLOB_BYTES, CHUNK_BYTES, FETCH_WINDOW, PARTS_LENT, UPDATE_FETCHES, UPDATE_HINTS, UPDATE_SOURCES, VIEW
from ...agent.parts import AHEAD, SLOW_MS
from ...agent.seek import DOOR_DOUBLINGS, DOOR_MS, FRUITLESS, PAUSE_DOUBLINGS, PAUSE_MS, TRIED
from ...agent.wire import seal
from ..distribution import UP, WIRE_BYTES
from ..network import HEADERS, QUEUE_MS

TICKS = 8
# A question for a chunk on the wire: kind, hash, offset.
PULL_BYTES = 40 + seal.SEALED_OVERHEAD + HEADERS
# One way on a line, s; work goes in such steps of 4 KiB.
WAY_S, WORK_S, PIECES = 0.02, 0.005, BLOB_BYTES // 4096
# Until a box has the manifest; from its last part, read back, to its start.
HEARD_S, START_S = 0.7, 0.5
SILENT_S = 1.0
# Of datagrams, what full lines drop.  Fitted to the recordings of 256 boxes.
DROPPED = 0.02
# On the wire: a question for a part with its bitmap, and what is said to it.
SEEK_BYTES, SPARE_BYTES = 80, 70
LIMIT_S = 7 * 86_400
NEVER = np.inf


def parts_of(image_bytes):
    """Parts of an image."""
    return -(-image_bytes // BLOB_BYTES)


def part_s(uplink):
    """Seconds that a part, and the questions for as many chunks of another, take on an uplink of so many bytes a second."""
    return BLOB_BYTES // CHUNK_BYTES * (WIRE_BYTES + PULL_BYTES) / uplink


class Swarm:
    """`nodes` boxes and an image of so many parts; the first `doors` are doors.

    uplink: bytes a second of each box.  What a wrong model changes: lent, how many parts are lent
    at once; pause_ms, the first pause after a box that has nothing.
    """

    def __init__(self, nodes, parts, seed, doors=3, uplink=UP, loss=0.0, lent=PARTS_LENT, pause_ms=PAUSE_MS):
        self.nodes, self.parts, self.doors, self.uplink = nodes, parts, doors, uplink
        self.loss = 1 - (1 - loss) * (1 - DROPPED)
        self.most, self._pause_ms = lent, pause_ms
        self.tick_s = part_s(uplink) / TICKS
        self.rng = np.random.default_rng([seed, 41])
        self.view = self.rng.integers(0, nodes, (nodes, VIEW))  # it hardly changes meanwhile
        self.has, self.taken = np.zeros((nodes, parts), np.bool_), np.zeros((nodes, parts), np.bool_)
        # What is on its way to a box: from whom, which, how much of it is lacking, since when.
        self.source = np.full((nodes, UPDATE_FETCHES), -1)
        self.part, self.left = np.zeros((nodes, UPDATE_FETCHES), np.int64), np.zeros((nodes, UPDATE_FETCHES))
        self.since = np.zeros((nodes, UPDATE_FETCHES))
        self.written = np.full((nodes, UPDATE_FETCHES), NEVER)  # when what came will be in the slot, s
        self.lending, self.places = np.zeros(nodes, np.int64), np.full(nodes, lent)
        self.turn = self.rng.integers(0, parts, nodes)
        self.given = np.arange(doors) % parts
        self.uploads = np.zeros(nodes, np.int64)
        self.hints = np.full((nodes, UPDATE_HINTS), -1)
        self.tried, self.doors_tried = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
        self.due, self.door_due = np.full(nodes, HEARD_S), np.zeros(nodes)
        self.index, self.sought = np.arange(nodes) < doors, np.zeros(nodes, np.int64)
        self.said = np.zeros(nodes)  # bytes that wait besides parts
        self.asked = np.full(nodes, -1)  # whom each asks, when that one hears it, what it says, and when that is heard
        self.heard_s, self.answered_s = np.full(nodes, NEVER), np.full(nodes, NEVER)
        self.answer, self.last = np.full(nodes, -1), np.zeros(nodes, np.bool_)
        self.done_s = np.full(nodes, NEVER)
        self.now = 0.0

    def go(self):
        """Until all have it; seconds until each starts it, an array."""
        while not np.isfinite(self.done_s).all():
            self.now += self.tick_s
            if self.now > LIMIT_S:
                raise OverflowError("the image did not reach all within %d s" % LIMIT_S)
            self._carry()
            self._index()
            self._lend()
            self._hear()
            self._ask()
        return self.done_s

    def _wait(self, boxes):
        # What a box says waits for the chunks that it lends: those that are asked for and neither on
        # a line nor, as questions, waiting at the other end.
        chunk_s = self.tick_s * TICKS * CHUNK_BYTES / BLOB_BYTES
        waiting = (self.lending[boxes] * FETCH_WINDOW * chunk_s - 2 * WAY_S) / 2
        return WAY_S + np.clip(waiting + self.said[boxes] / self.uplink, 0, QUEUE_MS / 1000)

    def _full(self, boxes):
        return self.said[boxes] > self.uplink * QUEUE_MS / 1000

    def _index(self):
        """Who has no index asks some of its view for it, and then a door."""
        boxes = np.flatnonzero(~self.index & (self.due <= self.now))
        if not len(boxes):
            return
        self.rng.shuffle(boxes)
        door = self.sought[boxes] >= UPDATE_SOURCES
        whom = np.where(door, self.rng.integers(0, self.doors, len(boxes)), self.view[boxes, self.rng.integers(0, self.view.shape[1], len(boxes))])
        has = self.index[whom]
        self.sought[boxes] += 1
        # Of those that ask one box at once as many are answered as its line holds.
        order = np.argsort(whom, kind="stable")
        nth = np.arange(len(whom)) - np.searchsorted(whom[order], whom[order])
        nth[order] = nth.copy()
        room = (self.uplink * QUEUE_MS / 1000 - self.said[whom]) // WIRE_BYTES
        got, lost = has & (nth < room), has & (nth >= room)
        np.add.at(self.said, whom[got], WIRE_BYTES)
        np.add.at(self.said, whom[~has], SPARE_BYTES)
        self.index[boxes[got]] = True
        self.due[boxes] = self.now + 2 * WAY_S
        self.due[boxes[got]] += self.said[whom[got]] / self.uplink + self.parts * WORK_S
        self.due[boxes[lost]] += SILENT_S

    def _carry(self):
        box, place = np.nonzero((self.source >= 0) & (self.left > 0))
        sources = self.source[box, place]
        bytes_a_tick = self.uplink * self.tick_s
        spent = np.minimum(self.said, bytes_a_tick)
        self.said -= spent
        share = (1 - spent[sources] / bytes_a_tick) / np.maximum(1, np.bincount(sources, minlength=self.nodes)[sources])
        # No more chunks than are asked for at once come in the time of a question and its answer.
        most = FETCH_WINDOW * CHUNK_BYTES / BLOB_BYTES * self.tick_s / (self._wait(box) + self._wait(sources))
        rate = (1 - self.loss) * np.minimum(share / TICKS, most)
        self.left[box, place] -= rate
        over = self.left[box, place] <= 1e-9
        box, place, sources = box[over], place[over], sources[over]
        np.subtract.at(self.lending, sources, 1)
        slow = self.now - self.since[box, place] > SLOW_MS / 1000
        for number, late in zip(sources, slow):
            self.places[number] = max(1, self.places[number] - 1) if late else min(self.most, self.places[number] + 1)
        self.written[box, place] = self.now + PIECES * WORK_S
        for column in range(UPDATE_FETCHES):  # it may have another
            here = place == column
            self._first(box[here], sources[here])
        box, place = np.nonzero(self.written <= self.now)
        self.has[box, self.part[box, place]] = True
        self.source[box, place], self.written[box, place] = -1, NEVER
        self.due[box] = self.now
        whole = box[self.has[box].all(1) & ~np.isfinite(self.done_s[box])]
        self.done_s[whole] = self.now + self.parts * PIECES * WORK_S + START_S

    def _first(self, boxes, whom):
        self.hints[boxes] = np.c_[whom, self.hints[boxes, :-1]]
        self.due[boxes] = self.now

    def _lend(self):
        """Who is asked lends, or says that it has nothing, or its hands full."""
        askers = np.flatnonzero(self.heard_s <= self.now)
        self.heard_s[askers] = NEVER
        self.rng.shuffle(askers)
        self.answer[askers] = -1
        self._hinted(askers)
        left = askers
        while len(left):
            whom, first = np.unique(self.asked[left], return_index=True)
            ones = left[first]
            free = (self.lending[whom] < self.places[whom]) & ~(self.source[ones] == whom[:, None]).any(1)
            self._choose(ones[free], whom[free])
            left = np.delete(left, first)
        silent = self._full(self.asked[askers]) & (self.answer[askers] < 0)
        np.add.at(self.said, self.asked[askers], SPARE_BYTES)
        self.answered_s[askers] = self.now + np.where(silent, SILENT_S, 0) + self._wait(self.asked[askers]) + np.where(self.answer[askers] >= 0, PIECES * WORK_S, 0)

    def _hinted(self, askers):
        """Who is asked asks back, if the asker has what it lacks."""
        whom, first = np.unique(self.asked[askers], return_index=True)
        ones = askers[first]
        useful = (self.has[ones] & ~self.taken[whom]).any(1) & ~(self.hints[whom] == ones[:, None]).any(1) & (self.hints[whom, -1] < 0)
        whom, ones = whom[useful], ones[useful]
        self.hints[whom, (self.hints[whom] >= 0).sum(1)] = ones
        self.due[whom] = np.minimum(self.due[whom], self.now)

    def _choose(self, askers, whom):
        """The part that each of `whom`, all of them others, lends."""
        lacks = ~self.taken[askers]
        useful = self.has[whom] & lacks
        order = (self.turn[whom, None] + np.arange(self.parts)) % self.parts
        found = np.take_along_axis(useful, order, 1)
        number = order[np.arange(len(whom)), found.argmax(1)]
        number = np.where(found.any(1), number, -1)
        for row in np.flatnonzero(whom < self.doors):
            number[row] = self._of_door(whom[row], lacks[row], number[row], self.last[askers[row]])
        lent = number >= 0
        askers, whom, number = askers[lent], whom[lent], number[lent]
        self.turn[whom] = number + 1
        self.lending[whom] += 1
        self.uploads[whom] += 1
        self.answer[askers] = number

    def _of_door(self, door, lacks, number, last):
        """A door's choice: its share first, then what it has, then the broker's."""
        while self.given[door] < self.parts and not lacks[self.given[door]]:
            self.given[door] += self.doors
        for mine in range(self.given[door], self.parts, self.doors)[:AHEAD]:
            if lacks[mine]:
                self.given[door] = mine + self.doors
                self.has[door, mine] = self.taken[door, mine] = True
                return mine
        if number < 0 and last and lacks.any():
            number = self.rng.choice(np.flatnonzero(lacks))
        return number

    def _hear(self):
        """Answers: a part is on its way, or another box is asked, later."""
        boxes = np.flatnonzero(self.answered_s <= self.now)
        self.answered_s[boxes] = NEVER
        number, whom = self.answer[boxes], self.asked[boxes]
        self.asked[boxes] = -1
        some = number >= 0
        again = some & self.taken[boxes, np.maximum(0, number)]
        np.subtract.at(self.lending, whom[again], 1)
        some &= ~again
        self._fruitless(boxes[~some])
        boxes, whom, number = boxes[some], whom[some], number[some]
        place = (self.source[boxes] < 0).argmax(1)
        self.source[boxes, place], self.part[boxes, place], self.left[boxes, place] = whom, number, 1.0
        self.since[boxes, place] = self.now
        self.taken[boxes, number] = True
        self.tried[boxes] = self.doors_tried[boxes] = 0
        self.due[boxes] = self.now

    def _later(self, ms, doublings):
        # As Rng.jitter draws.
        return self.now + ms / 1000 * 2.0**doublings * self.rng.uniform(7 / 8, 9 / 8, len(doublings))

    def _fruitless(self, boxes):
        self.due[boxes] = self._later(self._pause_ms, np.minimum(self.tried[boxes] // TRIED, PAUSE_DOUBLINGS))
        self.tried[boxes] += 1

    def _ask(self):
        """Who lacks parts, has a hand free and waits for no answer asks the next one."""
        boxes = np.flatnonzero(self.index & (self.due <= self.now) & (self.asked < 0))
        boxes = boxes[~self.taken[boxes].all(1) & (self.source[boxes] < 0).any(1)]
        whom = self.view[boxes, self.rng.integers(0, self.view.shape[1], len(boxes))]
        hinted = self.hints[boxes, 0] >= 0
        door = ~hinted & (self.tried[boxes] >= FRUITLESS) & (self.door_due[boxes] <= self.now)
        whom = np.where(hinted, self.hints[boxes, 0], np.where(door, self.rng.integers(0, self.doors, len(boxes)), whom))
        self.last[boxes] = door
        self.hints[boxes[hinted]] = np.c_[self.hints[boxes[hinted], 1:], np.full(hinted.sum(), -1)]
        late = boxes[door]
        self.door_due[late] = self._later(DOOR_MS, np.minimum(self.doors_tried[late], DOOR_DOUBLINGS))
        self.doors_tried[late] += 1
        itself = whom == boxes
        self._fruitless(boxes[itself])
        boxes, whom = boxes[~itself], whom[~itself]
        self.asked[boxes] = whom
        self.said[boxes] += SEEK_BYTES
        self.heard_s[boxes] = self.now + self._wait(boxes)
        lost = self.rng.random(len(boxes)) < 1 - (1 - self.loss) ** 2
        silent = boxes[lost]
        self.heard_s[silent], self.answered_s[silent], self.answer[silent] = NEVER, self.now + SILENT_S, -1


def swarm(nodes, parts, seed, **how):
    """dict: seconds until half and all boxes have all parts, and what the doors uploaded, in images; how: as a Swarm's."""
    found = Swarm(nodes, parts, seed, **how)
    times = found.go()
    return {"half": float(np.median(times)), "all": float(times.max()), "uploads": float(found.uploads[: found.doors].sum()) / parts}
