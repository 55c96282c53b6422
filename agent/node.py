"""The node: one state machine that joins the services, free of input and output.

Theory of operation.  The edge (edge/loop.py), or the simulator, hands in what
happens: receive() a datagram, handle_timer() when deadline() has come, step()
while there is long work, message() from the broker, on_done() of a job.  After
each call it drains datagrams() and events().  `now_ms` is an argument of every
call and only rises; randomness is a seeded source; the store is handed in.

A datagram passes peers.py (is it sealed by an enrolled box?), wire/messages.py
(is it well formed?) and goes to its service.  Any RemoteError on the way drops
the datagram, is counted, and leaves nothing half-applied.

Rounds are slow while nothing happens and fast while there is news: a service
that sees news calls news(), which lets the next rounds come at busy_round_ms.
"""

from .aggregate import Aggregate
from .availability import Availability
from .compat import const
from .chunks import Chunks
from .descriptor import ADDRESS_MOST, DOOR, REACHABLE, Descriptor
from .dispatch import handlers
from .errors import RemoteError
from .leaving import Leaving
from .limits import DATAGRAM_BYTES, EVENTS, UNSENT_DATAGRAMS
from .lookup import Lookup
from .membership import Membership
from .peers import Peers
from .revocation import Revocation
from .ring import Ring
from .rumour import Rumours
from .seeds import FROM_CONTROLLER, Seeds
from .slicing import Slicing
from .status import status
from .tasks import Tasks
from .tombstones import Tombstones
from .update import Update
from .wall import Wall
from .wire import messages, x25519
from .work import Work

# Busy rounds after the last news: enough for a rumour to reach everybody.
NEWS_ROUNDS = const(15)


