"""Fills the tables of a box to their caps, by the doors that peers' words come in through.

What a stranger's message would fill is filled by the service's own methods, with things
as large as they may be; none may say no before its cap.
"""

from array import array

from backfence.agent.descriptor import Descriptor
from backfence.agent.query import Distribution
from backfence.agent.seat import CIRCLE, SeatEntry
from backfence.agent.sessions import PEERS, Peer
from backfence.agent.store import BLOBS
from backfence.agent.workload import Job, Result
from backfence.agent.wire import seal, x25519
from backfence.agent.wire.hashes import sha256
from lan import WALL_S, sign

# Loaded by fill(): a box that has joined has let go of it.
limits = None
_SLICES, _QUERIES = 12, 9
# A predicate of PREDICATE_NODES.
_WHERE = ["and"] + [["==", "region", "a region of some length %d" % i] for i in range(10)]


def box_at(number):
    """Descriptor of a box on IPv6, its address as long as they come."""
    return Descriptor(sha256(b"stranger %d" % number)[:16], bytes(14) + number.to_bytes(4, "big"))


def acquaint(box, strangers, each):
    """Let a box know these Descriptors, as many as there is room for, and have `each` sessions with all whom it knows."""
    sessions = box.peers._sessions
    for made in strangers:
        if len(sessions.table) < PEERS:
            sessions.add(Peer(made.id, made.addr, sha256(b"secret", made.id), 1, 1))
    for peer in list(sessions.table.values()):
        while len(peer.sessions) < each:
            keys = seal.Keys(peer.secret, bytes(64), bytes(64), True)
            sessions.attach(peer, seal.Session(keys, sessions.new_index(), box.rng.bytes(4), True))


def _peers(box):
    sessions = box.peers._sessions
    acquaint(box, [box_at(number) for number in range(limits.PEERS)], limits.SESSIONS)
    for number in range(limits.HAILS):
        stranger = box_at(1000 + number)
        for _ in range(limits.PENDING):
            box.peers.send(stranger.id, stranger.addr, box.rng.bytes(limits.MESSAGE_BYTES))
    return {
        "peers": (len(sessions.table), limits.PEERS),
        "sessions": (len(sessions._indices), limits.PEERS * limits.SESSIONS),
        "hails": (len(box.peers.hails), limits.HAILS),
        "pending": (sum([len(hail.pending) for hail in box.peers.hails.values()]), limits.HAILS * limits.PENDING),
    }


def _manifest(number):
    if number < _SLICES:
        return {"kind": "slice", "name": "slice-%d" % number, "seats": limits.SEATS, "where": _WHERE}
    if number < _SLICES + _QUERIES:
        return {"kind": "query", "name": "query-%d" % number, "by": "load", "where": _WHERE}
    return {
        "kind": "workload", "name": "work-%d" % number, "slice": "slice-0", "program": sha256(b"p%d" % number),
        "program_size": limits.BLOB_BYTES, "index": [sha256(b"%d" % i) for i in range(limits.INDEX_BLOBS)],
        "tasks": limits.TASKS, "args": ["a" * limits.ARGUMENT_BYTES] * limits.ARGUMENTS,
        "replicas": 1, "quorum": 1, "limits": {"fuel": 1 << 40, "pages": 2, "output": limits.BLOB_BYTES},
        "deadline_s": 86400, "deterministic": True,
    }


def _manifests(box):
    refused = []
    for number in range(limits.MANIFESTS - len(box.rumours.manifests)):
        fields = {"fleet": box.trust.fleet, "issued": WALL_S, "expires": WALL_S + 86400, "seq": 1}
        fields.update(_manifest(number))
        box.rumours.offer(sign(fields), refused.append)
        while box.step(box.now_ms):
            pass
        box.events()
    assert not [why for why in refused if why], refused
    for number in range(len(box.rumours.floors), limits.FLOORS):
        box.rumours.floors[sha256(b"floor %d" % number)[:16]] = [number, WALL_S, sha256(b"%d" % number)]
    tellers = list(box.peers.table.values())
    for number in range(limits.RUMOURS_WANTED):
        entry = [sha256(b"w%d" % number)[:16], 1, sha256(b"wanted %d" % number), limits.MANIFEST_BYTES]
        for peer in tellers[number % 8 * 6 : number % 8 * 6 + limits.FETCH_SOURCES]:
            box.rumours.on_have(peer, [0, [entry]])
    return {
        "manifests": (len(box.rumours.manifests), limits.MANIFESTS),
        "floors": (len(box.rumours.floors), limits.FLOORS),
        "wanted": (len(box.rumours.wanted), limits.RUMOURS_WANTED),
        "queries": (len(box.aggregate.averages.queries), limits.QUERIES),
    }


