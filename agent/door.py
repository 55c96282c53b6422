"""A door: the few boxes that hold a connection to the operator's broker.

In come signed manifests, which become rumours once they are verified, and blobs,
each subscribed to only while the fleet asks for it: the broker is the store,
never one box.  Out go results, a census, and a word to the operator about what
was refused.  A door decides nothing and keeps nothing for long.
"""

from .census import Census
from .compat import const
from .errors import RemoteError
from .limits import BLOB_BYTES, DOOR_HELD, DOOR_PUBLISHED, DOOR_RESULTS, DOOR_RESULTS_PER_PEER, DOOR_WANTS, MANIFEST_BYTES
from .manifest import is_name, manifest_id
from .wire import cbor
from .wire.hashes import sha256
from .wire.messages import TAKEN

# A blob topic without a blob is given up after this time, and not asked again
# for as long.
WANT_MS = const(10000)
# A result's tags: for the operator, and for the tenant whose work it is.
TAG_BYTES = (16, 32)
# Results given to the edge and not yet acknowledged; each holds its output.
PUBLISHING = const(2)
TICK_MS = const(1000)


class Carried:
    """A result on its way to the broker.  peer: (id, addr), None for our own."""

    def __init__(self, peer, receipt, tag, output, fields):
        self.peer = peer
        self.receipt = receipt
        self.tag = tag
        self.output = output
        self.workload = fields["workload"]
        self.seq = fields["seq"]
        self.task = fields["task"]
        self.box = fields["box"]
        self.state = "fetching"


