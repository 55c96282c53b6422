"""Results on the owner's disk: kept before they are acknowledged, merged, written out.

works/NAME/SEQ/ in the fleet's directory holds one run of a workload:

    plan.json       blobs at the broker, sizes of the inputs, how to merge, how it is
                    trusted (repetition.py), whether it was pushed whole, whether it was ended
    record.json     of an adaptive run: the boxes' records when it began
    verifier.wasm   of a run with a verifier, and
    inputs          what it needs besides outputs, a record of a journal.Journal each
    manifest-N.cose the signed manifests of the run (N: sequence numbers)
    results         a journal.Journal of all that the settlement followed from, in
                    its order: it is settled again, alike, whenever it is opened

Only indexes and receipts are held in memory; outputs are read from the journal.
"""

import collections
import json
import os
import time

from ...agent.errors import RemoteError
from ...agent.wire import cbor
from . import files, manifests, receipt, repetition
from .errors import OperatorError
from .journal import Journal
from .settle import ACCEPTED, CANCELED, OPEN, SUCCEEDED, TIMED_OUT, Settlement

MERGES = ("concat", "sum")


class Work:
    """One run of a workload: its plan, and a Settlement fed from disk and network.

    A record of the journal is CBOR, [unix seconds, what came]: a result as bytes, the
    number of another manifest of the run, the state that open tasks were closed in, the
    numbers of tasks that were given up, or the verifier's word: {task: [box, good]}.
    """

    def __init__(self, fleet, folder):
        """Opens works/NAME/SEQ and counts the results that are there."""
        self.fleet = fleet
        self.folder = folder
        self.plan = files.read_json(self._path("plan.json"))
        self._plan_ns = self._changed_ns()
        self.journal = Journal(self._path("results"))
        self._places = {}  # (task, box): place in the journal
        self.came_s = {}  # (task, box): unix seconds
        self._verifier = self._inputs = None
        self.verified = 0  # how often the verifier ran here, in this process
        sequences = sorted(
            int(name[len("manifest-"):-len(".cose")])
            for name in os.listdir(folder) if name.startswith("manifest-") and name.endswith(".cose")
        )
        first = self._manifest(sequences[0])
        self.settlement = Settlement(
            first, fleet, keep=False, sizes=self.plan["sizes"], trust=self._trust(first), verify=self.plan["verify"],
        )
        self.name = self.settlement.name
        # Who signed it; "" is the operator.
        self.tenant = self.name.rpartition("/")[0]
        self._load(sequences)

    @classmethod
    def create(cls, fleet, manifest, signed, merge="concat", pushed=False):
        """Makes the folder of a new run, before anything is published.

        pushed: True if somebody else publishes it, and we never learn when.
        """
        trusted = manifest.trusted
        payload = manifest.payload
        above = _above(fleet, payload["name"])
        if not os.path.isdir(above):
            files.make_directory(above)
        folder = os.path.join(above, str(payload["seq"]))
        files.make_directory(folder)
        files.write_whole(os.path.join(folder, f"manifest-{payload['seq']}.cose"), signed)
        plan = {
            "blobs": sorted(digest.hex() for digest in manifest.blobs), "sizes": manifest.sizes, "merge": merge,
            "pushed": pushed, "ended": False, "expires": payload["expires"], "recorded": False,
            "adaptive": trusted.adaptive, "attempts": trusted.attempts, "verify": bool(trusted.verifier),
            "checkers": trusted.checkers,
        }
        if trusted.adaptive:
            repetition.save(os.path.join(folder, "record.json"), repetition.load(fleet.path("record.json")))
        if trusted.verifier:
            files.write_whole(os.path.join(folder, "verifier.wasm"), trusted.verifier)
            inputs = Journal(os.path.join(folder, "inputs"))
            for digest in manifest.inputs:
                inputs.append(manifest.blobs[digest])
            inputs.sync()
            inputs.close()
        # The plan comes last: a folder without it is not a run.
        files.write_json(os.path.join(folder, "plan.json"), plan)
        return cls(fleet, folder)

    @classmethod
    def newest(cls, fleet, name):
        """Opens the newest run of a workload; OperatorError if there is none."""
        folders = runs(fleet, name)
        if not folders:
            raise OperatorError(f"this fleet never ran a workload {name!r}", "See `backfence describe`.")
        return cls(fleet, folders[-1])

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _trust(self, payload):
        if not self.plan["adaptive"]:
            return repetition.Trust()
        secret = self.fleet.derived(b"backfence checks %s %d" % (payload["name"].encode(), payload["seq"]), 32)
        return repetition.Trust(secret, repetition.load(self._path("record.json")), True)

    def _manifest(self, sequence):
        return manifests.read(files.read(self._path(f"manifest-{sequence}.cose")), self.fleet.every_key, now_s=0)

    def _load(self, sequences):
        accepted = {sequences[0]}
        for place, record in self.journal:
            came_s, what = cbor.decode(record)
            if isinstance(what, int):
                accepted.add(what)
                self.settlement.accept(self._manifest(what))
            elif isinstance(what, str):
                self.settlement.close(what)
            elif isinstance(what, list):
                self.settlement.give_up(what)
            elif isinstance(what, dict):
                for number, (box, good) in what.items():
                    self.settlement.judge(number, box, good)
            else:
                self._count(what, came_s, place)
        for sequence in sequences:
            if sequence not in accepted:  # killed before it was noted
                self.settlement.accept(self._manifest(sequence))
        if self.plan["ended"]:
            self.settlement.close(CANCELED)

    def _count(self, payload, came_s, place):
        try:
            found = receipt.read(receipt.open_result(payload)[0])
        except RemoteError:
            found = {"task": 0, "box": b""}
        key = found["task"], found["box"]
        topic = f"{self.settlement.fleet_prefix()}{key[0]}/{key[1].hex()}"
        if self.settlement.offer(topic, payload, now_s=came_s) == ACCEPTED:
            self._places[key], self.came_s[key] = place, came_s

    def take(self, topic, payload):
        """Counts one message; returns the verdict.  An accepted one is on the disk when `sync` has returned."""
        came_s = int(time.time())
        verdict = self.settlement.offer(topic, payload, self.fleet.revoked(), came_s)
        if verdict == ACCEPTED:
            task, box = topic.split("/")[-2:]
            key = int(task), bytes.fromhex(box)
            self._places[key] = self.journal.append(cbor.encode([came_s, payload]))
            self.came_s[key] = came_s
        return verdict

    def sync(self):
        """Returns when all that was taken is on the disk."""
        self.journal.sync()

    def close(self):
        """Lets another process collect."""
        self.journal.close()

    def add_manifest(self, manifest, signed):
        """Records another manifest of the same run, which asks for some tasks again."""
        sequence = manifest.payload["seq"]
        files.write_whole(self._path(f"manifest-{sequence}.cose"), signed)
        self._note(sequence)
        self.settlement.accept(manifest.payload)

    def _note(self, what):
        self.journal.append(cbor.encode([int(time.time()), what]))
        self.journal.sync()

    def give_up(self, numbers):
        """Closes as FAILED tasks whose attempts are used up; on the disk on return."""
        if self.plan["verify"]:
            self.verify([row for row in self.settlement.unjudged(numbers) if row[0] in numbers])
        self.settlement.give_up(numbers)
        self._note(list(numbers))

    def judge(self, number, box, good):
        """Records the verifier's word on what a box sent for a task; on the disk once `sync` has returned.

        good: None if only boxes refused it.
        """
        self.journal.append(cbor.encode([int(time.time()), {number: [box, good]}]))
        self.settlement.judge(number, box, good)

    def verify(self, rows=None):
        """Runs the verifier over the outputs that it has to see, or those in rows, [(task, box)]; returns over how many."""
        before, liars = self.verified, ()
        if rows is None:
            rows, liars = list(self.settlement.unjudged()) if self.plan["verify"] else [], self.settlement.trust.liars
        for number, box in rows:
            # Whom it has caught just now waits, as those before.
            if self.settlement.tasks[number].state in OPEN and box not in liars:
                if self._verifier is None:
                    from .verifier import Verifier  # it needs the whole container

                    self._verifier = Verifier(self.verifier(), self.settlement.payload["args"])
                self.verified += 1
                self.judge(number, box, self._verifier.holds(self.input(number), self.sent(number, box)))
        return self.verified - before

    def verifier(self):
        """Returns the bytes of the run's verifier."""
        return files.read(self._path("verifier.wasm"))

    def input(self, number):
        """Returns a task's input (bytes), of a run with a verifier."""
        if self._inputs is None:
            self._inputs = Journal(self._path("inputs"))
            self._input_places = [place for place, _ in self._inputs]
        return self._inputs.read(self._input_places[number])

    def sent(self, number, box):
        """Returns the output (bytes) that a box sent for a task, whatever it is worth."""
        return receipt.open_result(cbor.decode(self.journal.read(self._places[number, box]))[1])[2]

    def expire(self, now_s=None):
        """Closes as TIMED_OUT what is open past the deadline; on the disk on return."""
        if self.settlement.expire(now_s):
            self._note(TIMED_OUT)

    def follow_plan(self):
        """Closes as CANCELED what is open if somebody has ended the run since; on the disk on return."""
        if self._changed_ns() != self._plan_ns:
            self._plan_ns = self._changed_ns()
            self.plan = files.read_json(self._path("plan.json"))
            self._close_ended()

    def _changed_ns(self):
        return os.stat(self._path("plan.json")).st_mtime_ns

    def _close_ended(self):
        if self.plan["ended"] and self.settlement.close(CANCELED):
            self._note(CANCELED)

    def mark_pushed(self):
        """Records that the broker has everything."""
        self._mark("pushed")

    def mark_ended(self):
        """Records that the run was ended: its blobs may go from the broker.

        Whoever collects it just now notes what that closes.
        """
        self._mark("ended")
        try:
            self.journal.begin()
        except OperatorError:
            self.settlement.close(CANCELED)
        else:
            self._close_ended()
        self._keep_record()

    def _keep_record(self):
        """Adds to the boxes' records what this run has told of them, once."""
        if not self.plan["recorded"] and self.settlement.trust.streaks:
            # Marked first: what a kill here costs is told again by the next run.
            self._mark("recorded")
            with self.fleet.lock():
                path = self.fleet.path("record.json")
                repetition.save(path, self.settlement.trust.merged(repetition.load(path)))

    def _mark(self, key):
        self.plan[key] = True
        files.write_json(self._path("plan.json"), self.plan)
        self._plan_ns = self._changed_ns()

    def removable_blobs(self):
        """Returns the hashes of blobs at the broker that no other live run uses."""
        used, now_s = set(), time.time()
        for name in workloads(self.fleet):
            for folder in runs(self.fleet, name):
                if folder != self.folder:
                    plan = files.read_json(os.path.join(folder, "plan.json"))
                    if not plan["ended"] and plan["expires"] > now_s:
                        used.update(plan["blobs"])
        return [bytes.fromhex(digest) for digest in self.plan["blobs"] if digest not in used]

    def output(self, number):
        """Returns a task's output (bytes), read from the disk; None where it has not SUCCEEDED."""
        task = self.settlement.tasks[number]
        if task.state != SUCCEEDED:
            return None
        return self.sent(number, task.winner)

    def outputs(self):
        """Yields each task's output in task order, None where it has not SUCCEEDED."""
        for number in range(len(self.settlement.tasks)):
            yield self.output(number)

    def merged_parts(self):
        """Returns an iterable of bytes, all outputs as one; OperatorError unless all tasks SUCCEEDED."""
        counts = self.settlement.counts()
        total = len(self.settlement.tasks)
        if counts[SUCCEEDED] < total:
            raise OperatorError(f"{total - counts[SUCCEEDED]} of {total} tasks have no output yet")
        return self.outputs() if self.plan["merge"] == "concat" else (merge(self.outputs(), self.plan["merge"]),)

    def merged(self):
        """Returns all outputs as one (bytes); OperatorError unless all tasks SUCCEEDED."""
        return b"".join(self.merged_parts())

    def write(self, folder):
        """Writes TASK.out for each output, receipts.json and summary.json to a directory."""
        os.makedirs(folder, exist_ok=True)
        width = len(str(len(self.settlement.tasks) - 1))
        for number, output in enumerate(self.outputs()):
            if output is not None:
                files.write_whole(os.path.join(folder, f"{number:0{width}}.out"), output)
        receipts = [receipt.show(each) for each in self.settlement.receipts]
        files.write_json(os.path.join(folder, "receipts.json"), receipts)
        files.write_json(os.path.join(folder, "summary.json"), self.summary())

    def summary(self):
        """Returns what `run` and `results` report, JSON-able."""
        settlement = self.settlement
        return {
            "workload": self.name, "sequence": max(settlement.sequences), "total": len(settlement.tasks),
            "state": settlement.state, "succeeded": settlement.counts()[SUCCEEDED], "states": settlement.counts(),
            "messages": dict(settlement.verdicts), "metering": settlement.metering(),
            "problems": [
                {"task": number, "state": task.state, "reason": task.reason}
                for number, task in enumerate(settlement.tasks) if task.reason
            ],
        }


