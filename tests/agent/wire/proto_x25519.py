"""X25519 against RFC 7748 sections 5.2 and 6.1, in steps, blinded, and abused."""

from backfence.agent.errors import LocalError, RemoteError
from backfence.agent.wire import x25519

# Section 5.2: scalar, u-coordinate, result.  The second u has its top bit set.
CASES = (
    (
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    ),
    (
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    ),
)
# Section 5.2: the base point, iterated.  The 1,000th is in test_x25519.py.
ITERATED_ONCE = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"

# Section 6.1: private and public keys, and the secret they share.
ALICE = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
ALICE_PUBLIC = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
BOB = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
BOB_PUBLIC = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
SECRET = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"

# Points of order 1, 2, 4 and 8 and their spellings of 2**255 - 19 and above.
LOW_ORDER = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)

unhex = bytes.fromhex


def raises(error, function, *args):
    try:
        function(*args)
    except error:
        return True
    return False


def test_section_5_2_cases():
    for scalar, u, result in CASES:
        assert x25519.shared(unhex(scalar), unhex(u)) == unhex(result)


def test_iterated_once():
    nine = b"\x09" + bytes(31)
    assert x25519.shared(nine, nine) == unhex(ITERATED_ONCE)


def test_section_6_1_exchange():
    assert x25519.public(unhex(ALICE)) == unhex(ALICE_PUBLIC)
    assert x25519.public(unhex(BOB)) == unhex(BOB_PUBLIC)
    assert x25519.shared(unhex(ALICE), unhex(BOB_PUBLIC)) == unhex(SECRET)
    assert x25519.shared(unhex(BOB), unhex(ALICE_PUBLIC)) == unhex(SECRET)


def test_blinding_does_not_change_the_result():
    for blind in (b"\x5a" * 32, b"\xff" * 32, b"\x00" * 32, unhex(LOW_ORDER[5])):
        assert x25519.shared(unhex(ALICE), unhex(BOB_PUBLIC), blind) == unhex(SECRET)


def test_ladder_works_in_many_small_steps():
    ladder = x25519.Ladder(unhex(ALICE), unhex(BOB_PUBLIC), b"\x07" * 32)
    steps = 1
    while not ladder.step():
        assert ladder.result is None
        steps += 1
    # 255 bits in fours and 254 squarings in twenties.
    assert steps == 64 + 12 + 1
    assert ladder.result == unhex(SECRET)
    assert ladder.step() and ladder.result == unhex(SECRET)


def test_low_order_points_are_refused():
    for point in LOW_ORDER:
        assert raises(RemoteError, x25519.shared, unhex(ALICE), unhex(point)), point
        assert raises(RemoteError, x25519.shared, unhex(BOB), unhex(point), b"\x09" * 32), point


def test_a_failed_ladder_never_has_a_result():
    ladder = x25519.Ladder(unhex(ALICE), unhex(LOW_ORDER[0]))
    failed = 0
    for _ in range(100):
        try:
            ladder.step()
        except RemoteError:
            failed += 1
        assert ladder.result is None
    # 76 steps of work, then the same refusal for ever.
    assert failed == 24


def test_lengths():
    for size in (0, 31, 33):
        assert raises(RemoteError, x25519.Ladder, bytes(32), bytes(size))
        assert raises(LocalError, x25519.Ladder, bytes(size), bytes(32))
        assert raises(LocalError, x25519.Ladder, bytes(32), bytes(32), bytes(size))
