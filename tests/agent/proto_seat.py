"""Seat entries: their bytes, their age, and which claim to a seat stands."""

from backfence.agent.descriptor import Descriptor
from backfence.agent.errors import RemoteError
from backfence.agent.seat import TERM_MOST, SeatEntry, beats, pack_entries, rank, unpack_entries

BOX = Descriptor(b"b" * 16, bytes((10, 0, 0, 1, 27, 88)))


def refused(data, most=9):
    try:
        unpack_entries(data, most, 0)
    except RemoteError:
        return True
    return False


def test_the_bytes_and_their_bounds():
    data = SeatEntry(4095, TERM_MOST, BOX, 5000).pack(5000)
    assert data[:8] == b"\x0f\xff\xff\xff\xff\xff\0\0" and data[8:] == BOX.pack()
    [entry] = unpack_entries(data, 1, 70000)
    assert (entry.seat, entry.term, entry.id, entry.heard_ms) == (4095, TERM_MOST, BOX.id, 70000)
    for length in range(1, len(data)):
        assert refused(data[:length])
    assert unpack_entries(b"", 0, 0) == [] and refused(data, 0)
    assert not refused(data * 9) and refused(data * 10)
    assert len(pack_entries([entry, entry], 70000)) == 2 * len(data)


def test_told_to_and_fro_an_entry_grows_old_and_never_young():
    heard_ms = 100000
    for step in (1, 400, 999, 1000, 1001):
        entry, now = SeatEntry(1, 1, BOX, heard_ms), heard_ms
        for _ in range(20):
            now += step
            [entry] = unpack_entries(entry.pack(now), 1, now)
            assert entry.heard_ms <= heard_ms
        assert now - entry.heard_ms >= 20 * step
    # What claims to come from the future, or is older than the field holds.
    assert SeatEntry(1, 1, BOX, 9000).pack(1000)[6:8] == b"\0\0"
    assert SeatEntry(1, 1, BOX, 0).pack(1 << 40)[6:8] == b"\xff\xff"


def test_of_two_claims_one_stands_for_everybody():
    slice_id = b"s" * 16
    ids = [bytes((i,)) * 16 for i in range(6)]
    claims = [(term, id) for term in (1, 2, TERM_MOST) for id in ids]
    for one in claims:
        for other in claims:
            if one != other:
                assert beats(slice_id, *(one + other)) != beats(slice_id, *(other + one))
    assert beats(slice_id, 2, ids[0], 1, ids[1]) and beats(slice_id, 2, ids[1], 1, ids[0])
    least = min(ids, key=lambda id: rank(slice_id, id))
    assert all([beats(slice_id, 1, least, 1, id) for id in ids if id != least])
    assert least != min(ids, key=lambda id: rank(b"t" * 16, id)) or rank(b"t" * 16, ids[0]) != rank(slice_id, ids[0])
