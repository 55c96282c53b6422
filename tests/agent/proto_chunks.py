"""Blobs between boxes: right bytes on disk in the end, and nothing else on the way."""

from backfence.agent.chunks import EMPTY, SHUN_MS, WINDOW_LEAST
from backfence.agent.limits import (
    BLOB_BYTES, CHUNK_BYTES, FETCH_SOURCES, FETCH_WINDOW, FETCHES, PEERS, SERVE_BURST, SERVE_PER_PEER, SHUNNED,
)
from backfence.agent.wire import messages
from backfence.agent.wire.hashes import sha256
from lan import Lan

BLOB = bytes([i * 7 & 255 for i in range(256)]) * 24  # 6 chunks
DIGEST = sha256(BLOB)


def name(kind, digest=DIGEST):
    return kind + "-" + digest.hex()


def world(count, holders, **rest):
    """A Lan in which some nodes hold BLOB, and the list that gets the fetch's end."""
    lan = Lan(count, **rest)
    for i in holders:
        lan.nodes[i].store.put(BLOB)
    return lan, []


def fetch(lan, ended, sources, size=None, digest=DIGEST):
    node = lan.nodes[0]
    node.now_ms = lan.now_ms
    rows = [(lan.nodes[i].id, lan.address(i)) for i in sources]
    return node.chunks.fetch(digest, size, rows, lambda _, whole: ended.append(whole))


def spoil(lan, number, at=3000):
    """The blob on a node's disk is no more what its name says."""
    lan.nodes[number].store.disk.files[name("blob")][at] ^= 1


def on_disk(lan):
    return bytes(lan.nodes[0].store.disk.files.get(name("blob"), b""))


def clean(lan):
    """No part and no room is left behind."""
    store = lan.nodes[0].store
    return not store._parts and not store.disk.names("part-") and store.used == len(on_disk(lan))


def test_a_blob_comes_whole_under_loss():
    for seed in range(4):
        lan, ended = world(2, [1], seed=seed)
        lan.drop = lambda data, source, target: lan.rng.below(10) < 3
        fetch(lan, ended, [1], len(BLOB))
        lan.run(29000)
        assert ended == [True] and on_disk(lan) == BLOB and clean(lan), seed


def test_a_first_chunk_of_no_sense_reserves_nothing():
    lan, ended = world(2, [1])
    lan.run(1000)
    fetch(lan, ended, [1])
    node = lan.nodes[0]
    peer = lan.descriptor(1)
    for offset, size, data in (
        (0, 0, b""), (0, BLOB_BYTES + 1, bytes(CHUNK_BYTES)), (1, 23, bytes(22)), (CHUNK_BYTES, 23, b""),
        (0, 23, bytes(22)), (0, 23, bytes(24)), (0, 2000, bytes(2000)),
    ):
        try:
            node.chunks.on_chunk(peer, [messages.CHUNK, DIGEST, offset, size, data])
            assert False, (offset, size)
        except messages.RemoteError:
            pass
        assert node.chunks.fetches[DIGEST].have is None and node.store.used == 0 and not node.store._parts
    lan.run(3000)
    assert ended == [True] and on_disk(lan) == BLOB


def test_of_an_unknown_size_and_with_copies_and_disorder():
    turn = [0]

    def delays(data, source, target):
        turn[0] += 1
        return (5 + turn[0] * 13 % 60, 70)

    lan, ended = world(2, [1], delays=delays)
    fetch(lan, ended, [1])
    lan.run(3000)
    assert ended == [True] and on_disk(lan) == BLOB and clean(lan)


def test_a_bad_blob_is_dropped_with_its_sender_and_the_next_is_used():
    for at in (0, 3000, len(BLOB) - 1):
        lan, ended = world(3, [1, 2])
        spoil(lan, 1, at)
        fetch(lan, ended, [1, 2], len(BLOB))
        while not lan.nodes[0].counters["blobs_bad"]:
            lan.run(10)
        assert on_disk(lan) == b"" and not ended and lan.nodes[0].chunks.shunned(lan.nodes[1].id)
        lan.run(3000)
        assert ended == [True] and on_disk(lan) == BLOB and clean(lan)


