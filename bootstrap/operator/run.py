"""Running a workload: publish, collect, settle, end.

The broker keeps a session for each workload (a fixed client id, QoS 1), so
results that come while nobody listens are waiting when `backfence results`
connects.  A result is acknowledged only when it is on the owner's disk.
"""

import hashlib
import os
import time

from . import files, manifests, push, repetition
from .errors import OperatorError
from .results import Work, runs
from .settle import SAME

REPORT_S = 0.5
# Messages taken before the disk is waited for, once for all of them.
BATCH = 64
# The broker has this long to take a workload, and longer by what a slow uplink needs for it.
PUSH_S = 60.0
UPLINK_BYTES_S = 50_000


def session_id(fleet, name):
    """Returns the MQTT client id of a workload's owner: 23 characters, the least all brokers take.

    Who connects under it takes the session over.  Nobody can tell a tenant's; the
    operator's is the same on all machines that sign for him.
    """
    if fleet.tenant:
        return "bf-" + fleet.derived(b"backfence session " + fleet.own(name).encode(), 10).hex()
    return "bf-" + hashlib.sha256(fleet.id + name.encode()).hexdigest()[:20]


def open_session(fleet, name, broker):
    """Returns a Session at which the broker keeps the workload's results."""
    session = push.Session(broker, session_id(fleet, name), clean=False)
    try:
        session.subscribe(fleet.topic("result", fleet.own(name), "+", "+"), fleet.refused_topic())
    except OperatorError:
        session.close()
        raise
    return session


def start(fleet, manifest, merge, session, deadline_s=None):
    """Signs and publishes a workload; returns (Work, push.Report).

    The session is subscribed first, so that no result can be missed.
    """
    work = create(fleet, manifest, merge)
    return work, publish(work, manifest, session, deadline_s)


def create(fleet, manifest, merge="concat"):
    """Signs a workload; returns its Work.  OperatorError while another process collects an earlier run."""
    for folder in runs(fleet, manifest.payload["name"])[-1:]:
        before = Work(fleet, folder)
        claim(before)
        before.close()
    return Work.create(fleet, manifest, fleet.sign(manifest), merge)


def claim(work):
    """Makes this process the one that collects a run; OperatorError if another does."""
    try:
        work.journal.begin()
    except OperatorError:
        raise OperatorError(
            f"another process collects the workload {work.name}",
            f"Wait for it, or end it with `backfence cancel {work.name}`; other work needs another --name.",
        ) from None


def publish(work, manifest, session, deadline_s=None):
    """Publishes a run that was created; returns the push.Report.  deadline_s: as long as it may take.

    It takes the place of earlier runs of its name: what they left at the broker goes.
    """
    fleet = work.fleet
    signed, _ = fleet.signed(manifest.label)
    most_s = PUSH_S + sum(manifest.sizes) / UPLINK_BYTES_S if deadline_s is None else deadline_s
    report = push.publish(session.broker, fleet, signed, manifest.blobs, most_s, session=session)
    work.mark_pushed()
    for folder in runs(fleet, work.name):
        if folder != work.folder and not files.read_json(os.path.join(folder, "plan.json"))["ended"]:
            _over(Work(fleet, folder), session)
    return report


def unfinished(fleet, manifest):
    """Returns the Work of an earlier run of the very same work that is neither over nor ended; or None."""
    try:
        work = Work.newest(fleet, manifest.payload["name"])
    except OperatorError:
        return None
    before, now = work.settlement.payload, manifest.payload
    same = all(before[key] == now[key] for key in SAME + ("slice", "quorum"))
    over = work.plan["ended"] or time.time() >= before["issued"] + before["deadline_s"]
    return work if same and not over else None


