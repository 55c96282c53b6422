"""Disks that take nothing, from the start or from then on: the box gossips, sits, and says once what it cannot keep."""

import pathlib
import shutil

import agents
import brokers
import pytest
from agents import Agent, Home
from namespace import Namespace

from backfence.bootstrap.operator import manifests

INTERPRETERS = ("cpython", "micropython")
SAID = "warning: the disk refuses something: what is not kept is lost at the next start"


class Flash:
    """A small file system on a box's home, which only the box's namespace sees."""

    def __init__(self, network, path):
        self._network, self._path = network, str(path)
        keep = path.parent / "kept"
        shutil.copytree(path, keep)
        network.run("mount", "-t", "tmpfs", "-o", "size=128k", "none", self._path)
        network.run("cp", "-a", f"{keep}/.", self._path)
        self.path = pathlib.Path(network.root + self._path)

    def fill(self):
        """Write until nothing goes in any more."""
        with open(self.path / "ballast", "wb", buffering=0) as file:
            try:
                while file.write(bytes(512)):
                    pass
            except OSError:
                pass

    def free(self):
        (self.path / "ballast").unlink()

    def read_only(self):
        self._network.run("mount", "-o", "remount,ro", self._path)

    def files(self):
        """{path: bytes} of all files."""
        return {str(path.relative_to(self.path)): path.read_bytes() for path in self.path.rglob("*") if path.is_file()}


class Scene:
    """A box whose flash is the test's, and a peer that has a slice of two seats."""

    def __init__(self, folder):
        self.network = Namespace(folder)
        self.network.run("ip", "link", "set", "lo", "up")
        fleet = agents.make_fleet(folder / "fleet")
        self.peer, self.box = Home(fleet, 0, folder), Home(fleet, 1, folder)
        self.peer.holds([fleet.sign(manifests.slice_manifest(fleet, "edge", 2))])
        self.id = self.box.box.id.hex()
        self.running = []

    def start(self, interpreter, home):
        self.running.append(Agent(interpreter, home, prefix=self.network.prefix))
        return self.running[-1]

    def meet(self, interpreter):
        """Start both; the box when its peer has it in its view and as its ring neighbour."""
        agent = self.start(interpreter, self.box)
        self.start(interpreter, self.peer).wait(self.sits, "the box beside its peer")
        return agent

    def sits(self, status):
        seats = status["seats"]
        return self.id in status["view"] and seats and seats[0]["successor"] and seats[0]["successor"][1] == self.id

    def end(self):
        for agent in self.running:
            agent.kill()
        self.network.end()


@pytest.fixture
def scene(tmp_path):
    found = Scene(tmp_path)
    yield found
    found.end()


def said(agent):
    return [line for line in agent.lines if line.startswith(SAID)]


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_read_only_home_without_its_directories(interpreter, scene, tmp_path):
    # As of a box whose root file system is read-only; blobs are in memory as on any box.
    (tmp_path / "memory").mkdir()
    scene.box.configure(store_dir=tmp_path / "memory")
    for name in ("state", "store", "slots"):
        shutil.rmtree(scene.box.path / name, ignore_errors=True)
    scene.peer.knows(scene.box)
    flash = Flash(scene.network, scene.box.path)
    flash.read_only()
    before = flash.files()
    agent = scene.meet(interpreter)
    brokers.wait_for(lambda: said(agent), "a line about the disk")
    assert len(said(agent)) == 1 and flash.files() == before and agent.process.poll() is None


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_disk_that_is_full_from_the_start(interpreter, scene, tmp_path):
    (tmp_path / "memory").mkdir()
    scene.box.configure(store_dir=tmp_path / "memory")
    scene.box.knows(scene.peer)
    flash = Flash(scene.network, scene.box.path)
    flash.fill()
    before = flash.files()
    agent = scene.meet(interpreter)
    brokers.wait_for(lambda: said(agent), "a line about the disk")
    assert len(said(agent)) == 1 and flash.files() == before
    # Room again, and a start: all is kept as ever.
    flash.free()
    agent.kill()
    agent = scene.start(interpreter, scene.box)
    brokers.wait_for(lambda: (flash.path / "state/state-floors").exists(), "the floors on the disk")
    assert agent.process.poll() is None and not said(agent)


@pytest.mark.parametrize("interpreter, how", [("cpython", Flash.fill), ("micropython", Flash.read_only)])
def test_a_disk_that_takes_nothing_any_more(interpreter, how, scene):
    scene.box.knows(scene.peer)
    flash = Flash(scene.network, scene.box.path)
    agent = scene.start(interpreter, scene.box)
    brokers.wait_for(lambda: (flash.path / "status.json").exists(), "the box to run")
    how(flash)
    # Its store takes no manifest now, so it takes no seat; it gossips.
    scene.start(interpreter, scene.peer).wait(lambda status: scene.id in status["view"], "the box in its peer's view")
    brokers.wait_for(lambda: said(agent), "a line about the disk")
    assert len(said(agent)) == 1 and agent.process.poll() is None


@pytest.mark.parametrize("interpreter, how, why", [
    ("cpython", Flash.fill, "the disk is full"), ("micropython", Flash.fill, "the disk is full"),
    ("micropython", Flash.read_only, "the disk is read-only"),
])
def test_no_room_for_a_key(interpreter, how, why, scene):
    (scene.box.path / "box.key").unlink()
    flash = Flash(scene.network, scene.box.path)
    how(flash)
    agent = scene.start(interpreter, scene.box)
    assert agent.ended() == 1
    brokers.wait_for(lambda: agent.lines, "its line")
    path = f"{scene.box.path}/box.key"
    assert "".join(agent.lines) == f"Error: cannot write {path}: {why}\n"
    assert not (flash.path / "box.key").exists() and not (flash.path / "box.key.tmp").exists()
