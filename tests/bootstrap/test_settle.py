"""Settlement: what counts is what enrolled boxes said, once each."""

import hashlib

import pytest
from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from backfence.agent.wire import cbor, hashes
from backfence.bootstrap.operator import settle
from backfence.bootstrap.operator.register import Box, box_id
from backfence.bootstrap.operator.settle import Settlement

from fleets import BoxHand, hands, make_fleet, workload


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    return make_fleet(tmp_path_factory.mktemp("fleet") / "fleet", boxes=6)


@pytest.fixture(scope="module")
def boxes(fleet):
    return hands(fleet)


def one_task(fleet, **options):
    plan = workload(fleet, 1, **options)
    return plan, Settlement(plan, fleet)


def state(settlement, task=0):
    return settlement.tasks[task].state


def test_a_workload_without_results_is_queued(fleet):
    settlement = Settlement(workload(fleet, 5), fleet)
    assert settlement.counts() == {
        "QUEUED": 5, "IN_PROGRESS": 0, "SUCCEEDED": 0, "FAILED": 0, "TIMED_OUT": 0, "REJECTED": 0, "CANCELED": 0,
    }
    assert not settlement.settled and not settlement.succeeded


def test_one_authentic_result_settles_a_task_of_one_replica(fleet, boxes):
    plan, settlement = one_task(fleet)
    assert settlement.offer(*boxes[0].result(plan, 0, b"a 1\n")) == "accepted"
    assert settlement.settled and settlement.succeeded and settlement.outputs() == [b"a 1\n"]
    assert [receipt["box"] for receipt in settlement.receipts] == [boxes[0].box.id]


def test_the_agents_own_receipt_is_read(fleet, boxes):
    """A result made by the agent's code, field by field."""
    from backfence.agent import receipt as agent

    class Keys:
        tenants = None

    class Trust:
        keys, owner, fleet = Keys, b"owner", b""

    class Node:
        id, trust = boxes[0].box.id, Trust

    class Job:
        workload, seq, task = "words", 0, 0

    class Outcome:
        kind, code, reason, output, fuel, pages, ms = "ok", 0, None, b"a 1\n", 5, 2, 40

    plan, settlement = one_task(fleet)
    Job.seq = plan.payload["seq"]
    receipts = agent.Receipts(Node)
    receipts._keys = {Trust.owner: boxes[0].keys[0]}
    made, tag = receipts.make(Job, Outcome, 99)
    topic = fleet.topic("result", "words", "0", Node.id.hex())
    assert settlement.offer(topic, cbor.encode([made, tag, b"a 1\n"])) == "accepted"
    assert settlement.succeeded


def changed_tag(fleet, boxes, plan):
    topic, payload = boxes[0].result(plan, 0, b"x")
    receipt, tag, output = cbor.decode(payload)
    return topic, cbor.encode([receipt, bytes([tag[0] ^ 1]) + tag[1:], output])


def changed_receipt(fleet, boxes, plan):
    topic, payload = boxes[0].result(plan, 0, b"x")
    _, tag, output = cbor.decode(payload)
    return topic, cbor.encode([cbor.encode(boxes[0].receipt(plan, 0, b"x", fuel=2)), tag, output])


def changed_output(fleet, boxes, plan):
    topic, payload = boxes[0].result(plan, 0, b"x")
    receipt, tag, _ = cbor.decode(payload)
    return topic, cbor.encode([receipt, tag, b"y"])


def in_anothers_name(fleet, boxes, plan):
    """A real box signs, with its own key, a receipt that names another."""
    return boxes[0].result(plan, 0, b"x", box=boxes[1].box.id)


def moved_to_another_task(fleet, boxes, plan):
    topic, payload = boxes[0].result(plan, 0, b"x")
    return topic.replace("/0/", "/1/"), payload


def moved_to_another_box(fleet, boxes, plan):
    topic, payload = boxes[0].result(plan, 0, b"x")
    return topic.replace(boxes[0].box.id.hex(), boxes[1].box.id.hex()), payload


def moved_to_another_workload(fleet, boxes, plan):
    return boxes[0].result(plan, 0, b"x", workload="other")


def of_a_stranger(fleet, boxes, plan):
    return boxes[0].result(plan, 0, b"x", box=bytes(16))


def of_an_earlier_run(fleet, boxes, plan):
    return boxes[0].result(plan, 0, b"x", seq=plan.payload["seq"] - 1)


def of_a_task_that_is_not(fleet, boxes, plan):
    return boxes[0].result(plan, 2, b"x")


