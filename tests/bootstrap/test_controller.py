"""The seed server over real UDP: boxes get the list, nobody gets more than they sent."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading

import pytest

from backfence.agent.errors import LocalError
from backfence.bootstrap.controller.chain import Chain
from backfence.bootstrap.controller.server import SeedList, Server, answer
from backfence.bootstrap.operator import files, manifests, root

from fleets import free_port, make_fleet


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    return make_fleet(tmp_path_factory.mktemp("fleet") / "fleet", boxes=2)


@pytest.fixture
def seeds(fleet, tmp_path):
    contacts = [(box, b"\x7f\0\0\1\x1b\x58") for box in fleet.boxes()]
    signed = fleet.sign(manifests.seeds_manifest(fleet, contacts))
    files.write_whole(str(tmp_path / "seeds.cose"), signed)
    return str(tmp_path / "seeds.cose")


def question(offset, what=0):
    return b"\x1a" + offset.to_bytes(2, "big") + bytes((what,)) + bytes(1196)


class Running:
    """The server in a thread, and a socket that asks it."""

    def __init__(self, path, host="127.0.0.1", chain=None):
        shown = f"[{host}]" if ":" in host else host
        port = free_port(socket.SOCK_DGRAM)
        self.server = Server(f"{shown}:{port}", SeedList(path), chain=chain)
        self.log = []
        reading, self.stop = os.pipe()
        self.thread = threading.Thread(target=self.server.serve, args=(reading, self.log.append))
        self.thread.start()
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, port))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.write(self.stop, b".")
        self.thread.join(10)
        self.server.close()
        self.socket.close()

    def ask(self, data, wait_s=5.0):
        self.socket.send(data)
        ready, _, _ = select.select([self.socket], [], [], wait_s)
        return self.socket.recv(2000) if ready else None

    def fetch(self, what=0):
        """The whole list, piece by piece, as a box asks."""
        data, total = b"", 1
        while len(data) < total:
            piece = self.ask(question(len(data), what))
            assert piece[0] == 0x1B and int.from_bytes(piece[1:3], "big") == len(data)
            total = int.from_bytes(piece[3:5], "big")
            data += piece[5:]
        return data


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_box_gets_the_whole_list(fleet, seeds, host):
    with Running(seeds, host) as running:
        data = running.fetch()
    assert data == files.read(seeds)
    assert len(manifests.read(data, fleet.keys)["contacts"]) == 2
    assert running.server.counters["answered"] == -(-len(data) // 1024)


@pytest.mark.parametrize("bad", [
    b"", b"\x1a", question(0)[:-1], question(0) + b"\0", b"\x1b" + question(0)[1:], question(60000),
    question(0)[:-1] + b"x", os.urandom(1200),
], ids=["empty", "one byte", "a byte short", "a byte long", "an answer", "past the end", "not padded", "random"])
def test_what_is_no_question_gets_no_answer(seeds, bad):
    with Running(seeds) as running:
        assert running.ask(bad, 0.2) is None
        assert running.fetch() == files.read(seeds)
        assert running.server.counters["refused"] == 1


def test_no_answer_is_longer_than_its_question(seeds):
    data = files.read(seeds)
    for offset in range(0, len(data), 100):
        assert len(answer(data, question(offset))) <= 1029 < 1200


def test_a_new_list_is_taken_up_and_a_bad_one_is_not(fleet, seeds):
    old = files.read(seeds)
    with Running(seeds) as running:
        assert running.fetch() == old
        files.write_whole(seeds, b"not a list")
        running.server.seeds._looked_s = 0
        assert running.fetch() == old
        new = fleet.sign(manifests.seeds_manifest(fleet, [(bytes(16), b"\x7f\0\0\1\0\7")]))
        files.write_whole(seeds, new)
        running.server.seeds._looked_s = 0
        assert running.fetch() == new
    assert "keeping the old" in running.log[0] and "took up" in running.log[1]


def test_roots_are_handed_out_once_there_is_a_second_one(fleet, seeds):
    chain = Chain(fleet.path("roots"))
    with Running(seeds, chain=chain) as running:
        assert running.ask(question(0, 2), 0.2) is None
        root.rotate(fleet, [root.open_key(fleet.path("root-key"))])
        running.server._looked_s = 0
        assert running.fetch(2) == root.chain(fleet.signed_roots())
        assert running.ask(question(0, 3), 0.2) is None
        files.write_whole(os.path.join(fleet.path("roots"), "3.cose"), b"no root")
        running.server._looked_s = 0
        assert running.fetch(2) == root.chain(fleet.signed_roots()[:2])
    os.remove(os.path.join(fleet.path("roots"), "3.cose"))
    assert running.log[0] == "took up root 2" and "keeping the old roots" in running.log[1]
    with pytest.raises(LocalError, match="1.cose cannot be read"):
        Chain(fleet.path("lots"))


@pytest.mark.parametrize("make, problem", [
    (lambda fleet: b"", "not a signed seed list"),
    (lambda fleet: os.urandom(9000), "not a signed seed list"),
    (lambda fleet: fleet.sign(manifests.slice_manifest(fleet, "edge", 1)), "not a seed list"),
], ids=["empty", "too long", "a slice"])
def test_a_file_that_is_no_list_is_refused(fleet, tmp_path, make, problem):
    path = str(tmp_path / "seeds.cose")
    files.write_whole(path, make(fleet))
    with pytest.raises(LocalError, match=problem):
        SeedList(path)


@pytest.mark.parametrize("arguments, problem", [
    (["--listen", "127.0.0.1:0"], "expected host:port"),
    (["--listen", "localhost:7000"], "not an address"),
    (["--listen", "192.0.2.1:7000"], "cannot listen"),
    (["--seeds", "/no/such/file"], "cannot be read"),
])
def test_people_get_one_clear_line(seeds, arguments, problem):
    command = [sys.executable, "-m", "backfence.bootstrap.controller", "--seeds", seeds, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("Error: ") and problem in done.stderr
    assert "Traceback" not in done.stderr


def test_the_process_serves_and_ends_on_sigterm(seeds):
    port = free_port(socket.SOCK_DGRAM)
    command = [sys.executable, "-m", "backfence.bootstrap.controller", "--seeds", seeds]
    command += ["--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == f"seeds on 127.0.0.1:{port}\n"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(10)
            asking.sendto(question(0), ("127.0.0.1", port))
            assert asking.recv(2000)[0] == 0x1B
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert "1 answered" in process.stdout.read()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_controller_knows_nothing_of_work():
    """It never schedules, places, counts or repairs: it does not even import what could."""
    program = (
        "import sys\n"
        "import backfence.bootstrap.controller.__main__\n"
        "print(*sorted(name for name in sys.modules if name.startswith('backfence')))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    known = set(done.stdout.split())
    assert "backfence.bootstrap.controller.server" in known
    assert known <= {
        "backfence", "backfence.agent", "backfence.agent.compat", "backfence.agent.config", "backfence.agent.errors",
        "backfence.agent.limits", "backfence.agent.wire", "backfence.agent.wire.cbor", "backfence.agent.wire.cose",
        "backfence.agent.wire.hashes", "backfence.bootstrap", "backfence.bootstrap.controller",
        "backfence.bootstrap.controller.__main__", "backfence.bootstrap.controller.server", "backfence.agent.wire.merkle",
        "backfence.bootstrap.controller.chain", "backfence.bootstrap.controller.places", "backfence.bootstrap.tree",
    }
