"""X25519 beside another implementation, and RFC 7748's 1,000 iterations."""

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from backfence.agent.errors import RemoteError
from backfence.agent.wire import x25519

keys = st.binary(min_size=32, max_size=32)


def oracle(private, public):
    """The other implementation's shared secret; None for a low-order point."""
    try:
        peer = X25519PublicKey.from_public_bytes(public)
        return X25519PrivateKey.from_private_bytes(private).exchange(peer)
    except ValueError:
        return None


def ours(private, public, blind=None):
    try:
        return x25519.shared(private, public, blind)
    except RemoteError:
        return None


@settings(max_examples=100, deadline=None)
@given(keys, keys, keys)
def test_same_secret_as_the_oracle(private, public, blind):
    assert ours(private, public, blind) == oracle(private, public)


@settings(max_examples=50, deadline=None)
@given(keys, st.integers(min_value=-40, max_value=40), st.booleans())
def test_same_secret_near_the_prime(private, offset, top_bit):
    u = ((1 << 255) - 19 + offset) % (1 << 255) | top_bit << 255
    public = u.to_bytes(32, "little")
    assert ours(private, public) == oracle(private, public)


def test_thousand_iterations():
    # RFC 7748 section 5.2
    scalar = u = b"\x09" + bytes(31)
    for _ in range(1000):
        scalar, u = x25519.shared(scalar, u), scalar
    assert scalar.hex() == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"
