"""The operator in the world: signs, publishes, collects, and settles for real."""

import hashlib

from ..agent import manifest
from ..agent.limits import MANIFEST_BYTES
from ..agent.wire import suit
from ..bootstrap.operator import manifests, repetition, settle
from . import jobs
from .broker import Client

# A small WebAssembly module as far as an operator looks: its first eight bytes.
WASM_HEAD = b"\0asm\x01\0\0\0"
# More than the blobs of the largest workload.
OUTBOX = 10_000
# Long past the end of every run.
VALID_S = 30 * 86_400
ROOT_TOPIC = "root-root"
# How long doors have to refuse a root before the rest follows it.
REPUBLISH_MS = 2_000
# What a Work's verify says of what is looked at elsewhere first.
WAIT = "wait"
# How often the owner looks whether tasks need another box.
LOOK_MS = 1_000


class Work:
    """A pushed workload: its plan, its settlement, and every settling that happened."""

    def __init__(self, plan, settlement, inputs, outputs):
        self.plan = plan
        self.settlement = settlement
        self.inputs = inputs
        self.outputs = outputs
        self.verify = None
        self.look = None  # look(work, number, box): the owner's own look, before it gives a task up
        self.events = []
        self.given_up = []
        self.rounds = 0


class Operator:
    """One operator with a connection to the broker."""

    def __init__(self, world, broker, fleet):
        self.world = world
        self.fleet = fleet
        # KIND-NAME -> newest sequence number of what must be live everywhere.
        self.wanted = {}
        self.works = {}
        self.refusals = []
        self.verdicts = {}
        # Everything published, by topic, newest version.
        self._kept = {}
        self._client = Client(broker, self, most=OUTBOX, keep=True)
        self._client.start()
        self._client.subscribe(fleet.topic("result", "#"))
        self._client.subscribe(fleet.topic("refused", "#"))

    def push_slice(self, name, seats, where=None, valid_s=VALID_S, **shape):
        """Publishes a slice manifest; returns its sequence number.  shape: absorbs or origin."""
        return self.push(manifests.slice_manifest(
            self.fleet, name, seats, where, valid_s=valid_s, issued=self.world.wall_s(), **shape))

    def push_query(self, name, asked, valid_s=VALID_S):
        """Publishes a standing query; asked: the text of a choice."""
        return self.push(manifests.query_manifest(
            self.fleet, name, asked, valid_s=valid_s, issued=self.world.wall_s()))

    def push_workload(self, name, slice, tasks, program=None, input_bytes=200, inputs=None, outputs=None,
                      valid_s=VALID_S, wait_s=None, record=None, verify=None, **settings):
        """Publishes a workload whose deadline is the end of its validity; returns its Work.

        Inputs are drawn from the seed unless given; `outputs` are the right
        ones where no model job runs.  wait_s: how long silent boxes are waited for
        (None: nobody is asked again); record: {box id: answers} of an adaptive one;
        verify: verify(input, output) in place of a verifier.
        """
        rng = self.world.stream("workload/" + name)
        program = program or WASM_HEAD + rng.randbytes(2_000)
        inputs = inputs or [rng.randbytes(input_bytes) for _ in range(tasks)]
        plan = manifests.workload_manifest(
            self.fleet, name, slice, program, inputs, issued=self.world.wall_s(),
            valid_s=valid_s, deadline_s=valid_s - 1, **settings)
        trust = repetition.Trust(rng.randbytes(32), record, plan.trusted.adaptive)
        settlement = settle.Settlement(plan, self.fleet, trust=trust, verify=verify is not None)
        work = self.works[name] = Work(plan, settlement, inputs, outputs)
        work.verify = verify
        self.push(plan)
        if wait_s is not None:
            self._look(work, repetition.Rounds(settlement, plan.trusted.attempts, wait_s))
        return work

    def _look(self, work, rounds):
        """Asks one more box for what needs it, gives up what is beyond help, and looks again until all is settled."""
        settlement = work.settlement
        again, given_up = rounds.step(self.world.now_ms / 1000)
        for number, box in list(settlement.unjudged(given_up)) if given_up and work.look else ():
            if number in given_up:
                settlement.judge(number, box, work.look(work, number, box))
        settlement.give_up(given_up)
        work.given_up += given_up
        if given_up:
            settlement.decided()
        if again:
            self.ask_again(settlement.name, again)
        if not settlement.settled and self.works.get(settlement.name) is work:
            self.world.after(LOOK_MS, self._look, work, rounds)

    def push_revocation(self, ids):
        """Publishes the list of revoked boxes, identities of 16 bytes."""
        return self.push(manifests.revocation_manifest(self.fleet, ids, issued=self.world.wall_s()))

    def push_lots(self, rows):
        """Publishes the list of lots: [root, count, until] each."""
        return self.push(manifests.lots_manifest(self.fleet, rows, issued=self.world.wall_s()))

    def push_firmware(self, plan, signed=None):
        """Publishes a firmware: a firmware_pkg.suit.Plan, signed here unless its envelope is given.  Its label."""
        for digest in sorted(plan.blobs):
            self._publish(self.fleet.topic("blob", digest.hex()), plan.blobs[digest])
        signed = signed or self.fleet.sign_firmware(plan)
        fields = suit.decode(signed, MANIFEST_BYTES)[1]
        name = manifest.firmware_name(fields["component"], fields["class"])
        self._publish(self.fleet.topic("manifest", "firmware-" + name), signed)
        return "firmware-" + name

    def end(self, label):
        """Ends a slice or workload that was pushed, KIND-NAME."""
        return self.push(manifests.end_manifest(self.fleet, self.wanted[label][1], issued=self.world.wall_s()))

    def ask_again(self, workload, numbers=None):
        """Publishes a workload that asks one more box for some tasks, or for all that are open."""
        settlement = self.works[workload].settlement
        if numbers is None:
            numbers = [number for number, task in enumerate(settlement.tasks) if task.state in settle.OPEN]
        plan = manifests.asked_again(
            self.fleet, settlement.payload, settlement.next_replica, numbers, issued=self.world.wall_s())
        settlement.accept(plan.payload)
        self.works[workload].rounds += 1
        return self.push(plan)

    def rotate(self):
        """Replaces a stolen signing key as `backfence rotate` does: a root that keeps what is live, then all that again.

        Returns the chain of roots (bytes).
        """
        live = {topic: payload for topic, payload in self._kept.items() if "/manifest/" in topic}
        kept = {hashlib.sha256(signed).digest() for signed in [*live.values(), self.fleet.list]}
        chain = self.fleet.rotate(kept, self.world.wall_s(), VALID_S)
        self._publish(self.fleet.topic("manifest", ROOT_TOPIC), chain)
        self.world.after(REPUBLISH_MS, self.push_again)
        return chain

    def push_again(self):
        """Publishes everything once more, as it was: a broker may have lost it."""
        for topic in list(self._kept):
            self._publish(topic, self._kept[topic])

    def withdraw_expired(self):
        """Takes back from the broker what has expired, with its blobs, and forgets it."""
        wall_s = self.world.wall_s()
        for label in [label for label in self.wanted if self.wanted[label][1]["expires"] <= wall_s]:
            self._take_back(self.fleet.topic("manifest", label))
            work = self.works.pop(self.wanted.pop(label)[1]["name"], None) if label.startswith("workload-") else None
            for digest in sorted(work.plan.blobs) if work else ():
                self._take_back(self.fleet.topic("blob", digest.hex()))

    def live(self):
        """KIND-NAME -> sequence number of every manifest that must be everywhere."""
        wall_s = self.world.wall_s()
        return {label: seq for label, (seq, payload) in self.wanted.items() if payload["expires"] > wall_s}

    def settled(self, workload):
        """(task, output) of every settling, in order."""
        return self.works[workload].events

    def wanted_output(self, workload, task):
        """The right output of a task: what the scenario says, or what the model job gives."""
        work = self.works[workload]
        if work.outputs is not None:
            return work.outputs[task]
        payload = work.plan.payload
        return jobs.expected(payload["program"], work.inputs[task], payload["args"])

    # -- what its connection tells it

    def connected(self):
        """Nothing: the client subscribes and publishes again."""

    def disconnected(self):
        """Nothing: it will be back."""

    def message(self, topic, payload, retained):
        """A result, or a door's refusal."""
        self.world.note("operator", topic, payload)
        parts = topic.split("/")
        if parts[2] == "refused":
            self.refusals.append((topic, payload))
            return
        work = self.works.get(parts[3])
        if work is None:
            return
        verdict = work.settlement.offer(topic, payload, now_s=self.world.wall_s())
        self.verdicts[verdict] = self.verdicts.get(verdict, 0) + 1
        for number, box in list(work.settlement.unjudged()) if work.verify else ():
            output = work.settlement.output_of(number, box)
            good = work.verify(work.inputs[number], output)
            if good is not WAIT:
                work.settlement.judge(number, box, good)
        for number in work.settlement.decided():
            if work.settlement.tasks[number].reason in settle.CLOSED.values():
                continue  # by the owner's own word
            work.events.append((number, work.settlement.tasks[number].output))

    def push(self, plan):
        """Signs a manifests.Manifest and publishes it with its blobs; returns its sequence number."""
        signed = self.fleet.sign(plan)
        for digest in sorted(plan.blobs):
            assert hashlib.sha256(plan.blobs[digest]).digest() == digest
            self._publish(self.fleet.topic("blob", digest.hex()), plan.blobs[digest])
        self._publish(self.fleet.topic("manifest", plan.label), signed)
        self.wanted[plan.label] = (plan.payload["seq"], plan.payload)
        return plan.payload["seq"]

    def _take_back(self, topic):
        if self._kept.pop(topic, None) is not None:
            self._client.publish(topic, b"", True, None)

    def _publish(self, topic, payload):
        self._kept[topic] = payload
        self._client.publish(topic, payload, True, None)
