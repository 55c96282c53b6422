"""The envelope's bytes: parties, sessions, tags, the replay window, the cipher."""

from backfence.agent.errors import RemoteError
from backfence.agent.wire import seal

FLEET = b"fleetfleetfleet!"
PARTY = seal.Party(b"k" * 32, 3, 7, b"lotlotlo", 9, [b"a" * 32, b"b" * 32])
HELLO = seal.hello(b"abcd", FLEET, b"n" * 16, b"c" * 16, PARTY, 300)
WELCOME = seal.welcome_untagged(b"abcd", b"efgh", b"m" * 16, PARTY)


def pair(encrypted=False):
    """Both ends of one session."""
    left = seal.Keys(b"s" * 32, HELLO, WELCOME, True)
    right = seal.Keys(b"s" * 32, HELLO, WELCOME, False)
    return (seal.Session(left, b"abcd", b"efgh", encrypted), seal.Session(right, b"efgh", b"abcd", encrypted))


def refused(function, *arguments):
    try:
        function(*arguments)
    except RemoteError:
        return True
    return False


def test_lengths_are_those_of_the_table():
    hail = seal.hail(b"abcd", FLEET, b"n" * 16)
    assert len(hail) == seal.HAIL_BYTES and hail[:9] == b"\x10abcdflee"
    cookie = seal.cookie(b"abcd", b"c" * 16, 300)
    assert len(cookie) == seal.COOKIE_BYTES < seal.HAIL_BYTES and cookie[-2:] == b"\x01\x2c"
    assert len(HELLO) == 300 and HELLO[-100:] == bytes(100) and HELLO[25:41] == b"c" * 16
    assert len(seal.hello(b"abcd", FLEET, b"n" * 16, b"c" * 16, PARTY, 0)) == seal.HELLO_HEAD + 50 + 64
    assert len(WELCOME) == seal.WELCOME_HEAD + 50 + 64
    sealed = pair()[0].seal(b"body")
    assert len(sealed) == 4 + seal.SEALED_OVERHEAD and sealed[:11] == b"\x14efgh" + bytes(6)
    reset = seal.reset(sealed)
    assert len(reset) == seal.RESET_BYTES <= len(sealed) and reset[11:] == sealed[-16:]


def test_a_party_comes_back_and_cut_short_does_not():
    data = b"??" + PARTY.pack() + b"rest"
    party, end = seal.unpack_party(data, 2, 2)
    assert data[end:] == b"rest" and party.pack() == PARTY.pack()
    assert (party.key, party.flags, party.incarnation, party.leaf) == (b"k" * 32, 3, 7, 9)
    for length in range(len(data) - 4):
        assert refused(seal.unpack_party, data[:length], 2, 2), length
    assert refused(seal.unpack_party, data, 2, 1)


def test_both_ends_have_the_same_keys_crossed():
    left, right = pair()
    assert left.keys.mac_out == right.keys.mac_in and left.keys.mac_in == right.keys.mac_out
    assert left.keys.cipher_out == right.keys.cipher_in and left.keys.cipher_in == right.keys.cipher_out
    four = {left.keys.mac_out, left.keys.mac_in, left.keys.cipher_out, left.keys.cipher_in}
    assert len(four) == 4
    tag = seal.welcome_tag(right.keys, WELCOME, True)
    assert tag == seal.welcome_tag(left.keys, WELCOME, False) != seal.welcome_tag(left.keys, WELCOME, True)


def test_every_bit_of_the_greeting_changes_the_keys():
    first = pair()[0].keys.mac_out
    for i in range(len(HELLO)):
        hello = HELLO[:i] + bytes((HELLO[i] ^ 1,)) + HELLO[i + 1 :]
        assert seal.Keys(b"s" * 32, hello, WELCOME, True).mac_out != first
    for i in range(len(WELCOME)):
        welcome = WELCOME[:i] + bytes((WELCOME[i] ^ 1,)) + WELCOME[i + 1 :]
        assert seal.Keys(b"s" * 32, HELLO, welcome, True).mac_out != first
    assert seal.Keys(b"t" * 32, HELLO, WELCOME, True).mac_out != first


def test_what_is_sealed_opens_once_at_the_other_end_only():
    for encrypted in (False, True) if seal.ENCRYPTS else (False,):
        left, right = pair(encrypted)
        for body in (b"", b"x", bytes(range(200)) * 5, bytes(16), bytes(33)):
            data = left.seal(body)
            assert right.authentic(data) and not left.authentic(data)
            assert right.open(data) == body and right.open(data) is None
            assert encrypted != (data[11:-16] == body) or not body


def test_a_changed_byte_anywhere_is_not_authentic():
    left, right = pair()
    data = left.seal(b"some body")
    for i in range(len(data)):
        assert not right.authentic(data[:i] + bytes((data[i] ^ 4,)) + data[i + 1 :])
    assert not right.authentic(data[:-1]) and not right.authentic(data + b"\0")


def test_the_replay_window():
    left, right = pair()
    sent = [left.seal(b"%d" % i) for i in range(200)]
    assert right.open(sent[0]) == b"0"
    assert right.open(sent[70]) == b"70"
    # The 64 newest counters are open, each once; 6 is out of the window.
    for i in range(70, -1, -1):
        assert (right.open(sent[i]) is not None) == (7 <= i < 70), i
    assert right.open(sent[69]) is None
    assert right.open(sent[199]) == b"199" and right.open(sent[135]) is None and right.open(sent[136]) == b"136"
    assert right.open(sent[199]) is None and right.open(sent[136]) is None


def test_the_last_counter_is_the_last():
    left, right = pair()
    left.sent = seal.COUNTER_MOST
    assert right.open(left.seal(b"last")) == b"last"
    assert refused(left.seal, b"one more")


def test_no_two_datagrams_share_their_stream():
    if not seal.ENCRYPTS:
        assert seal.aes is None
        return
    left, right = pair(True)
    streams = {left.seal(bytes(64))[11:-16] for _ in range(20)} | {right.seal(bytes(64))[11:-16] for _ in range(20)}
    blocks = set()
    for stream in streams:
        blocks |= {stream[i : i + 16] for i in range(0, 64, 16)}
    assert len(blocks) == 160
