"""Publishes that wait for the broker's acknowledgement, bounded in count and bytes."""

from ..compat import const

# Unacknowledged publishes held.  A door brings two results at a time; the rest is
# for its census and what it refused.  The newcomer is refused: "mqtt_outbox_full".
MESSAGES = const(16)
# Their payload bytes: two of the largest, and as much for all others.
BYTES = const(160 * 1024)
# What nobody waits for, such as refusals that a stranger provoked, gets half of
# both, and cannot crowd out results.
_SHARE = const(2)


class Message:
    """A publish.  sent_ms is None until written on this connection."""

    def __init__(self, packet_id, topic, payload, qos, retain, token):
        self.id = packet_id
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.token = token
        self.sent_ms = None
        self.again = False


class Outbox:
    """Messages in the order they are to be sent."""

    def __init__(self):
        self._messages = []
        self._bytes = 0

    def __len__(self):
        return len(self._messages)

    def add(self, message):
        """Take a message; False if there is no room for it.

        A retained one without a token replaces an unsent one of its topic.
        """
        share = 1
        if message.token is None:
            share = _SHARE
            if message.retain:
                self._supersede(message.topic)
        if len(self._messages) >= MESSAGES // share or self._bytes + len(message.payload) > BYTES // share:
            return False
        self._messages.append(message)
        self._bytes += len(message.payload)
        return True

    def _supersede(self, topic):
        for message in self._messages:
            if message.topic == topic and message.retain and message.token is None and message.sent_ms is None:
                self.remove(message)
                return

    def find(self, packet_id):
        """The QoS 1 message with this identifier (not 0), or None."""
        for message in self._messages:
            if message.id == packet_id:
                return message
        return None

    def remove(self, message):
        """Forget a message that was acknowledged, or written at QoS 0."""
        self._messages.remove(message)
        self._bytes -= len(message.payload)

    def next_unsent(self):
        """The first message not written on this connection, or None."""
        for message in self._messages:
            if message.sent_ms is None:
                return message
        return None

    def oldest_ms(self):
        """When the longest unacknowledged QoS 1 message was written, or None."""
        for message in self._messages:
            if message.qos and message.sent_ms is not None:
                return message.sent_ms
        return None

    def lost(self):
        """The connection is gone: QoS 0 with it, all else is unsent again."""
        self._messages = [message for message in self._messages if message.qos]
        self._bytes = 0
        for message in self._messages:
            message.sent_ms = None
            self._bytes += len(message.payload)
