"""A few real nodes on one wire, for portable tests: memory disks, virtual time.

Only two things are replaced, because they are slow and tested elsewhere: the
X25519 ladder (a table of secrets) and the HSS signature (a hash under a key
that only the test knows).
"""

from backfence.agent.counting import Counters
from backfence.agent.descriptor import Descriptor
from backfence.agent.errors import RemoteError
from backfence.agent.manifest import Manifest, check_reach, parse
from backfence.agent.node import Node
from backfence.agent.peers import Identity
from backfence.agent.rng import Rng
from backfence.agent.store import Store
from backfence.agent.trust import OPERATOR, Keys, Root, Trust, lot_id
from backfence.agent.wire import cbor, merkle
from backfence.agent.wire.cose import key_id
from backfence.agent.wire.hashes import sha256

WALL_S = 1700000000


class MemoryDisk:
    """The disk's interface over a dict; `full` makes it refuse to write."""

    def __init__(self):
        self.files = {}
        self.full = False

    def _room(self):
        if self.full:
            raise OSError(28)

    def read(self, name, offset, count):
        if name not in self.files:
            raise OSError(2)
        return bytes(self.files[name][offset : offset + count])

    def write(self, name, data):
        self._room()
        self.files[name] = bytearray(data)

    def write_at(self, name, offset, data):
        self._room()
        file = self.files.get(name) or bytearray()
        if len(file) < offset + len(data):
            file = file + bytes(offset + len(data) - len(file))
        file[offset : offset + len(data)] = data
        self.files[name] = file

    def sync(self, name):
        self._room()
        if name not in self.files:
            raise OSError(2)

    def size(self, name):
        return len(self.files[name]) if name in self.files else -1

    def rename(self, old, new):
        self._room()
        self.files[new] = self.files.pop(old)

    def remove(self, name):
        self.files.pop(name, None)

    def names(self, prefix):
        return sorted(name for name in self.files if name.startswith(prefix))


class TableLadder:
    """Stands for the X25519 ladder: both ends find the same secret."""

    def __init__(self, private, public, blind):
        self.result = sha256(min(sha256(private), public), max(sha256(private), public))

    def step(self):
        return True


class SealCheck:
    """Stands for manifest.Check: 32 bytes of hash instead of a signature."""

    def __init__(self, signed, fleet, keys=None):
        self._signed = signed
        self._fleet = fleet
        self._keys = keys  # to find a tenant's
        self.manifest = None

    def step(self):
        signed, seal, authority = self._signed, b"test key", OPERATOR
        if self._keys and signed[:6] == b"tenant":
            seal, authority = self._keys.authority(signed[6:22])
            signed = signed[22:]
        if sha256(seal, signed[32:]) != signed[:32]:
            raise RemoteError("signature does not hold")
        fields = parse(signed[32:])
        if fields["fleet"] != self._fleet:
            raise RemoteError("manifest of another fleet")
        check_reach(authority, fields)
        self.manifest = Manifest(fields, sha256(self._signed), len(self._signed), authority)
        return True


class LanTrust(Trust):
    """Trust whose signature check is a hash."""

    def check(self, signed):
        return SealCheck(signed, self.fleet, self.keys)


def sign(fields, tenant=None):
    """Bytes of a manifest as LanTrust takes it; tenant: his key (60 bytes) if he signs, else the operator does."""
    payload = cbor.encode(fields)
    if tenant:
        return b"tenant" + key_id(tenant) + sha256(tenant, payload) + payload
    return sha256(b"test key", payload) + payload


class Outcome:
    """What the container would give for a job."""

    def __init__(self, output, kind="ok"):
        self.kind = kind
        self.code = 0
        self.reason = ""
        self.output = output
        self.fuel = 7
        self.pages = 1
        self.ms = 10


