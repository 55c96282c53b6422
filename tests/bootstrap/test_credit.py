"""Measured service: what is credited was agreed on, and nothing else is."""

import collections
import csv
import io
import json
import os
import time

import pytest
from click.testing import CliRunner

from backfence.bootstrap.operator import cli, credit, manifests, results
from backfence.bootstrap.operator.settle import Settlement

from fleets import PROGRAM, hands, make_fleet, workload

PAGE_BYTES = 65536


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    return make_fleet(tmp_path_factory.mktemp("fleet") / "fleet", boxes=6)


@pytest.fixture(scope="module")
def boxes(fleet):
    return hands(fleet)


def begin(fleet, tasks=1, **options):
    """A run whose manifest was signed and not pushed: (plan, Work)."""
    options.setdefault("fuel", 5000)
    options.setdefault("pages", 2)
    plan = workload(fleet, tasks, **options)
    return plan, results.Work.create(fleet, plan, fleet.sign(plan))


def reopened(work):
    work.sync()
    work.close()
    return results.Work(work.fleet, work.folder)


def credited(work):
    """{box hex: credit_fuel} and {box hex: why not}, as the disk has it."""
    found = list(credit.rows(reopened(work)))
    return ({row["box"]: row["credit_fuel"] for row in found if not row["refused"]},
            {row["box"]: row["refused"] for row in found if row["refused"]})


# What one dishonest box, or the broker, sends: how(boxes, plan) -> (topic, payload); the verdict.
def by_the_broker(boxes, plan):
    from backfence.agent.wire import cbor

    topic, payload = boxes[0].result(plan, 0, b"x")
    _, tag, output = cbor.decode(payload)
    return topic, cbor.encode([cbor.encode(boxes[0].receipt(plan, 0, b"x", fuel=2000)), tag, output])


