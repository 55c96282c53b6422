"""Dissemination: rumours of manifests, and anti-entropy for who missed them.

A rumour says (id, sequence, hash, size).  The signed body is fetched from who
told, checked, and only then counts and is told on: an unverified announcement
never displaces a verified manifest.  New manifests are told to a few boxes at
once for some rounds (rumour mongering, Demers et al. 1987); every shuffle
compares a digest of all manifests, and boxes that differ compare ranges.
"""

from .compat import const
from .errors import RemoteError
from .limits import (
    FLOORS,
    MANIFEST_BYTES,
    MANIFESTS,
    MESSAGE_BYTES,
    RUMOUR_FANOUT,
    RUMOUR_FETCHES,
    RUMOUR_FETCHES_PER_PEER,
)
from .manifest import SEQ_MOST
from .wire import cbor
from .wire.hashes import sha256
from .wire.messages import DIGEST, HAVE, holds, pack

# Pushes of a new manifest, one a busy round: log2 of a large fleet over fanout.
HOT_ROUNDS = const(6)
SWEEP_MS = const(5000)
# Without a manifest there is nothing to sweep; taking one makes it sooner.
IDLE_MS = const(600000)
RANGES = const(16)
RANGE_BYTES = const(4)
# Entries of (id 16, seq, hash 32, size) that surely fit one message.
HAVE_ENTRIES = (MESSAGE_BYTES - 32) // 72

# The kinds of manifests that rumours carry.
SPREAD = ("slice", "workload", "query")

REFUSED_OLD = "an older or equal sequence number; push with a higher one"
REFUSED_EXPIRED = "it has expired"
REFUSED_FULL = "the fleet holds its limit of live manifests; end one first"


