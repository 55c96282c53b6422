"""MQTT 3.1.1 packets: encoding, and a parser that is fed in pieces of any size.

Source: MQTT Version 3.1.1, OASIS Standard, 29 October 2014.  Only what a client
with QoS 0 and 1 sends and receives; everything else from the broker is an error.

The parser holds at most one PUBLISH, and only if it is within the caps.  What
is larger is passed over as its bytes come: they are counted, never kept.
"""

from ..compat import const
from ..errors import LocalError, RemoteError

# The largest thing the fleet publishes is a blob or an output of 32 KiB with its
# receipt; 8 KiB of room.  A larger message is refused and skipped.
PAYLOAD_BYTES = const(40 * 1024)
# Our longest topic is about 130 bytes.  A message on a longer one is refused.
TOPIC_BYTES = const(256)

CONNACK = const(2)
PUBLISH = const(3)
PUBACK = const(4)
SUBACK = const(9)
UNSUBACK = const(11)
PINGRESP = const(13)
# Not a packet type: a PUBLISH that was passed over.
REFUSED = const(16)

PINGREQ_PACKET = b"\xc0\x00"
SUBACK_FAILURE = const(0x80)

# The exact length of each answer; we subscribe to one topic at a time.
_ANSWER_BYTES = {CONNACK: 2, PUBACK: 2, SUBACK: 3, UNSUBACK: 2, PINGRESP: 0}

# What the parser waits for.
_TYPE = const(0)
_LENGTH = const(1)
_ANSWER = const(2)
_TOPIC_LENGTH = const(3)
_TOPIC = const(4)
_ID = const(5)
_PAYLOAD = const(6)


def _length(count):
    """A remaining length, 7 bits a byte, least first (section 2.2.3)."""
    out = bytearray()
    while True:
        count, low = count >> 7, count & 127
        out.append(low | 128 if count else low)
        if not count:
            return out


def _text(value):
    data = value.encode() if isinstance(value, str) else value
    if len(data) > 65535:
        raise LocalError("MQTT: a field is longer than 65,535 bytes")
    return len(data).to_bytes(2, "big") + data


def connect(client_id, keep_alive_s, will=None, user="", password=""):
    """A CONNECT packet (bytes) for a clean session.

    will: (topic, payload bytes), retained, QoS 1; None for none.
    """
    flags = 2
    body = _text(client_id)
    if will:
        flags |= 4 | 8 | 32
        body += _text(will[0]) + _text(will[1])
    if user:
        flags |= 128
        body += _text(user)
        if password:
            flags |= 64
            body += _text(password)
    body = b"\x00\x04MQTT\x04" + bytes((flags,)) + keep_alive_s.to_bytes(2, "big") + body
    return b"\x10" + _length(len(body)) + body


def publish_header(topic, size, qos, retain, again, packet_id):
    """All of a PUBLISH but its payload of size bytes; again sets DUP."""
    head = 0x30 | (8 if again else 0) | qos << 1 | (1 if retain else 0)
    body = _text(topic)
    if qos:
        body += packet_id.to_bytes(2, "big")
    return bytes((head,)) + _length(len(body) + size) + body


def subscribe(packet_id, topic):
    """A SUBSCRIBE for one topic filter at QoS 1."""
    body = packet_id.to_bytes(2, "big") + _text(topic) + b"\x01"
    return b"\x82" + _length(len(body)) + body


def unsubscribe(packet_id, topic):
    """An UNSUBSCRIBE for one topic filter."""
    body = packet_id.to_bytes(2, "big") + _text(topic)
    return b"\xa2" + _length(len(body)) + body


def puback(packet_id):
    """A PUBACK."""
    return b"\x40\x02" + packet_id.to_bytes(2, "big")


def _plain(topic):
    """The topic as text, None if it is not printable ASCII, which ours all are.

    RemoteError for what no broker may pass on.  All else that a stranger may have
    published is no fault of the broker's, and must not cost us the connection.
    """
    plain = True
    for byte in topic:
        if byte in b"\0#+":
            raise RemoteError("MQTT: a topic name with a wildcard or a zero")
        plain = plain and 31 < byte < 127
    return bytes(topic).decode() if plain else None


