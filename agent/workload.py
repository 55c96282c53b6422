"""A workload as its boxes have it: what is theirs, the job under way, and a result.

This module is loaded with the first workload of our slice: most boxes have none.
"""

from .bitmap import Bitmap
from .errors import RemoteError
from .manifest import uint


def check_again(fields, attempts):
    """RemoteError unless the member "again" of a workload, otherwise in form, is one; attempts: replicas at most."""
    row = fields["again"]
    if not isinstance(row, list) or len(row) != 2 or not isinstance(row[1], bytes) or len(row[1]) != (fields["tasks"] + 7) // 8:
        raise RemoteError("manifest field again")
    uint({"again": row[0]}, "again", 1, attempts - fields["replicas"])


class Workload:
    """A live workload of our slice: its tasks that are ours, and what seems done."""

    def __init__(self, manifest):
        self.manifest = manifest
        fields = manifest.fields
        self.program = fields["program"]
        self.tasks = fields["tasks"]
        self.replicas = fields["replicas"]
        # Which replica is the first one, and of which tasks: of all, unless some are asked for again.
        self.first, self._asked = fields["again"] if "again" in fields else (0, None)
        bits = self.tasks * self.replicas
        self.done = Bitmap(bits)
        self.mine = Bitmap(bits)
        self.ran = None  # of what is done, that which this box did itself
        self.scanned = self.tasks  # from 0 on once there is a place
        self.place = None  # (our seat, seats we answer for, seats of the ring, step, first, count), see placement.py
        self.refused = False

    def live(self, wall_s):
        """False once its deadline has passed."""
        return wall_s < self.manifest.issued + self.manifest.fields["deadline_s"]

    def asks(self, task):
        """True if this version of the workload wants a task run."""
        return self._asked is None or bool(self._asked[task >> 3] >> (task & 7) & 1)

    def did(self, bit):
        """A task of ours is done by this box itself."""
        self.done.set(bit)
        self.ran = self.ran or Bitmap(self.done.length)
        self.ran.set(bit)

    def goes_on(self, manifest, job):
        """True if a later version (a Manifest) still wants a job of ours: its answer counts as well."""
        later = Workload(manifest)
        return "again" in manifest.fields and not manifest.end and later.program == self.program and later.asks(job.task)

    def job(self, task, bit, digest, now_ms):
        """The Job of a task whose input has this SHA-256, begun now."""
        return Job(self.manifest, task, bit, digest, now_ms)


class Job:
    """One task to run; the edge hands it to the container.

    program, input: SHA-256 of blobs in the store; fuel, pages, output: caps.
    """

    def __init__(self, manifest, task, bit, digest, now_ms=0):
        fields = manifest.fields
        self.key = manifest.id + task.to_bytes(4, "big")
        self.workload = manifest.name
        self.workload_id = manifest.id
        self.seq = manifest.seq
        self.task = task
        self.bit = bit
        self.begun_ms = now_ms
        self.program = fields["program"]
        self.input = digest
        self.args = fields["args"]
        self.fuel = fields["limits"]["fuel"]
        self.pages = fields["limits"]["pages"]
        self.output = fields["limits"]["output"]
        self.deterministic = fields["deterministic"]
        # Equal for all replicas, also those of a later version of the manifest.
        self.seed = manifest.id + digest[:12] + task.to_bytes(4, "big")

    def result(self, receipt, tag, output):
        """The Result of this job."""
        return Result(self, receipt, tag, output)


class Result:
    """A finished task that no door has taken yet."""

    def __init__(self, job, receipt, tag, output):
        self.job = job
        self.receipt = receipt
        self.tag = tag
        self.output = output  # SHA-256 of a pinned blob, None if empty
        self.offers = 0
        self.next_ms = 0
