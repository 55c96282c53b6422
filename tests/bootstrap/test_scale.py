"""`backfence scale`: by a number, by the backlog, within what may be."""

import json
import threading

import pytest

from backfence.bootstrap.operator import manifests, picture, push, reshape, scale
from backfence.bootstrap.operator.errors import OperatorError
from backfence.bootstrap.operator.scale import IDLE_S, STEP_S, Policy

from fleets import hands, make_fleet, mosquitto, workload
from test_cli import call
from test_cli_slices import sign
from test_tenants import Scene


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with mosquitto(tmp_path_factory.mktemp("broker")) as address:
        yield address


@pytest.fixture
def fleet(tmp_path, broker, monkeypatch):
    fleet = make_fleet(tmp_path / "fleet", boxes=2)
    monkeypatch.setenv("BACKFENCE_FLEET", fleet.directory)
    monkeypatch.setenv("BACKFENCE_BROKER", broker)
    return fleet


# -- the policy, by a clock of its own

def run(policy, seats, backlog, seconds, every_s=10):
    """[(when, seats)] of the steps; backlog(second) tells what is open."""
    steps = []
    for now_s in range(0, seconds, every_s):
        wanted = policy.step(now_s, backlog(now_s), seats)
        if wanted is not None:
            assert wanted != seats
            seats = wanted
            steps.append((now_s, seats))
    return steps


def test_it_grows_at_once_and_not_beyond_its_most():
    assert run(Policy(10, 1, 20), 4, lambda s: 95, 600) == [(0, 10)]
    assert run(Policy(10, 1, 20), 4, lambda s: 900, 600) == [(0, 20)]
    assert run(Policy(10, 6, 20), 4, lambda s: 0, 600) == [(0, 6)]
    assert run(Policy(10, 1, 3), 4, lambda s: 900, 100) == [(0, 3)]


def test_a_backlog_that_grows_takes_a_signature_a_minute_at_most():
    steps = run(Policy(1, 1, 10_000), 1, lambda s: 1 + s, 3600)
    assert len(steps) <= 3600 // STEP_S and all(b[0] - a[0] >= STEP_S for a, b in zip(steps, steps[1:]))


def test_it_shrinks_only_after_a_while_and_to_the_most_that_was_wanted():
    assert run(Policy(10, 1, 20), 10, lambda s: 40 if s == 100 else 15, 1000)[0] == (IDLE_S, 4)
    # A quarter less is not worth it, and one moment of full work begins the wait anew.
    assert run(Policy(10, 1, 20), 10, lambda s: 80, 5000) == []
    assert run(Policy(10, 1, 20), 10, lambda s: 100 if s % IDLE_S == 0 else 0, 5000) == []


def test_regions_are_given_as_many_seats_each():
    assert run(Policy(10, 1, 20, 3), 3, lambda s: 95, 600) == [(0, 12)]
    assert run(Policy(10, 1, 20, 3), 3, lambda s: 900, 600) == [(0, 18)]
    assert run(Policy(10, 4, 20, 3), 3, lambda s: 0, 600) == [(0, 6)]
    with pytest.raises(OperatorError, match="no number of seats from 4 to 5"):
        Policy(10, 4, 5, 3)


