"""Updates of the agent itself: which image is taken, its trial, its proof.

A firmware manifest comes by rumour as all manifests do.  If it is for this box and
newer than all it ever confirmed, its image is fetched into the free slot
(download.py), the record of the slots is written (slots.py), and the agent ends, to
be started anew from there by its launcher.  That is the trial:

- healthy means: it has run for a tenth of trial_s, and its shuffles were answered by
  two boxes (by one if it knows no other; by none if the box had no peers before);
- healthy, it is confirmed; not healthy after trial_s, it says so and ends, and what
  was confirmed before runs again.

A manifest may name waves: then the image is not fetched before waves.py says so.  The
operator's word about a firmware (a manifest of the kind "rollout") stops that, lets it
go on, or ends it for good.

A refused image leaves slot and record as they were.  After any failure the next
manifest is looked at like the first.
"""

from . import release, slots
from .compat import const
from .errors import RemoteError
from .limits import MANIFESTS
from .slots import ANEW, ARCHIVE, BROKEN, DISK, EXECUTABLE, NAMES, UNPROVEN, Row

# The part of trial_s after which a trial may count as healthy: 60 s of 600.
HEALTHY_PART = const(10)
# Boxes that must have answered a trial.
ANSWERS = const(2)
# What waits (health, the end of a trial) is looked at this often.
LOOK_MS = const(1000)
# A disk that refused is tried again after so long, doubling: each try writes flash.
DISK_MS = const(600000)
DISK_DOUBLINGS = const(5)

# The component of archives; another names the processor of an executable.
ANY_PROCESSOR = "mpy6"


class Running:
    """What the launcher has started.

    slot: its number, PACKAGED for the one in ROM; components: names (str) of the
    components this box can run; packaged: sequence of the agent in ROM.
    """

    def __init__(self, slot, components, packaged=release.SEQUENCE):
        self.slot = slot
        self.components = components
        self.packaged = packaged


