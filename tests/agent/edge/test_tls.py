"""TLS to a real mosquitto: one pinned authority vouches for the broker, and nobody else."""

import socket
import threading
import time

import agents
import brokers
import pytest
from authorities import Authority
from brokers import Broker, Driver, Other

from backfence.agent.edge import mqtt, mqtt_wire, tls_socket
from backfence.agent.errors import LocalError

INTERPRETERS = ("cpython", "micropython", "amd64")


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture
def opened():
    """A list; what is put there is killed after the test."""
    things = []
    yield things
    for thing in reversed(things):
        thing.kill()


def begin(opened, interpreter, folder, lines, ca, host="localhost"):
    """(Broker, Driver) with TLS between them; the driver believes the file `ca`."""
    broker = Broker("mosquitto", folder, lines)
    opened.append(broker)
    driver = Driver(interpreter, f"{host}:{broker.port}", "user", "password", ca, heap="1M")
    opened.append(driver)
    return broker, driver


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_messages_of_every_size_both_ways_and_a_broker_that_returns(opened, ours, tmp_path, interpreter):
    log = tmp_path / "log"
    lines = (*ours.broker_lines(), f"log_dest file {log}", "log_type all")
    broker, driver = begin(opened, interpreter, tmp_path, lines, ours.path)
    driver.wait(["connected"])
    driver.do("sub", "test/#")
    brokers.wait_for(lambda: driver.do("state")[1] == 0, "the subscription")
    # Sizes about a read (4 KiB), about a TLS record (16 KiB), and the largest message.
    sizes = (0, 1, 4000, 4096, 4097, 8192, 16384, 16385, mqtt_wire.PAYLOAD_BYTES)
    for size in sizes:
        assert driver.do("pub", f"test/{size}", size, 1, 0, f"t{size}") is True
        driver.wait(["published", f"t{size}"])
        driver.wait(["message", f"test/{size}", size])
    # With nothing behind it: TLS has taken all from the kernel, and no poller sees what is left.
    them = Other(broker, ca=ours.path)
    for size in (4090, 8192, 12000, 16300):
        them.publish("test/alone", b"p" * size, 0)
        driver.wait(["message", "test/alone", size])
    them.close()
    # Nor did it take a sign of life to wake the box up.
    assert "PUBLISH" in log.read_text() and "PINGREQ" not in log.read_text()
    broker.kill()
    driver.wait(["disconnected"])
    broker.start()
    driver.wait(["connected"], 2)
    assert driver.do("state")[0] == mqtt.UP


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("wrong", ["another authority", "another name", "expired", "an address for a name"])
def test_a_broker_for_whom_the_authority_does_not_vouch_hears_nothing(opened, ours, tmp_path, interpreter, wrong):
    authority = Authority(tmp_path, "theirs") if wrong == "another authority" else ours
    lines = authority.broker_lines(
        {"another name": "broker.example", "an address for a name": "127.0.0.1"}.get(wrong, "localhost"),
        (-9, -1) if wrong == "expired" else (-1, 30))
    _, driver = begin(opened, interpreter, tmp_path, lines, ours.path)
    driver.wait(["failed"])
    # The password goes out only when the handshake is done.
    assert "TLS: " in driver.events[0][1] and not [event for event in driver.events if event[0] == "connected"]


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_broker_named_by_its_address(opened, ours, tmp_path, interpreter):
    _, driver = begin(opened, interpreter, tmp_path, ours.broker_lines("127.0.0.1"), ours.path, "127.0.0.1")
    driver.wait(["connected"])


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_broker_without_tls_gets_no_password(opened, ours, tmp_path, interpreter):
    heard = bytearray()
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        with server.accept()[0] as connection:
            heard.extend(connection.recv(4096))
            connection.sendall(b"\x20\x02\x00\x00")  # CONNACK, in plain

    threading.Thread(target=serve, daemon=True).start()
    driver = Driver(interpreter, f"localhost:{server.getsockname()[1]}", "user", "password", ours.path, heap="1M")
    opened.append(driver)
    driver.wait(["failed"])
    server.close()
    assert heard and b"password" not in heard and b"MQTT" not in heard


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_handshake_that_waits_for_the_broker_waits_asleep(opened, ours, tmp_path, interpreter):
    server = socket.create_server(("127.0.0.1", 0))
    driver = Driver(interpreter, f"localhost:{server.getsockname()[1]}", "user", "password", ours.path, heap="1M")
    opened.append(driver)
    with server.accept()[0] as connection:
        assert connection.recv(4096), "no hello came"
        before = driver.do("state")[4]
        time.sleep(1)
        # Five turns a second without a nearer deadline; a socket that is always writable gives thousands.
        assert driver.do("state")[4] - before < 100
    server.close()
    driver.wait(["failed"])


@pytest.mark.parametrize("interpreter, file, words", [
    ("mips", "ours", "this interpreter has no TLS: use one that has"),
    ("micropython", "nothing", "cannot read {home}/ca.pem, the file that broker_ca names"),
    ("cpython", "rubbish", "broker_ca = ca.pem: it holds no certificate"),
])
def test_a_door_that_cannot_have_tls_says_so_and_ends(ours, tmp_path, interpreter, file, words):
    home = agents.Home(agents.make_fleet(tmp_path / "fleet"), 0, tmp_path)
    home.configure(broker="localhost:8883", door=1, broker_ca="ca.pem")
    if file != "nothing":
        (home.path / "ca.pem").write_bytes(ours.path.read_bytes() if file == "ours" else b"rubbish")
    ended = agents.run(interpreter, home.path)
    assert ended.returncode == 1 and ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("Error: ") and words.format(home=home.path) in ended.stderr


def test_files_that_are_no_authority_are_refused(ours):
    pem = ours.path.read_bytes()
    assert len(tls_socket.certificates(b"# ours\n" + pem + pem)) == 2
    for wrong in (b"", b"hello", pem[:-20], pem.replace(b"CERTIFICATE", b"PRIVATE KEY")):
        with pytest.raises(LocalError, match="no certificate"):
            tls_socket.certificates(wrong)
    with pytest.raises(LocalError, match="damaged"):
        tls_socket.make(pem.replace(pem[40:80], b"A" * 40), "localhost")
