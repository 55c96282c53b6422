"""Work: which tasks are this box's, running them one by one, handing results in.

A box computes its tasks from its seat (placement.py).  A bitmap of what seems
done, merged by gossip around the ring, spares work and decides nothing: only
the workload's owner settles, from receipts.  So a seat's successor in office
inherits exactly the tasks that no door has taken yet.
"""

from .compat import const
from .errors import RemoteError
from .limits import INDEX_ENTRIES, RESULTS_WAITING
from .placement import seat_of, step_of
from .receipt import Receipts
from .wire.messages import PROGRESS, RESULT

# Tasks placed per tick: some 3 ms on a slow box.
SCAN_STEP = const(32)
TICK_MS = const(500)
IDLE_MS = const(60000)
# A vacant seat's tasks fall to its predecessor when no candidate came this long.
ADOPT_MS = const(30000)
# Inputs fetched ahead of the task that runs.
AHEAD = const(2)
# Results offered to a door at once, and how often an offer is repeated.
OFFERS = const(4)
OFFER_MS = const(2000)
OFFERS_PER_DOOR = const(3)
# No task is started for this long after an output found no room on the disk.
NO_ROOM_MS = const(10000)


class Tasks:
    """The tasks of this box's seat."""

    def __init__(self, node):
        self._node = node
        self.workloads = {}  # id: Workload
        self.waiting = {}  # job key: Result
        self.job = None
        self.guest = None  # a guest.Guest from the first workload on
        self.receipts = Receipts(node)
        self._vacant_ms = 0
        self._turn, self._dirty = 0, False
        self._longest_ms = 0
        self._doubts = False  # the job is one that others said is done
        self._spare = None  # a spare.Spare while all of ours is done
        self._resume_ms = self._busy_ms = node.now_ms
        self.due = node.now_ms + TICK_MS

    # -- manifests and seats

    def on_manifest(self, manifest):
        """A verified workload manifest, new or changed."""
        known = self.workloads.get(manifest.id)
        if known and known.manifest.digest != manifest.digest:
            self._drop(manifest.id, not (self.job and known.goes_on(manifest, self.job)))
        self._adopt_workloads()
        self.due = self._node.now_ms

    def on_expired(self, manifest):
        """A workload manifest that has expired."""
        self._drop(manifest.id)

    def on_seat(self):
        """Our seat, or the gap behind it, has changed."""
        self._vacant_ms = self._node.now_ms
        self._adopt_workloads()
        self.due = self._node.now_ms

    def _here(self, manifest):
        """True if a workload's slice, or what it was merged into, is the ring we sit in."""
        where = self._node.slicing.where_is(manifest.fields["slice"])
        return where is not None and where[0] == self._node.ring.slice_id

    def _adopt_workloads(self):
        node = self._node
        self._spare = None
        for id in list(self.workloads):
            manifest = self.workloads[id].manifest
            if not self._here(manifest):
                # Who has moved to another slice finishes what it runs.
                self._drop(id, node.ring.seat is None or not node.slicing.by_name(manifest.fields["slice"]))
        for manifest in node.rumours.of_kind("workload"):
            if manifest.id not in self.workloads and self._here(manifest):
                from .workload import Workload  # most boxes have none

                self.workloads[manifest.id] = Workload(manifest)
        if self.workloads and not self.guest:
            from .guest import Guest

            self.guest = Guest(node)

    def _drop(self, id, cancel=True):
        self._spare = None  # it may look at this one
        if self.workloads.pop(id, None) and cancel and self.job and self.job.workload_id == id:
            self._node.event(("cancel", self.job.key))

    def _current_span(self):
        node = self._node
        # A seat beyond what the slice has now: its tasks are others'.
        if node.ring.seat is None or node.ring.seat >= node.ring.seats():
            return None
        step = step_of(node.ring.manifest)
        seat, count = node.ring.span(step)
        return (seat, 1 if node.now_ms - self._vacant_ms < ADOPT_MS else count, node.ring.seats(), step)

    # -- choosing

    def tick(self, now_ms):
        """Place tasks, fetch what the next ones need, start one, offer results."""
        if self.guest:
            self.guest.tick(now_ms)
        self.due = now_ms + (TICK_MS if self.workloads or self.waiting else IDLE_MS)
        span = self._current_span()
        for workload in self.workloads.values():
            where = span and self._node.slicing.where_is(workload.manifest.fields["slice"])
            place = span + where[1:] if where else None
            if place != workload.place:
                workload.place = place
                workload.mine.clear()
                workload.scanned = 0 if place else workload.tasks
            if workload.scanned < workload.tasks:
                self._scan(workload)
                self.due = now_ms
        self._offer(now_ms)
        if span and not self.due == now_ms:
            self._advance()
        if self._dirty:
            self._tell_neighbours()

    def _scan(self, workload):
        seat, span, seats, step, first, count = workload.place
        until = min(workload.tasks, workload.scanned + SCAN_STEP)
        for task in range(workload.scanned, until):
            if not workload.asks(task):
                continue
            home = seat_of(workload.manifest.id, task, count) + workload.first
            for replica in range(workload.replicas):
                place = first + (home + replica) % count
                if (place - seat) % seats < span and not (place - seat) % step:
                    workload.mine.set(task * workload.replicas + replica)
        workload.scanned = until

    def _open(self, workload):
        """Yield (task, bit) of our tasks that are neither done nor finished here."""
        mine, done = workload.mine.data, workload.done.data
        prefix = workload.manifest.id
        last = -1
        for index in range(len(mine)):
            if not mine[index] & ~done[index]:
                continue
            for bit in range(index * 8, min(index * 8 + 8, workload.mine.length)):
                if not workload.mine.get(bit) or workload.done.get(bit):
                    continue
                task = bit // workload.replicas
                key = prefix + task.to_bytes(4, "big")
                if task == last or key in self.waiting or (self.job and self.job.key == key):
                    continue
                last = task
                yield task, bit

    def open_count(self):
        """Number of our tasks not done, those waiting for a door included."""
        total = len(self.waiting) + (1 if self.job else 0)
        for workload in self.workloads.values():
            for _ in self._open(workload):
                total += 1
        return total

    def at_work(self):
        """True if a task of ours runs here, or is open."""
        if self.job:
            return True
        wall = self._node.wall_s()
        for workload in self.workloads.values():
            if workload.live(wall):
                for _ in self._open(workload):
                    return True
        return False

    def _advance(self):
        node = self._node
        if len(self.waiting) >= RESULTS_WAITING:
            node.counters.bump("results_waiting_full")
            return
        if not node.available or node.now_ms < self._resume_ms:
            return
        wall = node.wall_s()
        ids = sorted(self.workloads)
        ahead = AHEAD + (0 if self.job else 1)
        idle = not self.job and not self.waiting
        for i in range(len(ids)):
            workload = self.workloads[ids[(self._turn + i) % len(ids)]]
            if not workload.live(wall):
                continue
            for task, bit in self._open(workload):
                if ahead == 0:
                    return
                ahead -= 1
                idle = False
                self._spare = None
                self._busy_ms = node.now_ms
                digest = self._ready(workload, task)
                if digest and not self.job:
                    self._start(workload, task, bit, digest)
        if idle and ids:
            self._help([self.workloads[id] for id in ids if self.workloads[id].live(wall)])

    def _help(self, workloads):
        """All of ours is done, or said to be: run copies of what holds up our neighbours, else what we doubt."""
        node = self._node
        if self._spare is None:
            from .spare import Spare  # not all boxes are ever idle with work around

            self._spare = Spare(node, self._longest_ms)
        chosen, why = self._spare.chosen(workloads), "tasks_copied"
        if chosen:
            self._busy_ms = node.now_ms
        else:
            chosen, why = self._spare.doubted(workloads, node.now_ms - self._busy_ms), "tasks_doubted"
        if chosen:
            workload, task, bit = chosen
            digest = self._ready(workload, task)
            if digest:
                node.counters.bump(why)
                self._start(workload, task, bit, digest)
                self._doubts = why == "tasks_doubted"

    def _ready(self, workload, task):
        """SHA-256 of a task's input if all it needs is here; else fetches it."""
        store = self._node.store
        fields = workload.manifest.fields
        index = fields["index"][task // INDEX_ENTRIES]
        have_program = store.has(fields["program"])
        if not have_program:
            self._fetch(fields["program"], fields["program_size"], True)
        if not store.has(index):
            self._fetch(index, None, True)
            return None
        digest = store.read(index, 32 * (task % INDEX_ENTRIES), 32)
        if digest is None or len(digest) < 32:
            return None
        digest = bytes(digest)
        if not store.has(digest):
            self._fetch(digest, None, False)
            return None
        return digest if have_program else None

    def _fetch(self, digest, size, shared):
        """Ask neighbours first for what they need too; doors for the rest."""
        node = self._node
        if node.chunks.wants(digest):
            return
        if node.door and node.door.want(digest):
            return
        sources = []
        if shared:
            sources = [(e.id, e.box.addr) for e in node.rng.sample(node.ring.links.straight(), 2)]
        doors = [(d.id, d.addr) for d in node.membership.door_list()]
        node.rng.shuffle(doors)
        sources += doors
        if sources:
            node.chunks.fetch(digest, size, sources, self._fetched)

    def _fetched(self, digest, whole):
        self.due = self._node.now_ms if whole else self.due

    def _start(self, workload, task, bit, digest):
        job = workload.job(task, bit, digest, self._node.now_ms)
        if not self._node.event(("job", job)):
            return
        self._turn += 1
        self.job, self._doubts = job, False
        self._node.store.pin(job.program)
        self._node.store.pin(job.input)
        self._node.counters.bump("tasks_started")

    # -- finishing

    def on_done(self, job, outcome):
        """The container's outcome of the running job."""
        node = self._node
        store = node.store
        if self.job is not job:
            return
        self.job = None
        self._longest_ms = max(self._longest_ms, node.now_ms - job.begun_ms)
        self.due = node.now_ms
        if not self._doubts:
            self._busy_ms = node.now_ms
        bytes_in = store.size(job.input)
        store.unpin(job.program)
        store.unpin(job.input)
        if outcome.kind == "cancelled":
            return
        output = None
        if outcome.output:
            output = store.put(bytes(outcome.output), True)
            if output is None:
                # No room now: the task stays open and runs again, later.
                self._resume_ms = node.now_ms + NO_ROOM_MS
                return
        store.forget(job.input)
        if outcome.kind != "ok":
            node.counters.bump("tasks_failed")
        receipt, tag = self.receipts.make(job, outcome, bytes_in)
        self.waiting[job.key] = job.result(receipt, tag, output)
        self._offer(node.now_ms)
        node.news()

    def _offer(self, now_ms):
        """Offer results to doors, a few at a time, the longest not offered first."""
        node = self._node
        if not self.receipts.ready():
            return
        offers = OFFERS
        due = []
        for key in self.waiting:
            next_ms = self.waiting[key].next_ms
            if now_ms < next_ms:
                offers -= 1
            else:
                due.append((next_ms, key))
        for _, key in sorted(due):
            result = self.waiting[key]
            if offers <= 0:
                break
            if result.output and not node.store.has(result.output):
                del self.waiting[key]  # the disk lost it: the task is open again
                continue
            result.tag = result.tag or self.receipts.tag(result.receipt, result.job.workload)
            if result.tag is None:
                continue  # a tenant's key is being computed
            offers -= 1
            if node.is_door():
                node.door.carry(None, result.receipt, result.tag, result.output)
                result.next_ms = now_ms + OFFER_MS
                continue
            doors = node.membership.door_list()
            if not doors:
                continue
            door = doors[(result.offers // OFFERS_PER_DOOR) % len(doors)]
            if result.offers:
                node.counters.bump("results_retried")
            result.offers += 1
            result.next_ms = now_ms + node.rng.jitter(OFFER_MS)
            node.send(door.id, door.addr, RESULT, result.receipt, result.tag)

    def on_taken(self, peer, message):
        """A door has brought a result of ours to the broker."""
        _, workload_id, seq, task = message
        self.taken(workload_id, seq, task)

    def taken(self, workload_id, seq, task):
        """Drop a delivered result and mark its task as done."""
        result = self.waiting.get(workload_id + task.to_bytes(4, "big"))
        if result is None or result.job.seq != seq:
            return
        del self.waiting[result.job.key]
        if result.output:
            self._node.store.unpin(result.output)
            self._node.store.forget(result.output)
        self._node.counters.bump("tasks_done")
        workload = self.workloads.get(workload_id)
        if workload and workload.manifest.seq == seq:
            workload.did(result.job.bit)
            self._dirty = True
        self.due = self._node.now_ms

    # -- progress

    def tell_progress(self, box):
        """Tell one box (Descriptor) what seems done."""
        for workload in self.workloads.values():
            if workload.done.count():
                manifest = workload.manifest
                self._node.send(box.id, box.addr, PROGRESS, manifest.id, manifest.seq, bytes(workload.done.data))

    def _tell_neighbours(self):
        self._dirty = False
        ring = self._node.ring
        if ring.seat is None:
            return
        told = []
        for entry in (ring.successor(), ring.predecessor()):
            if entry and entry.id not in told:
                told.append(entry.id)
                self.tell_progress(entry.box)

    def on_progress(self, peer, message):
        """Merge what a holder of our slice says is done: a hint, no more."""
        _, workload_id, seq, data = message
        workload = self.workloads.get(workload_id)
        if workload is None or workload.manifest.seq != seq or peer.id not in self._node.ring.near:
            return
        if len(data) != len(workload.done.data):
            raise RemoteError("progress length")
        if workload.done.merge(data):
            self._dirty = True
            self.due = self._node.now_ms + TICK_MS // 2