class Parser:
    """Turns the broker's bytes into packets.

    skipped_bytes: payload and topic bytes passed over so far.
    """

    def __init__(self, payload_bytes=PAYLOAD_BYTES):
        self.skipped_bytes = 0
        self._payload_bytes = payload_bytes
        self._small = bytearray(3)
        self._phase = _TYPE
        self._head = 0
        self._left = 0  # bytes of the packet after the part we wait for
        self._shift = 0
        self._buffer = None  # None: the part is passed over
        self._want = 0
        self._have = 0
        self._topic = None
        self._id = 0
        self._why = ""

    def idle(self):
        """True between two packets."""
        return self._phase == _TYPE

    def feed(self, data):
        """Take bytes-like data; return the list of packets they complete.

        Tuples: (CONNACK, session present, return code), (PUBACK, id),
        (SUBACK, id, code), (UNSUBACK, id), (PINGRESP,),
        (PUBLISH, topic, payload bytes, qos, retain, id),
        (REFUSED, topic or "", payload size, qos, why, id).
        Raises RemoteError on a packet that MQTT 3.1.1 or this client forbids;
        the parser is of no use after that.
        """
        data = memoryview(data)
        at = 0
        end = len(data)
        packets = []
        while True:
            if self._phase <= _LENGTH:
                if at == end:
                    return packets
                self._header_byte(data[at])
                at += 1
                continue
            count = min(end - at, self._want - self._have)
            if count:
                if self._buffer is None:
                    self.skipped_bytes += count
                else:
                    self._buffer[self._have : self._have + count] = data[at : at + count]
                at += count
                self._have += count
            if self._have < self._want:
                return packets
            self._part_done(packets)

    def _header_byte(self, byte):
        if self._phase == _TYPE:
            kind = byte >> 4
            if kind != PUBLISH and (kind not in _ANSWER_BYTES or byte & 15):
                raise RemoteError("MQTT: a packet with first byte 0x%02x" % byte)
            if kind == PUBLISH and byte & 4:
                raise RemoteError("MQTT: a message of QoS 2 or 3, never asked for")
            self._head = byte
            self._left = self._shift = 0
            self._phase = _LENGTH
            return
        self._left |= (byte & 127) << self._shift
        if byte & 128:
            self._shift += 7
            if self._shift > 21:
                raise RemoteError("MQTT: a remaining length of more than four bytes")
            return
        kind = self._head >> 4
        if kind == PUBLISH:
            self._expect(_TOPIC_LENGTH, 2, self._small)
        elif self._left != _ANSWER_BYTES[kind]:
            raise RemoteError("MQTT: packet type %d with %d bytes" % (kind, self._left))
        else:
            self._expect(_ANSWER, self._left, self._small)

    def _expect(self, phase, count, buffer):
        if count > self._left:
            raise RemoteError("MQTT: a packet shorter than its fields")
        self._left -= count
        self._phase = phase
        self._want = count
        self._have = 0
        self._buffer = buffer

    def _small_number(self):
        return self._small[0] << 8 | self._small[1]

    def _packet_id(self):
        packet_id = self._small_number()
        if not packet_id:
            raise RemoteError("MQTT: packet identifier 0")
        return packet_id

    def _part_done(self, packets):
        phase = self._phase
        if phase == _ANSWER:
            self._phase = _TYPE
            packets.append(self._answer())
        elif phase == _TOPIC_LENGTH:
            self._begin_topic(self._small_number())
        elif phase == _TOPIC:
            if self._buffer is not None:
                self._topic = _plain(self._buffer)
                if self._topic is None:
                    self._why = "its topic is not plain ASCII"
            self._id = 0
            if self._head & 2:
                self._expect(_ID, 2, self._small)
            else:
                self._begin_payload()
        elif phase == _ID:
            self._id = self._packet_id()
            self._begin_payload()
        else:
            self._phase = _TYPE
            packets.append(self._message())

    def _answer(self):
        kind = self._head >> 4
        if kind == PINGRESP:
            return (PINGRESP,)
        if kind == CONNACK:
            if self._small[0] > 1:
                raise RemoteError("MQTT: a CONNACK with reserved flags")
            return (CONNACK, self._small[0] == 1, self._small[1])
        packet_id = self._packet_id()
        if kind == SUBACK:
            return (SUBACK, packet_id, self._small[2])
        return (kind, packet_id)

    def _begin_topic(self, count):
        if not count:
            raise RemoteError("MQTT: an empty topic")
        self._topic = None
        self._why = ""
        # Checked against the packet's length before anything is allocated.
        self._expect(_TOPIC, count, None)
        if count > TOPIC_BYTES:
            self._why = "its topic is longer than %d bytes" % TOPIC_BYTES
        else:
            self._buffer = bytearray(count)

    def _begin_payload(self):
        size = self._left
        buffer = None
        if not self._why and size > self._payload_bytes:
            self._why = "%d bytes, at most %d are taken" % (size, self._payload_bytes)
        if not self._why:
            try:
                buffer = bytearray(size)
            except MemoryError:
                self._why = "no memory for %d bytes" % size
        self._expect(_PAYLOAD, size, buffer)

    def _message(self):
        qos = self._head >> 1 & 3
        payload = None
        if self._buffer is not None:
            try:
                payload = bytes(self._buffer)
            except MemoryError:
                self._why = "no memory for %d bytes" % self._want
            self._buffer = None
        if payload is None:
            return (REFUSED, self._topic or "", self._want, qos, self._why, self._id)
        return (PUBLISH, self._topic, payload, qos, bool(self._head & 1), self._id)
