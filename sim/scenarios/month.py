"""Boxes that stay up for weeks of daily churn and work keep no more than after the first days, and work as fast.

A turn is a day, or less where a run has fewer days than it needs turns to tell.
"""

import dataclasses

from ...agent.manifest import manifest_id
from ...firmware_pkg import suit
from .. import growth
from ..faults import CALM
from ..launcher import Launcher
from ..ledger import Ledger, leftovers

NODES = 8
# A month has thirty; one is for tests.
DAYS = 1
DAY_S = 86_400
TURNS_LEAST = 12
# The share of the turns until the tables are as full as they get.
WARM = 0.5
SAMPLES_A_TURN = 3
# A short run is to be short: its rounds are longer, and it is looked at as often as its turns need.
ROUND_MS, SHORT_ROUND_MS = 60_000, 300_000
LOOK_MS = 60_000
# The ring's probes would be nearly all that a month does.
PROBE_MS = 20_000
STORE_KB, INPUT_BYTES = 128, 2_000
# Boxes by number: the first is a door that is never restarted, the second one that is.
STEADY, LIAR = (0, 2, 4), 3
# Where each box's clock is at the middle of the run, in turn; 2^30 ms are 12.4 days.
WRAPS = (1 << 30, 1 << 31, 1 << 32)
SIZES = (4, 3)
WORKS, TASKS = 3, 8
# Slices that nobody matches, for eleven names a turn: 64 floors are full after six.
NOBODYS, NOBODY = 3, "region == 'nowhere'"
# What is pushed lives for so much of a turn, and is settled before.
VALID = 0.2
SETTLED = 0.18
# A rise of the time to settle that is noise.
SLOWER_S = 10
RING_S = 1_800
# The liar sits in no slice: a seat that only it holds is nobody's to check.
LIARS = "liars"
WHERE = "region != '%s'" % LIARS
STORM = dataclasses.replace(CALM, loss=0.1, duplicate=0.05, reorder=0.05, partition=0.01, cut_ms=(5_000, 120_000))
VENDOR = "isp.example"
FIRMWARE_TURNS, IMAGE_BYTES, SLOT_KB = 5, 40_000, 64
# Datagrams of garbage in a turn, and what they begin with: every kind there is, and some that are none.
GARBAGE, KINDS = 200, range(0x10, 0x20)
# What may stay of manifests that are gone, and of boxes: sequence floors; a door's
# answers to results already published; boxes remembered for a restart or against
# partitions, and their keys; the last that left a ring, while we sit in it.
KEPT_OF_MANIFESTS = ("rumours.floors", "door._published")
KEPT_OF_BOXES = ("membership.remembered", "peers.table", "ring._gone")


def play(lab):
    """Turns of pushes, churn, lies and outages, each with quiet at its end, in which the boxes are weighed."""
    Month(lab).play()


