"""How an agent starts, complains and stops: real processes, both interpreters."""

import os
import re
import signal
import subprocess
import tomllib

import agents
import brokers
import pytest
from agents import Agent, Home

from backfence.agent import __version__, config
from backfence.sim.live import interpreters

INTERPRETERS = ("cpython", "micropython")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    return agents.make_fleet(tmp_path_factory.mktemp("fleet") / "fleet")


@pytest.fixture
def home(fleet, tmp_path):
    return Home(fleet, 0, tmp_path)


@pytest.fixture
def started():
    """start(interpreter, home): an agent that is ended after the test."""
    running = []

    def start(*arguments, **more):
        running.append(Agent(*arguments, **more))
        return running[-1]

    yield start
    for agent in running:
        agent.kill()


def write(name, data):
    return lambda home: (home.path / name).write_bytes(data)


def remove(name):
    return lambda home: (home.path / name).unlink()


WRONG = {
    "no configuration": (remove("agent.conf"), "cannot read .*/agent.conf"),
    "an unknown key": (write("agent.conf", b"lisen = 1.2.3.4:5\n"), "agent.conf: line 1: unknown key 'lisen'"),
    "no text": (write("agent.conf", b"\xff\xfe\n"), "agent.conf is not text"),
    "a long configuration": (write("agent.conf", b"#" * 9000), "longer than 8192 bytes"),
    "no address at all": (write("agent.conf", b"listen = 7000\n"), "agent.conf: line 1: expected host:port"),
    "no trust": (remove("trust.cbor"), "cannot read .*/trust.cbor; enrol this box, whose public key is [0-9a-f]{64}$"),
    "broken trust": (write("trust.cbor", b"\xa0"), "trust.cbor does not hold"),
    "a short key": (write("box.key", b"x" * 31), "box.key is not a key of 32 bytes"),
    "a long key": (write("box.key", b"x" * 33), "box.key is longer than 32 bytes"),
    "another box's key": (write("box.key", b"x" * 32), "trust.cbor is another box's; enrol this box"),
    "no store": (
        lambda home: home.configure(store_dir="/no/such/place"), "cannot make /no/such/place: no such directory"
    ),
}


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_in_one_line(interpreter, what, home):
    prepare, said = WRONG[what]
    prepare(home)
    process = agents.run(interpreter, home.path)
    assert process.returncode == 1, process.stderr
    assert process.stderr.startswith("Error: ") and process.stderr.count("\n") == 1
    assert re.search(said, process.stderr.strip()), process.stderr


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_the_command_line(interpreter, tmp_path):
    found = interpreters.find(interpreter)

    def run(*words):
        command = found.arguments("-m", "backfence.agent", *words)
        return subprocess.run(command, env=found.environment, capture_output=True, text=True, timeout=60)

    assert run("--version").stdout == "backfence agent 0.1.0\n"
    assert run("--help").stdout.startswith("usage: ") and run("--help").returncode == 0
    for words in ((), ("--home",), ("--hom", "x"), ("--home", "x", "y")):
        process = run(*words)
        assert process.returncode == 2 and process.stderr.startswith("Error: ") and "usage: " in process.stderr
    process = run("--home=" + str(tmp_path / "none"))
    assert process.returncode == 1 and process.stderr == f"Error: no directory {tmp_path}/none\n"


# A box before its network: 192.0.2.0/24 is nobody's.
@pytest.mark.parametrize("interpreter, listen, said, number", [
    ("cpython", "192.0.2.1:7000", "192.0.2.1:7000 is not an address of this box", signal.SIGTERM),
    ("amd64", "192.0.2.1:7000", "192.0.2.1:7000 is not an address of this box", signal.SIGTERM),
    ("micropython", "[2001:db8::1]:7000", "[2001:db8::1]:7000 is not an address of this box", signal.SIGINT),
    ("micropython", "no-such-host.invalid:7000", "cannot resolve the name 'no-such-host.invalid'", None),
])
def test_what_the_network_does_not_have_yet_is_waited_for_until_it_is_stopped(
        interpreter, listen, said, number, home, started):
    home.configure(listen=listen)
    beat = home.path / "store" / "beat"
    beat.write_text("0")
    agent = started(interpreter, home, BACKFENCE_BEAT_S="1")
    brokers.wait_for(lambda: len(agent.lines) == 1 and beat.read_text() > "0", "a line, and the beat")
    assert agent.lines == [f"warning: {said}; waiting for the network\n"]
    if number:
        agent.process.send_signal(number)
    else:
        (home.path / "stop").touch()
    assert agent.ended() == 0 and len(agent.lines) == 1


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_an_address_in_use(interpreter, home, started):
    started(interpreter, home).up()
    process = agents.run(interpreter, home.path)
    assert process.returncode == 1
    assert process.stderr == f"Error: cannot listen on 127.0.0.1:{home.port}: it is in use\n"


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_key_is_made_once_and_is_private(interpreter, home):
    folder = home.path.parent / "it's a box"
    home.path.rename(folder)
    (folder / "box.key").unlink()
    (folder / "trust.cbor").unlink()
    first = agents.run(interpreter, folder)
    key = (folder / "box.key").read_bytes()
    assert len(key) == 32 and (folder / "box.key").stat().st_mode & 0o777 == 0o600
    assert agents.run(interpreter, folder).stderr == first.stderr
    assert (folder / "box.key").read_bytes() == key
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == ["agent.conf", "box.key"]


