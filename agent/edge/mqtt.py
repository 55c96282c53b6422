"""An MQTT 3.1.1 client as a state machine: bytes and times in, bytes and events out.

Theory of operation.  The client has four states:

    DOWN --opening()--> OPENING --opened()--> GREETING --CONNACK--> UP
      ^                    |                     |                  |
      +------ lost() ------+---------------------+------------------+

The pump (broker.py) owns the socket.  It opens one when wants_connection() says
so, feeds receive(), writes what output() shows and reports it with sent(), and
calls handle_timer() at deadline().  Whatever raises RemoteError ends the
connection: the pump closes the socket and calls lost().

- A session is always clean: the broker keeps nothing for us while we are away.
  After each CONNACK every subscription is made again, and every publish that
  was not acknowledged is sent again, with DUP set.
- Every wait has a deadline.  An answer is late ANSWER_MS after the question or
  after the last byte heard, for a long message before it may hold it up; and
  late in any case STUCK_MS after the question.
- Reconnection waits double from RETRY_MS to RETRY_MOST_MS, half of each drawn
  from the rng, and start over once a connection has lasted STEADY_MS.  The first
  connection is begun within RETRY_MS, at a random moment too.
- Output is made when it can be written, one packet at a time, so that a stalled
  broker costs no memory.  Input is not read while the broker does not take our
  acknowledgements: see congested().
"""

from ..backoff import Backoff
from ..compat import const
from ..errors import LocalError, RemoteError
from . import mqtt_wire as wire
from .mqtt_outbox import Message, Outbox

# Topics held: the manifests, and 8 blobs being fetched; the rest is room for
# those being dropped.  The newcomer is refused: "mqtt_topics_full".
TOPICS = const(32)
# SUBSCRIBE and UNSUBSCRIBE on the way.  At the cap the next one waits.
REQUESTS = const(16)
# Acknowledgements not yet written; above this nothing is read.
CONTROL_BYTES = const(512)

KEEP_ALIVE_S = const(30)
CONNECT_MS = const(10000)
ANSWER_MS = const(20000)
STUCK_MS = const(600000)
RETRY_MS = const(1000)
RETRY_MOST_MS = const(60000)
STEADY_MS = const(60000)

DOWN = const(0)
OPENING = const(1)
GREETING = const(2)
UP = const(3)

# States of a topic.
_ASK = const(0)  # to be subscribed
_ASKED = const(1)
_HELD = const(2)
_DROP = const(3)  # to be unsubscribed
_DROPPED = const(4)

_REFUSALS = (
    "",
    "it does not speak MQTT 3.1.1",
    "it does not accept our client identifier",
    "it is not available",
    "wrong user name or password",
    "not authorised",
)


