"""Blobs between boxes: asked for chunk by chunk, checked whole by their hash.

A blob is at most BLOB_BYTES, so one hash over it is check enough; larger things
are lists of blobs.  A few chunks are on their way at a time.  A source that is
silent or lacks the blob makes way for the next, from which all is taken anew:
a blob comes whole from one box, so that a bad one has one sender, who is named
and dropped, and nobody's chunk or word about the size spoils another's blob.
"""

from .compat import const
from .errors import RemoteError
from .limits import BLOB_BYTES, CHUNK_BYTES, FETCH_SOURCES, FETCH_WINDOW, FETCHES
from .wire.messages import CHUNK, LACK, PULL

RETRY_MS = const(1000)
# Pulls of one chunk, without any answer, before the source is changed.
TRIES = const(3)
# Wait before a source is asked again that may have the blob later.
LATER_MS = const(400)
# Rounds through all sources, or waits, before a fetch is given up.
PATIENCE_MS = const(30000)


class Fetch:
    """A blob on its way: which chunks are here, which are asked for."""

    def __init__(self, digest, size, sources, done, now_ms):
        self.digest = digest
        self.size = size  # None until the first chunk says it
        self.sources = sources  # [(id, addr)], the first is asked
        self.done = done
        self.have = None  # bytearray, one byte per chunk: 0 no, 1 asked, 2 here
        self.left = 0
        self.asked = 0
        self.tries = 0
        self.retry_ms = now_ms
        self.progress_ms = now_ms


