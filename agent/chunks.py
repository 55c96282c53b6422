"""Blobs between boxes: asked for chunk by chunk, checked whole by their hash.

A blob is at most BLOB_BYTES, so one hash over it is check enough; larger things
are lists of blobs.  A few chunks are on their way at a time: fewer after a loss,
more as they come (additive increase, multiplicative decrease, as TCP does).  A
source that is silent, slow or lacks the blob makes way for the next, from which
all is taken anew: a blob comes whole from one box, so that a bad one has one
sender, who is named and shunned for a while, and nobody's chunk or word about
the size spoils another's blob.

Serving is bounded by the second: who asks for more is not answered, halves its
window and asks again, so that a box that serves many still gossips.
"""

from .compat import const
from .errors import RemoteError
from .limits import (
    BLOB_BYTES, CHUNK_BYTES, FETCH_SOURCES, FETCH_WINDOW, FETCHES, SERVE_BURST, SERVE_INTERVAL_MS, SERVE_PER_PEER, SHUNNED,
)
from .wire.hashes import sha256
from .wire.messages import CHUNK, LACK, PULL

# Until a chunk is asked for again: at first, then some round trips, in this range.
WAIT_MS = const(300)
WAIT_LEAST_MS = const(100)
WAIT_MOST_MS = const(2000)
# A lost chunk must not stop the others: no window is smaller.
WINDOW_LEAST = const(2)
# A source that has sent something is given so long a silence; one that has not, one wait.
SILENT_MS = const(1000)
# Wait before a source is asked again that may have the blob later.
LATER_MS = const(400)
# A source that is not done after so long, and so much a chunk, is slow: the next
# one is tried.  Each time around all get as much again.
SLOW_MS = const(2000)
SLOW_CHUNK_MS = const(100)
# Without progress, and in all, before a fetch is given up.
PATIENCE_MS = const(30000)
FETCH_MS = const(120000)
# Who served a bad blob is no source for this long.
SHUN_MS = const(300000)
# Without a fetch nothing is due; beginning one makes it sooner.
IDLE_MS = const(600000)

EMPTY = sha256(b"")