def _seats(box):
    entries = [SeatEntry(number, 1, box_at(number), box.now_ms) for number in range(1, limits.SEAT_HINTS + 9)]
    for slice in box.slicing.slices.values():
        for entry in entries:
            box.slicing.hear_seat(slice, entry)
        for number in range(100, 100 + limits.CANDIDATES):
            slice.offers.hear(box_at(number), box.now_ms)
    slice = box.slicing.by_name("slice-0")
    box.ring.take(slice.manifest, 0, 1, entries[: 2 * limits.NEIGHBOURS])
    links = box.ring.links
    for number in range(2, 14):
        for seat in (3 << number - 1, CIRCLE - (3 << number - 1)):
            links.keep(SeatEntry(seat, 1, box_at(200 + seat), box.now_ms), 0, 0)
    for number in range(limits.TOMBSTONES):
        box.tombstones.bury(box_at(5000 + number).id, box.now_ms)
    hints = sum([len(slice.seats) for slice in box.slicing.slices.values()])
    return {
        "seat hints": (hints, len(box.slicing.slices) * limits.SEAT_HINTS),
        "near": (len(links.near), 2 * limits.NEIGHBOURS),
        "far": (len(links.far), limits.LONG_LINKS),
        "tombstones": (len(box.tombstones.until), limits.TOMBSTONES),
    }


def _blobs(box):
    for number in range(BLOBS):
        box.store.put(b"a small blob %d" % number)
    sources = [(box_at(number).id, box_at(number).addr) for number in range(limits.FETCH_SOURCES)]
    for number in range(limits.FETCHES):
        box.chunks.fetch(sha256(b"fetch %d" % number), limits.BLOB_BYTES, sources, print)
    for number in range(limits.SHUNNED):
        box.chunks.shun(box_at(300 + number).id)
    box.store.put(b"in place of what went for the parts")
    manifest = box.rumours.of_kind("workload")[0]
    for number in range(limits.RESULTS_WAITING):
        job = Job(manifest, number, number, sha256(b"in %d" % number))
        box.tasks.waiting[job.key] = Result(job, bytes(200), bytes(16), sha256(b"out %d" % number))
    return {
        "blobs": (len(box.store), BLOBS),
        "fetches": (len(box.chunks.fetches), limits.FETCHES),
        "shunned": (len(box.chunks._shunned), limits.SHUNNED),
        "results": (len(box.tasks.waiting), limits.RESULTS_WAITING),
    }


def _averages(box):
    points = limits.CDF_POINTS
    for query in box.aggregate.averages.queries.values():
        query.points = array("f", range(points))
        query.shares = array("d", range(points))
        query.samples = [float(number) for number in range(limits.CDF_SAMPLES)]
        query.result = Distribution(1, 1, [1.0, 1.0, 1.0], 0.0, 1.0, range(points), range(points))
    answers = box.aggregate._answers
    while len(answers) < limits.AVERAGES_KEPT:
        answers.append((box.rng.bytes(16), len(answers), bytes(limits.MESSAGE_BYTES), box.now_ms))
    shuffles = box.membership._answers
    while len(shuffles) < limits.SHUFFLE_ANSWERS:
        shuffles.append((box.rng.bytes(16), len(shuffles), bytes(limits.MESSAGE_BYTES), box.now_ms))
    return {
        "averages kept": (len(answers), limits.AVERAGES_KEPT),
        "shuffle answers": (len(shuffles), limits.SHUFFLE_ANSWERS),
    }


def _queues(box):
    for number in range(limits.WORK):
        # Announced manifests are checked so many at once; ladders take the other places.
        if number < limits.RUMOUR_FETCHES:
            box.rumours.offer(bytes(limits.MANIFEST_BYTES))
        else:
            box.work.add(x25519.Ladder(box.identity.private, sha256(b"stranger %d" % number), box.rng.bytes(32)), print)
    for number in range(limits.UNSENT_DATAGRAMS):
        box.transmit(bytes(limits.DATAGRAM_BYTES), box_at(number).addr)
    for number in range(limits.EVENTS):
        box.log("info", "a line of the log of a usual length, number %d" % number)
    for number in range(limits.LOOKUPS):
        box.lookup.find(1 + number, print)
    return {
        "work": (len(box.work), limits.WORK),
        "unsent": (len(box._unsent), limits.UNSENT_DATAGRAMS),
        "events": (len(box._events), limits.EVENTS),
        "lookups": (len(box.lookup.asking), limits.LOOKUPS),
    }


def fill(box, take_own):
    """Fill all tables; {table: (how many, cap)}.

    take_own() gives the box real checks and ladders, once manifests are in that a test signed.
    """
    global limits
    from backfence.agent import limits

    filled = _peers(box)
    filled.update(_manifests(box))
    take_own()
    filled.update(_seats(box))
    filled.update(_blobs(box))
    filled.update(_averages(box))
    filled.update(_queues(box))
    return filled