@pytest.mark.parametrize("heap", ("200K", "300K", "400K"))
def test_too_small_a_heap(heap, home):
    process = agents.run("micropython", home.path, heap=heap)
    assert process.returncode == 1
    assert process.stderr == "Error: the heap is too small; start with -X heapsize=1wM or more\n"


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_the_stop_file(interpreter, home, started):
    agent = started(interpreter, home)
    agent.up()
    (home.path / "stop").touch()
    assert agent.ended() == 0 and agent.lines == []
    assert not (home.path / "stop").exists()


# Debian's MicroPython has ffi, and so sees a signal between turns; the other one
# sees SIGINT only.
@pytest.mark.parametrize(
    "interpreter, number",
    [("cpython", signal.SIGTERM), ("cpython", signal.SIGINT), ("amd64", signal.SIGTERM), ("amd64", signal.SIGINT),
     ("micropython", signal.SIGINT)],
)
def test_signals_stop_it_in_good_order(interpreter, number, home, started):
    agent = started(interpreter, home)
    agent.up()
    clock = home.path / "state" / "state-clock"
    clock.unlink()
    agent.process.send_signal(number)
    assert agent.ended() == 0 and agent.lines == []
    # It is written on leaving.
    assert clock.exists()


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_it_starts_again_after_kill_9(interpreter, home, started):
    agent = started(interpreter, home)
    agent.up()
    agent.kill()
    (home.path / "state" / "state-clock.tmp").write_bytes(b"half")
    again = started(interpreter, home)
    again.up()
    assert not (home.path / "state" / "state-clock.tmp").exists()
    assert home.status()["id"] == home.box.id.hex() and home.status()["address"] == f"127.0.0.1:{home.port}"


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_names_that_do_not_resolve_do_not_keep_it_from_gossip(interpreter, home, started):
    home.configure(broker="no-such-broker.invalid:1883", door=1, controller="no-such-host.invalid:6999")
    agent = started(interpreter, home)
    agent.up()
    brokers.wait_for(lambda: len(agent.lines) >= 2, "two warnings")
    assert agent.lines[0].startswith("warning: controller: cannot resolve the name 'no-such-host.invalid'")
    assert agent.lines[1].startswith("warning: broker: cannot resolve the name 'no-such-broker.invalid'")
    assert agent.process.poll() is None


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_an_idle_agent_hardly_uses_the_processor(interpreter, home, started):
    home.configure(status_ms=1000, round_ms=60000)
    agent = started(interpreter, home)
    agent.up()
    brokers.wait_for(lambda: home.status()["uptime_ms"] > 3000, "the start to be over")
    before, since = used_ticks(agent), home.status()["uptime_ms"]
    brokers.wait_for(lambda: home.status()["uptime_ms"] > since + 5000, "five seconds")
    # Ticks of 10 ms: less than a tenth of the processor.
    assert used_ticks(agent) - before < 50


def used_ticks(agent):
    words = open(f"/proc/{agent.process.pid}/stat").read().rpartition(")")[2].split()
    assert os.sysconf("SC_CLK_TCK") == 100
    return int(words[11]) + int(words[12])


def test_the_version_is_the_projects():
    project = tomllib.loads((interpreters.REPOSITORY / "pyproject.toml").read_text())
    assert project["project"]["version"] == __version__


def test_every_configuration_key_is_documented():
    text = (interpreters.REPOSITORY / "docs/agent.md").read_text()
    rows = text.partition("## Configuration")[2].partition("\n## ")[0].splitlines()
    keys = [key for row in rows if row.startswith("| `") for key in re.findall("`([a-z_]+)`", row.split("|")[1])]
    assert sorted(keys) == sorted(config.KEYS)
