"""Dissemination: rumours of manifests, and anti-entropy for who missed them.

A rumour says (id, sequence, hash, size).  A box that has verified a new manifest
tells many boxes at once, once; those that lack it fetch the signed body from who
told them, check it, and only then tell on.  So a body crosses to each box about
once (the lazy push of Plumtree: Leitao, Pereira, Rodrigues 2007), and feedback
keeps the telling down (Demers et al. 1987): the more boxes told us of it, the
fewer we tell.  It goes to boxes whose session stands: a greeting costs more than
ten announcements.

Whoever is missed so is found by anti-entropy: every shuffle compares a digest of
all manifests, and boxes that differ compare ranges.  What a box learns thus is no
news to most, so it tells hardly anybody.  An unverified announcement never
displaces a verified manifest; wanted.py shares the fetch slots fairly.
"""

from . import floors, ranges, telling
from .compat import const
from .errors import RemoteError, UnknownKey
from .limits import BLOB_BYTES, MANIFEST_BYTES, MESSAGE_BYTES, RUMOUR_ASKED, RUMOURS_REFUSED, TENANTS
from .tombstones import drop_past
from .trust import OPERATOR, ROOT_ID
from .wanted import Entry, Wanted
from .wire.hashes import sha256
from .wire.messages import DIGEST, HAVE, holds
from .work import NO_MEMORY

# Expiry is looked at when the first is due by our clock, and this often anyway.
SWEEP_LEAST_MS = const(1000)
SWEEP_MS = const(60000)
# What could not begin (no slot of chunks.py, no room for work) is tried again.
RETRY_MS = const(300)
# A box whose body came too slowly to keep its slot is not asked for this long.
SHUN_SLOW_MS = const(10000)
# A body refused for its time or number, not for its signature, may count later.
REFUSED_MS = const(60000)
# An answer to our ranges comes within this.
ASKED_MS = const(5000)
# Entries of (id 16, seq, hash 32, size) that surely fit one message.
HAVE_ENTRIES = (MESSAGE_BYTES - 32) // 72

# The kinds of manifests that rumours carry.
SPREAD = ("slice", "workload", "query", "firmware", "rollout", "revocation", "tenant", "lots", "root")

REFUSED_OLD = "an older or equal sequence number; push with a higher one"
REFUSED_EXPIRED = "it has expired"
REFUSED_FULL = "the fleet holds its limit of live manifests; end one first"