ATTACKS = {
    "the receipt of an earlier run is sent again": (
        lambda boxes, plan: boxes[0].result(plan, 0, b"x", seq=plan.payload["seq"] - 1), "replayed"),
    "the broker raises the fuel of an honest receipt": (by_the_broker, "forged"),
    "a box signs a receipt in the name of another": (
        lambda boxes, plan: boxes[0].result(plan, 0, b"x", box=boxes[1].box.id), "forged"),
    "a box tells more fuel than the manifest allows": (
        lambda boxes, plan: boxes[0].result(plan, 0, b"x", fuel=5001), "inflated"),
    "a box tells more pages than the manifest allows": (
        lambda boxes, plan: boxes[0].result(plan, 0, b"x", pages=3), "inflated"),
    "a box tells byte-seconds that do not follow from pages and time": (
        lambda boxes, plan: boxes[0].result(plan, 0, b"x", byte_s=1311), "inflated"),
    "a box tells a run that began before the workload was signed": (
        lambda boxes, plan: boxes[0].result(plan, 0, b"x", ms=100_000_000), "inflated"),
    "a box tells more bytes in than the input has": (
        lambda boxes, plan: boxes[0].result(plan, 0, b"x", bytes_in=8), "inflated"),
    "a box tells more bytes out than the output has": (
        lambda boxes, plan: boxes[0].result(plan, 0, b"x", bytes_out=2), "inflated"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_refused_leaves_nothing_on_the_disk(fleet, boxes, attack):
    make, verdict = ATTACKS[attack]
    plan, work = begin(fleet)
    assert work.take(*make(boxes, plan)) == verdict
    work.sync()
    assert list(work.journal) == [] and not os.path.exists(work.journal.path)
    # The honest result after it is taken, kept and credited.
    assert work.take(*boxes[2].result(plan, 0, b"x")) == "accepted"
    assert credited(work) == ({boxes[2].box.id.hex(): 1000}, {})


def test_a_result_sent_twice_is_credited_once_and_a_second_dearer_one_never(fleet, boxes):
    plan, work = begin(fleet)
    first = boxes[0].result(plan, 0, b"x")
    assert [work.take(*each) for each in (first, first, boxes[0].result(plan, 0, b"x", fuel=4000))] == [
        "accepted", "duplicate", "conflicting"]
    work.sync()
    assert len(list(work.journal)) == 1
    assert credited(work) == ({boxes[0].box.id.hex(): 1000}, {})


@pytest.mark.parametrize("place", [0, 1, 2])
def test_who_tells_more_fuel_than_the_quorum_gets_nothing(fleet, boxes, place):
    """The liar comes first, second or last; his output is right."""
    plan, work = begin(fleet, replicas=3, quorum=2)
    for number in range(3):
        work.take(*boxes[number].result(plan, 0, b"x", fuel=4000 if number == place else 1000))
    honest = {boxes[number].box.id.hex(): 1000 for number in range(3) if number != place}
    assert credited(work) == (honest, {boxes[place].box.id.hex(): "not what the quorum found"})


def test_two_who_differ_in_fuel_wait_for_a_third(fleet, boxes):
    plan, work = begin(fleet, replicas=2, quorum=2)
    work.take(*boxes[0].result(plan, 0, b"x", fuel=4000))
    work.take(*boxes[1].result(plan, 0, b"x"))
    assert work.settlement.undecided()[0] == [0] and credited(work)[0] == {}
    work = reopened(work)
    more = manifests.asked_again(fleet, plan.payload, 2, [0])
    work.add_manifest(more, fleet.sign(more))
    more.sizes = plan.sizes
    work.take(*boxes[2].result(more, 0, b"x"))
    assert credited(work) == ({boxes[1].box.id.hex(): 1000, boxes[2].box.id.hex(): 1000},
                              {boxes[0].box.id.hex(): "not what the quorum found"})


def test_pages_are_agreed_on_like_fuel(fleet, boxes):
    plan, work = begin(fleet, replicas=3, quorum=2)
    for number, pages in enumerate((1, 2, 1)):
        work.take(*boxes[number].result(plan, 0, b"x", pages=pages))
    assert credited(work)[1] == {boxes[1].box.id.hex(): "not what the quorum found"}


def test_a_wrong_output_earns_nothing(fleet, boxes):
    plan, work = begin(fleet, replicas=3, quorum=2)
    for number, output in enumerate((b"x", b"wrong", b"x")):
        work.take(*boxes[number].result(plan, 0, output))
    assert set(credited(work)[1]) == {boxes[1].box.id.hex()}


def test_boxes_that_copy_a_known_result_share_what_was_asked_for_and_no_more(fleet, boxes):
    plan, work = begin(fleet, replicas=2, quorum=2)
    for box in boxes:
        work.take(*box.result(plan, 0, b"x"))
    good, bad = credited(work)
    assert sum(good.values()) == 2000 and set(bad.values()) == {"more replicas than were asked for"} and len(bad) == 4


@pytest.mark.parametrize("outcome, good, why", [
    ("trap", 1000, ""), ("exit", 1000, ""), ("fuel", 1000, ""),
    ("memory", 0, "it did not run"), ("refused", 0, "it did not run"),
])
def test_a_program_that_fails_is_paid_for_if_it_ran(fleet, boxes, outcome, good, why):
    plan, work = begin(fleet)
    work.take(*boxes[0].result(plan, 0, outcome=outcome, code=1))
    (row,) = credit.rows(reopened(work))
    assert (row["credit_fuel"], row["refused"]) == (good, why)


def test_a_failure_of_which_no_two_tell_the_same_fuel_is_not_paid(fleet, boxes):
    plan, work = begin(fleet, replicas=2, quorum=2)
    for number in range(2):
        work.take(*boxes[number].result(plan, 0, outcome="trap", fuel=1000 + number))
    assert work.settlement.state == "FAILED"
    assert set(credited(work)[1].values()) == {"no quorum for its fuel"}


def test_what_was_not_decided_is_not_paid(fleet, boxes):
    plan, work = begin(fleet, replicas=2, quorum=2)
    work.take(*boxes[0].result(plan, 0, b"x"))
    work.mark_ended()
    work.take(*boxes[1].result(plan, 0, b"x"))
    assert set(credited(work)[1].values()) == {"no quorum"}


def test_with_a_quorum_of_one_a_box_is_believed_up_to_the_manifests_limits(fleet, boxes):
    """What remains, and docs/credit.md says so: nobody else ran it."""
    plan, work = begin(fleet)
    work.take(*boxes[0].result(plan, 0, b"x", fuel=5000, pages=2))
    assert credited(work) == ({boxes[0].box.id.hex(): 5000}, {})


def test_the_credit_follows_from_fuel_and_pages_alone(fleet, boxes):
    plan, work = begin(fleet, 2, fuel=4_000_000)
    work.take(*boxes[0].result(plan, 0, b"x", fuel=3_000_000, pages=2, ms=1))
    work.take(*boxes[1].result(plan, 1, b"x", fuel=3_000_000, pages=2, ms=1900))
    fast, slow = credit.rows(reopened(work))
    assert (fast["credit_fuel"], fast["credit_byte_s"]) == (3_000_000, 2 * PAGE_BYTES * 3)
    assert (slow["credit_fuel"], slow["credit_byte_s"]) == (3_000_000, 2 * PAGE_BYTES * 3)
    assert (fast["byte_s"], slow["byte_s"]) == (131, 249036)


def test_a_clock_that_was_set_back_does_not_make_honest_receipts_inflated(fleet, boxes):
    plan = workload(fleet, 1, issued=int(time.time()) + 500)
    settlement = Settlement(plan, fleet)
    assert settlement.offer(*boxes[0].result(plan, 0, b"x", ms=9000)) == "accepted"


@pytest.fixture
def books(tmp_path):
    """A fleet with three runs on two slices: (fleet, hands)."""
    fleet = make_fleet(tmp_path / "fleet", boxes=3)
    boxes = hands(fleet)
    for name, slice, tasks in (("words", "edge", 2), ("count", "edge", 1), ("sums", "core", 3)):
        plan = manifests.workload_manifest(fleet, name, slice, PROGRAM, [b"input %d" % task for task in range(tasks)])
        work = results.Work.create(fleet, plan, fleet.sign(plan))
        for task in range(tasks):
            work.take(*boxes[task].result(plan, task, b"ab"))
        work.sync()
        work.close()
    return fleet, boxes


def exported(fleet, *arguments):
    done = CliRunner().invoke(cli.main, ["receipts", "--fleet", fleet.directory, *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_three_formats_say_the_same(books):
    fleet, _ = books
    from_json = json.loads(exported(fleet, "--format", "json"))
    from_lines = [json.loads(line) for line in exported(fleet, "--format", "jsonl").splitlines()]
    from_csv = list(csv.DictReader(io.StringIO(exported(fleet, "--format", "csv"))))
    assert from_json == from_lines and len(from_json) == 6
    assert [tuple(row) for row in from_csv] == [credit.COLUMNS] * 6
    assert from_csv == [{key: str(value) for key, value in row.items()} for row in from_json]
    assert json.loads(exported(fleet, "--format", "json", "--workload", "sums", "--since", "2100-01-01")) == []


def test_rows_are_chosen_by_workload_slice_box_and_time(books):
    fleet, boxes = books

    def chosen(*arguments):
        return [(row["workload"], row["task"]) for row in json.loads(exported(fleet, "--format", "json", *arguments))]

    assert chosen("--workload", "words") == [("words", 0), ("words", 1)]
    assert chosen("--slice", "core") == [("sums", 0), ("sums", 1), ("sums", 2)]
    assert chosen("--box", boxes[2].box.id.hex()[:8]) == [("sums", 2)]
    assert chosen("--since", "1h") == chosen() and len(chosen()) == 6
    assert chosen("--since", "2100-01-01") == []


@pytest.mark.parametrize("by, wanted", [
    ("tenant", {"": 6}), ("slice", {"core": 3, "edge": 3}), ("workload", {"count": 1, "sums": 3, "words": 2}),
])
def test_totals_add_up_to_the_receipts(books, by, wanted):
    fleet, _ = books
    rows = json.loads(exported(fleet, "--format", "json", "--by", by))
    assert {row[by]: row["receipts"] for row in rows} == wanted
    each = json.loads(exported(fleet, "--format", "json"))
    for key in credit.MEASURED + credit.CREDITED:
        assert sum(row[key] for row in rows) == sum(row[key] for row in each)
    assert sum(row["credited"] for row in rows) == 6


def test_totals_for_each_tenant_slice_and_box_together(books):
    fleet, _ = books
    asked = ["--by", "tenant", "--by", "slice", "--by", "box", "--format"]
    rows = json.loads(exported(fleet, *asked, "json"))
    each = json.loads(exported(fleet, "--format", "json"))
    wanted = collections.Counter(("", row["slice"], row["box"]) for row in each)
    assert {(row["tenant"], row["slice"], row["box"]): row["receipts"] for row in rows} == wanted and len(wanted) > 3
    assert sum(row["credit_fuel"] for row in rows) == sum(row["credit_fuel"] for row in each)
    from_csv = list(csv.DictReader(io.StringIO(exported(fleet, *asked, "csv"))))
    assert from_csv == [{key: str(value) for key, value in row.items()} for row in rows]
    assert tuple(from_csv[0]) == ("tenant", "slice", "box", *credit.TOTALS)


def test_a_person_reads_a_line_for_each_box(books):
    fleet, boxes = books
    lines = exported(fleet).splitlines()
    assert len(lines) == 3 and lines == sorted(lines)
    first = next(line for line in lines if line.startswith(boxes[0].box.id.hex()))
    assert "3/3 receipts credited: 3,000 fuel, 195 byte-s" in first


def test_each_task_is_shown_with_its_state_and_boxes(books):
    fleet, boxes = books
    plan, work = begin(fleet, 3)
    work.take(*boxes[0].result(plan, 0, b"x"))
    work.take(*boxes[1].result(plan, 2, outcome="trap", reason="unreachable"))
    work.sync()
    work.close()
    asked = ["describe", "--fleet", fleet.directory, "--offline", "workload", "words", "--tasks"]
    done = CliRunner().invoke(cli.main, asked)
    assert done.exit_code == 0 and done.stdout.splitlines()[-3:] == [
        f"task 0: SUCCEEDED {boxes[0].box.id.hex()[:8]}", "task 1: QUEUED",
        f"task 2: FAILED {boxes[1].box.id.hex()[:8]} unreachable"]
    shown = json.loads(CliRunner().invoke(cli.main, [*asked, "--format", "json"]).stdout)
    assert shown["state"] == "IN_PROGRESS" and sum(shown["states"].values()) == 3
    assert [row["state"] for row in shown["each"]] == ["SUCCEEDED", "QUEUED", "FAILED"]


@pytest.mark.parametrize("arguments, said, code", [
    (["--workload", "never"], "never ran a workload 'never'", 1),
    (["--box", "ffffffffff"], "no box ffffffffff is enrolled", 1),
    (["--since", "soon"], "a date such as 2026-11-01", 2),
    (["--format", "xml"], "'xml' is not one of", 2),
])
def test_what_cannot_be_exported_is_said_in_one_line(books, arguments, said, code):
    done = CliRunner().invoke(cli.main, ["receipts", "--fleet", books[0].directory, *arguments])
    assert done.exit_code == code and said in done.output and "Traceback" not in done.output