class Fetch:
    """A blob on its way: which chunks are here, which are asked for."""

    def __init__(self, digest, sources, done, now_ms):
        self.digest = digest
        self.size = None  # until the first chunk says it
        self.sources = sources  # [(id, addr)], the first is asked
        self.done = done
        self.have = None  # bytearray, one byte per chunk: 0 no, 1 asked, 2 here
        self.left = 0
        self.asked = 0
        self.window = FETCH_WINDOW
        self.come = 0  # chunks since the window last grew
        self.tries = 0
        self.later = False  # a source will have it: nothing is asked until then
        self.changes = 0  # of the source
        self.timed = None  # (offset, when asked): the chunk whose round trip is measured
        self.wait_ms = WAIT_MS
        self.retry_ms = now_ms
        self.begun_ms = now_ms
        self.source_ms = now_ms
        self.progress_ms = now_ms

    def answered(self, offset, now_ms):
        """A chunk came: measure the round trip, widen the window."""
        self.left -= 1
        self.asked -= 1
        self.tries = 0
        self.progress_ms = now_ms
        if self.timed and self.timed[0] == offset:
            wait = (self.wait_ms + 4 * (now_ms - self.timed[1])) // 2
            self.wait_ms = min(max(wait, WAIT_LEAST_MS), WAIT_MOST_MS)
            self.timed = None
        self.come += 1
        if self.come >= self.window:
            self.come = 0
            self.window = min(self.window + 1, FETCH_WINDOW)

    def unanswered(self):
        """Something was lost, or the source has enough to do."""
        self.tries += 1
        self.come = 0
        self.timed = None
        self.window = max(self.window // 2, WINDOW_LEAST)
        if self.tries > 1:
            self.wait_ms = min(self.wait_ms * 2, WAIT_MOST_MS)

    def unask(self):
        """Nothing is on its way any more."""
        self.asked = 0
        for index in range(len(self.have or b"")):
            if self.have[index] == 1:
                self.have[index] = 0

    def silent(self, now_ms):
        """True if the source says nothing and another could be asked."""
        if len(self.sources) < 2 or not self.tries:
            return False
        begun = self.have is not None and self.left < len(self.have)
        return not begun or now_ms - self.progress_ms > SILENT_MS

    def slow(self, now_ms):
        """True if the source has had its time and another could be asked."""
        if len(self.sources) < 2:
            return False
        patience = SLOW_MS + SLOW_CHUNK_MS * len(self.have or b"")
        return now_ms - self.source_ms > patience * (1 + self.changes // len(self.sources))


class Chunks:
    """Fetches under way, and the serving of what the store holds."""

    def __init__(self, node):
        self._node = node
        self.fetches = {}  # digest: Fetch
        self.server = None  # who served the blob that done() is being told of
        self._shunned = {}  # id: until
        self._tokens = SERVE_BURST
        self._token_ms = node.now_ms
        self._served = {}  # id: chunks in the second that began at _served_ms
        self._served_ms = node.now_ms
        self.due = node.now_ms + IDLE_MS

    # -- fetching

    def fetch(self, digest, size, sources, done):
        """Fetch a blob from sources [(identity, address)]; False if refused.

        size: bytes, or None if not known.  done(digest, whole) is called at the
        end; whole is False if no source had it.
        """
        if len(self.fetches) >= FETCHES or digest in self.fetches:
            self._node.counters.bump("fetches_full")
            return False
        sources = [source for source in sources if not self.shunned(source[0])][:FETCH_SOURCES]
        fetch = Fetch(digest, sources, done, self._node.now_ms)
        if digest == EMPTY:
            # Everybody has it; the timer says so, when the caller is ready.
            if size or self._node.store.put(b"") is None:
                return False
            fetch.sources = []
            self.due = self._node.now_ms
        elif not sources or size is not None and not self._open(fetch, size):
            return False
        self.fetches[digest] = fetch
        self._ask(fetch)
        return True

    def add_source(self, digest, id, addr):
        """Another box that is said to have a blob under way."""
        fetch = self.fetches.get(digest)
        if fetch and len(fetch.sources) < FETCH_SOURCES and not self.shunned(id):
            for known, _ in fetch.sources:
                if known == id:
                    return
            fetch.sources.append((id, addr))

    def wants(self, digest):
        """True if the blob is being fetched."""
        return digest in self.fetches

    def source(self, digest):
        """Identity of the box that is asked for a blob under way, else None."""
        fetch = self.fetches.get(digest)
        return fetch.sources[0][0] if fetch and fetch.sources else None

    def cancel(self, digest):
        """Give up a fetch; its done() is not called."""
        if self.fetches.pop(digest, None):
            self._node.store.abandon(digest)
            self._node.counters.bump("fetches_failed")

    def shun(self, id, ms=SHUN_MS):
        """Take nothing from a box for a while; at the cap the first to be free is."""
        self._node.counters.bump("sources_shunned")
        self._shunned[id] = max(self._shunned.get(id, 0), self._node.now_ms + ms)
        if len(self._shunned) > SHUNNED:
            del self._shunned[min(self._shunned, key=lambda id: self._shunned[id])]

    def shunned(self, id):
        """True for a box that served badly a while ago."""
        until = self._shunned.get(id)
        if until is not None and self._node.now_ms >= until:
            del self._shunned[id]
            return False
        return until is not None

    def _open(self, fetch, size):
        if not 0 < size <= BLOB_BYTES or not self._node.store.begin(fetch.digest, size):
            return False
        fetch.size = size
        fetch.left = (size + CHUNK_BYTES - 1) // CHUNK_BYTES
        fetch.have = bytearray(fetch.left)
        return True

    def _ask(self, fetch):
        now = self._node.now_ms
        fetch.retry_ms = now + self._node.rng.jitter(fetch.wait_ms)
        self.due = min(self.due, fetch.retry_ms)
        if not fetch.sources:
            return
        if fetch.have is None:
            self._pull(fetch, 0)
            return
        for index in range(len(fetch.have)):
            if fetch.asked >= fetch.window:
                break
            if fetch.have[index] == 0:
                fetch.have[index] = 1
                fetch.asked += 1
                self._pull(fetch, index * CHUNK_BYTES)

    def _pull(self, fetch, offset):
        id, addr = fetch.sources[0]
        fetch.timed = fetch.timed or (offset, self._node.now_ms)
        self._node.send(id, addr, PULL, fetch.digest, offset)

    def on_chunk(self, peer, message):
        """Take a chunk that was asked for."""
        _, digest, offset, size, data = message
        fetch = self.fetches.get(digest)
        if not fetch or not fetch.sources or fetch.sources[0][0] != peer.id:
            self._node.counters.bump("chunks_unasked")
            return
        if not 0 < size <= BLOB_BYTES:
            raise RemoteError("chunk size")
        index = offset // CHUNK_BYTES
        if offset % CHUNK_BYTES or offset >= size:
            raise RemoteError("chunk place")
        if len(data) != min(CHUNK_BYTES, size - offset):
            raise RemoteError("chunk length")
        if fetch.have is None:
            if not self._open(fetch, size):
                self._end(fetch, False)
                return
            fetch.have[0] = 1
            fetch.asked = 1
        if size != fetch.size:
            self._bad(fetch, peer)
            return
        if fetch.have[index] != 1:
            self._node.counters.bump("chunks_unasked")
            return
        if not self._node.store.write(digest, offset, data):
            self._end(fetch, False)
            return
        self._node.counters.bump("chunks_in")
        fetch.have[index] = 2
        fetch.answered(offset, self._node.now_ms)
        if not fetch.left:
            self._finish(fetch, peer)
        elif fetch.slow(self._node.now_ms):
            self._change(fetch)
            self._ask(fetch)
        else:
            self._ask(fetch)

    def _finish(self, fetch, peer):
        whole = self._node.store.finish(fetch.digest)
        if whole is None:
            self._end(fetch, False)
        elif whole:
            self._node.counters.bump("blobs_fetched")
            self._end(fetch, True)
        else:
            self._bad(fetch, peer)

    def _bad(self, fetch, peer):
        """Another blob than was asked for: its sender is a source no more."""
        self._node.counters.bump("blobs_bad")
        self._node.log("warning", "bad blob from " + peer.id.hex()[:8])
        self.shun(peer.id)
        fetch.sources.pop(0)
        self._anew(fetch)
        if fetch.sources:
            self._ask(fetch)
        else:
            self._end(fetch, False)

    def _anew(self, fetch):
        """Another source: nothing of the last one's chunks and size is kept."""
        self._node.store.abandon(fetch.digest)
        fetch.have, fetch.size, fetch.asked, fetch.left = None, None, 0, 0
        fetch.window, fetch.wait_ms, fetch.timed, fetch.tries = FETCH_WINDOW, WAIT_MS, None, 0
        fetch.source_ms = self._node.now_ms
        fetch.changes += 1

    def _change(self, fetch):
        self._node.counters.bump("sources_changed")
        fetch.sources.append(fetch.sources.pop(0))
        self._anew(fetch)

    def on_lack(self, peer, message):
        """The source lacks the blob: wait a little if it says so, or change.

        A door that fetches it for us is asked again, not another door, which would fetch it too.
        """
        _, digest, later = message
        fetch = self.fetches.get(digest)
        if not fetch or not fetch.sources or fetch.sources[0][0] != peer.id:
            return
        fetch.unask()
        if not later:
            fetch.sources.pop(0)
            if not fetch.sources:
                self._end(fetch, False)
                return
            self._anew(fetch)
        elif len(fetch.sources) > 1 and not self._is_door(fetch.sources[1][0]):
            self._change(fetch)
        fetch.later = bool(later)
        fetch.retry_ms = self._node.now_ms + LATER_MS
        fetch.tries = 0
        self.due = min(self.due, fetch.retry_ms)

    def _is_door(self, id):
        return any(door.id == id for door in self._node.membership.door_list())

    def tick(self, now_ms):
        """Ask again for what did not come; change silent sources."""
        for fetch in list(self.fetches.values()):
            if fetch.digest == EMPTY:
                self._end(fetch, True)
            elif now_ms >= fetch.retry_ms:
                self._again(fetch, now_ms)
        self.due = now_ms + IDLE_MS
        for fetch in self.fetches.values():
            self.due = min(self.due, fetch.retry_ms)

    def _again(self, fetch, now_ms):
        if now_ms - fetch.progress_ms > PATIENCE_MS or now_ms - fetch.begun_ms > FETCH_MS:
            self._end(fetch, False)
            return
        if not fetch.later and (fetch.asked or fetch.have is None):
            self._node.counters.bump("chunks_asked_again")
            fetch.unanswered()
        fetch.later = False
        fetch.unask()
        if fetch.silent(now_ms) or fetch.slow(now_ms):
            self._change(fetch)
        self._ask(fetch)

    def _end(self, fetch, whole):
        self.fetches.pop(fetch.digest, None)
        if not whole:
            self._node.store.abandon(fetch.digest)
            self._node.counters.bump("fetches_failed")
        self.server = fetch.sources[0][0] if fetch.sources else None
        fetch.done(fetch.digest, whole)

    # -- serving

    def _may_serve(self, id):
        """True if this second has room for another chunk to the box id.

        While tokens are short, a box that has had its share of the second waits.
        """
        now = self._node.now_ms
        fresh = (now - self._token_ms) // SERVE_INTERVAL_MS
        if fresh > 0:
            self._tokens = min(SERVE_BURST, self._tokens + fresh)
            self._token_ms += fresh * SERVE_INTERVAL_MS
        if now - self._served_ms >= 1000:
            self._served = {}
            self._served_ms = now
        had = self._served.get(id, 0)
        if self._tokens < 1 or self._tokens < SERVE_BURST // 2 and had >= SERVE_PER_PEER:
            self._node.counters.bump("chunks_limited")
            return False
        self._tokens -= 1
        self._served[id] = had + 1
        return True

    def on_pull(self, peer, message):
        """Serve a chunk, or say that the blob is not here (yet)."""
        _, digest, offset = message
        source = self._node.update.lent(peer.id, digest, offset) or self._node.store
        size = source.size(digest)
        if size < 0:
            later = self._node.door is not None and self._node.door.want(digest)
            self._node.send(peer.id, peer.addr, LACK, digest, 1 if later else 0)
            return
        if offset % CHUNK_BYTES or offset >= size:
            raise RemoteError("pull offset")
        if not self._may_serve(peer.id):
            return
        data = source.read(digest, offset, CHUNK_BYTES)
        if data is None:
            self._node.send(peer.id, peer.addr, LACK, digest, 0)
            return
        self._node.counters.bump("chunks_out")
        self._node.send(peer.id, peer.addr, CHUNK, digest, offset, size, bytes(data))
