"""Tenants from the command line: keys that never leave them, quotas, their own topics at a real mosquitto."""

import json
import os
import shutil
import subprocess
import time

import pytest
from click.testing import CliRunner

import backfence
from backfence.agent import limits
from backfence.agent.wire import cbor
from backfence.bootstrap.operator import access, cli, delegations, files, fleet as fleets, manifests, push, run, tenants
from backfence.bootstrap.operator.errors import OperatorError
from backfence.bootstrap.operator.settle import Settlement

from fleets import PROGRAM, BoxHand, free_port, make_fleet, mosquitto, workload

ROOT = os.path.dirname(os.path.abspath(backfence.__file__))


def call(*arguments):
    """Runs a command in this process; returns click's Result."""
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


class Scene:
    """An operator with two boxes, a tenant acme, a broker."""

    def __init__(self, folder, broker):
        self.folder, self.broker = folder, broker
        self.fleet = make_fleet(folder / "fleet", 2)
        self.request = tenants.request(str(folder / "acme"), width=4)
        made = self.add("acme", self.request, "--seats", 6, "--tasks", 8)
        assert made.exit_code == 0, made.output
        self.home = tenants.join(str(folder / "acme"), (folder / "acme.pass").read_bytes())

    def add(self, *arguments):
        return call("tenant", "add", "--fleet", self.fleet.directory, "--broker", self.broker, "--wait", 0.1,
                    "-o", self.folder / "acme.pass", *arguments)

    def operator(self, verb, *arguments):
        return call(*verb.split(), "--fleet", self.fleet.directory, *arguments)

    def tenant(self, verb, *arguments):
        return call(verb, "--fleet", self.home.directory, *arguments)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with mosquitto(tmp_path_factory.mktemp("broker")) as address:
        yield address


@pytest.fixture
def scene(tmp_path, broker):
    return Scene(tmp_path, broker)


@pytest.fixture
def sources(tmp_path):
    """The very files that an operator pushes."""
    (tmp_path / "slice.toml").write_text('kind = "slice"\nname = "edge"\nseats = 6\n')
    (tmp_path / "words.toml").write_text(
        'kind = "workload"\nname = "words"\nslice = "edge"\nprogram = "words.wasm"\ninput = "text.txt"\n'
        'task_bytes = 8\nmerge = "sum"\ndeadline = "5s"\n')
    (tmp_path / "text.txt").write_text("a b a c\nb b a\n")
    shutil.copy(os.path.join(ROOT, "examples", "words.wasm"), tmp_path / "words.wasm")
    return tmp_path


def test_the_operator_keeps_books_of_what_tenants_have_done(scene, sources):
    """What came while nobody followed, what was asked again, what was forged, and the end; read again from the disk."""
    follow = lambda: json.loads(scene.operator(
        "tenant follow", "--broker", scene.broker, "--seconds", 1.5, "--format", "json").output)
    assert scene.tenant("push", sources / "slice.toml", "--broker", scene.broker, "--wait", 0.1).exit_code == 0
    follow()
    plan = source_plan(scene.home, {**cli_settings(sources), "quorum": 2, "replicas": 2, "deadline": "1h"})
    boxes = [BoxHand(scene.fleet, box) for box in scene.fleet.boxes().values()]
    for box in boxes:
        box.keys.append(box.key_for(scene.home.owner_public))
    with run.open_session(scene.home, "words", scene.broker) as session:
        work, _report = run.start(scene.home, plan, "sum", session)
        tell = lambda box, made, number, output, **changes: session._client.publish(
            *box.result(made, number, output, **changes), qos=1).wait_for_publish(5)
        for box in boxes[:2]:
            tell(box, plan, 0, b"a 1\n")
        tell(boxes[0], plan, 1, b"b 1\n")
        topic, body = boxes[1].result(plan, 1, b"forged")
        session._client.publish(topic, body[:-1] + b"x", qos=1).wait_for_publish(5)
        assert follow()["taken"] == 3
        again = manifests.asked_again(scene.home, plan.payload, 2, [1])
        again.sizes = plan.sizes
        work.add_manifest(again, scene.home.sign(again))
        push.publish(scene.broker, scene.home, scene.home.signed(again.label)[0], session=session)
        tell(boxes[1], again, 1, b"b 1\n")
        assert follow()["taken"] == 1
        run.Collector(work, session).collect(time.monotonic() + 10)
        assert work.settlement.succeeded
        run.finish(work, session)
    assert follow() == {"taken": 0, "odd": 0}
    theirs, = json.loads(scene.tenant("receipts", "--by", "tenant", "--format", "json").output)
    ours, = [row for row in json.loads(scene.operator("receipts", "--by", "tenant", "--format", "json").output) if row["tenant"]]
    assert ours == theirs and (ours["tenant"], ours["receipts"], ours["credited"]) == ("acme", 4, 4)
    rows = json.loads(scene.operator("receipts", "--workload", "acme/words", "--format", "json").output)
    assert {row["slice"] for row in rows} == {"acme/edge"} and len(rows) == 4
    assert not os.path.exists(scene.fleet.path("record.json"))


