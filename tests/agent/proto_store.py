"""The blob store: right bytes or none, within its caps, whatever the disk does."""

from backfence.agent import store as module
from backfence.agent.counting import Counters
from backfence.agent.limits import BLOB_BYTES
from backfence.agent.store import Store
from backfence.agent.wire.hashes import sha256
from lan import MemoryDisk

KB = 1024


def new(capacity=64 * KB, disk=None):
    return Store(disk or MemoryDisk(), capacity, Counters())


def sound(store):
    """Index and disk agree: sizes, hashes, the sum, and no other file."""
    names = [name for name in store.disk.files if name.startswith("blob-")]
    assert sorted(names) == sorted(["blob-" + digest.hex() for digest in store._blobs])
    for digest in store._blobs:
        data = bytes(store.disk.files["blob-" + digest.hex()])
        assert sha256(data) == digest and len(data) == store.size(digest)
    assert store.used == sum([e[0] for e in store._blobs.values()]) + sum(store._parts.values())
    parts = [bytes.fromhex(name[5:]) for name in store.disk.files if name.startswith("part-")]
    assert all([digest in store._parts for digest in parts])


def test_what_is_put_comes_back():
    store = new()
    digest = store.put(b"some bytes")
    assert digest == sha256(b"some bytes") and store.get(digest) == b"some bytes"
    assert store.read(digest, 5, 3) == b"byt" and store.size(digest) == 10 and store.has(digest)
    assert store.put(b"some bytes") == digest and len(store) == 1
    assert store.get(bytes(32)) is None and store.size(bytes(32)) == -1
    store.forget(digest)
    assert not store.has(digest)
    sound(store)


def test_the_empty_blob_is_always_here_and_takes_no_place():
    store = new()
    empty = sha256(b"")
    assert store.has(empty) and store.size(empty) == 0 and store.get(empty) == b"" and store.read(empty, 0, 5) == b""
    assert store.put(b"", pin=True) == empty and len(store) == 0 and not store.disk.files
    store.unpin(empty)
    store.forget(empty)
    assert store.has(empty)
    sound(store)


def test_the_least_recently_used_makes_way_and_the_pinned_stay():
    store = new(10 * KB)
    pinned = store.put(b"p" * 3 * KB, True)
    first, second = store.put(b"1" * 3 * KB), store.put(b"2" * 3 * KB)
    store.get(first)
    third = store.put(b"3" * 3 * KB)
    assert store.has(pinned) and store.has(first) and store.has(third) and not store.has(second)
    assert store.counters["store_evicted"] == 1
    store.forget(pinned)
    assert store.has(pinned)
    assert store.put(b"x" * 8 * KB) is None and store.counters["store_full"] == 1
    store.unpin(pinned)
    assert store.put(b"x" * 8 * KB) and not store.has(pinned)
    sound(store)


def test_more_than_a_blob_may_have_is_refused():
    store = new(1 << 20)
    assert store.put(bytes(BLOB_BYTES)) and store.put(bytes(BLOB_BYTES + 1)) is None
    assert not store.begin(bytes(32), BLOB_BYTES + 1) and store.counters["store_full"] == 2
    sound(store)


def test_more_blobs_than_the_index_holds():
    store = new(1 << 20)
    digests = [store.put(b"%d" % i) for i in range(module.BLOBS + 3)]
    assert len(store) == module.BLOBS and store.counters["store_evicted"] == 3
    assert not store.has(digests[2]) and store.has(digests[3])


def test_a_part_becomes_a_blob_only_if_its_hash_holds():
    store = new()
    data = bytes(range(250)) * 10
    digest = sha256(data)
    for wrong in (data[:-1] + b"x", data):
        assert store.begin(digest, len(data)) and store.used == len(data)
        for offset in (2048, 0, 1024):
            assert store.write(digest, offset, wrong[offset : offset + 1024])
        assert store.finish(digest) == (wrong is data)
        sound(store)
    assert store.get(digest) == data
    missing = sha256(b"never written")
    store.begin(missing, 13)
    assert store.finish(missing) is None and store.counters["store_errors"] == 1
    store.begin(missing, 13)
    store.abandon(missing)
    store.abandon(missing)
    sound(store)


def test_a_blob_that_is_put_while_its_parts_come_in():
    # A door fetches a blob from a box while the broker sends it too.
    data = bytes(range(250)) * 10
    digest = sha256(data)
    for lied in (len(data), 5000):
        store = new()
        store.begin(digest, lied)
        store.write(digest, 1024, b"?" * (lied - 1024))
        assert store.put(data, True) == digest
        sound(store)
        assert store.get(digest) == data
        store.write(digest, 0, data[:1024])
        store.finish(digest)
        sound(store)
        store.forget(digest)
        assert store.get(digest) == data, "still pinned"
        store.unpin(digest)
        store.forget(digest)
        assert store.used == 0 and not store.disk.files


def test_a_blob_that_was_put_meanwhile_makes_the_fetch_whole():
    store = new()
    data = b"d" * 1500
    digest = sha256(data)
    store.begin(digest, 1500)
    store.put(data)
    store.write(digest, 0, data[:1024])
    assert store.finish(digest)
    sound(store)


def test_a_full_disk_refuses_and_leaves_nothing_half_done():
    store = new()
    kept = store.put(b"kept", True)
    digest = sha256(b"12")
    store.begin(digest, 2)
    store.disk.full = True
    assert store.put(b"new") is None and not store.write(digest, 0, b"12")
    assert store.finish(digest) is None and not store.save_state("floors", b"new")
    assert store.counters["store_errors"] == 4
    sound(store)
    store.disk.full = False
    assert store.put(b"new") and store.save_state("floors", b"new") and store.get(kept) == b"kept"
    assert store.load_state("floors") == b"new" and store.counters["state_bytes"] == 3
    sound(store)


def test_a_blob_that_the_disk_lost_is_not_here():
    store = new()
    digest = store.put(b"lost", True)
    del store.disk.files["blob-" + digest.hex()]
    assert store.get(digest) is None and not store.has(digest) and store.counters["store_errors"] == 1
    store.unpin(digest)
    sound(store)


class ReadOnlyDisk(MemoryDisk):
    """A disk that went bad: nothing can be removed or written."""

    def remove(self, name):
        raise OSError(30)


def test_a_restart_finds_whole_blobs_and_no_parts():
    disk = MemoryDisk()
    store = new(disk=disk)
    whole = store.put(b"whole")
    store.begin(sha256(b"part"), 4)
    store.write(sha256(b"part"), 0, b"pa")
    disk.files["blob-" + bytes(32).hex()] = bytearray(b"not its hash")
    disk.files["blob-nonsense"] = bytearray(b"?")
    again = new(disk=disk)
    assert again.get(whole) == b"whole" and len(again) == 1 and again.used == 5
    sound(again)
    small = Store(disk, 3, Counters())
    assert len(small) == 0 and small.used == 0


def test_a_disk_gone_bad_does_not_keep_the_box_from_starting():
    disk = ReadOnlyDisk()
    disk.full = True
    disk.files["part-" + bytes(32).hex()] = bytearray(b"p")
    disk.files["blob-" + bytes(32).hex()] = bytearray(b"not its hash")
    store = new(disk=disk)
    assert len(store) == 0 and store.counters["store_errors"] == 2