def test_when_all_are_bad_nothing_is_on_disk_and_a_second_fetch_works():
    lan, ended = world(3, [1, 2])
    spoil(lan, 1)
    spoil(lan, 2)
    fetch(lan, ended, [1, 2], len(BLOB))
    lan.run(3000)
    assert ended == [False] and on_disk(lan) == b"" and clean(lan)
    assert lan.nodes[0].counters["blobs_bad"] == 2 and lan.nodes[0].counters["fetches_failed"] == 1
    spoil(lan, 2)  # right again
    assert not fetch(lan, ended, [2]) and len(lan.nodes[0].chunks._shunned) == 2
    lan.now_ms += SHUN_MS
    assert fetch(lan, ended, [2])
    lan.run(3000)
    assert ended == [False, True] and on_disk(lan) == BLOB


def test_a_liar_s_one_chunk_spoils_nobody_s_blob():
    # He sends his first chunk, a bad one, and then nothing.
    lan, ended = world(3, [1, 2])
    spoil(lan, 1, 10)
    sent = [0]

    def drop(data, source, target):
        sent[0] += source == 1 and len(data) > CHUNK_BYTES
        return source == 1 and len(data) > CHUNK_BYTES and sent[0] > 1

    lan.drop = drop
    fetch(lan, ended, [1, 2], len(BLOB))
    lan.run(29000)
    assert ended == [True] and on_disk(lan) == BLOB and clean(lan)
    assert lan.nodes[0].counters["blobs_bad"] == 0


def test_a_wrong_word_about_the_size_spoils_nothing():
    for lied in (1, len(BLOB) - 1, len(BLOB) + 5000, BLOB_BYTES):
        lan, ended = world(3, [2])
        # Node 1 told of the blob, and has another of the same name.
        lan.nodes[1].store._blobs[DIGEST] = [lied, 0, 0]
        lan.nodes[1].store.disk.files[name("blob")] = bytearray(lied)
        fetch(lan, ended, [1, 2], lied)
        lan.run(10000)
        assert ended == [True] and on_disk(lan) == BLOB and clean(lan), lied
        lan, ended = world(3, [2])
        fetch(lan, ended, [1, 2], lied)  # and here he lacks it
        lan.run(10000)
        assert ended == [True] and on_disk(lan) == BLOB and clean(lan), lied


def test_a_silent_source_makes_way():
    lan, ended = world(3, [1, 2])
    lan.down.append(1)
    fetch(lan, ended, [1, 2], len(BLOB))
    lan.run(8000)
    assert ended == [True] and on_disk(lan) == BLOB and clean(lan)


def test_who_all_lack_it_or_are_silent():
    lan, ended = world(3, [])
    fetch(lan, ended, [1, 2])
    lan.run(3000)
    assert ended == [False] and clean(lan)
    lan.down.append(1)
    fetch(lan, ended, [1], len(BLOB))
    lan.run(40000)
    assert ended == [False, False] and clean(lan) and not lan.nodes[0].chunks.fetches


def test_a_disk_that_fills_up_ends_the_fetch_and_blames_nobody():
    lan, ended = world(2, [1])
    fetch(lan, ended, [1], len(BLOB))
    lan.run_until(lambda: lan.nodes[0].counters["chunks_in"] >= 2, 3000)
    lan.nodes[0].store.disk.full = True
    lan.run(3000)
    assert ended in ([False], [True])
    if ended == [True]:  # it was quicker than we
        return
    assert on_disk(lan) == b"" and clean(lan) and lan.nodes[0].counters["blobs_bad"] == 0
    lan.nodes[0].store.disk.full = False
    fetch(lan, ended, [1], len(BLOB))
    lan.run(3000)
    assert ended == [False, True] and on_disk(lan) == BLOB


def test_a_disk_that_is_full_from_the_start():
    lan, ended = world(2, [1])
    lan.nodes[0].store.disk.full = True
    fetch(lan, ended, [1])
    lan.run(3000)
    assert ended == [False] and on_disk(lan) == b"" and clean(lan)
    assert lan.nodes[0].counters["blobs_bad"] == 0 and lan.nodes[0].counters["store_errors"] >= 1


