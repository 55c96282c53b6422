"""A model of an MQTT 3.1.1 broker in memory, and of the client on a box's edge.

Retained messages, exact topics and `#`/`+` filters, QoS 1 with an
acknowledgement after a delay, and the two bad days: the broker vanishes (every
connection breaks, what is on its way is lost), and it comes back, with or
without what it had retained.
"""

from ..agent.backoff import Backoff
from ..agent.edge.mqtt import RETRY_MOST_MS, RETRY_MS, STEADY_MS

# How long a message or an acknowledgement takes, at least and at most.
DELAY_MS = (5, 40)

# The keep-alive: the longest a client goes on believing in a dead broker.
NOTICE_MS = (1, 5_000)


def matches(pattern, topic):
    """Whether an MQTT topic filter matches a topic (MQTT 3.1.1, 4.7)."""
    if pattern == topic:
        return True
    wanted = pattern.split("/")
    given = topic.split("/")
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(given) or level not in ("+", given[place]):
            return False
    return len(wanted) == len(given)


class Broker:
    """Topics and connected clients.  `duplicate` is the share of QoS 1 messages sent twice."""

    def __init__(self, world, duplicate=0.0):
        self.world = world
        self.up = True
        self.duplicate = duplicate
        self.retained = {}
        # Client -> what waits for it, of those whose sessions are kept.
        self.kept = {}
        self.published = 0
        # Bytes sent to clients, by topic.
        self.given = {}
        self.outages = 0
        # When clients tried to connect, whether it was there or not.
        self.tried_ms = []
        # Outages that cost it all it had kept.
        self.forgetful = 0
        self._clients = []
        self._rng = world.stream("broker")

    def below(self, bound):
        """As the agent's own source of randomness."""
        return self._rng.randrange(bound)

    def delay(self, bounds=DELAY_MS):
        """A delay drawn from the seed."""
        return self._rng.randrange(*bounds)

    def send(self, client, function, *arguments):
        """Something toward a client, in the order of sending, as TCP does."""
        client.clear_ms = max(client.clear_ms, self.world.now_ms + self.delay())
        if function == client.arrive:
            topic, payload = arguments[:2]
            self.given[topic] = self.given.get(topic, 0) + len(payload)
        self.world.after(client.clear_ms - self.world.now_ms, function, client.life, *arguments)

    def attach(self, client):
        """A client's connection opens."""
        self._clients.append(client)
        if client.keep:
            for topic, payload in self.kept.setdefault(client, []):
                self.send(client, client.arrive, topic, payload, False)
            self.kept[client] = []

    def detach(self, client):
        """A client's connection closes."""
        if client in self._clients:
            self._clients.remove(client)

    def publish(self, client, topic, payload, retain, number):
        """A message arrives from `client`; it is acknowledged under `number`."""
        self.published += 1
        if retain:
            if payload:
                self.retained[topic] = payload
            else:
                self.retained.pop(topic, None)
        copies = 2 if self.duplicate and self._rng.random() < self.duplicate else 1
        for listener in self.kept:
            if listener not in self._clients and listener.listens(topic):
                self.kept[listener].append((topic, payload))
        for listener in self._clients:
            if listener.listens(topic):
                for _ in range(copies):
                    self.send(listener, listener.arrive, topic, payload, False)
        self.send(client, client.acknowledged, number)

    def missed(self, client, topic, payload):
        """A message of QoS 1 that a kept session's client did not get."""
        if client.attached:
            self.send(client, client.arrive, topic, payload, False)
        else:
            self.kept[client].append((topic, payload))

    def subscribe(self, client, pattern):
        """Retained messages that match follow, one by one."""
        for topic in sorted(self.retained):
            if matches(pattern, topic):
                self.send(client, client.arrive, topic, self.retained[topic], True)

    def vanish(self, keep_retained=True):
        """The broker's process ends; clients notice in their own time."""
        self.world.note("broker", "vanish")
        self.up = False
        self.outages += 1
        if not keep_retained:
            self.forgetful += 1
            self.retained.clear()
            self.kept.clear()
        clients, self._clients = self._clients, []
        for client in clients:
            client.life += 1
            client.attached = False
            self.world.after(self.delay(NOTICE_MS), client.lost, client.life)

    def come_back(self):
        """The broker's process starts again."""
        if not self.up:
            self.world.note("broker", "back")
            self.up = True


