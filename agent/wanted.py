"""Announcements of manifests that wait to be fetched and checked, fairly.

None of them is verified, so a box's word counts for little: it may hold a few of
the slots in which bodies are fetched, and when the table is full the box that
told most makes room.  A slot is sure for a while only: a body that comes slowly
makes way for what another box told of.
"""

from .compat import const
from .limits import FETCH_SOURCES, RUMOUR_FETCHES, RUMOUR_FETCHES_PER_PEER, RUMOURS_WANTED

# A fetch is left alone for this long, even if others wait.
SURE_MS = const(2000)
# What could not be fetched for so long is forgotten; anti-entropy tells of it again.
WAIT_MOST_MS = const(30000)


class Entry:
    """One announcement: what it is of, and who told us."""

    def __init__(self, id, seq, digest, size, quiet, now_ms):
        self.id = id
        self.seq = seq
        self.digest = digest
        self.size = size
        self.quiet = quiet  # learnt by comparing, so no news to most
        self.sources = []  # [(id, addr)], the one to ask first
        self.told_ms = now_ms
        self.since_ms = None  # when its slot was taken, if it has one
        self.server = None  # who served the body
        self.checking = False
        self.strange = False  # its body is here, and nobody knows the key that signed it

    def add(self, id, addr):
        """Another box that told of it; False if it is known or one too many."""
        if len(self.sources) >= FETCH_SOURCES:
            return False
        for known, _ in self.sources:
            if known == id:
                return False
        self.sources.append((id, addr))
        return True

    def teller(self):
        """Identity of the box that is asked, or will be."""
        return self.sources[0][0]


class Wanted:
    """Entries by hash of the body, at most RUMOURS_WANTED, in order of coming."""

    def __init__(self):
        self._entries = []

    def __len__(self):
        return len(self._entries)

    def __iter__(self):
        return iter(list(self._entries))

    def get(self, digest):
        """The Entry of that body, else None."""
        for entry in self._entries:
            if entry.digest == digest:
                return entry
        return None

    def remove(self, entry):
        """An entry is dealt with."""
        self._entries.remove(entry)

    def add(self, entry):
        """Take an entry with one source; the one that is dropped for it, or None.

        At the cap the latest entry still waiting of the box that has most is
        dropped; the newcomer itself, if its box has as many.
        """
        self._entries.append(entry)
        if len(self._entries) <= RUMOURS_WANTED:
            return None
        count = {}
        for known in self._entries:
            count[known.teller()] = count.get(known.teller(), 0) + 1
        victim = entry
        for known in self._entries:
            if known.since_ms is None and count[known.teller()] >= count[victim.teller()]:
                victim = known
        if count[victim.teller()] == count[entry.teller()]:
            victim = entry
        self._entries.remove(victim)
        return victim

    def active(self):
        """Entries that hold a slot."""
        return [entry for entry in self._entries if entry.since_ms is not None]

    def following(self):
        """The next entry to be given a slot, its source with room put first; or None.

        Whether a slot is free is for the caller to see.
        """
        held = {}
        for entry in self.active():
            held[entry.teller()] = held.get(entry.teller(), 0) + 1
        best = None
        for entry in self._entries:
            if entry.since_ms is not None or entry.strange:
                continue
            for source in entry.sources:
                mine = held.get(source[0], 0)
                if mine < RUMOUR_FETCHES_PER_PEER and (best is None or mine < best[0]):
                    best = (mine, entry, source)
        if best is None:
            return None
        _, entry, source = best
        entry.sources.remove(source)
        entry.sources.insert(0, source)
        return entry

    def has_slot(self):
        """True if another body may be fetched."""
        return len(self.active()) < RUMOUR_FETCHES

    def slowest(self, entry, now_ms):
        """The entry whose slot another box's `entry` may take, or None."""
        slow = None
        for held in self.active():
            late = now_ms - held.since_ms > SURE_MS and not held.checking
            if late and held.teller() != entry.teller() and (slow is None or held.since_ms < slow.since_ms):
                slow = held
        return slow

    def stale(self, now_ms):
        """Entries that have waited too long for a slot."""
        return [e for e in self._entries if e.since_ms is None and now_ms - e.told_ms > WAIT_MOST_MS]
