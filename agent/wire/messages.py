"""The messages inside the envelope: CBOR arrays, checked field by field.

docs/wire.cddl states the same in CDDL (RFC 8610).  A message is
[type, field, ...]; FORMS gives each type's fields:

    u        unsigned int below 2^32        U        unsigned int below 2^53
    b        bytes                          4 8 h s  bytes of 4, 8, 16, 32
    l        list                           ?x       x or null
"""

from ..compat import const
from ..errors import RemoteError
from . import cbor

SHUFFLE = const(1)
SHUFFLED = const(2)
DIGEST = const(3)
HAVE = const(4)
PULL = const(5)
CHUNK = const(6)
LACK = const(7)
PROBE = const(8)
ACK = const(9)
GRANT = const(10)
ANSWER = const(11)
LEAVE = const(12)
RESULT = const(13)
TAKEN = const(14)
PROGRESS = const(15)
AVERAGE = const(16)
AVERAGED = const(17)
POLL = const(18)
POLLED = const(19)
PING = const(20)
PONG = const(21)
SUSPECT = const(22)
FIND = const(23)
PASSED = const(24)
FOUND = const(25)
LIVES = const(26)
KNOCK = const(27)
FORWARD = const(28)
FORWARDED = const(29)
SEEK = const(30)
SPARE = const(31)

FORMS = {
    # exchange id, descriptors, digest of manifests, doors, slice gossip
    SHUFFLE: ("u", "b", "8", "b", "l"),
    SHUFFLED: ("u", "b", "8", "b", "l"),
    # 16 range digests of 4 bytes
    DIGEST: ("b",),
    # [[id, seq, hash, size], ...]
    HAVE: ("l",),
    # blob, offset
    PULL: ("s", "u"),
    # blob, offset, whole size, bytes
    CHUNK: ("s", "u", "u", "b"),
    # blob, 1 if it may come later
    LACK: ("s", "u"),
    # exchange id, slice, sender's seat, term, ring entries, size heard of, its version
    PROBE: ("u", "h", "u", "u", "b", "u", "u"),
    # exchange id, slice, answerer's seat or null, term, ring entries, size, version
    ACK: ("u", "h", "?u", "u", "b", "u", "u"),
    # exchange id, slice, manifest seq, seat, term, ring entries, 1 if the granter was cut off from many (claims.py)
    GRANT: ("u", "h", "U", "u", "u", "b", "u"),
    # exchange id, one of the codes below
    ANSWER: ("u", "u"),
    # slice, seat, term
    LEAVE: ("h", "u", "u"),
    # receipt, its tags: one, or two
    RESULT: ("b", "b"),
    # workload, manifest seq, task
    TAKEN: ("h", "U", "u"),
    # workload, manifest seq, bitmap of (task, replica) that seem done
    PROGRESS: ("h", "U", "b"),
    # exchange id, the start of a firmware manifest's hash, number of a wave
    POLL: ("u", "8", "u"),
    # exchange id, how it fares here, seconds it has run, descriptors
    POLLED: ("u", "u", "u", "b"),
    # exchange id, slice, sender's seat, term
    PING: ("u", "h", "u", "u"),
    # exchange id, slice, answerer's seat or null, term
    PONG: ("u", "h", "?u", "u"),
    # slice, who is suspected
    SUSPECT: ("h", "h"),
    # slice, seat entry of one who was suspected and is heard
    LIVES: ("h", "b"),
    # 1 if it is to be answered, with 0
    KNOCK: ("u",),
    # box, datagram for it
    FORWARD: ("h", "b"),
    # box, its packed address as the porter sees it, its datagram
    FORWARDED: ("h", "b", "b"),
    # the start of a firmware manifest's hash, 1 if a broker may be asked, bitmap of the parts that the sender has
    SEEK: ("8", "u", "b"),
    # likewise, number of a part that is lent, or a code of parts.py
    SPARE: ("8", "u"),
    # exchange id, slice, seat looked for, hops so far, who asks (descriptor)
    FIND: ("u", "h", "u", "u", "b"),
    # exchange id of a FIND that was passed on to us
    PASSED: ("u",),
    # exchange id, slice, hops, entry of the holder nearest to the seat
    FOUND: ("u", "h", "u", "b"),
    # exchange id, epoch, 1 if it is quick, ms it has lasted, averages
    AVERAGE: ("u", "U", "u", "u", "b"),
    # likewise, but differences or null, and the fleet's size if known
    AVERAGED: ("u", "U", "u", "u", "?b", "?u"),
}

# Codes of ANSWER.
ACCEPT = const(1)
BUSY = const(2)
UNKNOWN = const(3)

_LENGTHS = {"4": 4, "8": 8, "h": 16, "s": 32}


def _holds(form, value):
    # type() and not isinstance(): a bool is no number here.
    if form == "b":
        return type(value) is bytes
    if form == "u":
        return type(value) is int and 0 <= value < 1 << 32
    if form == "l":
        return type(value) is list
    if form == "U":
        return type(value) is int and 0 <= value < 1 << 53
    if form[0] == "?":
        return value is None or _holds(form[1:], value)
    return type(value) is bytes and len(value) == _LENGTHS[form]


def holds(forms, values):
    """True if a list of values has these forms, one by one."""
    if not isinstance(values, list) or len(values) != len(forms):
        return False
    for form, value in zip(forms, values):
        if not _holds(form, value):
            return False
    return True


def pack(kind, *fields):
    """Bytes of one message."""
    return cbor.encode([kind] + list(fields))


def unpack(body):
    """[type, field, ...] of one message, every field as FORMS says; RemoteError."""
    message = cbor.decode(body, 6, 256)
    if not isinstance(message, list) or not message:
        raise RemoteError("message is not an array")
    kind = message[0]
    if type(kind) is not int or kind not in FORMS:
        raise RemoteError("unknown message type")
    if not holds(FORMS[kind], message[1:]):
        raise RemoteError("message fields")
    return message
