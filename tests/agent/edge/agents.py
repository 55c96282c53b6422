"""The real agent as a process, on a chosen interpreter, in a home made by the operator's code."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import threading

import brokers

from backfence.agent import floors, manifest
from backfence.agent.counting import Counters
from backfence.agent.descriptor import Descriptor, pack_all
from backfence.agent.edge import udp
from backfence.agent.edge.disk import Disk
from backfence.agent.store import Store
from backfence.agent.wire import cbor
from backfence.bootstrap.operator import fleet as fleets
from backfence.bootstrap.operator import manifests
from backfence.sim.live import interpreters

BASE_PORT = 7000


def make_fleet(directory):
    """A fleet of three boxes whose homes are copied, not used."""
    fleet = fleets.create(str(directory), width=4)
    fleet.enrol(3, BASE_PORT, doors=0)
    return fleet


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Home:
    """A copy of a box's home, with a configuration of its own."""

    def __init__(self, fleet, number, directory):
        self.box = sorted(fleet.boxes().values(), key=lambda box: box.home)[number]
        self.keys = fleet.keys
        self.path = pathlib.Path(directory) / f"box{number}"
        shutil.copytree(self.box.home, self.path)
        self.port = free_udp_port()
        self.configure()

    def configure(self, **settings):
        settings = {"listen": f"127.0.0.1:{self.port}", "status_ms": 100, "busy_round_ms": 200, "busy_load": 0, "busy_heat": 0, **settings}
        text = "".join(f"{key} = {value}\n" for key, value in settings.items())
        (self.path / "agent.conf").write_text(text)

    def status(self):
        try:
            return json.loads((self.path / "status.json").read_text())
        except FileNotFoundError:
            return None

    def disk(self):
        for name in ("state", "store", "slots"):
            (self.path / name).mkdir(exist_ok=True)
        return Disk(*(str(self.path / name) for name in ("state", "store", "slots")))

    def knows(self, *others, at=None):
        """Other boxes are contacts of this one from earlier, at an address if it is not their own."""
        rows = [Descriptor(other.box.id, udp.resolve(at or f"127.0.0.1:{other.port}")) for other in others]
        self.disk().write("state-contacts", cbor.encode([0, pack_all(rows), b""]))

    def holds(self, signed, blobs=()):
        """This box's store has signed manifests and blobs, as after a restart."""
        store = Store(self.disk(), 1 << 24, Counters())
        rows = {}
        for data in signed:
            fields = manifests.read(data, self.keys)
            id = manifest.manifest_id(fields["kind"], fields["name"])
            rows[id] = [fields["seq"], fields["expires"], store.put(data), b""]
        for data in blobs:
            store.put(data)
        floors.save(store, rows)


def command(interpreter, home, heap="4M"):
    """(argument list, environment) of an agent's process."""
    found = interpreters.find(interpreter)
    environment = dict(found.environment, PYTHONPATH=os.environ.get("PYTHONPATH", ""))
    return found.arguments("-m", "backfence.agent", "--home", str(home), heap=heap), environment


def run(interpreter, home, heap="4M"):
    """Run an agent that should end by itself; the finished process."""
    arguments, environment = command(interpreter, home, heap)
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=brokers.LIMIT_S)


class Agent:
    """A running agent, its lines on stderr, its status.

    prefix: words of a program that starts it; more: what its environment has besides.
    """

    def __init__(self, interpreter, home, heap="4M", prefix=(), **more):
        self.home = home
        (home.path / "status.json").unlink(missing_ok=True)
        arguments, environment = command(interpreter, home.path, heap)
        self.process = subprocess.Popen(
            [*prefix, *arguments], env={**environment, **more}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self.lines = []
        threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True).start()

    def wait(self, condition, what):
        """Wait until condition(status) holds."""

        def holds():
            assert self.process.poll() is None, self.lines
            status = self.home.status()
            return status is not None and condition(status)

        brokers.wait_for(holds, what)

    def up(self):
        """Wait for its first status."""
        self.wait(lambda status: True, "a status")

    def ended(self):
        """Wait for its end; the exit code."""
        return self.process.wait(brokers.LIMIT_S)

    def kill(self):
        self.process.kill()
        self.process.wait()
