"""One image on its way to every box at once: how soon, at whose cost, whatever interrupts it.

Boxes have access lines (network.Link), and all that is told of is read off the world: what
the launchers started, what the broker gave to doors, what each line carried.

The ideal is that of Mundinger, Weber and Weiss (Journal of Scheduling, 2008): M parts
reach N boxes of equal uplinks from one source in no less than M + floor(log2 N) times
what one part takes on one uplink.
"""

from ..agent import chunks
from ..agent.limits import BLOB_BYTES, CHUNK_BYTES
from ..agent.slots import NAMES
from ..agent.wire import messages, seal
from ..firmware_pkg import suit
from .box import KEPT, TORN
from .launcher import Launcher
from .network import HEADERS, Link
from .rollout import CLASS, SETTINGS, VALID_S, VENDOR, image

# Bytes a second up: an ADSL line's megabit, which is also what a box gives others of any
# faster one (limits.SERVE_INTERVAL_MS), and a line a quarter as fast.  And down.
UP, SLOW_UP, DOWN = 125_000, 31_250, 1_000_000
# A chunk's datagram on the wire: kind, hash, offset, size and length before the bytes.
CHUNK_HEAD = 44
WIRE_BYTES = CHUNK_BYTES + CHUNK_HEAD + seal.SEALED_OVERHEAD + HEADERS


def parts_of(size):
    """Parts of an image of so many bytes."""
    return -(-size // BLOB_BYTES)


def ideal_s(nodes, size, up=UP):
    """Seconds that no protocol can go below among boxes with this uplink."""
    part_s = (BLOB_BYTES // CHUNK_BYTES) * WIRE_BYTES / up
    return (parts_of(size) + nodes.bit_length() - 1) * part_s


class Distribution:
    """An image of `size` bytes for all boxes of a lab, which must not have been started.

    slow: share of the boxes with a slow line; hidden: share behind NAT; liars: share that
    promises every part and sends rubbish.  None of these are doors or first contacts.
    """

    def __init__(self, lab, size, slow=0.0, hidden=0.0, liars=0.0, doors=3):
        self.lab = lab
        self.data = image("good", size)
        self.size = size
        lab.settings.update(SETTINGS, slot_kb=str(-(-size // 1024)), trial_s="3600")
        self._make, lab.world.make_node = lab.world.make_node, self._make_node
        lab.boot_joined(doors=doors, spread_ms=2_000)
        rng, plain = lab.world.stream("lines"), range(max(doors, 4), lab.nodes)
        self.slow, self.hidden, self.liars = (
            {number for number in plain if rng.random() < share} for share in (slow, hidden, liars))
        for box in lab.world.boxes:
            box.launcher = Launcher()
            # Flash for the store and two slots.
            box.disk.capacity = max(box.disk.capacity, 3 * size)
            box.reachable = box.number not in self.hidden
            box.up, box.down = Link(SLOW_UP if box.number in self.slow else UP), Link(DOWN)
        self._numbers = {member.id: number for number, member in enumerate(lab.fleet.members)}
        self._rng = lab.world.stream("rubbish")
        self.heard_s, self.at_s = {}, {}  # box number: seconds until it had the manifest, until it started the image
        self.shunned = []  # (box, whom it shuns for a bad part), numbers
        self.interrupted = set()
        self.begun_ms = self.plan = self._before = None

    def _make_node(self, box, now_ms, wall_s):
        node = self._make(box, now_ms, wall_s)
        node.aggregate.exchange = lambda peer: None  # averages cost time here, and lines little
        shun = node.chunks.shun

        def watched(id, ms=chunks.SHUN_MS):
            if ms == chunks.SHUN_MS:
                self.shunned.append((box.number, self._numbers[id]))
            shun(id, ms)

        node.chunks.shun = watched
        if box.number in self.liars:
            node._handlers[messages.SEEK] = lambda peer, message: self._promise(node, peer, message)
            node._handlers[messages.PULL] = lambda peer, message: self._spoil(node, peer, message)
        return node

    def _promise(self, node, peer, message):
        _, key, _, theirs = message
        lacked = [number for number in range(parts_of(self.size)) if not theirs[number >> 3] >> (number & 7) & 1]
        if lacked:
            node.send(peer.id, peer.addr, messages.SPARE, key, self._rng.choice(lacked))

    def _spoil(self, node, peer, message):
        _, digest, offset = message
        node.send(peer.id, peer.addr, messages.CHUNK, digest, offset, BLOB_BYTES, self._rng.randbytes(CHUNK_BYTES))

    def push(self):
        """Signs and publishes it, without waves: all want it at once."""
        world = self.lab.world
        vendor = suit.vendor_id(VENDOR)
        self.begun_ms, sequence = world.now_ms, world.wall_s()
        self._before = self._carried()
        self.plan = suit.manifest(self.data, "mpy6", vendor, suit.class_id(vendor, CLASS), sequence, sequence + VALID_S)
        self.lab.operator.push_firmware(self.plan)

    def interrupt(self, share, down_ms=3_000):
        """Ends `share` of the boxes that lack it, half of them by a power cut; they start again."""
        world = self.lab.world
        lacking = [box for box in world.boxes[4:] if box.live and box.number not in self.at_s and box.number not in self.liars]
        for count, box in enumerate(self._rng.sample(lacking, round(share * len(lacking)))):
            box.crash(KEPT if count % 2 else TORN)
            self.interrupted.add(box.number)
            world.after(down_ms, box.start)

    def elapsed_s(self):
        """Virtual seconds since it was published."""
        return (self.lab.world.now_ms - self.begun_ms) / 1000

    def look(self):
        """Notes which honest boxes have it by now; how many lack it."""
        left = 0
        for box in self.lab.world.boxes:
            if box.number not in self.at_s and box.number not in self.liars:
                if box.live and box.node.rumours.of_kind("firmware"):
                    self.heard_s.setdefault(box.number, self.elapsed_s())
                if box.live and box.running.slot and box.disk.read(NAMES[box.running.slot], 0, self.size) == self.data:
                    self.at_s[box.number] = self.elapsed_s()
                else:
                    left += 1
        return left

    def copies(self):
        """Copies of the image that the broker gave to doors, its index with it."""
        topics = [self.lab.fleet.topic("blob", digest.hex()) for digest in self.plan.blobs]
        return sum(self.lab.broker.given.get(topic, 0) for topic in topics) / self.size

    def _carried(self):
        return [(box.up.carried, box.down.carried) for box in self.lab.world.boxes]

    def carried(self):
        """[(bytes up, bytes down)] of each box's line since it was published."""
        return [(up - was_up, down - was_down)
                for (up, down), (was_up, was_down) in zip(self._carried(), self._before)]

    def times_ideal(self, among):
        """The longest time of these boxes (numbers), in ideal times of their own uplinks; 0 of none.

        Nor can any be faster than all uplinks of honest boxes together allow.  Who is behind NAT hears of a manifest when it next asks somebody, up to a round
        later: its time begins then.
        """
        worst = 0.0
        for number in among:
            since_s = self.heard_s[number] if number in self.hidden else 0.0
            up = min(SLOW_UP if number in self.slow else UP, self.mean_up())
            worst = max(worst, (self.at_s[number] - since_s) / ideal_s(self.lab.nodes, self.size, up))
        return worst

    def mean_up(self):
        """Bytes a second of honest uplinks, for each honest box."""
        honest = self.honest()
        return sum(SLOW_UP if number in self.slow else UP for number in honest) / len(honest)

    def honest(self):
        """Numbers of the boxes that do not lie."""
        return set(range(self.lab.nodes)) - self.liars