class Rumours:
    """Verified manifests by id, sequence floors, and rumours being fetched."""

    def __init__(self, node):
        self._node = node
        self.manifests = {}  # id: Manifest
        self.floors = {}  # id: [sequence, expires]
        self._hot = {}  # id: pushes left
        self._fetching = {}  # hash: (id, seq, peer id)
        self._digest = None
        self._load()
        self.due = node.now_ms + SWEEP_MS
        self._sweep_ms = self.due

    def get(self, kind, name):
        """The live Manifest of that kind and name, else None."""
        for manifest in self.manifests.values():
            if manifest.kind == kind and manifest.name == name:
                return manifest
        return None

    def of_kind(self, kind):
        """List of the live manifests of a kind that have not ended."""
        return [m for m in self.manifests.values() if m.kind == kind and not m.end]

    # -- taking a manifest

    def offer(self, signed, why=None):
        """Check signed bytes and take them; False if no work slot is free.

        why(text or None) is called at the end, None meaning taken.
        """

        def done(check, error):
            reason = str(error) if error else self._accept(check.manifest, signed)
            if error:
                self._node.counters.bump("manifests_bad")
            if why:
                why(reason)

        return self._node.work.add(self._node.trust.check(signed), done)

    def _refusal(self, manifest):
        node = self._node
        if manifest.kind not in SPREAD:
            node.counters.bump("manifests_bad")
            return "a " + manifest.kind + " manifest is not spread by rumour"
        if manifest.expires <= node.wall_s():
            node.counters.bump("manifests_expired")
            return REFUSED_EXPIRED
        known = self.manifests.get(manifest.id)
        floor = self.floors.get(manifest.id)
        if floor and manifest.seq < floor[0]:
            node.counters.bump("manifests_old")
            return REFUSED_OLD
        if floor and manifest.seq == floor[0] and (not known or manifest.digest <= known.digest):
            if known and manifest.digest == known.digest:
                return None
            # After a restart the floor is known and the manifest is not.
            if known:
                node.counters.bump("manifests_old")
                return REFUSED_OLD
        if not known and len(self.manifests) >= MANIFESTS:
            node.counters.bump("manifests_full")
            return REFUSED_FULL
        return None

    def _accept(self, manifest, signed):
        refusal = self._refusal(manifest)
        if refusal:
            return refusal
        known = self.manifests.get(manifest.id)
        if known and known.digest == manifest.digest:
            return None
        if self._node.store.put(signed, True) is None:
            return "the store has no room"
        if known:
            self._node.store.unpin(known.digest)
            self._node.store.forget(known.digest)
        self.manifests[manifest.id] = manifest
        self._digest = None
        self._hot[manifest.id] = HOT_ROUNDS
        self._raise_floor(manifest)
        self._node.counters.bump("manifests_accepted")
        self._node.raise_wall(manifest.issued)
        self._node.on_manifest(manifest)
        self._push()
        self.due = min(self.due, self._node.now_ms + self._node.rng.jitter(self._node.config.busy_round_ms))
        self._node.news()
        return None

    def _raise_floor(self, manifest):
        old = self.floors.get(manifest.id)
        if old and old[0] == manifest.seq and old[1] >= manifest.expires:
            return
        self.floors[manifest.id] = [manifest.seq, max(manifest.expires, old[1] if old else 0)]
        if len(self.floors) > FLOORS:
            first = min(self.floors, key=lambda id: self.floors[id][1])
            del self.floors[first]
        self._save()

    # -- telling

    def _entry(self, manifest):
        return [manifest.id, manifest.seq, manifest.digest, manifest.size]

    def _push(self):
        """Tell a few boxes of what is new; the hottest first."""
        entries = []
        for id in list(self._hot):
            self._hot[id] -= 1
            if self._hot[id] < 0 or id not in self.manifests:
                del self._hot[id]
            elif len(entries) < HAVE_ENTRIES:
                entries.append(self._entry(self.manifests[id]))
        if entries:
            for peer in self._node.membership.some(RUMOUR_FANOUT):
                self._node.send(peer.id, peer.addr, HAVE, entries)

    def tick(self, now_ms):
        """Push what is hot; drop what has expired."""
        if self._hot:
            self._push()
        if now_ms >= self._sweep_ms:
            self._sweep_ms = now_ms + SWEEP_MS
            self._sweep()
        self.due = self._sweep_ms if self.manifests else now_ms + IDLE_MS
        if self._hot:
            self.due = min(self.due, now_ms + self._node.rng.jitter(self._node.config.busy_round_ms))

    def _sweep(self):
        wall = self._node.wall_s()
        for manifest in list(self.manifests.values()):
            if manifest.expires <= wall:
                self._node.counters.bump("manifests_expired")
                del self.manifests[manifest.id]
                self._digest = None
                self._node.store.unpin(manifest.digest)
                self._node.store.forget(manifest.digest)
                self._node.on_expired(manifest)
        # The floors stay: an older version may live longer than its successor.

    # -- anti-entropy

    def _ranges(self):
        buckets = [[] for _ in range(RANGES)]
        for id in self.manifests:
            buckets[id[0] >> 4].append(id)
        out = b""
        for bucket in buckets:
            state = b""
            for id in sorted(bucket):
                manifest = self.manifests[id]
                state += id + manifest.seq.to_bytes(8, "big") + manifest.digest
            out += sha256(state)[:RANGE_BYTES] if state else bytes(RANGE_BYTES)
        return out

    def digest(self):
        """8 bytes that are equal on boxes with equal manifests."""
        if self._digest is None:
            self._digest = sha256(self._ranges())[:8]
        return self._digest

    def compare(self, peer, digest):
        """After a shuffle: if the peer's manifests differ, tell it our ranges."""
        if digest != self.digest():
            self._node.send(peer.id, peer.addr, DIGEST, self._ranges())

    def on_digest(self, peer, message):
        """Tell a peer what we have in the ranges where it differs."""
        theirs = message[1]
        if len(theirs) != RANGES * RANGE_BYTES:
            raise RemoteError("digest length")
        ours = self._ranges()
        entries = []
        for manifest in self.manifests.values():
            at = (manifest.id[0] >> 4) * RANGE_BYTES
            if ours[at : at + RANGE_BYTES] != theirs[at : at + RANGE_BYTES]:
                entries.append(self._entry(manifest))
        for start in range(0, len(entries), HAVE_ENTRIES):
            self._node.send(peer.id, peer.addr, HAVE, entries[start : start + HAVE_ENTRIES])

    def on_have(self, peer, message):
        """Fetch what is newer than ours, from who told us."""
        entries = message[1]
        for entry in entries:
            if not holds(("h", "U", "s", "u"), entry) or not 0 < entry[3] <= MANIFEST_BYTES:
                raise RemoteError("rumour form")
        for id, seq, digest, size in entries:
            self._consider(peer, id, seq, digest, size)

    def _consider(self, peer, id, seq, digest, size):
        known = self.manifests.get(id)
        floor = self.floors.get(id)
        if floor and seq < floor[0] or known and (seq, digest) <= (known.seq, known.digest):
            return
        if digest in self._fetching:
            self._node.chunks.add_source(digest, peer.id, peer.addr)
            return
        by_peer = 0
        for _, _, told_by in self._fetching.values():
            by_peer += told_by == peer.id
        if len(self._fetching) >= RUMOUR_FETCHES or by_peer >= RUMOUR_FETCHES_PER_PEER:
            self._node.counters.bump("rumours_busy")
            return
        if self._node.chunks.fetch(digest, size, [(peer.id, peer.addr)], self._fetched):
            self._fetching[digest] = (id, seq, peer.id)

    def _fetched(self, digest, whole):
        expected = self._fetching.pop(digest, None)
        if not whole or expected is None:
            return
        signed = self._node.store.get(digest)
        if signed is None:
            return

        def why(reason):
            manifest = self.manifests.get(expected[0])
            if manifest is None or manifest.digest != digest:
                self._node.store.forget(digest)

        if not self.offer(signed, why):
            self._node.store.forget(digest)

    # -- memory of sequence numbers

    def _save(self):
        rows = [[id, self.floors[id][0], self.floors[id][1]] for id in sorted(self.floors)]
        self._node.store.save_state("floors", cbor.encode(rows))

    def _load(self):
        data = self._node.store.load_state("floors")
        if data is None:
            return
        try:
            rows = cbor.decode(data, 3, 4 * FLOORS + 1)
            for row in rows if isinstance(rows, list) else []:
                if not holds(("h", "U", "U"), row) or row[1] > SEQ_MOST:
                    raise RemoteError("floor")
                self.floors[row[0]] = [row[1], row[2]]
        except RemoteError:
            self._node.counters.bump("store_errors")