class Lan:
    """count nodes that hear each other after 5 ms; node 0 is a door if asked.

    drop(data, source, target) may return True to lose a datagram.
    delays(data, source, target) gives the list of ms after which copies arrive.
    """

    def __init__(self, count, seed=1, door=False, drop=None, delays=None, **settings):
        from backfence.agent.config import Config  # a box lets go of it, and tests/budget counts that

        self.now_ms = 1000
        self.clocks_s = {}  # node number: its system's clock at its start, if it is not WALL_S
        self.drop = drop
        self.delays = delays
        self._due = {}
        self.rng = Rng(b"lan %d" % seed)
        self.queue = []
        self.sites = {}  # node number: the network it has moved to, 1 to 255
        self.nodes = []
        self.down = []
        self.events = {}  # node number: events other than logs
        self.publics = []
        self._order = 0
        privates = [sha256(b"box %d %d" % (seed, i)) for i in range(count)]
        self.publics = [sha256(private) for private in privates]
        leaves = [merkle.leaf(public) for public in self.publics]
        root = merkle.root(leaves)
        self.lots = {lot_id(root): (root, count, 0)}
        for i in range(count):
            trust = LanTrust(Keys(sha256(b"fleet")[:16], Root(1, [b"r" * 60], 1, bytes(60))), bytes(32), self.lots, lot_id(root), i, merkle.path(leaves, i))
            config = Config()
            config.busy_round_ms = 500
            config.round_ms = 5000
            config.door = 1 if door and i == 0 else 0
            for key in settings:
                setattr(config, key, settings[key])
            identity = Identity(privates[i], self.publics[i])
            self.nodes.append(self._node(config, identity, trust, MemoryDisk(), i))

    def _node(self, config, identity, trust, disk, number, controller=None):
        store = Store(disk, 1 << 20, Counters())
        rng = Rng(b"node %d" % number + self.rng.bytes(8))
        return Node(config, identity, trust, store, rng, self.now_ms, self.clocks_s.get(number, WALL_S),
                    self.address(number), controller, TableLadder)

    def address(self, number):
        """Where the node is now, packed."""
        return bytes((10, self.sites.get(number, 0), number >> 8, number & 255, 0x1B, 0x58))

    def descriptor(self, number):
        return Descriptor(self.nodes[number].id, self.address(number))

    def join_all(self):
        """Every node learns of node 0 (and 0 of 1)."""
        for i in range(len(self.nodes)):
            self.nodes[i].membership.join([self.descriptor(0 if i else 1)])

    def restart(self, number, controller=None):
        """Start a node again from its disk, all else forgotten; controller: a packed address."""
        old = self.nodes[number]
        self.nodes[number] = self._node(old.config, old.identity, old.trust, old.store.disk, number, controller)

    def fleet(self):
        return self.nodes[0].trust.fleet

    def push(self, number, fields, tenant=None):
        """Hand a manifest, signed by the operator or a tenant's key, to a node; returns the list that gets the verdict."""
        verdict = []
        common = {"fleet": self.fleet(), "issued": WALL_S, "expires": WALL_S + 86400, "seq": 1}
        common.update(fields)
        self.nodes[number].rumours.offer(sign(common, tenant), verdict.append)
        return verdict

    def send_raw(self, data, source, target):
        """Put bytes on the wire as if node number source had sent them."""
        self._deliver_later(data, self.address(source), self.address(target))

    def _deliver_later(self, data, source, target, delay_ms=5):
        self._order += 1
        self.queue.append((self.now_ms + delay_ms, self._order, data, source, target))

    def _drain(self, number):
        node = self.nodes[number]
        for data, target in node.datagrams():
            other = target[2] << 8 | target[3]
            if not (self.drop and self.drop(data, number, other)):
                for delay_ms in self.delays(data, number, other) if self.delays else (5,):
                    self._deliver_later(data, self.address(number), target, delay_ms)
        for event in node.events():
            if event[0] != "log":
                self.events.setdefault(number, []).append(event)

    def run(self, ms):
        """Let ms of virtual time pass, from event to event."""
        end = self.now_ms + ms
        live = [i for i in range(len(self.nodes)) if i not in self.down]
        self._due = {}
        for i in live:
            self._drain(i)
            self._reckon(i)
        while True:
            following = min([row[0] for row in self.queue] + list(self._due.values()) + [end])
            self.now_ms = max(self.now_ms, following)
            if self.now_ms >= end and following >= end:
                return
            arrived = sorted([row for row in self.queue if row[0] <= self.now_ms])
            if arrived:
                self.queue = [row for row in self.queue if row[0] > self.now_ms]
            for _, _, data, source, target in arrived:
                number = target[2] << 8 | target[3]
                if number in self._due and target == self.address(number):
                    self.nodes[number].receive(data, source, self.now_ms)
                    self._drain(number)
                    self._reckon(number)
            for i in live:
                if self._due[i] <= self.now_ms:
                    node = self.nodes[i]
                    if len(node.work):
                        node.step(self.now_ms)
                        self._drain(i)
                    if self.now_ms >= node.deadline():
                        node.handle_timer(self.now_ms)
                        self._drain(i)
                    self._reckon(i)

    def _reckon(self, number):
        """When a node wants to run again: a step of work takes 5 ms."""
        node = self.nodes[number]
        due = max(self.now_ms + 1, node.deadline())
        self._due[number] = min(due, self.now_ms + 5) if len(node.work) else due

    def run_until(self, condition, most_ms):
        """Run until condition() holds; the ms it took.  AssertionError if it does not."""
        start = self.now_ms
        while not condition():
            assert self.now_ms - start < most_ms, "not within %d ms" % most_ms
            self.run(200)
        return self.now_ms - start
