"""A rollout in a lab: an image for boxes with launchers, and what the world then shows of it.

All is read off the world: what each launcher started, what the disks hold, what the
network carried.  Liars here lie of the rollout alone: each says of a good image that it
failed, of a bad one that it runs and has soaked, and names nobody but liars.
"""

import hashlib

from ..agent import slots, waves
from ..agent.descriptor import pack_all
from ..agent.wire.messages import POLLED
from ..bootstrap.operator import manifests
from ..firmware_pkg import suit
from .launcher import Launcher

VENDOR, CLASS = "isp.example", "box"
SETTINGS = {"vendor": VENDOR, "class": CLASS}
VALID_S = 20 * 86_400


def image(word, size):
    """An image (bytes) whose first word says what it does; see launcher.py."""
    pattern = hashlib.sha512(word.encode()).digest()
    parts = (pattern + number.to_bytes(4, "big") for number in range(size // (len(pattern) + 4) + 1))
    return (word.encode() + b" " + b"".join(parts))[:size]


def leave_out_idle_rooms(lab):
    """For time: boxes of the lab without averages and the timers of rooms that have nothing to do in a rollout."""
    make = lab.world.make_node

    def make_node(box, now_ms, wall_s):
        node = make(box, now_ms, wall_s)
        node.aggregate.exchange = lambda peer: None
        idle = (node.ring, node.lookup, node.slicing, node.tasks, node.aggregate, node.availability, node.seeds)
        node._services = [service for service in node._services if service not in idle]
        return node

    lab.world.make_node = make_node


class Rollout:
    """One image on its way: rows, polled, need and soak_s as waves.check() takes them.

    Makes launchers for all boxes of the lab, which must not have been started.  liars:
    share of the boxes that lie, none of the first `honest`.
    """

    def __init__(self, lab, word, rows, polled, need, soak_s, size=70_000, liars=0.0, honest=2):
        self.lab = lab
        self.word = word
        self.data = image(word, size)
        self.waves = [[list(row) for row in rows], polled, need, soak_s]
        self.sequence = self.begun_ms = None
        fields = {"waves": self.waves, "image": hashlib.sha256(self.data).digest()}
        self.members = {
            number: waves.wave_of(fields, member.id, lab.regions.get(number, "")) for number, member in enumerate(lab.fleet.members)
        }
        numbers = list(self.members)[honest:]
        self.liars = set(lab.world.stream("liars").sample(numbers, int(liars * len(self.members))))
        self._before = {}  # number: starts before it was published
        self._make = lab.world.make_node
        lab.world.make_node = self._make_node

    def equip(self):
        """Gives every box its launcher; after the boxes are placed, before they start."""
        for box in self.lab.world.boxes:
            box.launcher = box.launcher or Launcher()

    def _make_node(self, box, now_ms, wall_s):
        node = self._make(box, now_ms, wall_s)
        if box.number in self.liars:
            self._turn(node)
        return node

    def _turn(self, node):
        node.update.on_poll = lambda peer, message: self._lie(node, peer, message)

    def _lie(self, node, peer, message):
        _, exchange, _, wave = message
        word = (waves.BACK, 0) if self.word == "good" else (waves.RUNS, 1 << 30)
        boxes = self.lab.world.boxes
        others = [boxes[number].node.descriptor() for number in sorted(self.liars)
                  if boxes[number].live and self.members[number] <= wave]
        named = pack_all(node.rng.sample(others, waves.NAMES))
        node.send(peer.id, peer.addr, POLLED, exchange, *word, named)

    def push(self):
        """Signs and publishes it; its sequence number."""
        world = self.lab.world
        vendor = suit.vendor_id(VENDOR)
        self.sequence, self.begun_ms = world.wall_s(), world.now_ms
        plan = suit.manifest(self.data, "mpy6", vendor, suit.class_id(vendor, CLASS), self.sequence,
                             self.sequence + VALID_S, self.waves)
        self._before = {box.number: len(box.launcher.history) for box in world.boxes}
        for number in self.liars:
            if world.boxes[number].live:
                self._turn(world.boxes[number].node)
        self.lab.operator.push_firmware(plan)
        return self.sequence

    def say(self, word):
        """The operator's word about it: "go", "pause" or "halt"."""
        fleet, world = self.lab.fleet, self.lab.world
        name = "agent-mpy6-" + suit.class_id(suit.vendor_id(VENDOR), CLASS)[:4].hex()
        self.lab.operator.push(manifests.rollout_manifest(
            fleet, name, self.sequence, word, VALID_S, issued=world.wall_s()))

    # -- what the world shows

    def elapsed_s(self):
        """Virtual seconds since it was published."""
        return (self.lab.world.now_ms - self.begun_ms) / 1000

    def hit(self):
        """Numbers of the boxes that ever started it."""
        boxes = self.lab.world.boxes
        return {box.number for box in boxes if any(box.launcher.history[self._before[box.number] :])}

    def record(self, box):
        """The record on a box's disk."""
        if box.disk.size("state-slots") < 0:
            return slots.Record()
        return slots.decode(box.disk.read("state-slots", 0, slots.RECORD_BYTES))

    def runs(self, box):
        """True if a box runs it, confirmed."""
        if not box.live or not box.running.slot:
            return False
        record = self.record(box)
        row = record.rows[record.confirmed]
        return bool(row and not record.trial and record.confirmed == box.running.slot and row.sequence == self.sequence)

    def done(self):
        """Numbers of the boxes that run it, confirmed."""
        return {box.number for box in self.lab.world.boxes if self.runs(box)}

    def _left(self, box):
        record = self.record(box)
        return box.live and not box.running.slot and not record.trial and not record.confirmed

    def still(self):
        """How many boxes that ever started it are not live, not on what they had before, or will start it again."""
        return sum(not self._left(self.lab.world.boxes[number]) for number in self.hit())

    def back(self):
        """"" if every box that ever started it is live, runs what it had before, and will not start it again."""
        for number in self.hit():
            box = self.lab.world.boxes[number]
            if not self._left(box):
                return "box %d: runs slot %s" % (number, box.running.slot)
        return ""

    def everywhere(self):
        """"" if all live boxes run it."""
        left = [box.number for box in self.lab.world.boxes if not self.runs(box)]
        return "%d boxes lack it, such as %s" % (len(left), left[:4]) if left else ""

    def in_wave(self, wave):
        """Numbers of the boxes of one wave."""
        return {number for number, own in self.members.items() if own == wave}

    def beyond(self, wave):
        """"" if nobody of a later wave ever started it."""
        late = [number for number in self.hit() if self.members[number] > wave]
        return "box %d of wave %d started it" % (late[0], self.members[late[0]]) if late else ""