def test_what_he_pushes_is_named_after_him_and_settles_by_his_own_tag(scene, sources):
    assert scene.tenant("push", sources / "slice.toml", "--broker", scene.broker, "--wait", 0.1).exit_code == 0
    settings = cli_settings(sources)
    plan = source_plan(scene.home, settings)
    assert plan.payload["name"] == "acme/words" and plan.payload["slice"] == "acme/edge"
    hand = BoxHand(scene.fleet, list(scene.fleet.boxes().values())[0])
    hand.keys.append(hand.key_for(scene.home.owner_public))
    with run.open_session(scene.home, "words", scene.broker) as session:
        work, report = run.start(scene.home, plan, "sum", session)
        assert report.label == "workload-acme/words" and work.tenant == "acme"
        topics = [message.topic for message in retained(scene.broker, scene.fleet.topic("#"))]
        assert scene.fleet.topic("manifest", "workload-acme/words") in topics
        assert [topic for topic in topics if "/blob/" in topic] and all(
            "/blob/acme/" in topic for topic in topics if "/blob/" in topic)
        for number, output in enumerate((b"a 1\n", b"a 2\n")):
            topic, body = hand.result(plan, number, output)
            session._client.publish(topic, body, qos=1)
        run.Collector(work, session).collect(time.monotonic() + 10)
        assert work.settlement.succeeded and work.merged() == b"a 3\n"
        run.finish(work, session)
    shown = scene.tenant("results", "words", "--offline", "--format", "json")
    assert json.loads(shown.output)["succeeded"] == 2
    rows = json.loads(scene.tenant("receipts", "--by", "tenant", "--format", "json").output)
    assert [row["tenant"] for row in rows] == ["acme"]
    # The operator reads the same result by the other tag, and either notices the other's missing.
    assert Settlement(plan, scene.fleet).offer(topic, body) == "accepted"
    hand.keys.pop()
    topic, body = hand.result(plan, 1, b"a 2\n")
    assert Settlement(plan, scene.fleet).offer(topic, body) == "accepted"
    assert Settlement(plan, scene.home).offer(topic, body) == "forged"
    described = json.loads(scene.operator("describe", "--broker", scene.broker, "--format", "json").output)
    assert [row["name"] for row in described["slices"]] == ["acme/edge"]
    mine = json.loads(scene.tenant("describe", "--broker", scene.broker, "--format", "json").output)
    assert [row["name"] for row in mine["slices"]] == ["acme/edge"] and mine["census"] is None
    ended = scene.tenant("end", "edge", "--broker", scene.broker)
    assert ended.exit_code == 0 and "slice-acme/edge" in ended.output


def cli_settings(sources):
    from backfence.bootstrap.operator import source

    return source.load(sources / "words.toml")


def source_plan(fleet, settings):
    from backfence.bootstrap.operator import source

    return source.build(fleet, settings)


def retained(broker, topic):
    found = []
    with push.Session(broker) as session:
        session.subscribe(topic)
        while (message := session.receive(0.4)) is not None:
            session.done(message)
            found.append(message)
    return found


