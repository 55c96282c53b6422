"""A tenant on real agents: MicroPython boxes, a real mosquitto, his own home and key; what is beyond his quota is refused."""

import os

import pytest
from click.testing import CliRunner

import backfence
from backfence.bootstrap.operator import cli, manifests, push, tenants
from backfence.bootstrap.operator import fleet as fleets
from backfence.sim.live.fleet import LiveFleet

from fleets import mosquitto

ROOT = os.path.dirname(os.path.abspath(backfence.__file__))
BOXES = 4
SEATS = 2
# A delegation's end reaches four boxes in a few rounds of 200 ms; a slow machine has ten times as long.
STOP_S = 60


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    with mosquitto(folder) as broker, LiveFleet(folder / "fleet", broker, ["amd64"] * BOXES) as live:
        yield live, broker, folder


def call(*arguments):
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def seats_of(statuses, slice):
    return sum(seat["slice"] == slice for status in statuses for seat in status["seats"])


def why(broker, home, payload, listener=None):
    """What doors say to a manifest that is signed with a tenant's key, whatever it says; listener: whose topics."""
    signed = fleets.Fleet.sign(home, payload)
    label = manifests.label(payload)
    with push.Session(broker) as session:
        session.subscribe((listener or home).refused_topic())
        session.publish([(home.topic("manifest", label), signed)], 10)
        return [row["why"].partition(";")[0] for row in push.listen(session, {label}, 5)]


def test_a_tenants_job_settles_and_his_excess_is_refused(scene):
    live, broker, folder = scene
    request = tenants.request(str(folder / "acme"), width=4)
    out = folder / "acme.pass"
    made = call("tenant", "add", "--fleet", live.operator.directory, "--seats", SEATS, "--tasks", 8,
                "-o", out, "acme", request)
    assert made.exit_code == 0, made.output
    assert call("join", folder / "acme", out).exit_code == 0
    home = fleets.Fleet.open(str(folder / "acme"))
    (folder / "slice.toml").write_text(f'kind = "slice"\nname = "edge"\nseats = {SEATS}\n')
    pushed = call("push", "--fleet", home.directory, folder / "slice.toml")
    assert pushed.exit_code == 0, pushed.output
    live.wait(STOP_S, "his slice did not fill",
              lambda statuses: "" if seats_of(statuses, "acme/edge") == SEATS else "seats are missing")

    (folder / "text.txt").write_text("a b a c\nb b a\n" * 2)
    (folder / "words.toml").write_text(
        f'kind = "workload"\nname = "words"\nslice = "edge"\nprogram = "{ROOT}/examples/words.wasm"\n'
        'input = "text.txt"\ntask_bytes = 16\nmerge = "sum"\ndeadline = "2m"\n')
    done = call("run", "--fleet", home.directory, folder / "words.toml", "-o", folder / "counts.txt")
    assert done.exit_code == 0 and "2/2 SUCCEEDED" in done.output, done.output
    assert (folder / "counts.txt").read_bytes() == b"a 6\nb 6\nc 2\n"

    # He changes his command so that it signs what he likes: the boxes do not take it.
    more = manifests.slice_manifest(home, "more", 1)
    theirs = {**more.payload, "name": "theirs"}
    assert why(broker, home, more.payload) == ["beyond the tenant's quota"]
    assert why(broker, home, theirs, live.operator) == ["signed by a key that may not sign it"]
    statuses = live.statuses()
    assert seats_of(statuses, "acme/edge") == SEATS
    assert not seats_of(statuses, "acme/more") and not seats_of(statuses, "theirs")

    # The operator takes his word back: his boxes are free a few rounds later.
    ended = call("tenant", "end", "--fleet", live.operator.directory, "acme")
    assert ended.exit_code == 0, ended.output
    live.wait(STOP_S, "his seats are still held",
              lambda statuses: "" if not seats_of(statuses, "acme/edge") else "seats are held")
    live.slice(SEATS, "edge")  # and the operator's own work goes on