class Node:
    """One box's agent.

    config: config.Config; identity: peers.Identity; trust: trust.Trust;
    store: store.Store; rng: rng.Rng; now_ms: monotonic; wall_s: unix seconds as
    the system has it; address: our packed address as others reach it, unspecified if
    they are to take the one they see; controller: packed address or None;
    ladder(private, public, blind): the X25519 computation, speech: what
    stands for peers.Peers, replaced only by the simulator.  running: update.Running, None if no launcher started this.
    """

    def __init__(self, config, identity, trust, store, rng, now_ms, wall_s,
                 address=b"\x7f\x00\x00\x01\x1b\x58", controller=None, ladder=None, speech=None, running=None):
        self.config = config
        self.identity = identity
        self.id = identity.id
        self.trust = trust
        self.store = store
        self.rng = rng
        self.now_ms = now_ms
        self.counters = store.counters
        self.address = address
        self.ladder = ladder or x25519.Ladder
        self.attributes = {}
        self.available = True
        self.leaving = None  # leaving.Leaving, once we do
        self.started_ms = now_ms
        self._unsent = []
        self._events = []
        self._busy_until = now_ms
        self.tombstones = Tombstones()
        self.work = Work(self.counters)
        self.wall = Wall(self, wall_s)
        self.revocation = Revocation(self)
        self.lots = None  # lots.Lots, if the fleet's lots change
        self.peers = (speech or Peers)(self, identity, self.ladder, self.wall.incarnation)
        self.slicing = Slicing(self)
        self.rumours = Rumours(self)
        self.membership = Membership(self)
        self.chunks = Chunks(self)
        self.ring = Ring(self)
        self.lookup = Lookup(self)
        self.tasks = Tasks(self)
        self.aggregate = Aggregate(self)
        self.availability = Availability(self)
        self.update = Update(self, running)
        self.door = self.porter = None
        if config.door:
            from .door import Door  # most boxes are none, and need no room for it

            self.door = Door(self)
        if not config.reachable:
            from .porter import Porter

            self.porter = Porter(self)
        self._ways = None
        self.seeds = Seeds(self, controller)
        self._services = [
            self.wall, self.revocation, self.peers, self.membership, self.rumours, self.chunks,
            self.slicing, self.ring, self.lookup, self.tasks, self.aggregate, self.availability, self.update, self.seeds,
        ]
        for service in (self.door, self.porter):
            if service:
                self._services.append(service)
        if trust.changes() or store.disk.size("state-lots") >= 0:
            self.watch_lots()
        # By the kinds of manifests that rumours carry.
        self._concerned = {
            "slice": (self.slicing, self.ring, self.aggregate),
            "query": (self.aggregate,), "workload": (self.tasks,), "firmware": (self.update,), "rollout": (self.update,), "lots": (), "tenant": (), "root": (),
            "revocation": (self.revocation,),
        }
        self._handlers = handlers(self)
        trust.resume(self)

    def watch_lots(self):
        """The lots.Lots of this box, from now on."""
        if self.lots is None:
            from .lots import Lots  # most fleets keep the lots of their first day

            self.lots = Lots(self)
            self._services.append(self.lots)
        return self.lots

    # -- driven by the edge or the simulator

    def receive(self, data, addr, now_ms):
        """One datagram (bytes) from a packed address.  Never raises on bad input."""
        self.now_ms = now_ms
        self.counters.bump("datagrams_in")
        self.counters.bump("bytes_in", len(data))
        if not 5 < len(data) <= DATAGRAM_BYTES:
            self.counters.bump("datagrams_bad")
            return
        if data[0] in FROM_CONTROLLER:
            self.seeds.receive(data, addr)
            return
        self.take(data, addr)

    def take(self, data, addr, seen=None):
        """Deal with a datagram from addr; the Peer if it was sealed and holds.  seen: as in Peer.heard."""
        try:
            opened = self.peers.receive(data, addr, seen)
        except RemoteError:
            self.counters.bump("hello_bad" if data[0] in (0x12, 0x13) else "datagrams_bad")
            return None
        if not opened:
            return None
        peer, body = opened
        self.tombstones.lift(peer.id)
        try:
            message = messages.unpack(body)
            handler = self._handlers.get(message[0])
            if handler:
                handler(peer, message)
            else:
                self.porters().take(peer, message)
        except RemoteError:
            self.counters.bump("messages_bad")
        return peer

    def handle_timer(self, now_ms):
        """Let every service act whose time has come."""
        self.now_ms = now_ms
        for service in self._services:
            if now_ms >= service.due:
                service.tick(now_ms)

    def deadline(self):
        """Absolute ms at which handle_timer() wants to be called."""
        due = self.wall.due
        for service in self._services:
            if service.due < due:
                due = service.due
        return due

    def step(self, now_ms):
        """One slice (at most 5 ms) of long computation; True if more waits."""
        self.now_ms = now_ms
        return self.work.step()

    def datagrams(self):
        """The (bytes, packed address) to send, drained."""
        # No new list in place of an empty one: most turns of an idle box find nothing.
        out, self._unsent = self._unsent or (), self._unsent and []
        return out

    def events(self):
        """Events for the edge (list, or () if there are none), drained: docs/architecture.md has the kinds."""
        out, self._events = self._events or (), self._events and []
        return out

    def shed(self):
        """Memory ran out: let go of what only spares others a repetition.  Takes no memory."""
        self._unsent.clear()
        self.membership.shed()
        self.aggregate.shed()

    def connected(self, now_ms):
        """The broker connection stands (doors only)."""
        self.now_ms = now_ms
        if self.door:
            self.door.on_connected()

    def disconnected(self, now_ms):
        """The broker connection is lost (doors only)."""
        self.now_ms = now_ms
        if self.door:
            self.door.on_disconnected()

    def message(self, topic, payload, retained, now_ms):
        """A message from the broker (doors only)."""
        self.now_ms = now_ms
        if self.door:
            self.door.on_message(topic, payload, retained)

    def refused(self, topic, why, now_ms):
        """The edge passed over a message of the broker (doors only)."""
        self.now_ms = now_ms
        if self.door:
            self.door.on_refused(topic, why)

    def published(self, token, now_ms):
        """The broker acknowledged the publication with this token."""
        self.now_ms = now_ms
        if self.door:
            self.door.on_published(token)

    def job_done(self, job, outcome, now_ms):
        """The container finished a job; outcome has kind, code, reason, output,
        fuel, pages and ms."""
        self.now_ms = now_ms
        self.tasks.on_done(job, outcome)

    def leave(self, now_ms):
        """Stop in good order; a leaving.Leaving, which says when all is finished."""
        self.now_ms = now_ms
        self.leaving = Leaving(self)
        self.leaving.begin()
        return self.leaving

    # -- used by the services

    def transmit(self, data, addr):
        """Queue one datagram for a packed address, or hand it to the porter of a way."""
        if len(addr) > ADDRESS_MOST:
            self.porters().send(data, addr)
            return
        if len(self._unsent) >= UNSENT_DATAGRAMS:
            self.counters.bump("datagrams_unsent")
            return
        self.counters.bump("datagrams_out")
        self.counters.bump("bytes_out", len(data))
        self._unsent.append((data, addr))

    def send(self, id, addr, kind, *fields):
        """Send a message to the box id, sealed."""
        self.peers.send(id, addr, messages.pack(kind, *fields))

    def send_packed(self, id, addr, message):
        """Send a message that is packed already."""
        self.peers.send(id, addr, message)

    def event(self, event):
        """Queue an event for the edge; False if the queue is full."""
        if len(self._events) >= EVENTS:
            self.counters.bump("events_unsent")
            return False
        self._events.append(event)
        return True

    def log(self, level, text):
        """A line for the box's log."""
        self.event(("log", level, text))

    def descriptor(self):
        """Our own fresh Descriptor."""
        flags = (REACHABLE if self.config.reachable else 0) | (DOOR if self.is_door() else 0)
        return Descriptor(self.id, self.address, 0, flags)

    def located(self):
        """Our own Descriptor for those who are to reach us first: by our porter, if we have one."""
        descriptor = self.descriptor()
        if self.porter and self.porter.way:
            descriptor.addr = self.porter.way
        return descriptor

    def porters(self):
        """The Ways of this box."""
        if self._ways is None:
            from .ways import Ways  # few boxes need it

            self._ways = Ways(self)
        return self._ways

    def is_door(self):
        """True while this box holds a broker connection."""
        return self.door is not None and self.door.connected

    def news(self):
        """Something happened: gossip fast for a while."""
        self._busy_until = self.now_ms + NEWS_ROUNDS * self.config.busy_round_ms
        self.membership.hurry()

    def busy(self):
        """True while there is news."""
        return self.now_ms < self._busy_until or self.aggregate.epoch.hurries()

    def hurry(self):
        """Let the next gossip round come soon."""
        self.membership.hurry()

    def round_ms(self):
        """Length of a gossip round now."""
        return self.config.busy_round_ms if self.busy() else self.config.round_ms

    def in_use(self, id):
        """True for boxes whose keys must not be dropped for a stranger."""
        known = self.membership.find(id) or id in self.membership.partners or id in self.ring.near
        grant = self.ring.grant
        return bool(known or grant and grant.box.id == id or self.porter and self.porter.id == id)

    def is_tombstoned(self, id):
        """True for a box found dead a short while ago, or revoked."""
        return self.tombstones.holds(id, self.now_ms) or self.is_revoked(id)

    def is_revoked(self, id):
        """True for a box that the operator revoked."""
        return id in self.revocation

    def answered(self, peer, partner):
        """A peer answered a shuffle; partner: who has a part in averages now."""
        self.update.heard(peer.id)
        self.aggregate.exchange(partner)

    def silent(self, id):
        """A peer did not answer a shuffle: no part of the view any more."""
        self._forget(id)
        if id not in self.ring.near:
            self.tombstones.bury(id, self.now_ms)

    def unreachable(self, id):
        """A greeting was given up.  No burial: the box may only limit strangers."""
        self._forget(id)
        self.membership.unreachable(id)

    def dead(self, id):
        """A ring neighbour or candidate is dead: every service forgets it."""
        self.tombstones.bury(id, self.now_ms)
        self._forget(id)
        self.ring.dead(id)

    def drop_revoked(self, id):
        """A box is revoked: its keys and every memory of it go."""
        self.peers.drop(id)
        self.membership.remembered.forget(id)
        self._forget(id)
        self.ring.dead(id)

    def _forget(self, id):
        self.membership.drop(id)
        self.slicing.forget(id)
        if self.membership.alone():
            self.seeds.alone()

    def on_manifest(self, manifest):
        """A manifest was verified and taken."""
        if manifest.kind == "lots":
            self.watch_lots().on_manifest(manifest)
        for service in self._concerned[manifest.kind]:
            service.on_manifest(manifest)

    def on_expired(self, manifest):
        """A manifest's time is over."""
        for service in self._concerned[manifest.kind]:
            service.on_expired(manifest)
        self.store.forget(*manifest.fields.get("index", ()))  # no other workload has use for it

    def wall_s(self):
        """Unix seconds, as far as this box knows."""
        return self.wall.now_s()

    def set_wall(self, wall_s):
        """The system's clock says wall_s; it may have been set back."""
        self.wall.set(wall_s)

    # -- for people

    def status(self):
        """dict, JSON-able: what this box knows of itself."""
        return status(self)