# (what, command of the tenant's, words of the answer)
REFUSED = [
    ("more seats than he has", ("push", "slice.toml", "--seats", 7), "beyond the tenant's quota"),
    ("a second slice", ("push", "slice.toml", "--name", "more", "--seats", 1), "0 of 6 seats"),
    ("a share", ("push", "slice.toml", "--seats", "10%"), "not in a tenant's slice"),
    ("a ranking", ("push", "slice.toml", "--where", "top 10 % by load"), "not in a tenant's slice"),
    ("more fuel", ("push", "fuel.toml"), "more fuel a task"),
    ("more tasks", ("push", "words.toml", "--replicas", 5), "beyond the tenant's quota"),
    ("another's slice", ("push", "words.toml", "--slice", "other/edge"), "slice"),
    ("revoking boxes", ("revoke",), "who cannot do that"),
    ("enrolling boxes", ("enrol", "--make", 1), "who cannot do that"),
    ("asking all boxes", ("query", "x", "count"), "who cannot do that"),
    ("merging", ("merge", "a", "b"), "who cannot do that"),
]


def test_his_own_command_refuses_what_boxes_would_before_a_leaf_is_used(scene, sources):
    text = (sources / "words.toml").read_text()
    (sources / "fuel.toml").write_text(text + "[limits]\nfuel = 1_000_000_001\n")
    for what, (verb, *arguments), words in REFUSED:
        arguments = [sources / each if str(each).endswith(".toml") else each for each in arguments]
        if what == "a second slice":
            scene.home.sign(manifests.slice_manifest(scene.home, "first", 1))
            words = "1 of 1 slices, 1 of 6 seats"
        left = scene.home.signer.remaining()
        done = scene.tenant(verb, *arguments, *(["--broker", scene.broker, "--wait", 0.1] if verb == "push" else []))
        assert done.exit_code == 1 and words in done.output, (what, done.output)
        assert scene.home.signer.remaining() == left, what


def test_a_delegation_that_boxes_or_the_fleet_have_no_room_for_is_refused(scene):
    other = tenants.request(str(scene.folder / "other"), width=4)
    public = scene.folder / "operator.pub"
    public.write_text((scene.fleet.operator + scene.home.owner_public).hex())
    (scene.folder / "rubbish").write_text("rubbish")
    for arguments, words in (
        (("UPPER", other), "not a tenant's name"), (("a" * 17, other), "not a tenant's name"),
        (("new",), "is new here"), (("new", scene.request), "is the tenant 'acme' already"),
        (("new", public), "the operator's"), (("new", scene.folder / "rubbish"), "does not hold a tenant's public keys"),
        (("new", other, "--slices", 13), "must be from 0 to 12"), (("new", other, "--seats", -1), "must be from 0"),
        (("new", other, "--slices", 7, "--workloads", 6), "at most 12"),
        (("new", other, "--slices", 8, "--workloads", 4, "--valid", "never"), "not a duration"),
        (("new", other, "--slices", 10, "--workloads", 2), None), (("acme", "--workloads", 8), "16 are the most"),
    ):
        left = scene.fleet.signer.remaining()
        done = scene.add(*arguments)
        assert done.exit_code == (1 if words else 0) and (words or "pushed") in done.output, (arguments, done.output)
        assert scene.fleet.signer.remaining() == left - (not words), arguments
    rows = json.loads(scene.operator("tenant list", "--format", "json").output)
    assert [(row["name"], row["slices"], row["seats"]) for row in rows] == [("acme", 1, 6), ("new", 10, 8)]
    assert scene.operator("tenant end", "acme", "--broker", scene.broker, "--wait", 0.1).exit_code == 0
    again = scene.operator("tenant end", "acme", "--broker", scene.broker)
    assert again.exit_code == 1 and "ended already" in again.output
    assert scene.operator("tenant end", "none", "--broker", scene.broker).exit_code == 1
    assert "acme: ended" in scene.operator("tenant list").output