class Month:
    """One run; `turn_s` long turns, of which the first `warm` only fill tables."""

    def __init__(self, lab):
        self.lab = lab
        days = lab.days or DAYS
        self.turns = max(days, TURNS_LEAST)
        self.turn_s = days * DAY_S // self.turns
        self.warm = int(WARM * self.turns)
        self.rng = lab.world.stream("month")
        lab.look_ms = LOOK_MS
        short = days < TURNS_LEAST
        lab.settings.update(
            round_ms=str(SHORT_ROUND_MS if short else ROUND_MS), probe_ms=str(PROBE_MS), store_kb=str(STORE_KB),
            vendor=VENDOR, slot_kb=str(SLOT_KB), trial_s="60")
        self.ledger = None
        self.pool = []  # boxes that left for good, the longest gone first
        self.settled_s = []
        self.gone = {}  # ids and names of manifests that have expired
        self.away = {}  # ids of boxes that left

    def play(self):
        """All turns, and the verdict."""
        lab = self.lab
        self._begin()
        for turn in range(self.turns):
            begun_ms = lab.world.now_ms
            self._work(turn)
            self._churn()
            self.settled_s.append(lab.until("a turn's work is settled", self._all_done, self._valid_s(SETTLED)))
            self._trouble(turn)
            self._return()
            for sample in range(SAMPLES_A_TURN):
                self._sleep_until(begun_ms, 0.7 + 0.1 * sample)
                self.ledger.sample()
            self._look_back(begun_ms)
            lab.say("turn %d of %d: %d bytes kept" % (turn + 1, self.turns, self.ledger.total("bytes")[-1]))
        self._judge()

    def _begin(self):
        lab = self.lab
        lab.boot(doors=2, contacts=2)
        boxes = lab.world.boxes
        boxes[LIAR].liar = True
        lab.lying = 0.0
        for box in boxes:
            box.clock_start_ms = max(1, WRAPS[box.number % 3] - self.turns * self.turn_s * 500)
            if box.number not in STEADY + (LIAR,):
                box.launcher = Launcher()
        lab.until("overlay connected", lab.connected, 600)
        boxes[LIAR].node.attributes["region"] = LIARS
        for number in STEADY:
            self._fill(boxes[number].node.store)
        self.ledger = Ledger(lab, [boxes[number] for number in STEADY])
        # Spares, so that there is somebody new each turn.
        for box in boxes[-max(1, lab.nodes // 5):]:
            self._leave(box)

    def _fill(self, store):
        """A store is as full as it gets after some weeks; these blobs go first."""
        while store.used + INPUT_BYTES <= store.capacity:
            store.put(self.rng.randbytes(INPUT_BYTES))

    def _sleep_until(self, begun_ms, share):
        self.lab.go(begun_ms + int(share * self.turn_s * 1000) - self.lab.world.now_ms)

    # -- a turn's work

    def _valid_s(self, share):
        return int(share * self.turn_s)

    def _work(self, turn):
        """Pushes that are all over before the turn is: slices that come, grow and shrink, workloads, queries."""
        operator = self.lab.operator
        operator.withdraw_expired()
        self.size = SIZES[turn % 2]
        operator.push_slice("edge", self.size, WHERE, valid_s=2 * self.turn_s)
        self._expires("slice", operator.push_slice, "day-%d" % turn, 2, WHERE)
        for number in range(2):
            self._expires("query", operator.push_query, "ask-%d-%d" % (turn, number), "load")
        self.works = ["words-%d-%d" % (turn, number) for number in range(WORKS)]
        for name in self.works:
            self._expires("workload", operator.push_workload, name, "edge", TASKS, input_bytes=INPUT_BYTES)
        self._expires("workload", operator.push_workload, "ended-%d" % turn, "edge", TASKS)
        operator.end("workload-ended-%d" % turn)
        for number in range(NOBODYS):
            self._expires("slice", operator.push_slice, "none-%d-%d" % (turn, number), 2, NOBODY)
        if turn % FIRMWARE_TURNS == 1:
            self._push_firmware(turn)

    def _expires(self, kind, push, name, *rest, **how):
        push(name, *rest, valid_s=self._valid_s(VALID), **how)
        self.gone[name] = kind + " " + name
        self.gone[manifest_id(kind, name)] = kind + " " + name

    def _push_firmware(self, turn):
        world = self.lab.world
        vendor = suit.vendor_id(VENDOR)
        image = (b"turn %d " % turn * IMAGE_BYTES)[:IMAGE_BYTES]
        plan = suit.manifest(image, "mpy6", vendor, suit.class_id(vendor, "box"), world.wall_s(),
                             world.wall_s() + self._valid_s(VALID))
        self.lab.operator.push_firmware(plan)

    def _all_done(self):
        for name in self.works:
            problem = self.lab.done(name, TASKS)() or self.lab.settled_once(name)()
            if problem:
                return problem
        return ""

    # -- churn and trouble

    def _churn(self):
        """One leaves for good and one enters in its place; of the others some crash, one loses its disk, one stops."""
        lab = self.lab
        new = self.pool.pop(0)
        new.disk.wipe()
        self.away.pop(lab.fleet.members[new.number].id, None)
        lab.enter(new, [lab.world.boxes[0]])
        restless = [box for box in lab.world.live() if box.number not in STEADY + (1, LIAR, new.number)]
        self.rng.shuffle(restless)
        self._leave(restless.pop())
        down = restless[:3]
        for box, fate in zip(down, ("kept", "lost", None)):
            if fate:
                box.crash(fate)
            else:
                box.stop()
            lab.world.after(int(self.turn_s * self.rng.uniform(0.05, 0.3) * 1000), self._start, box)

    def _leave(self, box):
        box.stop()
        self.pool.append(box)
        self.away[self.lab.fleet.members[box.number].id] = "box %d, which left," % box.number

    @staticmethod
    def _start(box):
        if not box.live:
            box.start()

    def _trouble(self, turn):
        """Bad weather with a liar and garbage; then the broker is away, a door restarts, the controller too."""
        lab = self.lab
        lab.lying = 0.5
        lab.storm(weather=STORM, spare=range(lab.nodes))
        self._garbage()
        lab.go(min(1_800_000, self.turn_s * 100))
        lab.chaos.heal()
        lab.lying = 0.0
        lab.broker.vanish(keep_retained=turn % 2 == 0)
        lab.controller.live = False
        lab.go(min(1_800_000, self.turn_s * 50))
        lab.broker.come_back()
        lab.controller.live = True
        lab.operator.push_again()
        lab.world.boxes[1].crash()
        lab.world.boxes[1].start()

    def _garbage(self):
        lab = self.lab
        liar = lab.world.boxes[LIAR]
        for _ in range(GARBAGE):
            target = self.rng.choice(lab.world.live())
            data = bytes((self.rng.choice(KINDS),)) + self.rng.randbytes(self.rng.randrange(1, 300))
            lab.world.after(self.rng.randrange(600_000), lab.world.network.send, liar, target.address, data)

    def _return(self):
        for box in self.lab.world.boxes:
            if box not in self.pool:
                box.wanted = True
                self._start(box)

    # -- what must hold at the end of each turn

    def _look_back(self, begun_ms):
        lab = self.lab
        lab.until("overlay connected in the evening", lab.connected, 600)
        lab.until("every live manifest everywhere in the evening", lab.informed, 600)
        lab.until("ring closed in the evening", lab.ring("edge", self.size), RING_S)
        self._sleep_until(begun_ms, 1.0)
        live = [box for box in lab.world.live() if not box.liar]
        lab.require("nothing that expired is kept", lambda: leftovers(lab, live, self.gone, KEPT_OF_MANIFESTS))
        away = {id: self.away[id] for id in self.away}
        lab.require("nobody who left is kept", lambda: leftovers(lab, live, away, KEPT_OF_BOXES))

    def _judge(self):
        lab, warm = self.lab, self.warm * SAMPLES_A_TURN
        lab.measure("turns", self.turns)
        lab.measure("settled_s", self.settled_s)
        lab.measure("series", len(self.ledger.series))
        lab.measure("kept_bytes", self.ledger.total("bytes"))
        lab.measure("kept_entries", self.ledger.total("entries"))
        lab.measure("surest_rise", self.ledger.steepest(warm))
        lab.require("every steady box's clock passed its wrap", self._not_wrapped)
        if self.turns >= growth.SAMPLES_LEAST:
            lab.require("the last work settles as fast as the first", self._slower)
        lab.require("no table, text or file grows", lambda: self.ledger.verdict(warm))

    def _slower(self):
        rise = growth.grown(self.settled_s, SLOWER_S)
        return "%.0f s more at the end, of %s" % (rise, self.settled_s) if rise else ""

    def _not_wrapped(self):
        late = [number for number in STEADY if self.lab.world.boxes[number].clock() <= WRAPS[number % 3]]
        return "not yet there: %s" % late if late else ""