def over_the_output_limit(fleet, boxes, plan):
    return boxes[0].result(plan, 0, b"x" * 101)


def topic_of(fleet, boxes):
    return fleet.topic("result", "words", "0", boxes[0].box.id.hex())


@pytest.mark.parametrize("make, verdict", [
    (changed_tag, "forged"), (changed_receipt, "forged"), (changed_output, "forged"),
    (in_anothers_name, "forged"), (moved_to_another_task, "forged"), (moved_to_another_box, "forged"),
    (moved_to_another_workload, "other"), (of_a_stranger, "stranger"), (of_an_earlier_run, "replayed"),
    (of_a_task_that_is_not, "malformed"), (over_the_output_limit, "malformed"),
    (lambda fleet, boxes, plan: (topic_of(fleet, boxes), b""), "malformed"),
    (lambda fleet, boxes, plan: (topic_of(fleet, boxes), bytes(40000)), "malformed"),
    (lambda fleet, boxes, plan: (topic_of(fleet, boxes), cbor.encode([b"", b"", b""])), "malformed"),
    (lambda fleet, boxes, plan: (topic_of(fleet, boxes), cbor.encode({"a": 1})), "malformed"),
    (lambda fleet, boxes, plan: ("backfence/else", b""), "other"),
    (lambda fleet, boxes, plan: boxes[0].result(plan, 0, b"x", extra=1), "malformed"),
    (lambda fleet, boxes, plan: boxes[0].result(plan, 0, b"x", fuel=True), "malformed"),
    (lambda fleet, boxes, plan: boxes[0].result(plan, 0, b"x", fuel=-1), "malformed"),
    (lambda fleet, boxes, plan: boxes[0].result(plan, 0, b"x", outcome="fine"), "malformed"),
], ids=lambda value: getattr(value, "__name__", str(value)))
def test_what_does_not_count_changes_nothing_and_is_counted(fleet, boxes, make, verdict):
    plan = workload(fleet, 2, output=100)
    settlement = Settlement(plan, fleet)
    assert settlement.offer(*make(fleet, boxes, plan)) == verdict
    assert settlement.counts()["QUEUED"] == 2 and settlement.receipts == []
    assert settlement.verdicts[verdict] == sum(settlement.verdicts.values()) == 1
    # And the box's real result is taken afterwards.
    assert settlement.offer(*boxes[0].result(plan, 0, b"x")) == "accepted"


def test_replicas_count_by_box_and_not_by_arrival(fleet, boxes):
    plan, settlement = one_task(fleet, replicas=3, quorum=2)
    for _ in range(5):
        settlement.offer(*boxes[0].result(plan, 0, b"x"))
    assert state(settlement) == "IN_PROGRESS" and settlement.verdicts["duplicate"] == 4
    settlement.offer(*boxes[1].result(plan, 0, b"x"))
    assert settlement.succeeded and len(settlement.receipts) == 2


def test_a_box_that_changes_its_word_is_held_to_the_first(fleet, boxes):
    plan, settlement = one_task(fleet, replicas=2, quorum=2)
    settlement.offer(*boxes[0].result(plan, 0, b"x"))
    assert settlement.offer(*boxes[0].result(plan, 0, b"y")) == "conflicting"
    settlement.offer(*boxes[1].result(plan, 0, b"y"))
    assert state(settlement) == "IN_PROGRESS" and settlement.undecided() == ([0], [])


def test_a_dispute_waits_for_another_replica_and_then_settles(fleet, boxes):
    from backfence.bootstrap.operator import manifests

    plan, settlement = one_task(fleet, replicas=2, quorum=2)
    settlement.offer(*boxes[0].result(plan, 0, b"x"))
    settlement.offer(*boxes[1].result(plan, 0, b"y"))
    more = manifests.asked_again(fleet, plan.payload, 2, [0])
    settlement.accept(more.payload)
    assert settlement.undecided() == ([], [0])
    assert settlement.offer(*boxes[2].result(more, 0, b"y")) == "accepted"
    assert settlement.outputs() == [b"y"]
    with pytest.raises(ValueError):
        settlement.accept({**more.payload, "args": ["other"]})


