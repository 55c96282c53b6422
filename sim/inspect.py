"""What the checkers read of a node's memory, named in one place.

These are the node's tables themselves, what it acts on, and not what it says
of itself in status().  When a table in agent/ is renamed, this file follows.
"""

from ..agent import limits, store
from ..agent.seat import CIRCLE


class Seat:
    """One seat that a box holds; successor is (seat number, identity) or None."""

    def __init__(self, slice, number, term, successor):
        self.slice = slice
        self.number = number
        self.term = term
        self.successor = successor


class State:
    """A live box as the checkers see it.

    number: its place in the world; id: bytes; view: list of identities;
    manifests: dict of name -> sequence number; seats: list of Seat;
    tables: list of (name, entries, cap).
    """

    def __init__(self, number, id, view, manifests, seats, tables):
        self.number = number
        self.id = id
        self.view = view
        self.manifests = manifests
        self.seats = seats
        self.tables = tables


class NodeState:
    """The State of a live box that runs the agent's node, read when it is asked for."""

    def __init__(self, box):
        self.number = box.number
        self._node = box.node
        self.id = box.node.id

    @property
    def view(self):
        """Identities in the view."""
        return list(self._node.membership.view)

    @property
    def manifests(self):
        """KIND-NAME -> sequence number."""
        return manifests(self._node)

    @property
    def seats(self):
        """List of Seat."""
        return seats(self._node)

    @property
    def epoch(self):
        """(number of the epoch we average in, 0 for none; last complete one or 0; the size it found)."""
        aggregate = self._node.aggregate
        number = aggregate.epoch.number if aggregate.epoch.taking_part else 0
        return (number,) + ((aggregate.outcome.number, aggregate.outcome.size) if aggregate.outcome else (0, None))

    @property
    def cells(self):
        """Key -> cell of the size's averages."""
        return self._node.aggregate.averages.sizes.cells

    @property
    def tables(self):
        """List of (name, entries, cap)."""
        return tables(self._node)


read = NodeState


def manifests(node):
    """KIND-NAME -> sequence number of every verified manifest that the node holds."""
    return {"%s-%s" % (m.kind, m.name): m.seq for m in node.rumours.manifests.values()}


def seats(node):
    """The seat that the node holds, with the nearest holder clockwise in its neighbour table."""
    ring = node.ring
    if ring.seat is None:
        return []
    after = None
    for entry in ring.near.values():
        ahead = (entry.seat - ring.seat) % CIRCLE
        if after is None or ahead < after[0]:
            after = (ahead, entry.seat, entry.id)
    return [Seat(ring.manifest.name, ring.seat, ring.term, after[1:] if after else None)]