class Collector:
    """Feeds a Work from a Session until it is settled; one process at a time may.

    refused: what doors said no to, a list of {"box", "what", "why"}.  checks: False where
    nobody will wait for boxes to run the verifier, and the owner does it alone.
    """

    def __init__(self, work, session, checks=True):
        claim(work)
        self.work = work
        self.session = session
        self.refused = []
        self._checks = None
        if checks and work.plan.get("checkers"):
            from .checking import Checks  # few workloads have some

            self._checks = Checks(work, session.broker)
        self.rounds = repetition.Rounds(work.settlement, work.plan["attempts"])
        self._prefix = work.settlement.fleet_prefix()
        self._refusals = work.fleet.topic("refused", "")
        blobs = {bytes.fromhex(digest): b"" for digest in work.plan["blobs"]}
        self._names = push.names_of(work.settlement.payload, blobs)

    def step(self, timeout_s):
        """Handles what is there, or comes first within timeout_s; True if something came."""
        messages = [self.session.receive(timeout_s)]
        self.work.follow_plan()
        if messages[0] is None:
            # Only now: what waited at the broker may have come in time.
            self.work.expire()
            if self._checks:
                self._verify()
                self.work.sync()
            return False
        while messages[-1] is not None and len(messages) < BATCH:
            messages.append(self.session.receive(0))
        messages = [message for message in messages if message is not None]
        for message in messages:
            self._take(message)
        self._verify()
        self.work.sync()
        for message in messages:
            self.session.done(message)
        return True

    def _verify(self):
        if self._checks:
            self._checks.step()
        else:
            self.work.verify()

    def _take(self, message):
        if message.topic.startswith(self._prefix):
            self.work.take(message.topic, message.payload)
        elif message.topic.startswith(self._refusals):
            refusal = push.read_refusal(message)
            named = refusal and push.subject(refusal) in self._names
            if named and len(self.refused) < push.REFUSALS:
                self.refused.append(refusal)

    def collect(self, until_s, report=None, settled=None):
        """Steps until all is settled or time.monotonic() passes until_s.

        report(work, refused) is called a few times a second; settled(numbers) with the
        tasks that were decided since its last call, those found decided at first.
        """
        shown_s = 0.0
        # What a kill left unseen.
        self._verify()
        self._tell(settled)
        while not self.work.settlement.settled and time.monotonic() < until_s:
            self.step(0.2)
            self._tell(settled)
            self.ask_again()
            if report and time.monotonic() - shown_s > REPORT_S:
                shown_s = time.monotonic()
                report(self.work, self.refused)
        if self._checks and self.work.settlement.settled:
            self._checks.close()
        if report:
            report(self.work, self.refused)

    def _tell(self, settled):
        numbers = self.work.settlement.decided() if settled else []
        if numbers:
            settled(numbers)

    def ask_again(self):
        """Publishes a manifest that asks one more box for the tasks that need it; gives up those beyond help.

        Returns True if it published one.
        """
        numbers, given_up = self.rounds.step(time.monotonic())
        if given_up:
            self.work.give_up(given_up)
        if not numbers:
            return False
        fleet, settlement = self.work.fleet, self.work.settlement
        manifest = manifests.asked_again(fleet, settlement.payload, settlement.next_replica, numbers)
        signed = fleet.sign(manifest)
        self.work.add_manifest(manifest, signed)
        push.publish(self.session.broker, fleet, signed, session=self.session)
        return True


def finish(work, session):
    """Ends a collected run, unless somebody has, and closes its session for good."""
    fleet, name = work.fleet, work.name
    if not work.plan["ended"]:
        _publish_end(fleet, f"workload-{name}", session)
        _over(work, session)
        if work.plan.get("checkers"):
            _end_checks(work, session)
    session.unsubscribe(fleet.topic("result", name, "+", "+"))
    session.close()
    work.close()
    forget_session(fleet, name, session.broker)


def _end_checks(work, session):
    """Ends the bag of checks that a run which was cut short has left."""
    from .checking import name_of

    for folder in runs(work.fleet, name_of(work.name))[-1:]:
        bag = Work(work.fleet, folder)
        if not bag.plan["ended"]:
            _publish_end(work.fleet, f"workload-{bag.name}", session)
            _over(bag, session)
            forget_session(work.fleet, bag.name, session.broker)


def end(fleet, label, broker):
    """Publishes the end of a slice, query or workload (KIND-NAME) and takes back its blobs.

    Returns the push.Report.  A workload's open tasks become CANCELED.
    """
    with push.Session(broker) as session:
        report = _publish_end(fleet, label, session)
        kind, _, name = label.partition("-")
        if kind == "workload":
            # None if it was pushed from a file, by somebody else.
            for folder in runs(fleet, name)[-1:]:
                _over(Work(fleet, folder), session)
    return report


def _publish_end(fleet, label, session):
    payload = fleet.signed(label)[1]
    signed = fleet.sign(manifests.end_manifest(fleet, payload))
    return push.publish(session.broker, fleet, signed, session=session)


def _over(work, session):
    work.mark_ended()
    work.close()
    push.withdraw(session, work.fleet, work.removable_blobs())


def forget_session(fleet, name, broker):
    """Lets the broker drop the workload's kept session."""
    push.Session(broker, session_id(fleet, name), clean=True).close()
