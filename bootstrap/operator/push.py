"""Talking to the broker: one session class, and publishing a signed manifest.

docs/topics.md has the topics.  Everything that a push sends is retained, with
QoS 1: the broker is the store, and doors fetch what the fleet asks for.
"""

import collections
import dataclasses
import queue
import ssl
import time
import urllib.parse

import paho.mqtt.client as mqtt

from ...agent import config, limits
from ...agent.errors import LocalError, RemoteError
from ...agent.wire import cbor
from . import manifests
from .errors import OperatorError

# Publications that wait for the broker's word at once: 20 of 32 KiB each fill
# a home uplink and stay below brokers' default limits of queued messages.
WINDOW = 20
# Messages that came and wait for us; past that the broker has to wait, not we.
INBOX = 1024
# Refusals shown after one push: a door says no once, and doors are few.
REFUSALS = 64
KEEPALIVE_S = 30
TEXT_SHOWN = 200


@dataclasses.dataclass
class Message:
    """One message from the broker.  `receipt` is what Session.done needs."""

    topic: str
    payload: bytes
    retained: bool
    receipt: tuple


def clean(text, most=TEXT_SHOWN):
    """Returns a stranger's text without control characters, for a terminal."""
    text = text if isinstance(text, str) else repr(text)
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:most])
    return shown + ("..." if len(text) > most else "")


def parse_broker(text):
    """Returns (host, port, tls, user, password) of [mqtt[s]://][user[:password]@]host:port."""
    url = urllib.parse.urlsplit(text if "://" in text else "mqtt://" + text)
    try:
        if url.scheme not in ("mqtt", "mqtts"):
            raise LocalError(f"{url.scheme}:// is not MQTT")
        host, port = config.check_address(url.netloc.rpartition("@")[2])
    except LocalError as error:
        raise OperatorError(f"{text!r} is not a broker: {error}", "Use host:port or mqtts://host:port.") from None
    return host, port, url.scheme == "mqtts", url.username, url.password