def workloads(fleet):
    """Returns the names of all workloads that were ever run from here, in order."""
    return sorted(name.replace(".", "/") for name in os.listdir(fleet.path("works")))


def _above(fleet, name):
    # A tenant's name has a slash, and no name has a dot.
    return fleet.path("works", name.replace("/", "."))


def runs(fleet, name):
    """Returns the folders of a workload's runs, oldest first."""
    name = fleet.own(name)
    above = _above(fleet, name)
    if not all(manifests.NAME.fullmatch(part) for part in name.split("/")) or not os.path.isdir(above):
        return []
    numbers = sorted(int(entry) for entry in os.listdir(above) if entry.isdigit())
    folders = [os.path.join(above, str(number)) for number in numbers]
    return [folder for folder in folders if os.path.exists(os.path.join(folder, "plan.json"))]


def merge(outputs, way):
    """Returns the outputs (an iterable of bytes) as one.

    "concat": one behind the other, in the order of the tasks.  "sum": each
    line is a key, white space and a whole number; numbers of equal keys are
    added and the keys sorted by their bytes.
    """
    if way == "concat":
        return b"".join(outputs)
    totals = collections.Counter()
    for number, output in enumerate(outputs):
        for line in output.splitlines():
            key, _, count = line.rpartition(b" ")
            try:
                totals[key] += int(count)
            except ValueError:
                raise OperatorError(
                    f"task {number} has a line without a number at its end: {line[:60]!r}",
                    'Use merge = "concat" for such outputs.',
                ) from None
    return b"".join(b"%s %d\n" % (key, totals[key]) for key in sorted(totals))


def as_json(value):
    """Returns the text that --format json prints."""
    return json.dumps(value, indent=1, sort_keys=True)