def test_chunks_that_nobody_asked_for():
    lan, ended = world(3, [1])
    told = lan.nodes[2]
    fetch(lan, ended, [1], len(BLOB))
    told.send(lan.nodes[0].id, lan.address(0), messages.CHUNK, DIGEST, 0, len(BLOB), bytes(CHUNK_BYTES))
    told.send(lan.nodes[0].id, lan.address(0), messages.CHUNK, bytes(32), 0, 10, bytes(10))
    lan.run(2000)
    assert ended == [True] and on_disk(lan) == BLOB
    assert lan.nodes[0].counters["chunks_unasked"] == 2


def test_malformed_chunks_change_nothing():
    lan, ended = world(2, [])
    fetch(lan, ended, [1], len(BLOB))
    lan.nodes[1]._handlers[messages.PULL] = lambda peer, message: None
    lan.run(500)
    for offset, data in ((1, b"x" * 1024), (6144, b""), (8192, b"x"), (0, b"x"), (1024, b"x" * 1023), (0, b"x" * 1100)):
        lan.nodes[1].send(lan.nodes[0].id, lan.address(0), messages.CHUNK, DIGEST, offset, len(BLOB), data)
    lan.run(200)
    assert lan.nodes[0].counters["messages_bad"] == 6 and lan.nodes[0].counters["chunks_in"] == 0
    assert not lan.nodes[0].store.disk.names("part-")


def test_an_impossible_size_is_no_size():
    lan, ended = world(2, [])
    lan.nodes[1]._handlers[messages.PULL] = lambda peer, message: None
    fetch(lan, ended, [1])
    lan.run(500)
    for size in (0, BLOB_BYTES + 1):
        lan.nodes[1].send(lan.nodes[0].id, lan.address(0), messages.CHUNK, DIGEST, 0, size, b"x")
    lan.run(200)
    assert lan.nodes[0].counters["messages_bad"] == 2 and clean(lan) and not ended


def test_pulls_that_make_no_sense():
    lan, _ = world(2, [1])
    empty = lan.nodes[1].store.put(b"")
    for digest, offset in ((DIGEST, 1), (DIGEST, len(BLOB) + 1024), (DIGEST, (1 << 32) - 1024), (empty, 0)):
        lan.nodes[0].send(lan.nodes[1].id, lan.address(1), messages.PULL, digest, offset)
    lan.run(500)
    assert lan.nodes[1].counters["messages_bad"] == 4 and lan.nodes[1].counters["chunks_out"] == 0


def test_the_caps():
    lan, ended = world(9, [])
    node = lan.nodes[0]
    for i in range(FETCHES + 2):
        assert fetch(lan, ended, range(1, 9), None, sha256(b"%d" % i)) == (i < FETCHES)
    assert not fetch(lan, ended, [1], None, sha256(b"0"))
    assert len(node.chunks.fetches) == FETCHES and node.counters["fetches_full"] == 3
    row = node.chunks.fetches[sha256(b"0")]
    assert len(row.sources) == FETCH_SOURCES
    node.chunks.add_source(sha256(b"0"), b"another box 16 b", lan.address(1))
    assert len(row.sources) == FETCH_SOURCES
    assert not fetch(lan, ended, [1], BLOB_BYTES + 1, bytes(32)) and not fetch(lan, ended, [1], 0, bytes(32))


def test_a_window_of_chunks_is_on_its_way_at_most():
    lan, ended = world(2, [])
    asked = []
    lan.nodes[1]._handlers[messages.PULL] = lambda peer, message: asked.append(message[2])
    lan.nodes[0].peers.send(lan.nodes[1].id, lan.address(1), messages.pack(messages.LEAVE, bytes(16), 0, 0))
    lan.run(100)
    fetch(lan, ended, [1], BLOB_BYTES)
    lan.run(200)
    assert asked == [i * CHUNK_BYTES for i in range(FETCH_WINDOW)]


def test_the_window_shrinks_when_chunks_are_lost_and_grows_when_they_come():
    lan, ended = world(2, [1])
    big = bytes(BLOB_BYTES)
    digest = lan.nodes[1].store.put(big)
    fetch(lan, ended, [1], len(big), digest)
    lan.drop = lambda data, source, target: source == 1 and len(data) > CHUNK_BYTES
    lan.run(1500)
    row = lan.nodes[0].chunks.fetches[digest]
    assert row.window == WINDOW_LEAST
    again = lan.nodes[0].counters["chunks_asked_again"]
    lan.drop = None
    while not ended:
        lan.run(10)
    assert ended == [True] and row.window > WINDOW_LEAST + 2
    assert lan.nodes[0].counters["chunks_asked_again"] <= again + 1