class Door:
    """The door's side of a node: what it fetches from and brings to the broker."""

    def __init__(self, node):
        self._node = node
        self.connected = False
        self._root = "backfence/" + node.trust.fleet.hex() + "/"
        self._wants = {}  # digest: deadline
        self._absent = {}  # digest: until when not to ask again
        self.carried = {}  # receipt hash: Carried
        self._tokens = {}  # token: receipt hash
        self._published = []  # [(receipt hash, workload id, seq, task)]
        self._token = 0
        self._missed = False  # a manifest came that could not even be held
        self._held = []  # [(topic's end, manifest, retained)] that wait for a place in the queue of work
        self.census = Census(node, self._root)
        self.due = node.now_ms + TICK_MS

    def status_topic(self):
        """Topic of this door's "online" and of its last will, "offline"."""
        return self._root + "door/" + self._node.id.hex()

    # -- the broker

    def on_connected(self):
        """The broker is there: subscribe, and say so."""
        self.connected = True
        self._node.event(("subscribe", self._root + "manifest/#"))
        self._node.event(("publish", self.status_topic(), b"online", True, None))
        for digest in self._wants:
            self._subscribe(digest)
        self.census.renew()
        self._node.news()

    def leave(self):
        """We stop in good order: our word of the fleet ends with us."""
        if self.connected:
            self.census.leave()

    def on_disconnected(self):
        """The broker is gone: results wait, nothing is lost."""
        self.connected = False

    def on_message(self, topic, payload, retained):
        """A message from the broker: a manifest or a blob that was asked for;
        retained: it waited there."""
        if not topic.startswith(self._root):
            self._node.counters.bump("door_messages_bad")
            return
        rest = topic[len(self._root) :]
        if rest.startswith("manifest/"):
            self._on_manifest(rest, payload, retained)
        elif rest.startswith("blob/"):
            self._on_blob(rest[5:], payload)
        else:
            self._node.counters.bump("door_messages_bad")

    def on_refused(self, topic, why):
        """The edge passed a message over, for its size or its topic ("" if unknown)."""
        self._refused(topic[len(self._root) :] if topic.startswith(self._root) else "message", why)

    def _on_manifest(self, what, payload, retained):
        if not payload:
            return  # a retained manifest was cleared
        most = BLOB_BYTES if what == "manifest/root-root" else MANIFEST_BYTES
        if len(payload) > most:
            self._refused(what, "longer than %d bytes" % most)
            return
        digest = sha256(payload)
        for manifest in self._node.rumours.manifests.values():
            if manifest.digest == digest:
                return

        def why(reason):
            # What waited at the broker may have come before its delegation.
            if reason and not (retained and self._node.rumours.strange == digest):
                self._refused(what, reason)

        if self._node.work.full() or not self._node.rumours.offer(bytes(payload), why):
            self._hold(what, bytes(payload), retained)

    def _hold(self, what, payload, retained):
        """Keep a manifest until there is time to check it: a retained one comes once."""
        held = [row for row in self._held if row[0] != what]
        if len(held) >= DOOR_HELD:
            self._node.counters.bump("door_manifests_late")
            self._missed = True
            if not retained:
                self._refused(what, "this door is busy; unless the broker retains it, push it again")
            return
        self._held = held + [(what, payload, retained)]

    def missed(self):
        """A manifest that came before may count now: the broker is to send all again."""
        self._missed = True

    def _ask_again(self):
        """Have the broker send its retained manifests again: some came while we had no room."""
        if self._node.event(("subscribe", self._root + "manifest/#")):
            self._missed = False

    def _refused(self, what, why):
        self._node.counters.bump("door_messages_bad")
        self._node.log("warning", "refused %s: %s" % (what, why))
        body = cbor.encode({"what": what, "why": why})
        topic = self._root + "refused/" + concerned(what) + self._node.id.hex()
        self._node.event(("publish", topic, body, False, None))

    def _on_blob(self, what, payload):
        _, _, name = what.rpartition("/")
        for digest in list(self._wants):
            if digest.hex() != name:
                continue
            if sha256(payload) != digest:
                self._refused("blob/" + what, "its bytes do not have that hash")
                if what != name:
                    return  # a tenant's rubbish keeps nobody else's blob away
                self._absent[digest] = self._node.now_ms + WANT_MS
            else:
                self._node.store.put(bytes(payload))
            self._drop_want(digest)
            self._node.tasks.due = self._node.now_ms
            return
        self._node.counters.bump("door_messages_bad")

    # -- blobs the fleet asks for

    def _blob_topics(self, digest):
        topics = [self._root + "blob/" + digest.hex()]
        if self._node.trust.keys.tenants:
            topics.append(self._root + "blob/+/" + digest.hex())
        return topics

    def want(self, digest):
        """Ask the broker for a blob; True if it may come."""
        if digest in self._wants:
            return True
        if not self.connected or digest in self._absent:
            return False
        if len(self._wants) >= DOOR_WANTS:
            self._node.counters.bump("door_wants_full")
            # The asker comes again; by then a place may be free.
            return True
        self._wants[digest] = self._node.now_ms + WANT_MS
        self._subscribe(digest)
        return True

    def _subscribe(self, digest):
        for topic in self._blob_topics(digest):
            self._node.event(("subscribe", topic))

    def _drop_want(self, digest):
        del self._wants[digest]
        for topic in self._blob_topics(digest):
            self._node.event(("unsubscribe", topic))

    # -- results

    def on_result(self, peer, message):
        """A box offers a result: take it if there is room, or say it is taken."""
        _, receipt, tag = message
        known = sha256(receipt)
        for digest, workload_id, seq, task in self._published:
            if digest == known:
                self._node.send(peer.id, peer.addr, TAKEN, workload_id, seq, task)
                return
        if not self.connected:
            self._node.counters.bump("door_full")
            return
        self.carry((peer.id, peer.addr), receipt, tag, None)

    def carry(self, peer, receipt, tag, output):
        """Carry a result; peer is (identity, address), or None for our own.

        output: SHA-256 of the blob if it is already here.  RemoteError if the
        receipt is malformed or speaks for another box.
        """
        digest = sha256(receipt)
        if digest in self.carried:
            return
        of_peer = 0
        for carried in self.carried.values():
            of_peer += bool(peer and carried.peer and carried.peer[0] == peer[0])
        if len(self.carried) >= DOOR_RESULTS or of_peer >= DOOR_RESULTS_PER_PEER:
            self._node.counters.bump("door_full")
            return
        fields = read_receipt(receipt)
        if len(tag) not in TAG_BYTES:
            raise RemoteError("a result's tags")
        if fields["box"] != (peer[0] if peer else self._node.id):
            raise RemoteError("a receipt of another box")
        if self._node.store.size(fields["output"]) not in (-1, fields["size"]):
            raise RemoteError("a receipt with another size than its output has")
        carried = Carried(peer, receipt, tag, fields["output"] if fields["size"] else None, fields)
        self.carried[digest] = carried
        if carried.output is None or self._node.store.has(carried.output):
            self._whole(digest)
        elif peer is None or not self._node.chunks.fetch(
            carried.output, fields["size"], [peer], lambda _, whole: self._fetched(digest, whole)
        ):
            del self.carried[digest]

    def _fetched(self, digest, whole):
        if digest not in self.carried:
            return
        if whole:
            self._whole(digest)
        else:
            del self.carried[digest]

    def _whole(self, digest):
        carried = self.carried[digest]
        carried.state = "whole"
        if carried.output:
            self._node.store.pin(carried.output)
        self._publish_some()

    def _publish_some(self):
        for digest in list(self.carried):
            if len(self._tokens) >= PUBLISHING or not self.connected:
                return
            if self.carried[digest].state == "whole":
                self._publish(digest)

    def _publish(self, digest):
        carried = self.carried[digest]
        output = b""
        if carried.output:
            output = self._node.store.get(carried.output)
            if output is None:
                self._end(digest)
                return
        topic = "%sresult/%s/%d/%s" % (self._root, carried.workload, carried.task, carried.box.hex())
        body = cbor.encode([carried.receipt, carried.tag, bytes(output)])
        self._token += 1
        if self._node.event(("publish", topic, body, False, self._token)):
            self._tokens[self._token] = digest
            carried.state = "publishing"

    def on_published(self, token):
        """The broker has acknowledged a publication."""
        digest = self._tokens.pop(token, None)
        carried = self.carried.get(digest)
        if carried:
            node = self._node
            node.counters.bump("door_published")
            workload_id = manifest_id("workload", carried.workload)
            self._published.append((digest, workload_id, carried.seq, carried.task))
            if len(self._published) > DOOR_PUBLISHED:
                self._published.pop(0)
            self._end(digest)
            if carried.peer:
                node.send(carried.peer[0], carried.peer[1], TAKEN, workload_id, carried.seq, carried.task)
            else:
                node.tasks.taken(workload_id, carried.seq, carried.task)
        self._publish_some()

    def _end(self, digest):
        carried = self.carried.pop(digest)
        if carried.output and carried.state != "fetching":
            self._node.store.unpin(carried.output)
            if carried.peer:
                self._node.store.forget(carried.output)

    # -- time

    def tick(self, now_ms):
        """Give up blobs that do not come; publish what waits; the census."""
        self.due = now_ms + TICK_MS
        for digest in list(self._wants):
            if now_ms >= self._wants[digest]:
                self._absent[digest] = now_ms + WANT_MS
                self._drop_want(digest)
        for digest in list(self._absent):
            if now_ms >= self._absent[digest]:
                del self._absent[digest]
        if len(self._absent) > 4 * DOOR_WANTS:
            self._absent = {}
        self._publish_some()
        held, self._held = self._held, []
        for what, payload, retained in held:
            self._on_manifest(what, payload, retained)
        if self._missed and self.connected and not self._held and not len(self._node.work):
            self._ask_again()
        if self.connected:
            self.census.tick(now_ms)


def concerned(what):
    """ "TENANT/" if a topic's end is a tenant's, else "": where its refusal goes."""
    parts = what.split("/")
    tenant = ""
    if len(parts) == 3:
        tenant = parts[1].partition("-")[2] if parts[0] == "manifest" else parts[1]
    return tenant + "/" if is_name(tenant) else ""


def read_receipt(receipt):
    """dict of the receipt's fields that a door needs; RemoteError if malformed."""
    fields = cbor.decode(receipt, 2, 64)
    if not isinstance(fields, dict):
        raise RemoteError("receipt")
    for key, kind in (("box", bytes), ("workload", str), ("seq", int), ("task", int), ("output", bytes), ("size", int)):
        if not isinstance(fields.get(key), kind):
            raise RemoteError("receipt field " + key)
    if len(fields["box"]) != 16 or len(fields["output"]) != 32:
        raise RemoteError("receipt fields")
    if not is_name(fields["workload"]):
        from .tenancy import tenant_of  # most fleets have no tenants

        tenant_of(fields["workload"])
    if not 0 <= fields["task"] < 1 << 32 or not 0 <= fields["seq"] < 1 << 53:
        raise RemoteError("receipt numbers")
    return fields