@pytest.mark.parametrize("outcome, wanted", [
    ("exit", "FAILED"), ("trap", "FAILED"), ("fuel", "FAILED"), ("memory", "FAILED"), ("refused", "REJECTED"),
])
def test_failures_are_told_apart(fleet, boxes, outcome, wanted):
    plan, settlement = one_task(fleet)
    settlement.offer(*boxes[0].result(plan, 0, outcome=outcome, code=3, reason="unreachable"))
    assert state(settlement) == wanted and settlement.settled and not settlement.succeeded
    assert settlement.tasks[0].reason == "unreachable" and settlement.outputs() == [None]


def test_one_failure_does_not_decide_while_replicas_may_still_succeed(fleet, boxes):
    plan, settlement = one_task(fleet, replicas=2, quorum=1)
    settlement.offer(*boxes[0].result(plan, 0, outcome="memory"))
    assert state(settlement) == "IN_PROGRESS"
    settlement.offer(*boxes[1].result(plan, 0, b"x"))
    assert settlement.succeeded


def test_a_decided_task_stays_decided_and_late_work_is_metered(fleet, boxes):
    plan, settlement = one_task(fleet, replicas=2, quorum=1)
    settlement.offer(*boxes[0].result(plan, 0, b"x"))
    assert settlement.offer(*boxes[1].result(plan, 0, outcome="trap", fuel=7)) == "accepted"
    assert settlement.outputs() == [b"x"]
    assert sorted(row["fuel"] for row in settlement.metering()) == [7, 1000]


def test_the_deadline_closes_what_is_open(fleet, boxes):
    plan = workload(fleet, 3, replicas=2, quorum=2, deadline_s=60, issued=1000)
    settlement = Settlement(plan, fleet)
    for box in boxes[:2]:
        settlement.offer(*box.result(plan, 0, b"x"))
    settlement.offer(*boxes[0].result(plan, 1, b"x"))
    assert settlement.expire(now_s=1059) == 0
    assert settlement.expire(now_s=1060) == 2
    assert [task.state for task in settlement.tasks] == ["SUCCEEDED", "TIMED_OUT", "TIMED_OUT"]
    settlement.offer(*boxes[1].result(plan, 1, b"x"))
    assert state(settlement, 1) == "TIMED_OUT"


def test_cancelling_closes_what_is_open(fleet, boxes):
    plan = workload(fleet, 2)
    settlement = Settlement(plan, fleet)
    settlement.offer(*boxes[0].result(plan, 0, b"x"))
    assert settlement.cancel() == 1
    assert [task.state for task in settlement.tasks] == ["SUCCEEDED", "CANCELED"]


@pytest.mark.parametrize("results, closing, wanted", [
    ([], None, "QUEUED"), (["ok"], None, "IN_PROGRESS"), (["ok", "ok", "ok"], None, "SUCCEEDED"),
    (["ok", "trap", "ok"], None, "FAILED"), (["trap", "refused", "ok"], None, "REJECTED"),
    (["ok", "trap", "refused"], None, "REJECTED"), (["trap", "refused"], "TIMED_OUT", "TIMED_OUT"),
    (["trap"], "CANCELED", "CANCELED"), ([], "CANCELED", "CANCELED"), (["ok"], "TIMED_OUT", "TIMED_OUT"),
])
def test_the_workloads_state_follows_from_its_tasks(fleet, boxes, results, closing, wanted):
    plan = workload(fleet, 3)
    settlement = Settlement(plan, fleet)
    for task, outcome in enumerate(results):
        settlement.offer(*boxes[0].result(plan, task, outcome=outcome))
    if closing:
        settlement.close(closing)
    assert settlement.state == wanted and sum(settlement.counts().values()) == 3


def test_every_task_is_told_as_decided_once(fleet, boxes):
    plan = workload(fleet, 4, replicas=2, quorum=2)
    settlement = Settlement(plan, fleet)
    assert settlement.decided() == []
    for box in boxes[:3]:
        settlement.offer(*box.result(plan, 2, b"x"))
    assert settlement.decided() == [2] and settlement.decided() == []
    settlement.cancel()
    assert settlement.decided() == [0, 1, 3] and settlement.decided() == []


def test_who_keeps_outputs_elsewhere_has_none_here(fleet, boxes):
    plan = workload(fleet, 1, replicas=2, quorum=2)
    settlement = Settlement(plan, fleet, keep=False)
    for box in boxes[:2]:
        settlement.offer(*box.result(plan, 0, b"x"))
    assert settlement.succeeded and settlement.tasks[0].winner == boxes[0].box.id and settlement.outputs() == [b""]