def test_the_wait_follows_the_round_trip():
    waits = []
    for delay in (5, 150):
        lan, ended = world(2, [1], delays=lambda data, source, target: (delay,))
        lan.nodes[0].send(lan.nodes[1].id, lan.address(1), messages.LEAVE, bytes(16), 0, 0)
        lan.run(2000)
        digest = lan.nodes[1].store.put(bytes(BLOB_BYTES))
        fetch(lan, ended, [1], BLOB_BYTES, digest)
        row = lan.nodes[0].chunks.fetches[digest]
        lan.run(6000)
        assert ended == [True] and lan.nodes[0].counters["chunks_asked_again"] <= (delay == 150)
        waits.append(row.wait_ms)
    assert waits[0] < 250 and waits[1] > 500


def test_the_empty_blob_is_had_by_everybody():
    for size in (0, None):
        lan, ended = world(2, [])
        assert fetch(lan, ended, [1], size, EMPTY) and not ended
        lan.run(100)
        assert ended == [True] and lan.nodes[0].store.get(EMPTY) == b"" and not lan.nodes[0].chunks.fetches
    assert not fetch(lan, ended, [1], 0, DIGEST) and not fetch(lan, ended, [1], 5, EMPTY)


def test_a_greedy_box_leaves_something_for_the_others():
    lan, ended = world(3, [0])
    digest = lan.nodes[0].store.put(bytes(BLOB_BYTES))
    node = lan.nodes[0]

    class Asker:
        addr = lan.address(1)

        def __init__(self, id):
            self.id = id

    greedy, modest = Asker(lan.nodes[1].id), Asker(lan.nodes[2].id)
    for _ in range(3 * SERVE_BURST):
        node.chunks.on_pull(greedy, [messages.PULL, digest, 0])
    assert node.counters["chunks_out"] == SERVE_BURST // 2 + 1
    for _ in range(SERVE_PER_PEER):
        node.chunks.on_pull(modest, [messages.PULL, digest, 0])
    assert node.counters["chunks_out"] == SERVE_BURST // 2 + 1 + SERVE_PER_PEER
    assert len(node.chunks._served) == 2 <= PEERS


def test_a_slow_source_makes_way():
    # It sends a chunk every 250 ms; the other source is as it should be.
    lan, ended = world(3, [])
    big = bytes(BLOB_BYTES)
    digest = lan.nodes[1].store.put(big)
    lan.nodes[2].store.put(big)
    last = [0]

    def drop(data, source, target):
        if source == 1 and len(data) > CHUNK_BYTES:
            if lan.now_ms - last[0] < 250:
                return True
            last[0] = lan.now_ms
        return False

    lan.drop = drop
    fetch(lan, ended, [1, 2], len(big), digest)
    lan.run(5000)
    assert not ended and lan.nodes[0].counters["chunks_in"] > 5
    lan.run(3000)
    assert ended == [True] and lan.nodes[0].store.get(digest) == big


def test_a_slow_source_alone_is_given_up_in_the_end():
    lan, ended = world(2, [1])
    last = [0]

    def drop(data, source, target):
        if source == 1 and len(data) > CHUNK_BYTES:
            if lan.now_ms - last[0] < 25000:
                return True
            last[0] = lan.now_ms
        return False

    lan.drop = drop
    fetch(lan, ended, [1], len(BLOB))
    lan.run(125000)
    assert ended == [False] and clean(lan)


def test_the_cap_of_shunned_boxes():
    lan, ended = world(1, [])
    chunks = lan.nodes[0].chunks
    for i in range(SHUNNED + 3):
        chunks.shun(b"%016d" % i, 1000 + i)
    assert len(chunks._shunned) == SHUNNED and lan.nodes[0].counters["sources_shunned"] == SHUNNED + 3
    assert not chunks.shunned(b"%016d" % 0) and chunks.shunned(b"%016d" % (SHUNNED + 2))
    lan.nodes[0].now_ms += 2000
    assert not chunks.shunned(b"%016d" % (SHUNNED + 2))