def test_a_fleet_has_so_many_tenants_and_no_more(tmp_path):
    fleet = make_fleet(tmp_path / "fleet", 0)
    quota = {"slices": 1, "workloads": 0}
    for number in range(limits.TENANTS):
        fleet.sign(delegations.delegation(fleet, f"t{number}", (b"%d" % number * 60, bytes(32)), quota))
    with pytest.raises(OperatorError, match="at most 8 tenants"):
        delegations.delegation(fleet, "late", (b"x" * 60, bytes(32)), quota)
    fleet.sign(manifests.end_manifest(fleet, delegations.find(fleet, "t3")))
    delegations.delegation(fleet, "late", (b"x" * 60, bytes(32)), quota)


def test_a_pass_is_for_its_keys_and_changed_bytes_make_none(scene, tmp_path):
    whole = (scene.folder / "acme.pass").read_bytes()
    other = tmp_path / "stranger"
    tenants.request(str(other), width=4)
    for directory, data, words in (
        (other, whole, "for other keys"), (tmp_path / "slices", whole, "holds no tenant's keys"),
        (scene.home.directory, b"", "not a tenant's pass"), (scene.home.directory, whole[:-1], "not a tenant's pass"),
        (scene.home.directory, cbor.encode({}), "not a tenant's pass"), (scene.home.directory, changed(whole), "signature"),
    ):
        os.makedirs(directory, exist_ok=True)
        (tmp_path / "some.pass").write_bytes(data)
        done = call("join", directory, tmp_path / "some.pass")
        assert done.exit_code == 1 and words in done.output, (words, done.output)
    assert not (other / "fleet.json").exists()
    # A newer one has other boxes and another quota.
    scene.fleet.enrol(1, 7100)
    assert scene.add("acme", "--seats", 9).exit_code == 0
    joined = call("join", scene.home.directory, scene.folder / "acme.pass")
    assert joined.exit_code == 0 and "3 boxes" in joined.output and "9 seats" in joined.output
    assert fleets.Fleet.open(scene.home.directory).delegation["seats"] == 9


def changed(data):
    """The pass with one byte of the delegation's signature changed."""
    fields = cbor.decode(data, 2, 16)
    signed = bytearray(fields["delegation"])
    signed[-9] ^= 1
    return cbor.encode({**fields, "delegation": bytes(signed)})


def test_keys_are_secret_and_what_leaves_is_public(scene):
    private = files.read(scene.home.path("owner.key"))
    assert os.stat(scene.home.path("owner.key")).st_mode & 0o777 == 0o600
    for path in (scene.request, scene.folder / "acme.pass"):
        data = files.read(path)
        assert private not in data and private.hex().encode() not in data
    assert not [name for name in os.listdir(scene.fleet.directory) if "acme" in name]


def test_nothing_he_signs_outlives_his_delegation(scene):
    scene.fleet.sign(delegations.delegation(scene.fleet, "acme", None, {}, valid_s=100))
    home = tenants.join(scene.home.directory, tenants.make_pass(scene.fleet, "acme"))
    until = home.delegation["expires"]
    plan = manifests.slice_manifest(home, "edge", 2)
    assert plan.payload["expires"] == until
    home.sign(plan)
    assert manifests.end_manifest(home, plan.payload).payload["expires"] == until
    scene.fleet.sign(delegations.delegation(scene.fleet, "acme", None, {}, valid_s=100, issued=int(time.time()) - 200))
    with pytest.raises(OperatorError, match="has expired"):
        tenants.join(scene.home.directory, tenants.make_pass(scene.fleet, "acme"))


class Guarded:
    """A mosquitto that keeps to the access list."""

    def __init__(self, folder, fleet):
        users = access.write(fleet, str(folder / "access"), list(fleet.boxes()))
        assert access.counted(users) == ["2 doors", "tenant-acme", "tenant-other", "operator", "watcher"]
        self.secrets, self.port = folder / "access" / "secrets", free_port()
        conf = folder / "guarded.conf"
        conf.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous false\nacl_file {folder}/access/acl\n"
                        f"password_file {folder}/access/passwords\nuser root\n")
        program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
        self.process = subprocess.Popen([program, "-c", str(conf)], stderr=subprocess.DEVNULL)

    def address(self, user):
        return f"mqtt://{user}:{(self.secrets / user).read_text().split()[-1]}@127.0.0.1:{self.port}"

    def session(self, user):
        give_up = time.monotonic() + 20
        while True:
            try:
                return push.Session(self.address(user))
            except OperatorError:
                assert time.monotonic() < give_up
                time.sleep(0.05)