def test_a_bag_that_is_worked_off_takes_few_signatures():
    steps = run(Policy(50, 1, 64), 1, lambda s: max(0, 3200 - s), 4000)
    assert steps[0] == (0, 64) and steps[-1][1] == 1 and len(steps) < 12
    # And one that goes up and down with the hour does not flap.
    assert len(run(Policy(10, 1, 64), 8, lambda s: 80 + (20 if s // 40 % 2 else -20), 7200)) <= 1


@pytest.mark.parametrize("given", [(0, 1, 2), (-1, 1, 2), (1, 0, 2), (1, 3, 2)])
def test_what_is_no_policy(given):
    with pytest.raises(OperatorError):
        Policy(*given)


# -- the verb

def test_a_slice_is_given_seats(fleet, broker):
    sign(fleet, "edge", 4, "door == 0")
    done = call("scale", "edge", 7, "--wait", 0.1)
    assert done.exit_code == 0 and done.stderr == "slice-edge 2: pushed\n"
    payload = fleet.signed("slice-edge")[1]
    assert payload["seats"] == 7 and payload["where"] == ["==", "door", 0]
    seen, session = picture.open_picture(fleet, broker)
    session.close()
    assert seen.manifests["slice-edge"]["seats"] == 7


def test_what_cannot_be_scaled(fleet):
    first, taken = sign(fleet, "a", 4), sign(fleet, "b", 2)
    fleet.sign(reshape.merge(fleet, first, taken))
    sign(fleet, "share", "10 %")
    sign(fleet, "edge", 4)
    fleet.sign(workload(fleet, 4, replicas=3, quorum=2))
    fleet.sign(manifests.end_manifest(fleet, sign(fleet, "over", 4)))
    left = fleet.signer.remaining()
    for words, problem in (
        (("a", 5), "needs 6 seats"), (("b", 3), "is a part of 'a'"), (("share", 3), "is a share of the fleet"),
        (("edge", 2), "has 3 replicas"), (("edge", 0), "from 1 to 16,384"), (("edge", 16385), "from 1 to 16,384"), (("over", 5), "has ended"),
        (("none", 5), "never signed a slice"), (("edge", "--backlog", 0), "is none"), (("edge", "--backlog", 5, "--min", 9, "--max", 8), "from 9 to 8"),
        (("edge", "--backlog", 5, "--max", 16385), "at most 16,384 seats"),
    ):
        done = call("scale", *words)
        assert done.exit_code == 1 and problem in done.stderr, (words, done.output)
    assert fleet.signer.remaining() == left
    assert call("scale", "edge").exit_code == 2 and call("scale", "edge", 3, "--backlog", 4).exit_code == 2


def test_it_follows_the_backlog(fleet, broker):
    sign(fleet, "edge", 1)
    plan = workload(fleet, 12)
    push.publish(broker, fleet, fleet.sign(plan), plan.blobs)
    told = json.loads(call("scale", "edge", "--backlog", 3, "--seconds", 0.5, "--format", "json").stdout)
    assert told == {"slice": "edge", "open": 12, "seats": 4, "before": 1}
    assert fleet.signed("slice-edge")[1]["seats"] == 4
    # Results that come while it runs are settled: six of twelve leave no need for more.
    hand = hands(fleet)[0]

    def answer():
        with push.Session(broker) as session:
            for task in range(6):
                session.publish([hand.result(plan, task, b"out")], 5)

    thread = threading.Timer(0.7, answer)
    thread.start()
    seen, session = picture.open_picture(fleet, broker)
    until = []
    while len(until) < 6:
        message = session.receive(5)
        session.done(message)
        seen.offer(message)
        until += [message] if "/result/" in message.topic else []
    session.close()
    thread.join()
    assert scale.open_tasks(seen, ["edge"]) == 6 and scale.open_tasks(seen, ["other"]) == 0


def test_a_tenant_scales_within_his_quota(tmp_path, broker):
    scene = Scene(tmp_path, broker)
    scene.home.sign(manifests.slice_manifest(scene.home, "edge", 2))
    assert scene.tenant("scale", "edge", 6, "--broker", broker, "--wait", 0.1).exit_code == 0
    left = scene.home.signer.remaining()
    more = scene.tenant("scale", "edge", 7, "--broker", broker)
    assert more.exit_code == 1 and "beyond the tenant's quota" in more.output and scene.home.signer.remaining() == left
    over = scene.tenant("scale", "edge", "--backlog", 1, "--max", 7, "--broker", broker)
    assert over.exit_code == 1 and "may have at most 6 seats" in over.output
    scene.tenant("scale", "edge", 2, "--broker", broker, "--wait", 0.1)
    plan = workload(scene.home, 8)
    push.publish(broker, scene.home, scene.home.sign(plan), plan.blobs)
    grown = scene.tenant("scale", "edge", "--backlog", 1, "--seconds", 0.5, "--broker", broker)
    assert grown.exit_code == 0 and "8 open tasks: from 2 to 6 seats" in grown.output, grown.output