def test_more_boxes_than_may_vote_are_turned_away(fleet, boxes):
    """The cap on votes is real; the crowd's keys are the owner's to make up."""
    crowd = {}
    for number in range(settle.VOTES + 1):
        public = number.to_bytes(32, "big")
        crowd[box_id(public)] = Box(box_id(public), public, "lot-1", number)

    class Crowd:
        id = fleet.id
        tag_at = 0

        @staticmethod
        def boxes():
            return crowd

        @staticmethod
        def first_id(id):
            return id

        @staticmethod
        def receipt_key(public):
            return hashlib.sha256(public).digest()

    plan = workload(fleet, 1, replicas=8, quorum=8)
    settlement = Settlement(plan, Crowd)
    verdicts = []
    for number, box in enumerate(crowd.values()):
        receipt = cbor.encode(BoxHand.receipt(type("One", (), {"box": box}), plan, 0, b"%d" % number))
        tag = hashes.hmac_sha256(Crowd.receipt_key(box.public), receipt)[:16]
        topic = fleet.topic("result", "words", "0", box.id.hex())
        verdicts.append(settlement.offer(topic, cbor.encode([receipt, tag, b"%d" % number])))
    assert verdicts == ["accepted"] * settle.VOTES + ["crowded"]
    assert settlement.verdicts["crowded"] == 1


def test_metering_has_one_row_a_box(fleet, boxes):
    plan = workload(fleet, 3)
    settlement = Settlement(plan, fleet)
    for task in (0, 1):
        settlement.offer(*boxes[0].result(plan, task, b"xy"))
    settlement.offer(*boxes[1].result(plan, 2, b"z"))
    rows = {row["box"]: row for row in settlement.metering()}
    assert rows[boxes[0].box.id.hex()] == {
        "box": boxes[0].box.id.hex(), "tasks": 2, "fuel": 2000, "ms": 40, "byte_s": 2620,
        "bytes_in": 14, "bytes_out": 4,
    }
    assert rows[boxes[1].box.id.hex()]["tasks"] == 1


class AnyOrder(RuleBasedStateMachine):
    """Whatever comes in whatever order: the counts add up and decisions stay."""

    fleet = None
    boxes = None

    def __init__(self):
        super().__init__()
        self.plan = workload(self.fleet, 3, replicas=3, quorum=2, issued=1000, deadline_s=10)
        self.settlement = Settlement(self.plan, self.fleet)
        self.offered = 0
        self.decided = {}

    @rule(box=some.integers(0, 5), task=some.integers(0, 3), output=some.sampled_from([b"x", b"y"]),
          outcome=some.sampled_from(["ok", "ok", "ok", "trap", "refused"]), old=some.booleans())
    def result(self, box, task, output, outcome, old):
        seq = self.plan.payload["seq"] - old
        topic, payload = self.boxes[box].result(self.plan, task, output, outcome=outcome, seq=seq)
        self.settlement.offer(topic, payload)
        self.offered += 1

    @rule(data=some.binary(max_size=40), task=some.integers(0, 3))
    def garbage(self, data, task):
        self.settlement.offer(self.fleet.topic("result", "words", str(task), "00"), data)
        self.offered += 1

    @rule()
    def deadline(self):
        self.settlement.expire(now_s=1010)

    @invariant()
    def adds_up(self):
        counts = self.settlement.counts()
        assert sum(counts.values()) == 3 and min(counts.values()) >= 0
        for name in counts:
            assert counts[name] == sum(task.state == name for task in self.settlement.tasks)
        assert sum(self.settlement.verdicts.values()) == self.offered
        assert len(self.settlement.receipts) == self.settlement.verdicts["accepted"]

    @invariant()
    def decisions_stay(self):
        for number, task in enumerate(self.settlement.tasks):
            if task.state not in settle.OPEN:
                now = (task.state, task.output)
                assert self.decided.setdefault(number, now) == now

    @invariant()
    def success_has_a_quorum(self):
        for task in self.settlement.tasks:
            if task.state == "SUCCEEDED":
                digest = hashlib.sha256(task.output).digest()
                wanted = ("ok", digest)
                votes = [each for each in task.votes.values() if (each["outcome"], each["output"]) == wanted]
                assert len({each["box"] for each in votes}) >= 2


def test_any_order_of_results_adds_up(fleet, boxes):
    from hypothesis.stateful import run_state_machine_as_test

    machine = type("Machine", (AnyOrder,), {"fleet": fleet, "boxes": boxes})
    run_state_machine_as_test(machine, settings=settings(max_examples=30, stateful_step_count=25, deadline=None))
