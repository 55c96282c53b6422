"""Descriptors and seat entries: their bytes, and every bound on them."""

from backfence.agent.descriptor import DOOR, REACHABLE, V6, Descriptor, pack_all, unpack_all
from backfence.agent.errors import RemoteError

V4_ADDR = bytes((10, 0, 0, 1, 27, 88))
V6_ADDR = bytes(range(16)) + b"\x1b\x58"


def refused(data, most=8):
    try:
        unpack_all(data, most)
    except RemoteError:
        return True
    return False


def fields(descriptor):
    return descriptor.id, descriptor.addr, descriptor.age, descriptor.flags


def test_the_bytes():
    four = Descriptor(b"i" * 16, V4_ADDR, 258, REACHABLE | DOOR)
    assert four.pack() == b"i" * 16 + b"\x03\x01\x02" + V4_ADDR
    six = Descriptor(b"j" * 16, V6_ADDR, 0, 0)
    assert six.pack() == b"j" * 16 + bytes((V6, 0, 0)) + V6_ADDR
    for row in ([], [four], [six, four, six]):
        assert [fields(d) for d in unpack_all(pack_all(row), 3)] == [fields(d) for d in row]
    assert Descriptor(b"i" * 16, V4_ADDR, 1 << 20).pack()[17:19] == b"\xff\xff"
    again = four.copy()
    again.age = 0
    assert four.age == 258 and fields(again)[:2] == fields(four)[:2]


def test_what_is_refused():
    one = Descriptor(b"i" * 16, V4_ADDR).pack()
    six = Descriptor(b"i" * 16, V6_ADDR).pack()
    for data in (one, six, one + six):
        for length in range(1, len(data)):
            assert length == len(one) < len(data) and data[:25] == one or refused(data[:length]), length
    assert refused(one * 9) and not refused(one * 8) and refused(one, 0)
    assert refused(one[:16] + b"\x08" + one[17:]) and refused(one[:16] + b"\xff" + one[17:])
    assert refused(one[:-2] + b"\0\0") and refused(one[:16] + bytes((one[16] | V6,)) + one[17:])