class Session:
    """A connection to the broker that comes back by itself.

        with Session("127.0.0.1:1883") as session:
            session.subscribe("backfence/#")
            message = session.receive(1.0)

    A message is acknowledged to the broker only by `done(message)`.  With a
    client id and clean=False the broker keeps what comes while we are away.
    """

    def __init__(self, broker, client_id="", clean=True, timeout_s=10.0):
        self.broker = broker
        host, port, tls, user, password = parse_broker(broker)
        self.timeout_s = timeout_s
        self.present = False  # the broker knew our session
        self._topics = []
        self._inbox = queue.Queue(INBOX)
        self._refused = None
        self._ready = False
        self._closing = False
        self._granted = {}
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id, clean_session=clean, manual_ack=True
        )
        client.max_inflight_messages_set(WINDOW)
        client.reconnect_delay_set(1, 8)
        client.connect_timeout = timeout_s
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_message, client.on_subscribe = self._arrived, self._subscribed
        if user:
            client.username_pw_set(user, password)
        if tls:
            client.tls_set_context(ssl.create_default_context())
        self._client = client
        try:
            client.connect(host, port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            raise OperatorError(
                f"the broker at {host}:{port} does not answer: {error}",
                "Is it running? Name another with --broker.",
            ) from None
        client.loop_start()
        if not self._wait(lambda: self._ready or self._refused, timeout_s) or self._refused:
            self.close()
            reason = self._refused or "it accepted the connection and said nothing"
            raise OperatorError(f"the broker at {host}:{port} refused us: {reason}", "Check user and password.")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the connection; a session with clean=False stays at the broker."""
        self._closing = True
        self._client.disconnect()
        # The network thread may be waiting for room in the inbox.
        while not self._inbox.empty():
            self._inbox.get_nowait()
        self._client.loop_stop()

    @property
    def connected(self):
        """True while the connection stands."""
        return self._ready

    def _connected(self, client, _userdata, flags, reason, _properties):
        if reason.is_failure:
            self._refused = str(reason)
            return
        self.present = flags.session_present
        if self._topics:
            client.subscribe([(topic, 1) for topic in self._topics])
        self._ready = True

    def _disconnected(self, *_):
        self._ready = False

    def _subscribed(self, _client, _userdata, mid, reasons, _properties):
        self._granted[mid] = reasons

    def _arrived(self, _client, _userdata, message):
        arrived = Message(message.topic, message.payload, message.retain, (message.mid, message.qos))
        while not self._closing:
            try:
                return self._inbox.put(arrived, timeout=0.2)
            except queue.Full:
                continue

    @staticmethod
    def _wait(condition, timeout_s):
        give_up = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > give_up:
                return False
            time.sleep(0.005)
        return True

    def subscribe(self, *topics):
        """Subscribes with QoS 1 and waits until the broker agrees."""
        self._topics.extend(topics)
        _, mid = self._client.subscribe([(topic, 1) for topic in topics])
        if not self._wait(lambda: mid in self._granted, self.timeout_s):
            raise OperatorError(f"{self.broker} did not answer a subscription", "Try again.")
        if any(reason.is_failure for reason in self._granted.pop(mid)):
            raise OperatorError(f"{self.broker} refused the topics {', '.join(topics)}", "Check its access list.")

    def unsubscribe(self, *topics):
        """Unsubscribes; a kept session then collects no more."""
        self._topics = [topic for topic in self._topics if topic not in topics]
        self._client.unsubscribe(list(topics))

    def receive(self, timeout_s):
        """Returns the next Message, or None after timeout_s."""
        try:
            return self._inbox.get(timeout=max(timeout_s, 0.001))
        except queue.Empty:
            return None

    def done(self, message):
        """Tells the broker that the message is safe with us."""
        mid, qos = message.receipt
        if qos:
            self._client.ack(mid, qos)

    def publish(self, messages, deadline_s):
        """Publishes (topic, payload) pairs, retained, and waits for every acknowledgement.

        Returns the number of payload bytes.  OperatorError at the deadline:
        then the broker has some of them, and pushing again does no harm.
        """
        give_up = time.monotonic() + deadline_s
        waiting, size, total = collections.deque(), 0, 0
        for topic, payload in messages:
            waiting.append(self._publish(topic, payload, give_up))
            size, total = size + len(payload), total + 1
            if len(waiting) >= WINDOW:
                self._acknowledged(waiting.popleft(), give_up, total - len(waiting) - 1)
        while waiting:
            self._acknowledged(waiting.popleft(), give_up, total - len(waiting) - 1)
        return size

    def _publish(self, topic, payload, give_up):
        """Hands one publication to paho, once there is a connection; its MQTTMessageInfo.

        What paho is handed without one it queues, but then never says whether it went.
        """
        while True:
            self._wait(lambda: self._ready, give_up - time.monotonic())
            publication = self._client.publish(topic, payload, qos=1, retain=True)
            if publication.rc != mqtt.MQTT_ERR_NO_CONN or time.monotonic() > give_up:
                return publication
            time.sleep(0.05)

    def _acknowledged(self, publication, give_up, before):
        try:
            publication.wait_for_publish(max(give_up - time.monotonic(), 0.001))
            if publication.is_published():
                return
        except (RuntimeError, ValueError):
            pass
        raise OperatorError(
            f"{self.broker} acknowledged {before} publications and then no more",
            "Push again: what arrived is not harmed by that.",
        )


@dataclasses.dataclass
class Report:
    """What a push did: publications acknowledged, bytes, and doors' refusals."""

    label: str
    sequence: int
    acknowledged: int
    size: int
    refused: list


def publish(broker, fleet, signed, blobs=None, deadline_s=60.0, listen_s=1.0, session=None):
    """Publishes a signed manifest and its blobs; returns a Report.

    broker: host:port; signed: what Fleet.sign returned; blobs: {sha256: bytes}, a mapping.
    Blobs go first, so that a door never hears of a manifest whose blobs are
    not there.  Then listens for listen_s to what doors refuse: a list of
    {"box", "what", "why"}.  session: an open Session to use instead of a new one.
    """
    payload = manifests.read(signed, fleet.keys)
    if payload["kind"] not in manifests.PUSHED:
        raise OperatorError(f"a {payload['kind']} manifest is not pushed", "It travels in a file.")
    topic = fleet.topic("manifest", manifests.label(payload))
    blobs = blobs or {}
    own = session is None
    session = Session(broker) if own else session
    try:
        refusals = fleet.refused_topic()
        if own:
            session.subscribe(refusals)
        size = session.publish(messages_of(fleet, blobs, topic, signed), deadline_s)
        refused = listen(session, names_of(payload, blobs), listen_s) if own else []
    finally:
        if own:
            session.close()
    return Report(manifests.label(payload), payload["seq"], len(blobs) + 1, size, refused)


def messages_of(fleet, blobs, topic, signed):
    """Yields the (topic, payload) of blobs and of a signed manifest, one blob in memory at a time."""
    for digest, data in blobs.items():
        yield fleet.blob_topic(digest), data
    yield topic, signed


def names_of(payload, blobs=None):
    """Returns how doors may call a manifest and its blobs: KIND-NAME and hashes."""
    return {manifests.label(payload), *(digest.hex() for digest in blobs or {})}


def listen(session, names, listen_s):
    """Returns the refusals of `names` (see names_of) that come within listen_s."""
    refused, give_up = [], time.monotonic() + listen_s
    while (left := give_up - time.monotonic()) > 0 and len(refused) < REFUSALS:
        message = session.receive(left)
        if message is None:
            break
        session.done(message)
        refusal = read_refusal(message)
        if refusal and subject(refusal) in names:
            refused.append(refusal)
    return refused


def subject(refusal):
    """Returns what a refusal is of, as names_of has it."""
    head, _, rest = refusal["what"].partition("/")
    return rest.rpartition("/")[2] if head == "blob" else rest


def read_refusal(message):
    """Returns {"box", "what", "why"} of a door's refusal, or None if it is not one."""
    try:
        said = cbor.decode(message.payload[: limits.BLOB_BYTES])
        return {"box": clean(message.topic.rpartition("/")[2], 32),
                "what": clean(said["what"]), "why": clean(said["why"])}
    except (RemoteError, KeyError, TypeError):
        return None


def withdraw(session, fleet, digests, deadline_s=60.0):
    """Takes blobs (sha256 each) back from the broker: an empty retained payload."""
    session.publish([(fleet.blob_topic(digest), b"") for digest in digests], deadline_s)
