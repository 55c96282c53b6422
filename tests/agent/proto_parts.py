"""Parts of images: what is lent to whom, and whom a download asks."""

from backfence.agent import slots
from backfence.agent.config import Config
from backfence.agent.counting import Counters
from backfence.agent.descriptor import REACHABLE, Descriptor
from backfence.agent.errors import RemoteError
from backfence.agent.limits import CHUNK_BYTES, PARTS_LENT, UPDATE_HINTS
from backfence.agent.parts import BUSY, HELD_MS, KNOWN, NOTHING, SLOW_MS, Parts, every, spare
from backfence.agent.rng import Rng
from backfence.agent.seek import DOOR_MS, FRUITLESS, PAUSE_DOUBLINGS, PAUSE_MS, TRIED, Seek
from backfence.agent.store import Store
from backfence.agent.wire.hashes import sha256
from backfence.agent.wire.messages import SEEK
from backfence.agent.wire.suit import PART_BYTES
from backfence.agent.work import Work
from lan import MemoryDisk

INTERPRETERS = ("cpython", "micropython", "armhf", "mips")
ADDRESS = b"\x0a\0\0\1\x1b\x58"
# Nine parts, the last of 100 bytes; each begins with its number.
COUNT, SIZE = 9, 8 * PART_BYTES + 100


def part(number):
    return bytes((number,)) * min(PART_BYTES, SIZE - number * PART_BYTES)


DIGESTS = [sha256(part(number)) for number in range(COUNT)]
INDEX = b"".join(DIGESTS)


class Manifest:
    digest = b"firmware" + bytes(24)
    fields = {"image": sha256(b"the image"), "index": sha256(INDEX), "size": SIZE}


class Peer:
    def __init__(self, number):
        self.id = bytes((number,)) * 16
        self.addr = self.seen = ADDRESS


class Door:
    def __init__(self):
        self.wanted = []

    def want(self, digest):
        self.wanted.append(digest)
        return True


class Download:
    """A download under way, as Parts sees it."""

    key = Manifest.digest[:8]
    slot = slots.SLOT_A

    class have:
        data = b"\x00\x00"

    def __init__(self):
        self.hints = []

    def hint(self, peer, theirs):
        self.hints.append((peer.id, theirs))