class Client:
    """One client and its connection to one broker.

    client_id: 1 to 23 letters and digits.  rng: an object with below(n).
    will: (topic, payload bytes), retained; None for none.  counters: an object
    with bump(name, count).
    """

    def __init__(self, client_id, rng, counters, now_ms, will=None, user="", password=""):
        if not 1 <= len(client_id) <= 23:
            raise LocalError("an MQTT client identifier has 1 to 23 characters")
        self._hello = wire.connect(client_id, KEEP_ALIVE_S, will, user, password)
        self.rng = rng
        self._counters = counters
        self.state = DOWN
        self._pauses = Backoff(rng, RETRY_MS, RETRY_MOST_MS)
        # DOWN: when to try again; the first time not all doors at once after a blackout.
        self._retry_ms = now_ms + rng.below(RETRY_MS)
        self._since_ms = now_ms  # start of this state
        self._events = []
        self._topics = {}  # topic filter: state
        self._outbox = Outbox()
        self._last_id = 0
        self._reset(now_ms)

    def _reset(self, now_ms):
        """Forget all that belongs to one connection."""
        self._parser = wire.Parser()
        self._skipped = 0
        self._control = bytearray()
        self._piece = b""  # being written, from _offset
        self._offset = 0
        self._tail = None  # payload that follows the piece
        self._writing = None  # the QoS 0 message being written
        self._requests = {}  # packet id: (topic, state it leads from, asked ms)
        self._ping_ms = None  # when the unanswered PINGREQ was made
        self._heard_ms = now_ms
        self._wrote_ms = now_ms

    # What the agent asks for.

    def publish(self, topic, payload, retain=False, qos=1, token=None):
        """Queue a message.  False if the outbox is full (the message is not taken).

        payload: bytes, kept by reference until written and acknowledged.  QoS 1
        survives reconnections and ends in ("published", token); QoS 0 is
        refused while there is no connection.  A retained message without a
        token takes the place of one on the same topic that is not yet sent.
        """
        unsendable = len(payload) > wire.PAYLOAD_BYTES or (qos == 0 and self.state != UP)
        message = Message(self._fresh_id() if qos else 0, topic, payload, qos, retain, token)
        if unsendable or not self._outbox.add(message):
            self._counters.bump("mqtt_unsendable" if unsendable else "mqtt_outbox_full")
            return False
        return True

    def subscribe(self, topic):
        """Hold a topic filter at QoS 1 until unsubscribed, over reconnections too.

        Asking again for a held topic makes the broker send its retained
        messages again.  False if too many topics are held.
        """
        if topic not in self._topics and len(self._topics) >= TOPICS:
            self._counters.bump("mqtt_topics_full")
            return False
        if self._topics.get(topic) != _ASKED:
            self._topics[topic] = _ASK
        return True

    def unsubscribe(self, topic):
        """Let a topic filter go; one that is not held is left alone."""
        if topic in self._topics:
            if self.state == UP:
                self._topics[topic] = _DROP
            else:
                del self._topics[topic]

    def events(self):
        """What happened since the last call: a list of tuples.

        ("connected",) ("disconnected", why) ("message", topic, payload, retained)
        ("published", token) ("refused", topic, why): a message was passed over;
        ("denied", topic): a subscription was; ("failed", why): no connection
        was had.  Bounded by what one receive() was fed; take them after it.
        """
        events = self._events
        self._events = []
        return events

    def unsent(self):
        """Publishes not yet acknowledged."""
        return len(self._outbox)

    def owes(self):
        """True while a broker that is there has not acknowledged all publishes."""
        return self.state == UP and len(self._outbox) > 0

    # The connection, as the pump drives it.

    def wants_connection(self, now_ms):
        """True when it is time to open a connection."""
        return self.state == DOWN and now_ms >= self._retry_ms

    def opening(self, now_ms):
        """The pump began to connect."""
        self._turn(OPENING, now_ms)

    def opened(self, now_ms):
        """The transport stands: greet the broker."""
        self._reset(now_ms)
        self._turn(GREETING, now_ms)
        self._control.extend(self._hello)

    def lost(self, why, now_ms):
        """The connection is gone or was never had; plan the next attempt."""
        if self.state == UP:
            self._counters.bump("mqtt_losses")
            if now_ms - self._since_ms >= STEADY_MS:
                self._pauses.reset()
            self._events.append(("disconnected", why))
        else:
            self._counters.bump("mqtt_failures")
            self._events.append(("failed", why))
        self._reset(now_ms)
        self._turn(DOWN, now_ms)
        self._retry_ms = now_ms + self._pauses.next_ms()
        self._outbox.lost()
        for topic in list(self._topics):
            if self._topics[topic] >= _DROP:
                del self._topics[topic]
            else:
                self._topics[topic] = _ASK

    def congested(self):
        """True while the broker should not be read: it takes no acknowledgements."""
        return len(self._control) > CONTROL_BYTES

    def receive(self, data, now_ms):
        """Bytes from the broker.  RemoteError if they break the protocol."""
        self._heard_ms = now_ms
        for packet in self._parser.feed(data):
            kind = packet[0]
            if (kind == wire.CONNACK) != (self.state == GREETING):
                raise RemoteError("MQTT: packet type %d out of turn" % kind)
            if kind == wire.CONNACK:
                self._welcomed(packet[2], now_ms)
            elif kind == wire.PINGRESP:
                self._ping_ms = None
            elif kind == wire.PUBACK:
                self._acknowledged(packet[1])
            elif kind == wire.SUBACK or kind == wire.UNSUBACK:
                self._answered(packet)
            else:
                self._arrived(packet)
        skipped = self._parser.skipped_bytes
        if skipped != self._skipped:
            self._counters.bump("mqtt_skipped_bytes", skipped - self._skipped)
            self._skipped = skipped

    def output(self, now_ms):
        """The bytes to write next (a memoryview), None if there are none."""
        if self._offset >= len(self._piece):
            self._piece = self._next_piece(now_ms)
            self._offset = 0
            if not self._piece:
                self._piece = b""
                return None
            self._wrote_ms = now_ms  # the stall deadline starts with the piece
        return memoryview(self._piece)[self._offset :]

    def sent(self, count, now_ms):
        """count bytes of output() were written."""
        self._offset += count
        self._wrote_ms = now_ms
        if self._writing and self._tail is None and self._offset >= len(self._piece):
            self._outbox.remove(self._writing)
            self._writing = None

    def deadline(self):
        """When handle_timer() has something to do: ms, or None if never."""
        if self.state == DOWN:
            return self._retry_ms
        if self.state != UP:
            return self._since_ms + CONNECT_MS
        due = self._stall_deadline()
        if self._ping_ms is None:
            ping = min(self._heard_ms, self._wrote_ms) + KEEP_ALIVE_S * 500
        else:
            ping = self._late(self._ping_ms)
        due = ping if due is None else min(due, ping)
        for asked_ms in self._asked():
            due = min(due, self._late(asked_ms))
        return due

    def handle_timer(self, now_ms):
        """Send the keep-alive.  RemoteError if the broker let a deadline pass."""
        if self.state == DOWN:
            return
        if self.state != UP:
            if now_ms >= self._since_ms + CONNECT_MS:
                raise RemoteError("MQTT: no connection within %d ms" % CONNECT_MS)
            return
        stall = self._stall_deadline()
        if stall is not None and now_ms >= stall:
            raise RemoteError("MQTT: the broker takes no more bytes")
        for asked_ms in self._asked():
            if now_ms >= self._late(asked_ms):
                raise RemoteError("MQTT: the broker does not answer")
        if self._ping_ms is not None:
            if now_ms >= self._late(self._ping_ms):
                raise RemoteError("MQTT: the broker does not answer the keep-alive")
        elif now_ms >= min(self._heard_ms, self._wrote_ms) + KEEP_ALIVE_S * 500:
            self._ping_ms = now_ms
            self._control.extend(wire.PINGREQ_PACKET)

    # Inside.

    def _turn(self, state, now_ms):
        self.state = state
        self._since_ms = now_ms

    def _late(self, asked_ms):
        return min(max(asked_ms, self._heard_ms) + ANSWER_MS, asked_ms + STUCK_MS)

    def _asked(self):
        """When the questions that still wait for an answer were asked."""
        asked = [entry[2] for entry in self._requests.values()]
        oldest = self._outbox.oldest_ms()
        if oldest is not None:
            asked.append(oldest)
        return asked

    def _stall_deadline(self):
        if self._offset < len(self._piece):
            return self._wrote_ms + ANSWER_MS
        return None

    def _fresh_id(self):
        """A packet identifier in no use; both tables are far below 65,535."""
        while True:
            self._last_id = self._last_id % 65535 + 1
            if self._last_id not in self._requests and not self._outbox.find(self._last_id):
                return self._last_id

    def _next_piece(self, now_ms):
        if self._tail is not None:
            piece, self._tail = self._tail, None
            if piece:
                return piece
        if self._control:
            piece, self._control = self._control, bytearray()
            return piece
        if self.state != UP:
            return None
        return self._next_request(now_ms) or self._next_message(now_ms)

    def _next_request(self, now_ms):
        if len(self._requests) >= REQUESTS:
            return None
        for topic in self._topics:
            state = self._topics[topic]
            if state == _ASK or state == _DROP:
                packet_id = self._fresh_id()
                self._requests[packet_id] = (topic, state, now_ms)
                self._topics[topic] = state + 1
                return (wire.subscribe if state == _ASK else wire.unsubscribe)(packet_id, topic)
        return None

    def _next_message(self, now_ms):
        message = self._outbox.next_unsent()
        if message is None:
            return None
        message.sent_ms = now_ms
        head = wire.publish_header(
            message.topic, len(message.payload), message.qos, message.retain, message.again, message.id
        )
        message.again = True
        self._tail = message.payload or None
        if not message.qos:
            self._writing = message
        return head

    def _welcomed(self, code, now_ms):
        if code:
            why = _REFUSALS[code] if code < len(_REFUSALS) else "return code %d" % code
            self._counters.bump("mqtt_unwelcome")
            raise RemoteError("MQTT: the broker refused the connection: " + why)
        self._counters.bump("mqtt_connects")
        self._turn(UP, now_ms)
        self._events.append(("connected",))

    def _acknowledged(self, packet_id):
        message = self._outbox.find(packet_id)
        # An answer to what was not sent on this connection is of no meaning.
        if message and message.sent_ms is not None:
            self._outbox.remove(message)
            self._events.append(("published", message.token))
        else:
            self._counters.bump("mqtt_answers_unasked")

    def _answered(self, packet):
        kind, packet_id = packet[0], packet[1]
        topic, state, _ = self._requests.pop(packet_id, (None, -1, 0))
        if state != (_ASK if kind == wire.SUBACK else _DROP):
            self._counters.bump("mqtt_answers_unasked")
        elif self._topics.get(topic) == state + 1:
            if state == _DROP:
                del self._topics[topic]
                return
            self._topics[topic] = _HELD
            if packet[2] == wire.SUBACK_FAILURE:
                # Held all the same: it is asked for again on the next connection.
                self._counters.bump("mqtt_refused")
                self._events.append(("denied", topic))

    def _arrived(self, packet):
        kind, topic, payload, qos, what, packet_id = packet
        if qos:
            self._control.extend(wire.puback(packet_id))
        if kind == wire.PUBLISH:
            self._events.append(("message", topic, payload, what))
        else:
            self._counters.bump("mqtt_refused")
            self._events.append(("refused", topic, what))