class Rumours:
    """Verified manifests by id, sequence floors, and announcements being followed."""

    def __init__(self, node):
        self._node = node
        self.manifests = {}  # id: Manifest
        self.floors = floors.load(node.store)  # id: [sequence, expires, hash, tenant's kid]
        self.wanted = Wanted()
        self._refused = {}  # hash: until
        self._asked = {}  # id of a box that got our ranges: until
        self._digest = self._unsaved = None  # the latter: True while the disk refuses the floors
        node.trust.keys.tenants = None
        self.strange = None  # hash of the last that was pushed here and whose key nobody knew
        self._sweep_ms = node.now_ms + SWEEP_MS
        self.due = self._sweep_ms
        self.resume(b"")

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
        """Check an operator's signed bytes and take them; False if no work slot is free.  At the end why(None or text)."""

        def done(check, error):
            if error:
                self._node.counters.bump("manifests_bad")
                if isinstance(error, UnknownKey):
                    self.strange = sha256(signed)
                reason = str(error)
            elif self._is_shut(check.manifest, True):
                reason = REFUSED_FULL
            else:
                reason = self._accept(check.manifest, signed, None)
            if why:
                why(reason)

        return self._node.work.add(self._node.trust.check(signed), done)

    def _is_shut(self, manifest, pushed):
        """True, and counted, if there is no place for a verified manifest and none is made."""
        if len(self.manifests) < TENANTS:  # the least of the limits: most fleets have few manifests
            return False
        from . import places

        return places.is_shut(self._node.counters, self.manifests, manifest, pushed)

    def _make_place(self, manifest):
        if len(self.manifests) >= TENANTS:
            from . import places

            last = places.last(self.manifests, manifest)
            if last:
                self._drop(last)

    def _refusal(self, manifest):
        node = self._node
        if manifest.kind not in SPREAD:
            node.counters.bump("manifests_bad")
            return "a " + manifest.kind + " manifest is not spread by rumour"
        if manifest.expires <= (node.wall.system_s() if manifest.kind == "root" else node.wall_s()):
            node.counters.bump("manifests_expired")
            return REFUSED_EXPIRED
        known = self.manifests.get(manifest.id)
        floor = self.floors.get(manifest.id)
        if floor and floors.above(floor, manifest.seq, manifest.authority):
            node.counters.bump("manifests_old")
            return REFUSED_OLD
        # After a restart the floor is known and the manifest is not.
        if known and (manifest.seq, manifest.digest) < (known.seq, known.digest):
            node.counters.bump("manifests_old")
            return REFUSED_OLD
        if self._is_shut(manifest, False):
            return REFUSED_FULL
        if manifest.authority != OPERATOR:
            return node.trust.keys.tenants.refusal(manifest)
        return None

    def _accept(self, manifest, signed, entry):
        """Take a verified manifest; a reason if it does not count.  entry: who told us."""
        refusal = self._refusal(manifest)
        if refusal:
            return refusal
        known = self.manifests.get(manifest.id)
        if known and known.digest == manifest.digest:
            return None
        if manifest.kind == "root":
            signed = self._node.trust.take(self._node, manifest, signed)
            if signed is None:
                return None
        if self._node.store.put(signed, True) is None:
            return "the store has no room"
        if known:
            self._node.store.unpin(known.digest)
            self._node.store.forget(known.digest)
        self._make_place(manifest)
        self.manifests[manifest.id] = manifest
        self._digest = None
        if floors.raise_to(self.floors, manifest):
            self.save_floors()
        self._sweep_ms = min(self._sweep_ms, self._next_sweep())
        self.due = min(self.due, self._sweep_ms)
        self._node.counters.bump("manifests_accepted")
        if manifest.authority == OPERATOR:  # nobody else says what time it is
            self._node.wall.raise_floor(manifest.issued)
        self._change(manifest)
        self._node.on_manifest(manifest)
        self._tell_new(manifest, entry)
        self._node.news()
        return None

    def _change(self, manifest):
        """What a tenant has or may have is another now."""
        keys = self._node.trust.keys
        if manifest.kind == "tenant" and keys.tenants is None:
            from .tenants import Tenants  # most fleets have none

            keys.tenants = Tenants(self._node)
        if manifest.kind == "tenant" or manifest.authority != OPERATOR:
            keys.tenants.on_change(manifest)

    def _tell_new(self, manifest, entry):
        telling.tell(self._node, manifest, entry)

    # -- time

    def tick(self, now_ms):
        """Drop what has expired; go on with what waits."""
        if now_ms >= self._sweep_ms:
            self._sweep()
            self._sweep_ms = self._next_sweep()
        for entry in self.wanted.stale(now_ms):
            self.wanted.remove(entry)
            self._node.counters.bump("rumours_busy")
        self._follow()
        self.due = self._sweep_ms
        if len(self.wanted):
            self.due = min(self.due, now_ms + RETRY_MS)

    def _next_sweep(self):
        wait = SWEEP_MS
        wall = self._node.wall_s()
        for manifest in self.manifests.values():
            wait = min(wait, (manifest.expires - wall) * 1000)
        return self._node.now_ms + max(wait, SWEEP_LEAST_MS)

    def _sweep(self):
        wall = self._node.wall_s()
        for manifest in list(self.manifests.values()):
            if manifest.expires <= wall:
                self._node.counters.bump("manifests_expired")
                self._drop(manifest)
        drop_past(self._node.now_ms, self._asked, self._refused)
        # The floors stay: an older version may live longer than its successor.
        if self._unsaved:
            self.save_floors()
        self._node.trust.save(self._node.store)

    def save_floors(self):
        """Write the floors to flash; what the disk refuses is tried again by and by."""
        self._unsaved = not floors.save(self._node.store, self.floors)

    def _drop(self, manifest):
        if self.manifests.get(manifest.id) is not manifest:
            return  # a tenant's, gone with its delegation
        del self.manifests[manifest.id]
        self._digest = None
        self._node.store.unpin(manifest.digest)
        self._node.store.forget(manifest.digest)
        self._node.on_expired(manifest)
        if manifest.kind == "tenant":
            self._change(manifest)

    def drop(self, manifest, again):
        """A manifest counts no more; again: an older one may."""
        if again:
            self.floors.pop(manifest.id, None)
            self._unsaved = True
        self._drop(manifest)

    # -- anti-entropy

    def digest(self):
        """8 bytes that are equal on boxes with equal manifests."""
        if self._digest is None:
            self._digest = sha256(ranges.pack(self.manifests))[:8]
        return self._digest

    def compare(self, peer, digest):
        """After a shuffle: if the peer's manifests differ, tell it our ranges."""
        if digest != self.digest():
            self._asked[peer.id] = self._node.now_ms + ASKED_MS
            if len(self._asked) > RUMOUR_ASKED:
                del self._asked[min(self._asked, key=lambda id: self._asked[id])]
            self._node.send(peer.id, peer.addr, DIGEST, ranges.pack(self.manifests))

    def on_digest(self, peer, message):
        """Tell a peer what we have in the ranges where it differs."""
        entries = [telling.entry_of(manifest) for manifest in ranges.differing(self.manifests, message[1])]
        for start in range(0, len(entries), HAVE_ENTRIES):
            self._node.send(peer.id, peer.addr, HAVE, entries[start : start + HAVE_ENTRIES])

    # -- following what we are told

    def on_have(self, peer, message):
        """Fetch what is newer than ours, from who told us."""
        entries = message[1]
        for entry in entries:
            most = BLOB_BYTES if entry and entry[0] == ROOT_ID else MANIFEST_BYTES
            if not holds(("h", "U", "s", "u"), entry) or not 0 < entry[3] <= most:
                raise RemoteError("rumour form")
        if self._node.chunks.shunned(peer.id):
            self._node.counters.bump("rumours_shunned", len(entries))
            return
        for id, seq, digest, size in entries:
            self._consider(peer, id, seq, digest, size)
        self._follow()

    def _consider(self, peer, id, seq, digest, size):
        now = self._node.now_ms
        known = self.manifests.get(id)
        floor = self.floors.get(id)
        if floor and floors.above(floor, seq, OPERATOR) or known and (seq, digest) <= (known.seq, known.digest):
            self._node.counters.bump("rumours_known")
            return
        if self._refused.get(digest, now) > now:
            self._node.counters.bump("rumours_refused")
            return
        entry = self.wanted.get(digest)
        if entry:
            if entry.add(peer.id, peer.addr):
                self._node.chunks.add_source(digest, peer.id, peer.addr)
            return
        entry = Entry(id, seq, digest, size, self._asked.get(peer.id, 0) > now, now)
        entry.add(peer.id, peer.addr)
        if self.wanted.add(entry):
            self._node.counters.bump("rumours_busy")
        self.due = min(self.due, now + RETRY_MS)

    def _follow(self):
        """Give free slots to what waits; a slow fetch makes way for another's word."""
        for entry in self.wanted.active():
            if not entry.checking and self._node.store.has(entry.digest):
                self._check(entry)
        while True:
            entry = self.wanted.following()
            if entry is None or not (self.wanted.has_slot() or self._make_way(entry)):
                return
            if self._node.store.has(entry.digest):
                entry.since_ms = self._node.now_ms
                self._check(entry)
                continue
            entry.sources = [source for source in entry.sources if not self._node.chunks.shunned(source[0])]
            if not entry.sources:
                self.wanted.remove(entry)
                continue
            entry.since_ms = self._node.now_ms
            if not self._node.chunks.fetch(entry.digest, entry.size, entry.sources, self._fetched):
                entry.since_ms = None
                return

    def _make_way(self, entry):
        late = self.wanted.slowest(entry, self._node.now_ms)
        if late is None:
            return False
        self._node.counters.bump("rumours_late")
        chunks = self._node.chunks
        slow = chunks.source(late.digest) or late.teller()
        chunks.cancel(late.digest)
        chunks.shun(slow, SHUN_SLOW_MS)
        late.since_ms = None
        late.sources = [source for source in late.sources if source[0] != slow]
        if not late.sources:
            self.wanted.remove(late)
        return True

    def _fetched(self, digest, whole):
        entry = self.wanted.get(digest)
        if entry is None:
            return
        entry.server = self._node.chunks.server
        if whole:
            self._check(entry)
        elif not entry.checking:
            self.wanted.remove(entry)
        self._follow()

    def _check(self, entry):
        """Verify a body that is here; if no work slot is free, the timer tries again."""
        if entry.checking:  # the body came by another way meanwhile
            return
        signed = self._node.store.get(entry.digest)
        if signed is None:
            self.wanted.remove(entry)
            return

        def done(check, error):
            if error is NO_MEMORY:
                entry.checking = False  # nobody's fault: the timer tries again
                return
            if isinstance(error, UnknownKey):
                from .strange import put_off

                if put_off(self._node, entry):
                    self._follow()
                    return
            self.wanted.remove(entry)
            manifest = None if error else check.manifest
            reason = str(error) if error else self._accept(manifest, signed, entry)
            if error:
                self._node.counters.bump("manifests_bad")
            if reason:
                self._refused[entry.digest] = self._node.now_ms + REFUSED_MS
                if len(self._refused) > RUMOURS_REFUSED:
                    del self._refused[min(self._refused, key=lambda digest: self._refused[digest])]
            if isinstance(error, UnknownKey):
                pass  # not the server's fault, it may be
            elif entry.server and (error or (manifest.id, manifest.seq) != (entry.id, entry.seq)):
                self._node.chunks.shun(entry.server)
            if entry.id not in self.manifests or self.manifests[entry.id].digest != entry.digest:
                self._node.store.forget(entry.digest)
            self._follow()

        entry.checking = self._node.work.add(self._node.trust.check(signed), done)

    # -- after a restart

    def resume(self, kid):
        """Check again what a signer's key signed and whose body is still here; what was refused may count now.

        kid: a tenant's, when his delegation counts; b"" for the operator.
        """
        self._refused.clear()
        node = self._node
        for id in sorted(self.floors):
            seq, _, digest, signer = self.floors[id]
            if signer == kid and id not in self.manifests and node.store.has(digest):
                entry = Entry(id, seq, digest, node.store.size(digest), True, node.now_ms)
                entry.add(node.id, node.address)
                self.wanted.add(entry)
                self.due = node.now_ms