class Update:
    """The service.  running: a Running, or None without a launcher: then nothing is taken."""

    def __init__(self, node, running):
        self._node = node
        self._running = running
        self.record = self._load()
        self._manifest = None  # what is being fetched
        self.download = None  # download.Download
        self.parts = None  # parts.Parts, once somebody sought one
        self.waves = None  # waves.Waves, while what is to be fetched waits for its wave
        self._seeds = []  # boxes that may have it: (id, address)
        self._ending = None  # ("restart", code, reason), told to the edge until it ends us
        self._broken = []  # hashes of manifests whose image is not what they say
        self._refused = None  # the last reason, for people
        self._answered = []
        self._disk_failures = 0
        self._tell()
        self._again_ms = None  # when a disk that refused is tried again
        self.due = node.now_ms

    def _load(self):
        data = self._node.store.load_state(slots.STATE)
        if data is not None:
            try:
                return slots.decode(data)
            except RemoteError as problem:
                self._node.counters.bump("store_errors")
                self._node.log("warning", str(problem) + "; the next update writes it anew")
        return slots.Record()

    def _save(self, record):
        """Make a changed copy of the record ours, if it is durable; else False."""
        if not self._node.store.save_state(slots.STATE, slots.encode(record)):
            return False
        self.record = record
        self._tell()
        return True

    def _tell(self):
        """What the fleet counts of updates."""
        failed = self.record.failed
        self._node.attributes["firmware"] = runs = self.sequence() or 0
        self._node.attributes["firmware_failed"] = self.record.floor if self.record.floor > runs else failed[-1] if failed else 0

    def _copy(self):
        return slots.decode(slots.encode(self.record))

    # -- what is asked of us

    def on_trial(self):
        """True while what runs has yet to prove itself."""
        return bool(self._running and self._running.slot and self._running.slot == self.record.trial)

    def heard(self, id):
        """The box id answered a shuffle of ours."""
        if len(self._answered) < ANSWERS and id not in self._answered:
            self._answered.append(id)

    def on_manifest(self, manifest):
        """A firmware manifest, or the operator's word about one, was verified and taken by rumours."""
        if self._running is None:
            return
        if manifest.kind == "rollout":
            self._on_word(manifest)
            return
        if self._is_ours(manifest):
            return
        counter, reason = self.refusal(manifest)
        if reason:
            self._node.counters.bump(counter)
            self._refused = "%s %d: %s" % (manifest.name, manifest.seq, reason)
            self._node.log("info", "firmware refused: " + self._refused)
        else:
            # Another image is another try, however long the last one is to wait.
            self._again_ms = None
            self._consider()

    def on_expired(self, manifest):
        """A firmware manifest's time is over, or it made way for another."""
        if manifest is self._manifest:
            self._drop()
        self._consider()

    def _is_ours(self, manifest):
        """True for what this box has already, as each start hears of it again."""
        for slot in (self.record.confirmed, self.record.trial):
            row = self.record.rows[slot]
            if row and (row.digest, row.sequence) == (manifest.fields["image"], manifest.seq):
                return True
        return False

    def refusal(self, manifest):
        """(counter, why) if an image is not for this box now, ("", None) if it is."""
        from .wire import suit  # loaded to check the manifest; a box that never gets one needs no room for it

        fields = manifest.fields
        vendor = suit.vendor_id(self._node.config.vendor)
        if fields["vendor"] != vendor:
            return "updates_foreign", "it is for another vendor's boxes"
        if fields["class"] != suit.class_id(vendor, self._node.config.class_):
            return "updates_foreign", "it is for another class of boxes"
        if fields["component"][1] not in self._running.components:
            return "updates_foreign", "its component does not run on this box"
        reason = slots.refusal(self.record, manifest.seq)
        if not reason and manifest.seq <= self.sequence():
            reason = "its sequence is not above that of what runs"
        if not reason and manifest.expires <= self._node.wall_s():
            reason = "it has expired"
        if not reason and fields["size"] > self._node.config.slot_kb * 1024:
            reason = "its %d bytes are more than a slot holds" % fields["size"]
        if not reason and manifest.digest in self._broken:
            reason = "its image is not what it says"
        if not reason:
            from .waves import stopped

            reason = stopped(self._node, manifest)
        return "updates_refused" if reason else "", reason

    def sequence(self):
        """The sequence of what runs; None without a launcher."""
        if self._running is None:
            return None
        row = self.record.rows[self._running.slot]
        return row.sequence if row else self._running.packaged

    def _on_word(self, word):
        """The operator has spoken of a firmware."""
        if self._manifest and self.refusal(self._manifest)[1]:
            self._drop()
        if word.fields["word"] == "halt" and self.on_trial() and self.sequence() == word.fields["firmware"]:
            self.end(UNPROVEN, "the operator has halted the trial")
        self._consider()

    # -- waves

    def on_poll(self, peer, message):
        """A box of a later wave asks how a firmware fares here."""
        from .waves import answer

        answer(self._node, self.waves, peer, message)

    def on_polled(self, peer, message):
        """A box that we polled answers."""
        if self.waves:
            self.due = min(self.due, self.waves.on_polled(peer, message))

    def on_seek(self, peer, message):
        """A box looks for a part of an image."""
        if not self._node.rumours.of_kind("firmware"):
            return  # and nothing is loaded for whoever asks
        if self.parts is None:
            from .parts import Parts
            self.parts = Parts(self._node)
        self.parts.on_seek(peer, message)

    def on_spare(self, peer, message):
        """A box that we asked for a part answers."""
        if self.download:
            self.download.on_spare(peer, message)

    def lent(self, id, digest, offset):
        """What a box pulls a part from that was lent to it, else None."""
        return self.parts and self.parts.lent(id, digest, offset)

    # -- fetching and installing

    def _consider(self):
        """Begin with the newest image that is for us, unless it is under way."""
        if self._running is None or self.on_trial() or self._ending or self._again_ms is not None:
            return
        best = self._manifest
        for manifest in self._node.rumours.of_kind("firmware"):
            if not self._is_ours(manifest) and not self.refusal(manifest)[1]:
                if best is None or manifest.seq > best.seq:
                    best = manifest
        if best is self._manifest:
            return
        self._drop()
        self._manifest = best
        fields = best.fields
        if "waves" in fields:
            from .waves import Waves, wave_of

            wave = wave_of(fields, self._node.id, self._node.config.region)
            if wave:
                self._node.log("info", "firmware %s %d: waits for wave %d" % (best.name, best.seq, wave))
                self.waves = Waves(self._node, best, wave, self._come)
                self.due = self._node.now_ms
                return
        self._fetch()

    def _come(self):
        """The wave has come."""
        self._seeds, self.waves = self.waves.seeds(), None
        self._fetch()

    def _fetch(self):
        """Fetch the image of the manifest that was chosen, into the free slot."""
        from .download import Download  # as suit above

        best, fields = self._manifest, self._manifest.fields
        kind = ARCHIVE if fields["component"][1] == ANY_PROCESSOR else EXECUTABLE
        slot = slots.spare(self.record, self._running.slot)
        row = Row(kind, fields["size"], fields["image"], best.seq)

        def done(why, text):
            self._downloaded(slot, row, why, text)

        def wake(at_ms):
            self.due = min(self.due, at_ms)

        self._node.log("info", "firmware %s %d: fetched into %s" % (best.name, best.seq, NAMES[slot]))
        self.parts = None  # nothing is lent any more from a slot that changes
        self.download = Download(self._node, slot, row, best, done, wake, self._seeds)
        self.due = self._node.now_ms

    def _drop(self):
        if self.download:
            self.download.cancel()
        self.download = self._manifest = self.waves = None
        self._seeds = []

    def _downloaded(self, slot, row, why, text):
        manifest = self._manifest
        self.download = self._manifest = None
        if why is None:
            record = self._copy()
            slots.begin_trial(record, slot, row, bool(self._answered or self._node.membership.view))
            if self._save(record):
                self._disk_failures = 0
                self._node.counters.bump("updates_installed")
                self.end(ANEW, "firmware %d is tried from %s" % (row.sequence, NAMES[slot]))
                return
            why, text = DISK, "the disk refused the record"
        self._node.counters.bump(why)
        self._refused = "%s %d: %s" % (manifest.name, manifest.seq, text)
        self._node.log("warning", "firmware not installed: " + self._refused)
        if why == BROKEN:
            self._broken = (self._broken + [manifest.digest])[-MANIFESTS:]
            self._consider()
        else:
            self._again_ms = self._node.now_ms + (DISK_MS << min(self._disk_failures, DISK_DOUBLINGS))
            self._disk_failures += 1
            self.due = min(self.due, self._again_ms)

    def end(self, code, reason):
        """Have the edge end the agent, to be started anew."""
        self._ending = ("restart", code, reason)
        self.due = self._node.now_ms

    # -- the trial, and what is due

    def tick(self, now_ms):
        """Look at the health of what runs; go on with a download."""
        self.due = now_ms + DISK_MS
        if self._running is None:
            return
        if self._ending:
            # Again, should the edge's queue have been full.
            self._node.event(self._ending)
            self.due = now_ms + LOOK_MS
            return
        if self.on_trial():
            self._prove(now_ms)
        else:
            self._settle(now_ms)
        if self._again_ms is not None and now_ms >= self._again_ms:
            self._again_ms = None
            self._consider()
        if self.waves and now_ms >= self.waves.due:
            self.waves.tick(now_ms)
        if self.waves:
            self.due = min(self.due, self.waves.due)
        if self.download and now_ms >= self.download.due:
            self.download.tick(now_ms)
        if self.download:
            self.due = min(self.due, self.download.due)
        if self._again_ms is not None:
            self.due = min(self.due, self._again_ms)

    def _age_ms(self):
        return self._node.now_ms - self._node.started_ms

    def _healthy_ms(self):
        return self._node.config.trial_s * (1000 // HEALTHY_PART)

    def _is_healthy(self):
        """A loop that does not turn never comes here: that is the launcher's watchdog."""
        if self._age_ms() < self._healthy_ms():
            return False
        known = len(self._node.membership.reachable())
        return not self.record.peered or len(self._answered) >= min(ANSWERS, max(1, known))

    def _prove(self, now_ms):
        self.due = now_ms + LOOK_MS
        if self._is_healthy():
            record = self._copy()
            slots.confirm(record)
            if self._save(record):
                self._node.counters.bump("updates_confirmed")
                self._node.log("info", "firmware %d is confirmed" % record.floor)
                self._consider()
            else:
                # It works; only its record waits for the disk.
                self.due = now_ms + self._healthy_ms()
        elif self._age_ms() >= self._node.config.trial_s * 1000:
            heard = "%d boxes answered" % len(self._answered)
            self.end(UNPROVEN, "the trial has not proved itself: " + heard)

    def _settle(self, now_ms):
        """What is confirmed, or packaged, has run for a while."""
        left_ms = self._healthy_ms() - self._age_ms()
        if self.record.crashes and left_ms <= 0:
            from .waves import soak_ms

            left_ms = soak_ms(self._node, self.sequence()) - self._age_ms()
        if left_ms > 0:
            self.due = min(self.due, now_ms + left_ms)
        elif self.record.crashes:
            record = self._copy()
            record.crashes = 0
            self._save(record)
        if self.record.trial:
            # The launcher could not write the record: the disk was full, perhaps.
            left_ms = self._node.config.trial_s * 1000 - self._age_ms()
            if left_ms > 0:
                self.due = min(self.due, now_ms + left_ms)
            elif self._save(self._copy()):
                self.end(ANEW, "the image in %s waits for its trial" % NAMES[self.record.trial])

    # -- for people

    def status(self):
        """dict, JSON-able: what runs, what is confirmed, what is under way."""
        record, running = self.record, self._running
        return {
            "runs": NAMES[running.slot] or "packaged" if running else None,
            "sequence": self.sequence() if running else release.SEQUENCE,
            "confirmed": NAMES[record.confirmed] or "packaged",
            "trial": NAMES[record.trial] or None,
            "floor": record.floor,
            "failed": list(record.failed),
            "fetching": self.download.status() if self.download else None,
            "waiting": dict(self.waves.status(), sequence=self._manifest.seq) if self.waves else None,
            "refused": self._refused,
        }
