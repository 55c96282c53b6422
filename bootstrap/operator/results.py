"""Results on the owner's disk: kept before they are acknowledged, merged, written out.

works/NAME/SEQ/ in the fleet's directory holds one run of a workload:

    plan.json       blobs at the broker, how to merge, whether it was ended
    manifest-N.cose the signed manifests of the run (N: sequence numbers)
    results/        TASK-BOX, each the MQTT payload as it came
"""

import collections
import json
import os
import time

from . import files, manifests
from .errors import OperatorError
from .settle import ACCEPTED, Settlement

MERGES = ("concat", "sum")


class Work:
    """One run of a workload: its plan, and a Settlement fed from disk and network."""

    def __init__(self, fleet, folder):
        """Opens works/NAME/SEQ and counts the results that are there."""
        self.fleet = fleet
        self.folder = folder
        self.plan = files.read_json(os.path.join(folder, "plan.json"))
        signed = sorted(
            (name for name in os.listdir(folder) if name.startswith("manifest-")),
            key=lambda name: int(name[len("manifest-"):-len(".cose")]),
        )
        payloads = [
            manifests.read(files.read(os.path.join(folder, name)), fleet.keys, now_s=0) for name in signed
        ]
        self.settlement = Settlement(payloads[0], fleet)
        for payload in payloads[1:]:
            self.settlement.accept(payload)
        self.name = self.settlement.name
        self._load()

    @classmethod
    def create(cls, fleet, manifest, signed, merge="concat"):
        """Makes the folder of a new run, before anything is published."""
        payload = manifest.payload
        above = fleet.path("works", payload["name"])
        if not os.path.isdir(above):
            files.make_directory(above)
        folder = os.path.join(above, str(payload["seq"]))
        files.make_directory(folder)
        files.make_directory(os.path.join(folder, "results"))
        files.write_whole(os.path.join(folder, f"manifest-{payload['seq']}.cose"), signed)
        plan = {
            "blobs": sorted(digest.hex() for digest in manifest.blobs), "merge": merge, "ended": False,
            "expires": payload["expires"],
        }
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

    def _load(self):
        folder = os.path.join(self.folder, "results")
        for name in sorted(os.listdir(folder)):
            task, _, box = name.partition("-")
            if name.endswith(".tmp"):
                continue
            topic = f"{self.settlement.fleet_prefix()}{task}/{box}"
            self.settlement.offer(topic, files.read(os.path.join(folder, name)))
        if self.plan["ended"]:
            self.settlement.cancel()

    def take(self, topic, payload):
        """Counts one message; an accepted one is on the disk on return.  Returns the verdict."""
        verdict = self.settlement.offer(topic, payload, self.fleet.revoked())
        if verdict == ACCEPTED:
            task, box = topic.split("/")[-2:]
            files.write_whole(os.path.join(self.folder, "results", f"{int(task)}-{box}"), payload)
        return verdict

    def add_manifest(self, manifest, signed):
        """Records another manifest of the same run, with more replicas."""
        name = f"manifest-{manifest.payload['seq']}.cose"
        files.write_whole(os.path.join(self.folder, name), signed)
        self.settlement.accept(manifest.payload)

    def mark_ended(self):
        """Records that the run was ended: its blobs may go from the broker."""
        self.plan["ended"] = True
        files.write_json(os.path.join(self.folder, "plan.json"), self.plan)

    def removable_blobs(self):
        """Returns the hashes of blobs at the broker that no other live run uses."""
        used, now_s = set(), time.time()
        for name in os.listdir(self.fleet.path("works")):
            for folder in runs(self.fleet, name):
                if folder != self.folder:
                    plan = files.read_json(os.path.join(folder, "plan.json"))
                    if not plan["ended"] and plan["expires"] > now_s:
                        used.update(plan["blobs"])
        return [bytes.fromhex(digest) for digest in self.plan["blobs"] if digest not in used]

    def merged(self):
        """Returns all outputs as one (bytes); OperatorError unless all tasks SUCCEEDED."""
        outputs = self.settlement.outputs()
        if None in outputs:
            raise OperatorError(f"{outputs.count(None)} of {len(outputs)} tasks have no output yet")
        return merge(outputs, self.plan["merge"])

    def write(self, folder):
        """Writes TASK.out for each output, receipts.json and summary.json to a directory."""
        os.makedirs(folder, exist_ok=True)
        outputs = self.settlement.outputs()
        width = len(str(len(outputs) - 1))
        for number, output in enumerate(outputs):
            if output is not None:
                files.write_whole(os.path.join(folder, f"{number:0{width}}.out"), output)
        receipts = [show_receipt(receipt) for receipt in self.settlement.receipts]
        files.write_json(os.path.join(folder, "receipts.json"), receipts)
        files.write_json(os.path.join(folder, "summary.json"), self.summary())

    def summary(self):
        """Returns what `run` and `results` report, JSON-able."""
        settlement = self.settlement
        return {
            "workload": self.name, "sequence": max(settlement.sequences), "total": len(settlement.tasks),
            "succeeded": settlement.counts()["SUCCEEDED"], "states": settlement.counts(),
            "messages": dict(settlement.verdicts), "metering": settlement.metering(),
            "problems": [
                {"task": number, "state": task.state, "reason": task.reason}
                for number, task in enumerate(settlement.tasks) if task.reason
            ],
        }


def runs(fleet, name):
    """Returns the folders of a workload's runs, oldest first."""
    above = fleet.path("works", name)
    if not manifests.NAME.fullmatch(name) or not os.path.isdir(above):
        return []
    numbers = sorted(int(entry) for entry in os.listdir(above) if entry.isdigit())
    folders = [os.path.join(above, str(number)) for number in numbers]
    return [folder for folder in folders if os.path.exists(os.path.join(folder, "plan.json"))]


def show_receipt(receipt):
    """Returns a receipt with its byte strings in hexadecimal, JSON-able."""
    return {key: value.hex() if isinstance(value, bytes) else value for key, value in receipt.items()}


def merge(outputs, way):
    """Returns the outputs (bytes each) as one.

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
