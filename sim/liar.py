"""Insiders that lie: enrolled boxes whose messages are altered before they are sealed.

Every lie is well formed: it passes the wire's checks and must be dealt with by
who hears it.  Most are drawn field by field from the message's own form; some
are made to hurt: seats that the liar does not hold, terms that nobody can top,
links that never age, digests that never agree, rumours of what does not exist,
bitmaps in which all is done.
"""

from ..agent.descriptor import AGE_MOST, pack_all, unpack_all
from ..agent.errors import RemoteError
from ..agent.limits import MESSAGE_BYTES
from ..agent.seat import TERM_MOST, SeatEntry, pack_entries
from ..agent.wire import messages as wire

_BYTES = {"4": 4, "8": 8, "h": 16, "s": 32}


def speech(base, rng, share):
    """A class of speech like `base` that alters a share() of what its node sends."""

    class Lying(base):
        def send(self, id, addr, body):
            """Sends the body, or a lie in its place."""
            if rng.random() < share():
                body = lie(self._node, rng, body)
            super().send(id, addr, body)

    return Lying


def lie(node, rng, body):
    """Another message (bytes) of the same kind as `body`; the same where no lie would fit a datagram."""
    try:
        message = wire.unpack(body)
        made = _MADE.get(message[0])
        if made is not None and rng.random() < 0.5:
            made(node, rng, message)
        else:
            _one_field(rng, message)
    except RemoteError:
        return body  # a lie already, which waited for a greeting
    altered = wire.pack(*message)
    return altered if len(altered) <= MESSAGE_BYTES else body


def _one_field(rng, message):
    forms = wire.FORMS[message[0]]
    at = rng.randrange(len(forms))
    message[at + 1] = _other(rng, forms[at], message[at + 1])


def _other(rng, form, value):
    """Another value of the same form."""
    if form[0] == "?":
        return None if value is not None and rng.random() < 0.3 else _other(rng, form[1:], value)
    if form in "uU":
        most = (1 << (32 if form == "u" else 53)) - 1
        return rng.choice((0, 1, rng.randrange(1 << 16), rng.randrange(most + 1), most))
    if form == "l":
        return rng.sample(value, rng.randrange(len(value) + 1)) if value else value
    if form in _BYTES:
        return rng.randbytes(_BYTES[form])
    value = bytearray(value or b"")
    for _ in range(min(len(value), 1 + rng.randrange(4))):
        value[rng.randrange(len(value))] = rng.randrange(256)
    return bytes(value)


def _term(rng):
    return rng.choice((rng.randrange(1, 100), rng.randrange(TERM_MOST), TERM_MOST - 1, TERM_MOST))


def _links(node, rng, message):
    """Links of no age, or of every age; our own sits in any seat of any slice; the digest never agrees."""
    links = unpack_all(message[2], 64)
    for link in links[1:]:
        link.age = rng.choice((0, 0, rng.randrange(200), AGE_MOST))
    message[2] = pack_all(links)
    if rng.random() < 0.3:
        message[3] = rng.randbytes(8)
    for row in message[5]:
        entry = SeatEntry(rng.randrange(20), _term(rng), node.descriptor(), node.now_ms)
        row[1] = pack_entries([entry], node.now_ms)


def _seat(node, rng, message):
    """A seat and a term of our own, told of ourselves as the ring wants it."""
    seat, term = rng.randrange(20), _term(rng)
    message[3], message[4] = seat, term
    message[5] = pack_entries([SeatEntry(seat, term, node.descriptor(), node.now_ms)], node.now_ms)


def _grant(node, rng, message):
    """Any seat, granted by nobody who may."""
    message[4], message[5] = rng.randrange(20), _term(rng)


def _rumours(node, rng, message):
    """Manifests that are newer than any and do not exist."""
    for row in message[1]:
        row[1] += rng.choice((1, 1 << 40))
        row[2] = rng.randbytes(32)


def _all_done(node, rng, message):
    message[3] = b"\xff" * len(message[3])


def _wrong_chunk(node, rng, message):
    message[4] = rng.randbytes(len(message[4]))


_MADE = {
    wire.SHUFFLE: _links,
    wire.SHUFFLED: _links,
    wire.HAVE: _rumours,
    wire.PROBE: _seat,
    wire.ACK: _seat,
    wire.GRANT: _grant,
    wire.PROGRESS: _all_done,
    wire.CHUNK: _wrong_chunk,
}
