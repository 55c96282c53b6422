"""Messages: every field in its form, or the whole message is refused."""

from backfence.agent.errors import RemoteError
from backfence.agent.wire import cbor, messages

GOOD = {
    "u": (0, (1 << 32) - 1), "U": (0, (1 << 53) - 1), "b": (b"", b"x" * 1000), "l": ([], [[1], 2]),
    "8": (b"8" * 8,), "h": (b"h" * 16,), "s": (b"s" * 32,), "?u": (None, 5), "?b": (None, b"x"),
}
BAD = {
    "u": (-1, 1 << 32, None, True, b"", "1", [], 1.5), "U": (-1, 1 << 53, None, False, b""),
    "b": (None, "x", 1, []), "l": (None, b"", "", {}, 1), "8": (b"", b"7" * 7, b"9" * 9, "8" * 8, None),
    "h": (b"", b"h" * 15, b"h" * 17, "h" * 16, None, 1), "s": (b"s" * 31, b"s" * 33, None, []),
    "?u": (-1, True, b"", 1 << 32), "?b": (1, "x", []),
}


def refused(body):
    """True if unpack() raises a RemoteError; any other error passes through."""
    try:
        messages.unpack(body)
    except RemoteError:
        return True
    return False


def encode(value):
    """CBOR, also of what we never send."""
    if isinstance(value, float):
        return b"\xfb" + bytes(8)
    return cbor.encode(value)


def test_each_form_of_each_message():
    for kind in messages.FORMS:
        forms = messages.FORMS[kind]
        good = [GOOD[form][-1] for form in forms]
        assert messages.unpack(messages.pack(kind, *good)) == [kind] + good
        assert refused(messages.pack(kind, *good[:-1])) and refused(messages.pack(kind, *(good + [1])))
        for i in range(len(forms)):
            head = b"".join([cbor.encode(value) for value in [kind] + good[:i]])
            tail = b"".join([cbor.encode(value) for value in good[i + 1 :]])
            for value in GOOD[forms[i]]:
                assert not refused(bytes((0x81 + len(forms),)) + head + cbor.encode(value) + tail)
            for value in BAD[forms[i]]:
                assert refused(bytes((0x81 + len(forms),)) + head + encode(value) + tail), (kind, i, value)


def test_what_is_no_message():
    for value in (None, 1, b"", "x", {}, [], [0], [16], [-1], [True], [None], [[1]], [1 << 40], ["1"]):
        assert refused(cbor.encode(value)), value
    good = messages.pack(messages.LEAVE, bytes(16), 1, 2)
    for length in range(len(good)):
        assert refused(good[:length])
    assert refused(good + b"\0") and refused(b"\x84\x18\x0c" + good[2:]), "one spelling only"


def test_too_deep_and_too_many():
    deep = []
    for _ in range(6):
        deep = [deep]
    assert refused(messages.pack(messages.HAVE, deep))
    assert not refused(messages.pack(messages.HAVE, [0] * 250)) and refused(messages.pack(messages.HAVE, [0] * 300))