# What the client on a box's edge holds until it is acknowledged; more is not taken.
OUTBOX = 24


class Client:
    """The MQTT client on a box's edge: connects, reconnects with the agent's own pauses, subscribes and publishes again.

    `life` numbers the connection: whatever belongs to an older one is lost.
    """

    def __init__(self, broker, listener, most=OUTBOX, keep=False):
        self.broker = broker
        self.listener = listener
        self.most = most
        # A session that the broker keeps while we are away (clean session 0).
        self.keep = keep
        self.refused = 0
        self.life = 0
        # What the client believes, and what is so.
        self.online = False
        self.attached = False
        # When the last message toward the client, and from it, is through.
        self.clear_ms = 0
        self._sent_ms = 0
        self._pauses = Backoff(broker, RETRY_MS, RETRY_MOST_MS)
        self._since_ms = 0
        self._filters = {}
        # Publication number -> (topic, payload, retain, token).
        self._outbox = {}
        self._count = 0

    def start(self):
        """The agent starts: the first attempt to connect."""
        self.life += 1
        self._pauses.reset()
        self.broker.world.after(self.broker.below(RETRY_MS), self._connect, self.life)

    def stop(self):
        """The agent is gone, and its connection with it."""
        self.life += 1
        self.online = False
        self.attached = False
        self._filters = {}
        self._outbox = {}
        self.broker.detach(self)

    def listens(self, topic):
        """Whether one of the subscriptions matches."""
        return topic in self._filters or any(self._filters[pattern] and matches(pattern, topic) for pattern in self._filters)

    def handle(self, event):
        """An event of the node: publish, subscribe or unsubscribe."""
        if event[0] == "publish":
            self.publish(*event[1:])
        elif event[0] == "subscribe":
            self.subscribe(event[1])
        elif event[0] == "unsubscribe":
            self._filters.pop(event[1], None)

    def publish(self, topic, payload, retain, token):
        """A message with QoS 1: sent on every connection until one acknowledges it."""
        if len(self._outbox) >= self.most:
            self.refused += 1
            return
        self._count += 1
        self._outbox[self._count] = (topic, bytes(payload), retain, token)
        if self.online:
            self._send(self._submit, self._count)

    def subscribe(self, pattern):
        """Asks for a topic, now and at every new connection."""
        # True: the filter holds a wildcard.
        self._filters[pattern] = "#" in pattern or "+" in pattern
        if self.online:
            self._send(self._ask, pattern)

    def arrive(self, life, topic, payload, retained):
        """A message from the broker; one that a kept session missed comes again."""
        if life != self.life and self in self.broker.kept:
            self.broker.missed(self, topic, payload)
        elif life == self.life and self.online and self.listens(topic):
            self.listener.message(topic, payload, retained)

    def acknowledged(self, life, number):
        """The broker has publication `number`."""
        if life == self.life and self.online and number in self._outbox:
            token = self._outbox.pop(number)[3]
            if token is not None:
                self.listener.published(token)

    def lost(self, life):
        """The connection is found broken."""
        if life == self.life and self.online:
            self.online = False
            self.listener.disconnected()
            if self.broker.world.now_ms - self._since_ms >= STEADY_MS:
                self._pauses.reset()
            self._later(life)

    def _later(self, life):
        self.broker.world.after(self._pauses.next_ms(), self._connect, life)

    def _connect(self, life):
        if life != self.life or self.online:
            return
        self.broker.tried_ms.append(self.broker.world.now_ms)
        if not self.broker.up:
            self._later(life)
            return
        self._since_ms = self.broker.world.now_ms
        self.online = True
        self.attached = True
        self.broker.attach(self)
        for pattern in self._filters:
            self._send(self._ask, pattern)
        for number in self._outbox:
            self._send(self._submit, number)
        self.listener.connected()

    def _send(self, function, *arguments):
        world = self.broker.world
        self._sent_ms = max(self._sent_ms, world.now_ms + self.broker.delay())
        world.after(self._sent_ms - world.now_ms, function, self.life, *arguments)

    def _submit(self, life, number):
        if life == self.life and self.attached:
            topic, payload, retain, _ = self._outbox[number]
            self.broker.publish(self, topic, payload, retain, number)

    def _ask(self, life, pattern):
        if life == self.life and self.attached and pattern in self._filters:
            self.broker.subscribe(self, pattern)