def heard(session):
    found = []
    while (message := session.receive(0.5)) is not None:
        session.done(message)
        found.append((message.topic, message.payload))
    return found


def test_the_broker_keeps_a_tenant_to_his_own_topics(scene, tmp_path):
    other = tenants.request(str(scene.folder / "other"), width=4)
    scene.fleet.sign(delegations.delegation(scene.fleet, "other", tenants.read_keys(other), {}))
    guarded = Guarded(tmp_path, scene.fleet)
    try:
        topic = scene.fleet.topic
        box = list(scene.fleet.boxes())[0].hex()
        operator, acme, door = (guarded.session(user) for user in ("operator", "tenant-acme", box))
        for session in (operator, acme):
            session.subscribe(topic("#"))
        door.subscribe(topic("manifest", "#"), topic("blob", "+", "00"))
        allowed = [
            (acme, topic("manifest", "slice-acme", "edge")), (acme, topic("manifest", "workload-acme", "words")),
            (acme, topic("blob", "acme", "00")), (door, topic("result", "acme", "words", "1", box)),
            (door, topic("refused", "acme", box)),
        ]
        forbidden = [
            (acme, topic("manifest", "slice-edge")), (acme, topic("manifest", "slice-other", "edge")),
            (acme, topic("manifest", "tenant-acme")), (acme, topic("manifest", "revocation-boxes")),
            (acme, topic("blob", "00")), (acme, topic("blob", "other", "00")), (acme, topic("census", box)),
            (acme, topic("result", "words", "1", box)), (acme, topic("result", "other", "words", "1", box)),
            (acme, topic("refused", "acme", "tenant-acme")), (acme, topic("refused", "tenant-acme")),
            (acme, topic("door", "tenant-acme")), (acme, topic("census", "tenant-acme")),
            (door, topic("manifest", "slice-acme", "x")), (door, topic("blob", "acme", "00")),
            (door, topic("refused", "acme", "00" * 16)),
        ]
        secret = [topic("result", "words", "1", box), topic("result", "other", "words", "1", box),
                  topic("refused", "other", box), topic("census", box), topic("manifest", "slice-edge"),
                  topic("manifest", "slice-other", "edge"), topic("blob", "01"), topic("blob", "other", "01")]
        for session, where in forbidden:
            session.publish([(where, b"forbidden")], 5)
        for where in secret:
            operator.publish([(where, b"secret")], 5)
        for session, where in allowed:
            session.publish([(where, b"allowed")], 5)
        seen = heard(operator)
        assert {where for where, payload in seen if payload == b"allowed"} == {where for _, where in allowed}
        assert not [row for row in seen if row[1] == b"forbidden"]
        mine = heard(acme)
        assert not [row for row in mine if row[1] == b"secret"]
        assert {where for where, _ in mine} == {where for _, where in allowed}
        assert {where for where, payload in heard(door) if payload == b"allowed"} == {
            where for session, where in allowed if session is acme}
        for session in (operator, acme, door):
            session.close()
        # His own commands work within that list.
        done = scene.tenant("describe", "--broker", guarded.address("tenant-acme"), "--format", "json")
        assert done.exit_code == 0, done.output
    finally:
        guarded.process.kill()
        guarded.process.wait()


def test_nobody_can_tell_another_owners_session(scene):
    names = {run.session_id(fleet, name) for fleet in (scene.fleet, scene.home) for name in ("words", "more")}
    assert len(names) == 4 and all(len(name) == 23 for name in names)
    assert run.session_id(scene.home, "words") == run.session_id(scene.home, "acme/words")


def test_a_workload_built_for_the_operator_is_as_before(scene):
    plan = workload(scene.fleet)
    assert plan.payload["name"] == "words" and plan.payload["program_size"] == len(PROGRAM)
    assert scene.fleet.blob_topic(b"\1" * 32) == scene.fleet.topic("blob", "01" * 32)
