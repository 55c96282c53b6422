"""What a box finds after a restart: whole blobs only, and somebody to talk to."""

from lan import Lan, MemoryDisk

from backfence.agent.counting import Counters
from backfence.agent.limits import DATAGRAM_BYTES
from backfence.agent.seeds import Seeds
from backfence.agent.store import Store

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "mips")


def test_a_torn_blob_is_not_a_blob_after_a_restart():
    disk = MemoryDisk()
    store = Store(disk, 1 << 16, Counters())
    whole, torn = store.put(b"w" * 3000), store.put(b"t" * 3000)
    disk.files["blob-" + torn.hex()][1500:] = bytes(1500)
    again = Store(disk, 1 << 16, Counters())
    assert again.has(whole) and not again.has(torn)
    assert again.used == 3000 and disk.size("blob-" + torn.hex()) == -1


def test_a_box_that_restarts_soon_after_it_joined_finds_the_others_again():
    lan = Lan(4)
    lan.join_all()
    lan.run(3000)
    lan.restart(2)
    assert not lan.nodes[2].membership.view
    lan.run(20000)
    assert lan.nodes[2].membership.view


def test_a_box_on_the_seed_list_is_no_contact_of_its_own():
    lan = Lan(2)
    lan.nodes[0].membership.join([lan.descriptor(0), lan.descriptor(1)])
    assert [contact.id for contact in lan.nodes[0].membership.contacts] == [lan.nodes[1].id]


class Asker:
    """As much of a node as the seed list needs while it comes in."""

    now_ms = 0

    def __init__(self):
        self.rng = self
        self.counters = Counters()
        self.membership = self
        self.view = {}
        self.work = self
        self.asked = []
        self.contacts = []
        self.taken = None

    def alone(self):
        return not self.view

    def below(self, bound):
        return 0

    def jitter(self, span_ms):
        return span_ms

    def transmit(self, data, addr):
        assert len(data) == DATAGRAM_BYTES
        self.asked.append(data[1] << 8 | data[2])

    @property
    def trust(self):
        return self

    def check(self, signed):
        self.taken = signed
        return self

    def add(self, computation, done):
        return True


def piece(whole, offset):
    """An answer of the controller."""
    return b"\x1b" + offset.to_bytes(2, "big") + len(whole).to_bytes(2, "big") + whole[offset : offset + 1024]


def test_a_lost_piece_of_the_seed_list_is_asked_for_alone():
    node = Asker()
    seeds = Seeds(node, b"controller")
    whole = b"abcd" * 700
    seeds.tick(0)
    seeds.receive(piece(whole, 0), b"controller")
    seeds.tick(1000)
    assert node.asked == [0, 1024, 1024]
    seeds.receive(piece(whole, 1024), b"controller")
    seeds.receive(piece(whole, 2048), b"controller")
    assert node.taken == whole


def test_a_seed_list_that_lost_its_end_is_asked_for_anew():
    node = Asker()
    seeds = Seeds(node, b"controller")
    seeds.tick(0)
    seeds.receive(piece(b"abcd" * 700, 0), b"controller")
    for i in range(5):
        seeds.tick(1000 * i)
    assert node.asked[-1] == 0


def test_a_full_disk_keeps_nobody_from_gossip_and_what_it_refused_is_written_when_it_has_room():
    lan = Lan(2)
    node = lan.nodes[0]
    disk = node.store.disk
    for name in disk.names("state-"):
        disk.remove(name)
    disk.full = True
    lan.restart(0)
    node = lan.nodes[0]
    lan.nodes[1].membership.join([lan.descriptor(0)])
    lan.run(60000)
    assert node.id in lan.nodes[1].membership.view and node.counters["store_errors"] > 0
    disk.full = False
    assert lan.push(0, {"kind": "slice", "name": "edge", "seats": 9}) == []
    lan.run(100)
    # The body found room before, the floors did not.
    write, disk.write = disk.write, refuse
    lan.push(0, {"kind": "slice", "name": "edge", "seats": 8, "seq": 2})
    lan.run(100)
    disk.remove("state-floors")
    disk.write = write
    lan.run(310000)
    assert sorted(disk.names("state-")) == ["state-clock", "state-contacts", "state-floors", "state-uptime"]
    assert node.counters["store_errors"] > 0
    lan.restart(0)
    assert [row[0] for row in lan.nodes[0].rumours.floors.values()] == [2]


def refuse(name, data):
    raise OSError(28)
