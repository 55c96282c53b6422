"""Running a workload: publish, collect, settle, end.

The broker keeps a session for each workload (a fixed client id, QoS 1), so
results that come while nobody listens are waiting when `backfence results`
connects.  A result is acknowledged only when it is on the owner's disk.
"""

import hashlib
import time

from ...agent import limits
from . import manifests, push
from .errors import OperatorError
from .results import Work

# A disputed task gets one more replica, after the rest had this long to settle.
DISPUTE_S = 5.0
REPORT_S = 0.5


def session_id(fleet, name):
    """Returns the MQTT client id of a workload's owner: 23 characters, the least all brokers take."""
    return "bf-" + hashlib.sha256(fleet.id + name.encode()).hexdigest()[:20]


def open_session(fleet, name, broker):
    """Returns a Session at which the broker keeps the workload's results."""
    session = push.Session(broker, session_id(fleet, name), clean=False)
    try:
        session.subscribe(fleet.topic("result", name, "+", "+"), fleet.topic("refused", "+"))
    except OperatorError:
        session.close()
        raise
    return session


def start(fleet, manifest, merge, session, deadline_s=60.0):
    """Signs and publishes a workload; returns (Work, push.Report).

    The session is subscribed first, so that no result can be missed.
    """
    signed = fleet.sign(manifest)
    work = Work.create(fleet, manifest, signed, merge)
    report = push.publish(session.broker, fleet, signed, manifest.blobs, deadline_s, session=session)
    return work, report


class Collector:
    """Feeds a Work from a Session until it is settled.

    refused: what doors said no to, a list of {"box", "what", "why"}.
    """

    def __init__(self, work, session):
        self.work = work
        self.session = session
        self.refused = []
        self._disputed_s = None
        self._prefix = work.settlement.fleet_prefix()
        self._refusals = work.fleet.topic("refused", "")
        blobs = {bytes.fromhex(digest): b"" for digest in work.plan["blobs"]}
        self._names = push.names_of(work.settlement.payload, blobs)

    def step(self, timeout_s):
        """Handles one message, if one comes within timeout_s; True if one came."""
        message = self.session.receive(timeout_s)
        if message is None:
            # Only now: what waited at the broker may have come in time.
            self.work.settlement.expire()
            return False
        if message.topic.startswith(self._prefix):
            self.work.take(message.topic, message.payload)
        elif message.topic.startswith(self._refusals):
            refusal = push.read_refusal(message)
            named = refusal and refusal["what"].rpartition("/")[2] in self._names
            if named and len(self.refused) < push.REFUSALS:
                self.refused.append(refusal)
        self.session.done(message)
        return True

    def collect(self, until_s, report=None):
        """Steps until all is settled or time.monotonic() passes until_s.

        report(work, refused) is called a few times a second.
        """
        shown_s = 0.0
        while not self.work.settlement.settled and time.monotonic() < until_s:
            self.step(0.2)
            self.raise_replicas()
            if report and time.monotonic() - shown_s > REPORT_S:
                shown_s = time.monotonic()
                report(self.work, self.refused)
        if report:
            report(self.work, self.refused)

    def raise_replicas(self):
        """Publishes the manifest with one more replica while tasks stay disputed.

        Returns True if it did.  Only once the undisputed tasks are settled, so
        that one manifest serves all disputes.
        """
        settlement = self.work.settlement
        disputed = settlement.disputed()
        counts = settlement.counts()
        if not disputed or len(disputed) < counts["QUEUED"] + counts["IN_PROGRESS"]:
            self._disputed_s = None
            return False
        now_s = time.monotonic()
        self._disputed_s = self._disputed_s or now_s
        most = min(limits.REPLICAS, limits.TASKS // len(settlement.tasks))
        if now_s - self._disputed_s < DISPUTE_S or settlement.replicas >= most:
            return False
        self._disputed_s = None
        fleet = self.work.fleet
        manifest = manifests.more_replicas(fleet, settlement.payload)
        signed = fleet.sign(manifest)
        self.work.add_manifest(manifest, signed)
        push.publish(self.session.broker, fleet, signed, session=self.session)
        return True


def end(fleet, label, broker, session=None):
    """Publishes the end of a slice, query or workload (KIND-NAME) and takes back its blobs.

    Returns the push.Report.  A workload's open tasks become CANCELED.
    """
    _, payload = fleet.signed(label)
    own = session is None
    session = push.Session(broker) if own else session
    try:
        report = push.publish(
            broker, fleet, fleet.sign(manifests.end_manifest(fleet, payload)), session=session
        )
        if payload["kind"] == "workload":
            _end_run(fleet, payload["name"], session)
    finally:
        if own:
            session.close()
    return report


def _end_run(fleet, name, session):
    try:
        work = Work.newest(fleet, name)
    except OperatorError:
        return  # it was pushed from a file, by somebody else
    work.mark_ended()
    push.withdraw(session, fleet, work.removable_blobs())


def forget_session(fleet, name, broker):
    """Lets the broker drop the workload's kept session."""
    push.Session(broker, session_id(fleet, name), clean=True).close()
