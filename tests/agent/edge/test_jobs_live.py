"""A live agent on MicroPython whose jobs do their worst: it goes on answering, and lives on."""

import os
import time

import agents
import brokers
import pytest
import wasmtime
from agents import Agent, Home

from backfence.agent.edge import main, udp
from backfence.agent.edge.stop import Stop
from backfence.agent.wire import cbor, messages
from backfence.bootstrap.operator import manifests, push

INTERPRETER = "micropython"
# Questions that a job must let the agent answer, one after the other.
PINGS = 6


def start(body, memory=16, more=""):
    return f'(module {more} (memory {memory}) (func (export "_start") (local i32 i32) {body}))'


RANDOM = '(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))'
DEEP = """(func $f (param i32) (if (local.get 0) (then
  (call $f (i32.sub (local.get 0) (i32.const 1))) (call $f (i32.sub (local.get 0) (i32.const 1))))))"""
TABLE = "(br_table {} (i32.rem_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 240)))".format(
    " ".join(map(str, range(240)))
)
# None of these ever ends.  The last has a function that takes long to translate.
SPINNERS = {
    "loop": start("(loop (br 0))", 1),
    "fill": start("(loop (memory.fill (i32.const 0) (i32.const 7) (i32.const 1048576)) (br 0))"),
    "copy": start("(loop (memory.copy (i32.const 1) (i32.const 0) (i32.const 1048575)) (br 0))"),
    "tiny-fills": start("(loop (memory.fill (i32.const 0) (i32.const 7) (i32.const 1)) (br 0))"),
    "random": start("(loop (drop (call $random (i32.const 0) (i32.const 1048576))) (br 0))", more=RANDOM),
    "deep": start("(loop (call $f (i32.const 55)) (br 0))", 1, DEEP),
    "table": start(f"(loop {'(block ' * 240} {TABLE} {')' * 240} (br 0))", 1),
    "long": start(f"(loop {'(local.set 0 (i32.load offset=9 (local.get 1)))' * 300} (br 0))", 1),
}
# Grows until it cannot, writing to every page.
EATER = start(
    "(loop (if (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)) (then"
    " (i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)) (i32.const 1)) (br 1))))", 1
)


class Prober:
    """A second box of the fleet, in this process: a real node that asks the agent, and notes its answers."""

    def __init__(self, home, agent_box, agent_port, monkeypatch):
        monkeypatch.setattr(main, "Stop", lambda path, *signals: Stop(path))
        self.loop = main.make_loop(str(home.path))
        self.node = self.loop._node
        self.id = agent_box.id
        self.address = udp.resolve(f"127.0.0.1:{agent_port}")
        self.answered = 0
        self.exchange = 0
        self.node._handlers[messages.PONG] = self.on_pong

    def on_pong(self, peer, message):
        if message[1] == self.exchange:
            self.answered += 1

    def ask(self):
        """Ask once more, and wait for the answer to that question; repeat it each second, as a node would.

        One that comes while the agent has no session with us is lost: it answers with a reset.
        """
        self.exchange += 1
        before, again_s = self.answered, 0

        def answered():
            nonlocal again_s
            if time.monotonic() >= again_s:
                again_s = time.monotonic() + 1
                self.node.send(self.id, self.address, messages.PING, self.exchange, bytes(16), 0, 0)
            self.turn()
            return self.answered > before

        brokers.wait_for(answered, f"answer {self.exchange}")

    def turn(self):
        self.loop.turn(1)


class World:
    """A broker, a fleet of two, the agent with its only slice, a prober, and the owner's ear."""

    def __init__(self, folder, heap, monkeypatch):
        self.broker = brokers.Broker("mosquitto", folder)
        self.fleet = agents.make_fleet(folder / "fleet")
        home = Home(self.fleet, 0, folder)
        home.configure(door=1, broker=self.broker.address, cpu_percent=100)
        self.agent = Agent(INTERPRETER, home, heap)
        self.agent.up()
        self.prober = Prober(Home(self.fleet, 1, folder), home.box, home.port, monkeypatch)
        self.session = push.Session(self.broker.address)
        self.session.subscribe(self.fleet.topic("result", "+", "+", "+"))
        self.push(manifests.slice_manifest(self.fleet, "edge", 1, where="door == true"))
        self.agent.wait(lambda status: status["seats"], "a seat")

    def push(self, manifest):
        push.publish(self.broker.address, self.fleet, self.fleet.sign(manifest), manifest.blobs)

    def run(self, name, program, **options):
        self.push(manifests.workload_manifest(
            self.fleet, name, "edge", bytes(wasmtime.wat2wasm(program)), [b"input"], **options
        ))

    def end(self, name):
        """Takes the workload back: a running job of it is cancelled."""
        self.push(manifests.end_manifest(self.fleet, self.fleet.signed(f"workload-{name}")[1]))

    def result(self, name):
        """The receipt of a task of this workload."""
        found = []

        def came():
            message = self.session.receive(0.05)
            if message:
                self.session.done(message)
                if f"/result/{name}/" in message.topic:
                    found.append(cbor.decode(bytes(cbor.decode(bytes(message.payload))[0])))
            return found

        brokers.wait_for(came, f"a result of {name}")
        return found[0]

    def running(self):
        """The workload that runs, or None."""
        now = self.agent.home.status()["tasks"]["running"]
        return now and now[0]

    def close(self):
        self.session.close()
        self.agent.kill()
        self.broker.kill()


@pytest.fixture
def world(tmp_path, monkeypatch):
    """world(heap) makes a World that is ended after the test."""
    made = []

    def make(heap):
        made.append(World(tmp_path, heap, monkeypatch))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_agent_answers_while_jobs_spin_and_cancels_them(world):
    world = world("8M")
    world.prober.ask()
    for number, (name, program) in enumerate(SPINNERS.items(), 1):
        world.run(name, program, fuel=1 << 50)
        world.agent.wait(lambda status: status["tasks"]["running"] == [name, 0], f"{name} to run")
        for _ in range(PINGS):
            world.prober.ask()
        # It has not ended: these answers came from its ticks, or between steps of its admission.
        assert world.running() == name
        world.agent.wait(lambda status: status["counters"].get("programs_admitted", 0) >= number, "its program")
        for _ in range(PINGS):
            world.prober.ask()
        assert world.running() == name
        world.end(name)
        world.agent.wait(lambda status: status["tasks"]["running"] is None, f"the end of {name}")
    # Who was cancelled eight times is as good as new.
    world.run("good", start("(drop (i32.const 1))", 1))
    assert world.result("good")["outcome"] == "ok"
    assert not [line for line in world.agent.lines if "memory" in line]


def test_a_job_that_eats_the_memory_is_all_that_ends(world):
    world = world("1400K")
    world.run("eater", EATER, pages=64, fuel=1 << 40)
    receipt = world.result("eater")
    assert receipt["outcome"] == "memory", receipt
    world.prober.ask()
    world.run("good", start("(memory.fill (i32.const 0) (i32.const 7) (i32.const 65536))", 1))
    receipt = world.result("good")
    assert (receipt["outcome"], receipt["fuel"], receipt["pages"]) == ("ok", 1 + 4 + 1024, 1)
    assert world.agent.process.poll() is None and os.path.exists(f"/proc/{world.agent.process.pid}")
