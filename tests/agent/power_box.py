"""A box whose home lies in a folder: the real node, store and disk, for tests of power cuts."""

import hashlib
import os

import cbor2
from lan import WALL_S, Lan, LanTrust, SealCheck, TableLadder

from backfence.agent.counting import Counters
from backfence.agent.edge import disk, files
from backfence.agent.errors import RemoteError
from backfence.agent.manifest import Manifest
from backfence.agent.node import Node
from backfence.agent.rng import Rng
from backfence.agent.store import Store
from backfence.agent.trust import OPERATOR

STORE_BYTES = 1 << 20
# What may lie in state/ at any time: every state file twice over.
STATE_BYTES_MOST = 64 << 10


class MarkedDisk(disk.Disk):
    """The box's disk; each whole write is marked in the journal before and after."""

    journal = None

    def write(self, name, data):
        """Disk.write."""
        if self.journal is None:
            return super().write(name, data)
        self.journal.mark(("begins", name, bytes(data)))
        super().write(name, data)
        self.journal.mark(("saved", name, bytes(data)))


class BoxCheck(SealCheck):
    """Stands for manifest.Check, of firmware too: its fields come as a map, not as SUIT."""

    def step(self):
        """The whole check."""
        fields = cbor2.loads(self._signed[32:])
        if fields["kind"] != "firmware":
            return super().step()
        if hashlib.sha256(b"test key" + self._signed[32:]).digest() != self._signed[:32]:
            raise RemoteError("signature does not hold")
        self.manifest = Manifest(fields, hashlib.sha256(self._signed).digest(), len(self._signed), OPERATOR)
        return True


class BoxTrust(LanTrust):
    """Trust whose signature check is a hash."""

    @classmethod
    def of(cls, trust):
        """The same trust, of this class."""
        found = cls.__new__(cls)
        found.__dict__.update(trust.__dict__)
        return found

    def check(self, signed):
        """A BoxCheck."""
        return BoxCheck(signed, self.fleet)


class BoxLan(Lan):
    """A Lan of one box, a door, whose disk is in `home`; journal: where promises are marked."""

    def __init__(self, home, journal=None, wall_s=WALL_S, running=None, **settings):
        self.home, self.journal, self.wall_s, self.running = home, journal, wall_s, running
        super().__init__(1, door=True, **settings)

    def _node(self, config, identity, trust, _, number):
        opened = open_marked(self.home, config, self.journal)
        store = Store(opened, STORE_BYTES, Counters())
        node = Node(config, identity, BoxTrust.of(trust), store, Rng(b"box"), self.now_ms, self.wall_s,
                    self.address(number), None, TableLadder, running=self.running)
        if self.journal:
            # From here the node may speak, under this number.
            self.journal.mark(("incarnation", node.wall.incarnation))
        return node


def open_marked(home, config, journal):
    """files.open_disk, of a disk that marks."""
    opened = files.open_disk(home, config)
    marked = MarkedDisk.__new__(MarkedDisk)
    marked.__dict__.update(opened.__dict__)
    marked.journal = journal
    return marked


def restarted(home, journal=None):
    """The node that starts from what is in `home`."""
    return BoxLan(home, journal).nodes[0]


def promised(marks):
    """{state file: (its last whole write, the one under way or None)} of the marks."""
    found = {}
    for mark in marks:
        if mark[0] == "begins":
            found[mark[1]] = (found.get(mark[1], (None, None))[0], mark[2])
        elif mark[0] == "saved":
            found[mark[1]] = (mark[2], None)
    return found


def check_states_whole(case, home):
    """Every state file is its old or its new version; none that was saved is missing."""
    rows = promised(case.marks)
    for name, allowed in rows.items():
        path = home + "/state/" + name
        found = read(path) if os.path.exists(path) else None
        assert found in allowed, f"{name} holds neither its old nor its new version"


def check_floors(case, home):
    """No number that was given out or told has gone back, by the files and not the node."""
    spoken = [mark[1] for mark in case.marks if mark[0] == "incarnation"]
    if spoken:
        row = cbor2.loads(read(home + "/state/state-clock"))
        assert row[1] >= max(spoken), f"incarnation {row[1]} after {max(spoken)} spoke"
    told = [mark for mark in case.marks if mark[0] == "told"]
    if told:
        rows = {row[0]: row[1] for row in cbor2.loads(read(home + "/state/state-floors"))}
        for _, id, sequence in told:
            assert rows.get(id, 0) >= sequence, f"a floor of {rows.get(id, 0)} after {sequence} was told"


def check_store(home, store):
    """Blobs have their hash, nothing half-fetched lies there, and the books agree."""
    used = 0
    for name in os.listdir(home + "/store"):
        data = read(home + "/store/" + name)
        assert name == "blob-" + hashlib.sha256(data).hexdigest(), f"{name} is no whole blob"
        used += len(data)
    assert store.used == used <= STORE_BYTES


def check_clean(home):
    """No temporary files, and no more bytes than state may take."""
    left = [name for _, _, names in os.walk(home) for name in names if name.endswith(".tmp")]
    assert not left, f"temporary files stay: {left}"
    assert sum(os.path.getsize(home + "/state/" + name) for name in os.listdir(home + "/state")) < STATE_BYTES_MOST


def read(path):
    """A file's bytes."""
    with open(path, "rb") as file:
        return file.read()