# Every bounded table of the core: its name, how to reach it, its cap.
TABLES = (
    ("membership.view", lambda node: len(node.membership.view), limits.VIEW),
    ("membership.doors", lambda node: len(node.membership.doors), limits.DOORS),
    ("membership.contacts", lambda node: len(node.membership.contacts), limits.CONTACTS),
    ("membership._answers", lambda node: len(node.membership._answers), limits.SHUFFLE_ANSWERS),
    ("membership._questions", lambda node: len(node.membership._questions), limits.QUESTIONS),
    ("membership._swapped", lambda node: len(node.membership._swapped), limits.SWAPS),
    ("membership.partners", lambda node: len(node.membership.partners), limits.PARTNERS),
    ("ways._heard", lambda node: len(node._ways._heard) if node._ways else 0, limits.PEERS),
    ("ways._passed", lambda node: len(node._ways._passed) if node._ways else 0, limits.PEERS + 1),
    ("peers.table", lambda node: len(node.peers.table), limits.PEERS),
    ("peers.hails", lambda node: len(node.peers.hails), limits.HAILS),
    ("peers pending of one hail", lambda node: _longest(hail.pending for hail in node.peers.hails.values()), limits.PENDING),
    ("peers sessions of one peer", lambda node: _longest(peer.sessions for peer in node.peers.table.values()), 3),
    ("rumours.manifests", lambda node: len(node.rumours.manifests), limits.MANIFESTS + limits.TENANTS + 1),
    ("rumours.floors", lambda node: len(node.rumours.floors), limits.FLOORS),
    ("rumours.wanted", lambda node: len(node.rumours.wanted), limits.RUMOURS_WANTED),
    ("rumours.wanted active", lambda node: len(node.rumours.wanted.active()), limits.RUMOUR_FETCHES),
    ("rumours._refused", lambda node: len(node.rumours._refused), limits.RUMOURS_REFUSED),
    ("rumours._asked", lambda node: len(node.rumours._asked), limits.RUMOUR_ASKED),
    ("chunks._shunned", lambda node: len(node.chunks._shunned), limits.SHUNNED),
    ("chunks._served", lambda node: len(node.chunks._served), limits.PEERS),
    ("chunks.fetches", lambda node: len(node.chunks.fetches), limits.FETCHES),
    ("chunks sources of one fetch", lambda node: _longest(f.sources for f in node.chunks.fetches.values()), limits.FETCH_SOURCES),
    ("slicing.slices", lambda node: len(node.slicing.slices), limits.MANIFESTS),
    ("slicing seats of one slice", lambda node: _longest(s.seats for s in node.slicing.slices.values()), limits.SEAT_HINTS),
    ("slicing candidates of one slice", lambda node: _longest(s.candidates for s in node.slicing.slices.values()), limits.CANDIDATES),
    ("ring.near", lambda node: len(node.ring.near), 2 * limits.NEIGHBOURS),
    ("ring.links.far", lambda node: len(node.ring.links.far), limits.LONG_LINKS),
    ("lookup.asking", lambda node: len(node.lookup.asking), limits.LOOKUPS),
    ("lookup.passing", lambda node: len(node.lookup.passing), limits.LOOKUPS + 1),
    ("ring._gone", lambda node: len(node.ring._gone), limits.TOMBSTONES),
    ("aggregate.asked", lambda node: len(node.aggregate.asked), limits.AVERAGES_ASKED),
    ("aggregate._answers", lambda node: len(node.aggregate._answers), limits.AVERAGES_KEPT),
    ("averages.queries", lambda node: len(node.aggregate.averages.queries), limits.QUERIES),
    ("averages.vectors", lambda node: len(node.aggregate.averages.vectors), limits.MANIFESTS + 1),
    ("averages sizes", lambda node: len(node.aggregate.averages.sizes.cells), limits.SIZE_CELLS),
    ("averages versions", lambda node: len(node.aggregate.averages.versions.cells), limits.VERSIONS),
    ("query samples", lambda node: _longest(q.samples for q in node.aggregate.averages.queries.values()), limits.CDF_SAMPLES),
    ("query thresholds", lambda node: _longest(q.points for q in node.aggregate.averages.queries.values()), limits.CDF_POINTS),
    ("tasks.waiting", lambda node: len(node.tasks.waiting), limits.RESULTS_WAITING),
    ("door.carried", lambda node: len(node.door.carried) if node.door else 0, limits.DOOR_RESULTS),
    ("door._wants", lambda node: len(node.door._wants) if node.door else 0, limits.DOOR_WANTS),
    ("door._published", lambda node: len(node.door._published) if node.door else 0, limits.DOOR_PUBLISHED),
    ("tombstones", lambda node: len(node.tombstones.until), limits.TOMBSTONES),
    ("datagrams waiting", lambda node: len(node._unsent), limits.UNSENT_DATAGRAMS),
    ("events waiting", lambda node: len(node._events), limits.EVENTS),
    ("work", lambda node: len(node.work), limits.WORK),
    ("store blobs", lambda node: len(node.store), store.BLOBS),
    ("store bytes", lambda node: node.store.used, lambda node: node.store.capacity),
)


def _longest(collections):
    return max(map(len, collections), default=0)


def tables(node):
    """(name, entries, cap) of every bounded table."""
    return [(name, size(node), cap if isinstance(cap, int) else cap(node)) for name, size, cap in TABLES]
