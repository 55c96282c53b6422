"""The operator's books of what tenants have done: their workloads and results, as the broker passes them.

A tenant settles for himself, with his own tag.  Each result has the operator's tag too, so
the operator keeps the same journals (results.py) under works/TENANT.NAME, settles them by
the manifests alone, and `backfence receipts --by tenant` adds them up.  What a tenant
believes besides (records, verifiers) stands in no manifest: there the books show what was
measured, and credit what a quorum of boxes told.

The broker keeps a session for the operator, so that what comes while nobody follows waits.
"""

import hashlib

from . import delegations, manifests, push, results, run
from .errors import OperatorError
from .settle import ACCEPTED, SAME

# Runs held open at once: as many as all tenants may have live, twice.
OPEN_MOST = 2 * delegations.ALL_MANIFESTS


def session_id(fleet):
    """Returns the MQTT client id of the operator's session for tenants' work."""
    return "bf-" + hashlib.sha256(fleet.id + b"backfence tenants").hexdigest()[:20]


class Follower:
    """Keeps the books of tenants' work from a Session; one process at a time may.

    taken: results that counted; odd: messages that were not what their topic says.
    """

    def __init__(self, fleet, broker):
        self.fleet = fleet
        self.taken = self.odd = 0
        self._works = {}  # name: results.Work
        self.session = push.Session(broker, session_id(fleet), clean=False)
        try:
            for payload in delegations.newest(fleet):
                name = payload["name"]
                self.session.subscribe(
                    fleet.topic("manifest", f"workload-{name}", "+"), fleet.topic("result", name, "+", "+", "+"))
        except OperatorError:
            self.session.close()
            raise

    def close(self):
        """Lets another process follow; the broker keeps the session."""
        for work in self._works.values():
            work.close()
        self._works = {}
        self.session.close()

    def step(self, timeout_s):
        """Handles what is there, or comes first within timeout_s; True if something came."""
        messages = [self.session.receive(timeout_s)]
        while messages[-1] is not None and len(messages) < run.BATCH:
            messages.append(self.session.receive(0))
        messages = [message for message in messages if message is not None]
        for message in messages:
            self._take(message)
        for work in self._works.values():
            work.sync()
        for message in messages:
            self.session.done(message)
        return bool(messages)

    def _take(self, message):
        kind, *rest = message.topic.split("/")[2:]
        if kind == "result":
            work = self._opened("/".join(rest[:2]))
            if work:
                self.taken += work.take(message.topic, message.payload) == ACCEPTED
            else:
                self.odd += 1
        elif message.payload:
            try:
                payload = manifests.read(message.payload, self.fleet.keys, now_s=0)
            except OperatorError:
                self.odd += 1
                return
            if payload["kind"] == "workload" and "/" in payload["name"]:
                self._manifest(payload, message.payload)

    def _manifest(self, payload, signed):
        """Another version of a tenant's workload: the same run asked again or over, or a new run."""
        work = self._opened(payload["name"])
        if work and payload["seq"] in work.settlement.sequences:
            return
        if work and all(payload[key] == work.settlement.payload[key] for key in SAME) and ("again" in payload or payload.get("end")):
            if payload.get("end"):
                work.mark_ended()
                self._works.pop(payload["name"]).close()
            else:
                work.add_manifest(manifests.Manifest(payload), signed)
        elif not payload.get("end") and "again" not in payload:
            if work:
                self._works.pop(payload["name"]).close()
            self._keep(results.Work.create(self.fleet, manifests.Manifest(payload), signed, pushed=True))

    def _opened(self, name):
        """The Work of a tenant's newest run that is not over, None if there is none here."""
        if name not in self._works and results.runs(self.fleet, name):
            work = results.Work.newest(self.fleet, name)
            if work.plan["ended"]:
                work.close()
            else:
                self._keep(work)
        return self._works.get(name)

    def _keep(self, work):
        run.claim(work)
        # Whom the operator believes is told by his own work.
        work.plan["recorded"] = True
        if len(self._works) >= OPEN_MOST:
            self._works.pop(next(iter(self._works))).close()
        self._works[work.name] = work