class Node:
    """What parts.py and seek.py need of a node; `sent` is what it answered."""

    def __init__(self, image=True, door=None, others=0):
        self.id = b"\xff" * 16
        self.now_ms = 1 << 20
        self.rng = Rng(b"parts")
        self.counters = Counters()
        self.config = Config()
        self.store = Store(MemoryDisk(), 1 << 20, self.counters)
        self.work = Work(self.counters)
        self.update = self.rumours = self.membership = self.chunks = self
        self.door, self.download, self.record = door, None, slots.Record()
        self.doors = [Descriptor(Peer(200 + i).id, ADDRESS, 0, REACHABLE) for i in range(others)]
        self.boxes = [Descriptor(Peer(1).id, ADDRESS, 0, REACHABLE)]
        self.sent, self.shunned_ids = [], []
        if image:
            for number in range(COUNT):
                self.store.disk.write_at("slot-a", number * PART_BYTES, part(number))
            self.record.rows[slots.SLOT_A] = slots.Row(slots.ARCHIVE, SIZE, Manifest.fields["image"], 7)
        self.parts = Parts(self)
        self.parts._turn = 0

    def of_kind(self, kind):
        return [Manifest]

    def door_list(self):
        return self.doors

    def is_door(self):
        return self.door is not None

    def some(self, count):
        return self.boxes[:count]

    def shunned(self, id):
        return id in self.shunned_ids

    def send(self, id, addr, kind, key, number):
        self.sent.append((id[0], number))

    def seek(self, number, has=(), last=0):
        """The answer to a box that has these parts."""
        theirs = bytearray((COUNT + 7) // 8)
        for one in has:
            theirs[one >> 3] |= 1 << (one & 7)
        self.sent = []
        self.parts.on_seek(Peer(number), [SEEK, Manifest.digest[:8], last, bytes(theirs)])
        while self.work.step():
            pass
        assert len(self.sent) == 1 and self.sent[0][0] == number, self.sent
        return self.sent[0][1]

    def pull(self, number, which, offset=0):
        """What the box pulls of a part, None if it was not lent to it."""
        lent = self.parts.lent(Peer(number).id, DIGESTS[which], offset)
        return lent and lent.read(DIGESTS[which], offset, CHUNK_BYTES)

    def take(self, number, which):
        """The box pulls a part to its end."""
        for offset in range(0, len(part(which)), CHUNK_BYTES):
            assert self.pull(number, which, offset) == part(which)[offset : offset + CHUNK_BYTES]


def test_the_next_spare_part_is_found_from_anywhere():
    rng = Rng(b"spare")
    for _ in range(200):
        length = 1 + rng.below(40)
        mine, theirs = ({i for i in range(length) if rng.below(3)} for _ in range(2))
        start = rng.below(length)
        bits = [bytearray((length + 7) // 8) for _ in range(2)]
        for data, numbers in zip(bits, (mine, theirs)):
            for i in numbers:
                data[i >> 3] |= 1 << (i & 7)
        order = [(start + i) % (8 * len(bits[0])) for i in range(8 * len(bits[0]))]
        wanted = [i for i in order if i in mine and i not in theirs]
        assert spare(bits[0], bits[1], start) == (wanted[0] if wanted else -1)
    assert spare(b"", b"", 3) == -1


def test_parts_go_round_and_only_what_is_lacked():
    node = Node()
    given = []
    for number in range(1, COUNT + 1):
        given.append(node.seek(number))
        node.take(number, given[-1])
    assert sorted(given) == list(range(COUNT))  # each once before any twice
    node.now_ms += HELD_MS
    assert node.seek(50, has=[i for i in range(COUNT) if i != 4]) == 4
    assert node.seek(51, has=range(COUNT)) == NOTHING


def test_few_are_lent_at_once_and_a_place_is_free_when_its_part_is_through():
    node = Node()
    lent = [node.seek(number) for number in range(1, PARTS_LENT + 1)]
    assert BUSY not in lent and node.seek(9) == BUSY and node.counters["parts_refused"] == 1
    assert node.seek(1) == BUSY  # nor a second one to whom has one
    node.take(1, lent[0])
    assert node.seek(9) not in (BUSY, NOTHING)
    # A chunk that was lost may still be asked for.
    assert node.pull(1, lent[0], 1024) == part(lent[0])[:CHUNK_BYTES]
    assert node.seek(10) == BUSY
    node.now_ms += HELD_MS
    assert node.seek(10) not in (BUSY, NOTHING) and node.pull(2, lent[1]) is None


def test_no_more_are_remembered_than_there_is_room_for():
    node = Node()
    for number in range(1, KNOWN + 1):
        node.take(number, node.seek(number))
    assert len(node.parts._lent) == KNOWN and node.seek(99) == BUSY
    node.now_ms += HELD_MS
    assert node.seek(99) not in (BUSY, NOTHING) and len(node.parts._lent) == 1


def test_a_slow_line_lends_fewer_at_once_until_it_is_fast_again():
    node = Node()
    for number in range(1, PARTS_LENT):
        which = node.seek(number)
        for offset in range(0, len(part(which)), CHUNK_BYTES):
            node.now_ms += 2 * SLOW_MS * CHUNK_BYTES // PART_BYTES
            node.pull(number, which, offset)
    assert node.seek(20) != BUSY and node.seek(21) == BUSY  # one at a time
    node.now_ms += HELD_MS
    node.take(30, node.seek(30))
    assert node.seek(31) != BUSY and node.seek(32) != BUSY and node.seek(33) == BUSY


def test_nothing_is_lent_of_other_blobs_or_to_others():
    node = Node()
    number = node.seek(1)
    assert node.pull(1, number) == part(number)[:CHUNK_BYTES]
    assert node.pull(1, (number + 1) % COUNT) is None and node.pull(2, number) is None
    assert Node(image=False).seek(1) == NOTHING


def test_what_the_flash_has_lost_is_not_what_is_pulled():
    node = Node()
    node.store.disk.files["slot-a"][5] ^= 1
    assert node.seek(1, has=range(1, COUNT)) == 0
    assert node.pull(1, 0) is None  # its hash is another now
    del node.store.disk.files["slot-a"]
    assert node.seek(2) == BUSY


def test_a_bitmap_of_another_length_is_refused():
    node = Node()
    for theirs in (b"", b"\0", bytes(3), bytes(64)):
        try:
            node.parts.on_seek(Peer(1), [SEEK, Manifest.digest[:8], 0, theirs])
            raise AssertionError("taken")
        except RemoteError:
            pass
    node.parts.on_seek(Peer(1), [SEEK, b"anything", 0, b""])
    assert node.sent == [(1, NOTHING)]


def test_a_download_under_way_gives_what_it_has_and_hears_who_has_more():
    node = Node()
    node.record = slots.Record()
    node.download = Download()
    assert node.seek(1, has=(2,)) == NOTHING
    node.download.have.data = b"\x08\x00"
    assert node.seek(2) == 3
    assert node.download.hints == [(Peer(1).id, b"\x04\x00"), (Peer(2).id, b"\x00\x00")]


def test_doors_share_the_first_copy_and_ask_the_broker_only_for_who_finds_nobody():
    node = Node(image=False, door=Door(), others=2)
    assert node.seek(1) == BUSY and node.door.wanted == [Manifest.fields["index"]]
    node.store.put(INDEX)
    node.door.wanted = []
    assert node.seek(1) == BUSY
    ours = sorted(DIGESTS.index(digest) for digest in node.door.wanted)
    assert ours == [2, 5, 8]  # of three doors it has the highest identity
    for number in ours:
        node.store.put(part(number))
        assert node.seek(10 + number) == number
        node.now_ms += HELD_MS
    node.door.wanted = []
    assert node.seek(1, has=ours) == NOTHING and node.door.wanted == []
    assert node.seek(1, has=ours, last=1) == BUSY
    assert [DIGESTS.index(digest) for digest in node.door.wanted] == [0, 1, 3, 4]
    node.store.put(part(1))
    assert node.seek(1, has=ours) == 1  # whoever asks may have what is here


def test_who_served_comes_first_then_hints_then_others_then_a_door():
    node = Node(others=1)
    seeds = [(Peer(2).id, ADDRESS)]
    asks = Seek(node, [])
    assert asks.next(node.now_ms) == ((Peer(1).id, ADDRESS), 0)
    for number in range(60, 60 + UPDATE_HINTS + 3):
        asks.hint(Peer(number).id, ADDRESS)
        asks.hint(Peer(60).id, ADDRESS)
    asks.served((Peer(3).id, ADDRESS))
    asked = [asks.next(node.now_ms)[0][0][0] for _ in range(UPDATE_HINTS + 1)]
    assert asked == [3, 60, 61, 62, 1]  # the last hint made room
    for _ in range(FRUITLESS):
        asks.fruitless()
    assert asks.next(node.now_ms) == ((Peer(200).id, ADDRESS), 1)
    assert asks.next(node.now_ms)[1] == 0  # it has been asked
    assert asks.next(node.now_ms + 2 * DOOR_MS)[1] == 1
    asks.promised()
    assert asks.next(node.now_ms + 9 * DOOR_MS)[1] == 0
    some = Seek(node, seeds)
    assert {some.next(node.now_ms)[0][0][0] for _ in range(40)} == {1, 2}


def test_nobody_who_is_shunned_and_ever_later():
    node = Node()
    node.shunned_ids = [Peer(1).id]
    asks = Seek(node, [])
    waits = []
    for _ in range(TRIED * (PAUSE_DOUBLINGS + 2)):
        assert asks.next(node.now_ms) == (None, 0)
        waits.append(asks.due - node.now_ms)
    assert 3 * PAUSE_MS // 4 <= waits[0] <= 5 * PAUSE_MS // 4
    assert 3 * (PAUSE_MS << PAUSE_DOUBLINGS) // 4 <= waits[-1] <= 5 * (PAUSE_MS << PAUSE_DOUBLINGS) // 4
    asks.promised()
    assert asks.due == node.now_ms
    door = Node(door=Door())
    asks = Seek(door, [])
    for _ in range(FRUITLESS):
        asks.fruitless()
    assert asks.next(door.now_ms) == (None, 1)


def test_a_door_finds_what_is_lacked_far_from_where_it_stands():
    count = 200
    digests = [sha256(b"part", bytes((number,))) for number in range(count)]

    class Large:
        digest = b"large..." + bytes(24)
        fields = {"image": bytes(32), "index": sha256(b"".join(digests)), "size": count * PART_BYTES}

    node = Node(image=False, door=Door())
    node.of_kind = lambda kind: [Large]
    node.store.put(b"".join(digests))
    node.parts._key, node.parts._given, node.parts._step = Large.fields["index"], count, 1  # its share is given
    theirs = bytearray(b"\xff" * 25)
    theirs[150 >> 3] &= ~(1 << (150 & 7))
    node.parts.on_seek(Peer(1), [SEEK, Large.digest[:8], 1, bytes(theirs)])
    assert node.sent == [(1, BUSY)] and node.door.wanted == [digests[150]]
    # What the boxes have already is no part of a share any more.
    node.parts._given, node.parts._step, node.door.wanted = 0, 3, []
    node.parts.on_seek(Peer(2), [SEEK, Large.digest[:8], 0, bytes(theirs)])
    assert node.parts._given == 150 and node.door.wanted == [digests[150]]


def test_what_is_lacked_before_where_one_stands_is_found_and_no_part_beyond_the_last():
    for count in (1, 7, 8, 9, 16):
        assert every(count) == bytes(sum([1 << i for i in range(count)]).to_bytes((count + 7) // 8, "little"))
    for lacked in range(COUNT):
        for stands in range(COUNT):
            for door in (Door(), None):
                node = Node(image=False, door=door)
                node.store.put(INDEX)
                node.store.put(part(lacked))
                node.parts._turn = stands
                # A door has given its share.
                node.parts._key, node.parts._given, node.parts._step = Manifest.fields["index"], COUNT, 1
                assert node.seek(1, [i for i in range(COUNT) if i != lacked], 1) == lacked


def test_parts_that_lie_in_the_store_alone_are_lent():
    node = Node(image=False)
    assert node.seek(1) == NOTHING  # without the index nobody knows what they are
    node.store.put(INDEX)
    assert node.seek(1) == NOTHING
    for number in (2, 5):
        node.store.put(part(number))
    assert [node.seek(1), node.seek(2)] == [2, 5]
    node.take(1, 2)
    node.now_ms += HELD_MS
    assert node.seek(3, [2, 5]) == NOTHING