class Chunks:
    """Fetches under way, and the serving of what the store holds."""

    def __init__(self, node):
        self._node = node
        self.fetches = {}  # digest: Fetch
        self.due = node.now_ms + RETRY_MS

    # -- fetching

    def fetch(self, digest, size, sources, done):
        """Fetch a blob from sources [(identity, address)]; False if refused.

        size: bytes, or None if not known.  done(digest, whole) is called at the
        end; whole is False if no source had it.
        """
        if len(self.fetches) >= FETCHES or digest in self.fetches:
            self._node.counters.bump("fetches_full")
            return False
        fetch = Fetch(digest, None, list(sources[:FETCH_SOURCES]), done, self._node.now_ms)
        if size is not None and not self._open(fetch, size):
            return False
        self.fetches[digest] = fetch
        self._ask(fetch)
        return True

    def add_source(self, digest, id, addr):
        """Another box that is said to have a blob under way."""
        fetch = self.fetches.get(digest)
        if fetch and len(fetch.sources) < FETCH_SOURCES:
            for known, _ in fetch.sources:
                if known == id:
                    return
            fetch.sources.append((id, addr))

    def wants(self, digest):
        """True if the blob is being fetched."""
        return digest in self.fetches

    def _open(self, fetch, size):
        if not 0 < size <= BLOB_BYTES or not self._node.store.begin(fetch.digest, size):
            return False
        fetch.size = size
        fetch.left = (size + CHUNK_BYTES - 1) // CHUNK_BYTES
        fetch.have = bytearray(fetch.left)
        return True

    def _ask(self, fetch):
        now = self._node.now_ms
        fetch.retry_ms = now + self._node.rng.jitter(RETRY_MS)
        self.due = min(self.due, fetch.retry_ms)
        if not fetch.sources:
            return
        id, addr = fetch.sources[0]
        if fetch.have is None:
            self._node.send(id, addr, PULL, fetch.digest, 0)
            return
        for index in range(len(fetch.have)):
            if fetch.asked >= FETCH_WINDOW:
                break
            if fetch.have[index] == 0:
                fetch.have[index] = 1
                fetch.asked += 1
                self._node.send(id, addr, PULL, fetch.digest, index * CHUNK_BYTES)

    def _unask(self, fetch):
        fetch.asked = 0
        if fetch.have is not None:
            for index in range(len(fetch.have)):
                if fetch.have[index] == 1:
                    fetch.have[index] = 0

    def on_chunk(self, peer, message):
        """Take a chunk that was asked for."""
        _, digest, offset, size, data = message
        fetch = self.fetches.get(digest)
        if not fetch or not fetch.sources or fetch.sources[0][0] != peer.id:
            self._node.counters.bump("chunks_unasked")
            return
        if fetch.have is None:
            if not 0 < size <= BLOB_BYTES:
                raise RemoteError("chunk size")
            if not self._open(fetch, size):
                self._end(fetch, False)
                return
            fetch.have[0] = 1
            fetch.asked = 1
        if size != fetch.size:
            self._bad(fetch, peer)
            return
        index = offset // CHUNK_BYTES
        if offset % CHUNK_BYTES or index >= len(fetch.have):
            raise RemoteError("chunk place")
        if len(data) != min(CHUNK_BYTES, size - offset):
            raise RemoteError("chunk length")
        if fetch.have[index] != 1:
            self._node.counters.bump("chunks_unasked")
            return
        if not self._node.store.write(digest, offset, data):
            self._end(fetch, False)
            return
        self._node.counters.bump("chunks_in")
        fetch.have[index] = 2
        fetch.asked -= 1
        fetch.left -= 1
        fetch.tries = 0
        fetch.progress_ms = self._node.now_ms
        if fetch.left:
            self._ask(fetch)
            return
        whole = self._node.store.finish(digest)
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

    def on_lack(self, peer, message):
        """The source lacks the blob: wait a little if it says so, or change."""
        _, digest, later = message
        fetch = self.fetches.get(digest)
        if not fetch or not fetch.sources or fetch.sources[0][0] != peer.id:
            return
        self._unask(fetch)
        if not later:
            fetch.sources.pop(0)
            if not fetch.sources:
                self._end(fetch, False)
                return
            self._anew(fetch)
        elif len(fetch.sources) > 1:
            fetch.sources.append(fetch.sources.pop(0))
            self._anew(fetch)
        fetch.retry_ms = self._node.now_ms + LATER_MS
        fetch.tries = 0
        self.due = min(self.due, fetch.retry_ms)

    def tick(self, now_ms):
        """Ask again for what did not come; change silent sources."""
        for fetch in list(self.fetches.values()):
            if now_ms < fetch.retry_ms:
                continue
            if now_ms - fetch.progress_ms > PATIENCE_MS or not fetch.sources:
                self._end(fetch, False)
                continue
            if fetch.asked or fetch.have is None:
                self._node.counters.bump("chunks_asked_again")
                fetch.tries += 1
            self._unask(fetch)
            if fetch.tries >= TRIES:
                fetch.tries = 0
                if len(fetch.sources) > 1:
                    fetch.sources.append(fetch.sources.pop(0))
                    self._anew(fetch)
            self._ask(fetch)
        self.due = now_ms + PATIENCE_MS
        for fetch in self.fetches.values():
            self.due = min(self.due, fetch.retry_ms)

    def _end(self, fetch, whole):
        self.fetches.pop(fetch.digest, None)
        if not whole:
            self._node.store.abandon(fetch.digest)
            self._node.counters.bump("fetches_failed")
        fetch.done(fetch.digest, whole)

    # -- serving

    def on_pull(self, peer, message):
        """Serve a chunk, or say that the blob is not here (yet)."""
        _, digest, offset = message
        size = self._node.store.size(digest)
        if size < 0:
            later = self._node.door is not None and self._node.door.want(digest)
            self._node.send(peer.id, peer.addr, LACK, digest, 1 if later else 0)
            return
        if offset % CHUNK_BYTES or offset >= size:
            raise RemoteError("pull offset")
        data = self._node.store.read(digest, offset, CHUNK_BYTES)
        if data is None:
            self._node.send(peer.id, peer.addr, LACK, digest, 0)
            return
        self._node.counters.bump("chunks_out")
        self._node.send(peer.id, peer.addr, CHUNK, digest, offset, size, bytes(data))
