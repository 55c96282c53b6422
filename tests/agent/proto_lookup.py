"""Lookups along the ring: found in few hops, past the dead, and bounded."""

from backfence.agent.links import Links, class_of, for_partner, nearest
from backfence.agent.seat import SeatEntry
from backfence.agent.descriptor import Descriptor


def entry(seat):
    return SeatEntry(seat, 1, Descriptor(b"%16d" % seat, bytes((10, 0, 0, 1, 1, 1))), 1000)


def test_who_is_near_and_whom_a_partner_wants():
    entries = [entry(seat) for seat in range(0, 400, 4)]
    assert [e.seat for e in nearest(entries, 0, 2)] == [0, 4, 392, 396]
    assert [e.seat for e in for_partner(entries, 200, b"%16d" % 200, 4)] == [204, 208, 192, 196]
    assert len(for_partner(entries + entries, 7, b"", 20)) == 20


def test_long_links_one_for_each_power_of_two():
    links = Links()
    for seat in range(1, 4096):
        links.keep(entry(seat), 2000, 0)
    ways = sorted([e.seat - 2000 for e in links.far.values()])
    assert len(ways) == 19 and class_of(0, 3) is None and class_of(0, 4) != class_of(4, 0)
    for low in (4, 8, 16, 1024):
        assert len([way for way in ways if low <= way < 2 * low]) == 1
        assert len([way for way in ways if low <= -way < 2 * low]) == 1
    fresh = entry(2004)
    fresh.heard_ms = 9000
    links.keep(fresh, 2000, 5000)
    assert fresh in links.far.values()
    links.drop_far(fresh.id)
    assert fresh not in links.far.values()
