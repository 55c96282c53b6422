"""libsodium's ladder beside ours, where there is ffi; nothing where there is none, or a wrong library."""

from backfence.agent.edge import sodium
from backfence.agent.errors import RemoteError
from backfence.agent.wire import x25519
from backfence.agent.wire.hashes import sha256

# The library is this machine's: only its own interpreters can load it.
INTERPRETERS = ("cpython", "micropython", "amd64", "armhf")


def test_a_box_without_the_library_has_none():
    assert sodium.ladder(()) is None
    assert sodium.ladder(("libthereisnone.so.0",)) is None
    if not sodium.ffi:
        assert sodium.ladder() is None


def test_a_library_without_the_function_is_passed_over():
    assert sodium.ladder(("libc.so.6", "libm.so.6")) is None


def answering(code, secret):
    def multiply(out, private, public):
        out[:] = secret
        return code

    return multiply


def test_what_it_says_is_taken_or_refused():
    for code, secret in ((-1, bytes(32)), (0, bytes(32)), (-1, b"s" * 32)):
        ladder = sodium.Ladder(bytes(32), bytes(32), None, answering(code, secret))
        try:
            ladder.step()
            assert False
        except RemoteError:
            assert ladder.result is None
    ladder = sodium.Ladder(bytes(32), bytes(32), None, answering(0, b"s" * 32))
    assert ladder.step() and ladder.result == b"s" * 32
    for size in (0, 31, 33):
        try:
            sodium.Ladder(bytes(32), bytes(size), None, None)
            assert False
        except RemoteError:
            pass


def test_its_secrets_are_ours():
    folder = "/usr/lib/x86_64-linux-gnu/"
    made = sodium.ladder(sodium.LIBRARIES + tuple([folder + name for name in sodium.LIBRARIES]))
    if made is None:
        assert not sodium.ffi or not loads(folder)
        return
    for i in range(20):
        private, public = sha256(b"private %d" % i), sha256(b"public %d" % i)
        ladder = made(private, public, b"blind")
        assert ladder.step() and ladder.result == x25519.shared(private, public)
    for low in (bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"):
        try:
            made(sha256(b"a"), low, None).step()
            assert False
        except RemoteError:
            pass


def loads(folder):
    """True if a library of this machine can be opened here."""
    for name in sodium.LIBRARIES:
        try:
            sodium.ffi.open(folder + name)
            return True
        except OSError:
            pass
    return False
