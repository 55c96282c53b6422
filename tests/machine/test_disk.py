"""The disk that forgets: what was flushed stays, what was not may go, in each of its ways."""

import random
import socket
import struct

import pytest
from machine import disk
from machine.disk import Disk

BLOCK = 4 * disk.SECTOR


class Client:
    """As much of NBD's client as qemu is."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(path)
        assert disk._take(self.socket, 18) == disk.GREETING
        self.socket.sendall(struct.pack(">I", 3) + struct.pack(">8sIIIH", disk.OPTION_MAGIC, disk.OPTION_GO, 6, 0, 0))
        while True:
            _, _, kind, length = struct.unpack(">QIII", disk._take(self.socket, 20))
            body = disk._take(self.socket, length)
            if kind == disk.REPLY_ACK:
                break
            if body[:2] == b"\0\0":
                self.size = struct.unpack_from(">Q", body, 2)[0]

    def ask(self, kind, offset=0, length=0, data=b"", flags=0):
        """The answer's (error, bytes)."""
        head = disk.REQUEST.pack(disk.REQUEST_MAGIC, flags, kind, 7, offset, length or len(data))
        self.socket.sendall(head + data)
        magic, error, handle = disk.ANSWER.unpack(disk._take(self.socket, disk.ANSWER.size))
        assert (magic, handle) == (disk.ANSWER_MAGIC, 7)
        return error, disk._take(self.socket, length) if kind == disk.READ and not error else b""


@pytest.fixture
def served(tmp_path):
    """(Disk of 64 blocks of zeros, a Client of it)."""
    made = Disk(tmp_path / "disk", bytes(64 * BLOCK))
    made.serve()
    client = Client(made.path)
    yield made, client
    client.socket.close()
    made.power_off(random.Random(1), "nothing")


def block(number):
    """A block's worth of one byte."""
    return bytes([number]) * BLOCK


def test_what_was_written_is_read_before_and_after_a_flush(served):
    made, client = served
    assert client.size == 64 * BLOCK
    assert client.ask(disk.WRITE, BLOCK, data=block(1)) == (0, b"")
    assert client.ask(disk.READ, BLOCK, BLOCK) == (0, block(1))
    assert made.medium[BLOCK:2 * BLOCK] == block(0)  # it is in the cache
    assert client.ask(disk.FLUSH) == (0, b"")
    assert made.medium[BLOCK:2 * BLOCK] == block(1)
    assert client.ask(disk.READ, BLOCK, BLOCK) == (0, block(1))


def test_a_write_with_forced_access_is_on_the_medium(served):
    made, client = served
    client.ask(disk.WRITE, 0, data=block(1), flags=disk.FORCE_ACCESS)
    assert made.medium[:BLOCK] == block(1)


def test_what_is_beyond_the_end_or_no_whole_sector_is_refused(served):
    made, client = served
    assert client.ask(disk.WRITE, 64 * BLOCK, data=block(1))[0] == disk.INVALID
    assert client.ask(disk.READ, 1, disk.SECTOR)[0] == disk.INVALID
    assert client.ask(disk.READ, 63 * BLOCK, 2 * BLOCK)[0] == disk.INVALID
    assert made.events() == 0


@pytest.mark.parametrize("way", disk.WAYS)
def test_a_cut_loses_only_what_was_not_flushed(tmp_path, way):
    outcomes = set()
    for seed in range(12):
        made = Disk(tmp_path / f"disk{seed}", bytes(64 * BLOCK))
        made.serve()
        client = Client(made.path)
        client.ask(disk.WRITE, 0, data=block(1))
        client.ask(disk.FLUSH)
        for number in range(1, 5):
            client.ask(disk.WRITE, number * BLOCK, data=block(2))
        client.ask(disk.WRITE, 0, data=block(3))
        lost, kept, torn = made.power_off(random.Random(seed), way)
        client.socket.close()
        assert lost + kept + torn == 5
        assert set(made.medium[:BLOCK]) <= {1, 3}
        for at in range(0, len(made.medium), disk.SECTOR):
            assert len(set(made.medium[at:at + disk.SECTOR])) == 1, "a sector is torn"
        outcomes.add((bool(lost), bool(kept), bool(torn)))
        # The next start finds the medium, and nothing in the cache.
        made.power_on()
        assert made.current == made.medium and not made.pending and not made.events()
    few = {"nothing": {(True, False, False)}, "everything": {(False, True, False)}}
    if way in few:
        assert outcomes == few[way]
    else:
        assert any(lost for lost, _, _ in outcomes) and any(kept for _, kept, _ in outcomes)
        assert any(torn for _, _, torn in outcomes) == (way == "sectors")


def test_what_must_not_be_torn_is_there_whole_or_not_at_all(tmp_path):
    heads, others = set(), set()
    for seed in range(30):
        made = Disk(tmp_path / f"disk{seed}", bytes(2 * BLOCK), untorn=BLOCK)
        made.serve()
        client = Client(made.path)
        client.ask(disk.WRITE, 0, data=block(1))
        client.ask(disk.WRITE, BLOCK, data=block(1))
        made.power_off(random.Random(seed), "sectors")
        client.socket.close()
        heads.add(sum(made.medium[:BLOCK]))
        others.add(sum(made.medium[BLOCK:]))
    assert heads == {0, BLOCK} and len(others) > 2


def test_a_later_write_never_makes_way_for_an_earlier_one(tmp_path):
    found = set()
    for seed in range(24):
        made = Disk(tmp_path / f"disk{seed}", bytes(BLOCK))
        made.serve()
        client = Client(made.path)
        for number in (1, 2):
            client.ask(disk.WRITE, 0, data=block(number))
        made.power_off(random.Random(seed), "writes")
        client.socket.close()
        found.add(made.medium[0])
    assert found == {0, 1, 2}  # old, or either; and whole, as the test above says


@pytest.mark.parametrize("at", (1, 2, 3))
def test_the_power_goes_at_a_write_or_a_flush_that_gets_no_answer(tmp_path, at):
    made = Disk(tmp_path / "disk", bytes(4 * BLOCK))
    made.serve()
    client = Client(made.path)
    made.cut_at(at)
    requests = [(disk.WRITE, block(1)), (disk.WRITE, block(2)), (disk.FLUSH, b"")]
    for kind, data in requests[:at - 1]:
        client.ask(kind, 0, data=data)
    with pytest.raises((EOFError, OSError)):
        client.ask(requests[at - 1][0], 0, data=requests[at - 1][1])
    assert made.dead.is_set()
    assert made.medium == bytes(4 * BLOCK)  # the flush itself was cut: all is still in the cache
    made.power_off(random.Random(1), "everything")
    assert made.medium[:BLOCK] == block(min(at, 2))


def test_the_power_goes_so_many_events_after_something_was_written(tmp_path):
    made = Disk(tmp_path / "disk", bytes(4 * BLOCK))
    made.serve()
    client = Client(made.path)
    made.cut_after({bytes([5]) * disk.SECTOR}, 3)
    for number in (1, 2, 3, 5):
        client.ask(disk.WRITE, 0, data=block(number))
    client.ask(disk.FLUSH)
    with pytest.raises((EOFError, OSError)):
        client.ask(disk.WRITE, 0, data=block(1))
    assert made.dead.is_set() and made.events() == 6
    made.power_off(random.Random(1), "nothing")
