"""CBOR against RFC 8949: appendix A's examples, appendix F's malformed table, the caps."""

from backfence.agent.errors import LocalError, RemoteError
from backfence.agent.wire import cbor
from backfence.agent.wire.cbor import Tag

# Appendix A, the examples whose types are in use here.
EXAMPLES = (
    ("00", 0),
    ("01", 1),
    ("0a", 10),
    ("17", 23),
    ("1818", 24),
    ("1819", 25),
    ("1864", 100),
    ("1903e8", 1000),
    ("1a000f4240", 1000000),
    ("1b000000e8d4a51000", 1000000000000),
    ("1bffffffffffffffff", 18446744073709551615),
    ("3bffffffffffffffff", -18446744073709551616),
    ("20", -1),
    ("29", -10),
    ("3863", -100),
    ("3903e7", -1000),
    ("f4", False),
    ("f5", True),
    ("f6", None),
    ("c074323031332d30332d32315432303a30343a30305a", Tag(0, "2013-03-21T20:04:00Z")),
    ("c11a514b67b0", Tag(1, 1363896240)),
    ("c249010000000000000000", Tag(2, b"\x01" + bytes(8))),
    ("d74401020304", Tag(23, b"\x01\x02\x03\x04")),
    ("d818456449455446", Tag(24, b"dIETF")),
    ("d82076687474703a2f2f7777772e6578616d706c652e636f6d", Tag(32, "http://www.example.com")),
    ("40", b""),
    ("4401020304", b"\x01\x02\x03\x04"),
    ("60", ""),
    ("6161", "a"),
    ("6449455446", "IETF"),
    ("62225c", '"\\'),
    ("62c3bc", "\u00fc"),
    ("63e6b0b4", "\u6c34"),
    ("64f0908591", "\U00010151"),
    ("80", []),
    ("83010203", [1, 2, 3]),
    ("8301820203820405", [1, [2, 3], [4, 5]]),
    ("98190102030405060708090a0b0c0d0e0f101112131415161718181819", list(range(1, 26))),
    ("a0", {}),
    ("a201020304", {1: 2, 3: 4}),
    ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ("826161a161626163", ["a", {"b": "c"}]),
    (
        "a56161614161626142616361436164614461656145",
        {"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"},
    ),
)

# Appendix A, well-formed but not in use: other float widths, infinities, NaN,
# simple values, undefined, indefinite lengths.
UNUSED = """
f90000 f93c00 fa47c35000 f97c00 f97e00 f9fc00 fa7f800000 fa7fc00000 f7 f0 f818 f8ff
fb7ff0000000000000 fbfff0000000000000 fb7ff8000000000000
5f42010243030405ff 7f657374726561646d696e67ff 9fff 9f018202039f0405ffff
83018202039f0405ff 83019f0203ff820405 bf61610161629f0203ffff bf6346756ef563416d7421ff
"""

# Appendix F: examples that are not well-formed.
MALFORMED = """
18 19 1a 1b 1901 1a0102 1b01020304050607 38 58 78 98 9a01ff00 b8 d8 f8 f900 fa0000 fb000000
41 61 5affffffff00 5bffffffffffffffff010203 7affffffff00 7b7fffffffffffffff010203
81 818181818181818181 8200 a1 a20102 a100 a2000000 c0
5f4100 7f6100 9f 9f0102 bf bf01020102 819f 9f8000 9f9f9f9f9fffffffff 9f819f819f9fffffff
1c 1d 1e 3c 3d 3e 5c 5d 5e 7c 7d 7e 9c 9d 9e bc bd be dc dd de fc fd fe
f800 f801 f818 f81f 5f00ff 5f21ff 5f6100ff 5f80ff 5fa0ff 5fc000ff 5fe0ff 7f4100ff
5f5f4100ffff 7f7f6100ffff ff 81ff 8200ff a1ff a1ff00 a100ff a20000ff 9f81ff 9f829f819f9fffffffff
bf00ff bf000000ff 1f 3f df
"""

# Well-formed, but not the deterministic encoding, or not of this profile.
NOT_STRICT = """
1800 1817 190000 1900ff 1a0000ffff 1b00000000ffffffff 3817 3900ff 580100 5900010a 780161 980100
b801616100 d81741 f97e00 a2016001 a201020101 a2020001 a2616200616100 a2206001 a1f500 a1f600
a1400 a18000 a1fb3ff000000000000000 61ff 62c328 62c080 63eda080 64f4908080 63e08080 64f0808080
64f5808080 62e282 6180 0000 8000 616161
1cffffffffffffffffffffffffffffffff 3cffffffffffffffffffffffffffffffff
"""


def refused(data, **options):
    try:
        cbor.decode(data, **options)
    except RemoteError:
        return True
    return False


def test_examples_decode_and_encode():
    for text, value in EXAMPLES:
        data = bytes.fromhex(text)
        assert cbor.decode(data) == value, text
        assert cbor.encode(value) == data, text


def test_decoded_types_are_exact():
    assert cbor.decode(b"\xf5") is True and cbor.decode(b"\x01") is not True
    assert isinstance(cbor.decode(memoryview(b"\x41a")), bytes)
    assert isinstance(cbor.decode(bytearray(b"\x41a")), bytes)


def test_numbers_on_each_side_of_a_width():
    for number, size in ((23, 1), (24, 2), (255, 2), (256, 3), (65535, 3), (65536, 5)):
        for value in (number, -1 - number):
            assert len(cbor.encode(value)) == size, value
            assert cbor.decode(cbor.encode(value)) == value
    for number, size in (((1 << 30) - 1, 5), (1 << 30, 5), ((1 << 32) - 1, 5), (1 << 32, 9)):
        for value in (number, -1 - number):
            assert len(cbor.encode(value)) == size, value
            assert cbor.decode(cbor.encode(value)) == value


def test_utf8_ranges():
    # The ends of RFC 3629's ranges.  MicroPython's own check lets some through.
    for text in "c280 dfbf e0a080 ed9fbf ee8080 efbfbf f0908080 f48fbfbf".split():
        raw = bytes.fromhex(text)
        assert cbor._is_strict(raw), text
        assert cbor.encode(cbor.decode(bytes((0x60 + len(raw),)) + raw))[1:] == raw
    for text in "c080 c1bf e09fbf eda080 edbfbf f08fbfbf f4908080 f5808080 f7bfbfbf".split():
        raw = bytes.fromhex(text)
        assert not cbor._is_strict(raw), text
        assert not cbor._is_strict(b"a" + raw), text
        assert refused(bytes((0x60 + len(raw),)) + raw)


def test_bytes_like_and_tuples_encode():
    assert cbor.encode((bytearray(b"a"), memoryview(b"xbc")[1:])) == b"\x82\x41a\x42bc"


def test_map_keys_are_sorted_by_their_encoding():
    value = {"aa": 1, "b": 2, 100: 3, 10: 4, -1: 5, "z" * 30: 6}
    data = cbor.encode(value)
    assert data[:7] == bytes.fromhex("a60a0418640320")
    assert data.find(b"\x61b") < data.find(b"\x62aa") < data.find(b"\x78\x1e")
    assert cbor.decode(data) == value


def test_unused_types_are_refused():
    for text in UNUSED.split():
        assert refused(bytes.fromhex(text)), text
        assert refused(bytes.fromhex(text), floats=True), text


def test_malformed_is_refused():
    for text in MALFORMED.split():
        assert refused(bytes.fromhex(text)), text


def test_other_spellings_are_refused():
    for text in NOT_STRICT.split():
        assert refused(bytes.fromhex(text + "0" * (len(text) % 2))), text


def test_every_truncation_is_refused():
    data = cbor.encode({"a": [1, 1000, b"xyz", "text"], "b": Tag(18, {1: -70000})})
    for size in range(len(data)):
        assert refused(data[:size]), size
    assert refused(data + b"\x00")


def test_floats_only_where_asked_for():
    data = bytes.fromhex("fb3ff199999999999a")
    assert cbor.encode(1.1) == data
    assert cbor.decode(data, floats=True) == 1.1
    assert refused(data)


def test_claimed_lengths_longer_than_the_bytes():
    # That nothing is allocated for them: test_cbor.py.
    for major in (0x5B, 0x7B, 0x9B, 0xBB):
        for claim in (101, 1 << 31, 1 << 40, (1 << 64) - 1):
            data = bytes((major,)) + claim.to_bytes(8, "big") + bytes(100)
            assert refused(data, max_items=1 << 50)


def test_depth_cap():
    assert cbor.decode(b"\x81" * 8 + b"\x00") == [[[[[[[[0]]]]]]]]
    assert refused(b"\x81" * 9 + b"\x00")
    assert refused(b"\xa1\x00" * 9 + b"\x00")
    assert refused(b"\xc1" * 9 + b"\x00")
    assert refused(b"\x81" * 100000)
    assert cbor.decode(b"\x81" * 9 + b"\x00", max_depth=9)
    assert refused(b"\x80", max_depth=0)


def test_item_cap():
    assert len(cbor.decode(b"\x99\x07\xff" + bytes(2047))) == 2047
    assert refused(b"\x99\x08\x00" + bytes(2048))
    # Spread over inner lists, where no single length exceeds the cap.
    inner = b"\x98\xff" + bytes(255)
    assert len(cbor.decode(b"\x87" + inner * 7)) == 7
    assert refused(b"\x89" + inner * 9)
    assert refused(b"\x83\x01\x02\x03", max_items=3)
    assert refused(b"\xa1\x01\x02", max_items=2)
    # [[0, 0], 0] has five items; no array of it is longer than what is left.
    assert cbor.decode(b"\x82\x82\x00\x00\x00", max_items=5) == [[0, 0], 0]
    assert refused(b"\x82\x82\x00\x00\x00", max_items=4)


def test_our_own_misuse_is_a_local_error():
    wide = (1 << 64, -(1 << 64) - 1)
    keys = ({None: 1}, {True: 1}, {b"a": 1})
    for value in wide + keys + (object(), Tag(-1, 0), [float("inf")]):
        try:
            cbor.encode(value)
        except LocalError:
            continue
        assert False, value
