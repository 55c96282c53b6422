"""A node that only records, and the rest of a loop around it, real."""

import os
import select

from backfence.agent.config import Config
from backfence.agent.counting import Counters
from backfence.agent.edge import disk, udp
from backfence.agent.edge.clock import Clock
from backfence.agent.edge.loop import Loop
from backfence.agent.edge.started import Beat
from backfence.agent.edge.stop import Stop
from backfence.agent.errors import LocalError
from backfence.agent.rng import Rng
from backfence.agent.wire.hashes import sha256

FAR = 1 << 29


def module(text):
    return bytes.fromhex(text.replace(" ", ""))


# (module (memory (export "memory") 1) (func (export "_start") (loop (br 0))))
SPIN = module(
    "0061736d01000000010401600000030201000503010001071302066d656d6f72790200065f737461727400000a090107"
    "0003400c000b0b"
)
# Up to 1,024 bytes of stdin to stdout.
ECHO = module(
    "0061736d01000000010c0260047f7f7f7f017f60000002440216776173695f736e617073686f745f7072657669657731"
    "0766645f72656164000016776173695f736e617073686f745f70726576696577310866645f7772697465000003020101"
    "0503010001071302066d656d6f72790200065f737461727400020a34013200410041c000360200410441800836020041"
    "0041004101410810001a41044108280200360200410141004101410c10011a0b"
)

# The realtime clock to stdout, 8 bytes.
CLOCK = module(
    "0061736d0100000001130360037f7e7f017f60047f7f7f7f017f600000024b0216776173695f736e617073686f745f70"
    "726576696577310e636c6f636b5f74696d655f676574000016776173695f736e617073686f745f707265766965773108"
    "66645f7772697465000103020102050401010101070a01065f737461727400020a280126004100420141c00010001a41"
    "0041c00036000041044108360000410141004101412010011a0b"
)


class Job:
    """What tasks.Job tells the edge."""

    def __init__(self, key, program, stdin, fuel=10000000):
        self.key = key
        self.program = sha256(program)
        self.input = sha256(stdin)
        self.args = []
        self.fuel = fuel
        self.pages = 1
        self.output = 2048
        self.deterministic = True
        self.seed = bytes(32)


class Seeds:
    controller = None


class Tasks:
    guest = None


class Guest:
    """Busy while the test says so; records what the edge reads."""

    reason = None

    def __init__(self):
        self.looks = []

    def look(self, load, free_bytes, heat, now_ms):
        self.looks.append((load, free_bytes, heat, now_ms))
        self.reason = "load" if load > 200 else None


class Membership:
    view = ()


class Node:
    """Records what it is told; says what the test put into `out` and `wants`."""

    def __init__(self):
        self.counters = Counters()
        self.store = self
        self.seeds = Seeds()
        self.membership = Membership()
        self.tasks = Tasks()
        self.blobs = {}
        self.attributes = {}
        self.available = True
        self.address = b"\x7f\0\0\1\x1b\x58"
        self.told = []
        self.out = []
        self.wants = []
        self.due = FAR
        self.on_receive = None
        self.on_step = None
        self.on_unfinished = lambda: False
        self.rng = Rng(b"recording")
        self.work = 0  # steps of long work left

    def wall_s(self):
        return 1800000000

    def hold(self, data):
        self.blobs[sha256(data)] = data

    def get(self, digest):
        return self.blobs.get(digest)

    def receive(self, data, addr, now_ms):
        self.told.append(("receive", bytes(data), addr))
        if self.on_receive:
            self.on_receive(data, addr)

    def handle_timer(self, now_ms):
        self.told.append(("timer",))
        self.due = FAR

    def deadline(self):
        return self.due

    def step(self, now_ms):
        if self.on_step:
            self.on_step()
        if self.work:
            self.work -= 1
            self.told.append(("step",))
        return self.work > 0

    def datagrams(self):
        out, self.out = self.out, []
        return out

    def events(self):
        wants, self.wants = self.wants, []
        return wants

    def shed(self):
        self.told.append(("shed",))

    def log(self, level, text):
        self.told.append(("log", level, text))

    def job_done(self, job, outcome, now_ms):
        self.told.append(("done", job.key, outcome))

    def set_wall(self, wall_s):
        self.told.append(("wall", wall_s))

    def leave(self, now_ms):
        self.told.append(("leave",))
        return self

    def keep(self):
        self.told.append(("keep",))

    def unfinished(self):
        self.told.append(("unfinished",))
        return self.on_unfinished()

    def status(self):
        return {"id": "00", "seats": [], "running": None}

    def heard(self, kind):
        """What was told of one kind."""
        return [told for told in self.told if told[0] == kind]


class Box:
    """A loop on a real socket around a recording node; home is a fresh directory."""

    def __init__(self, **settings):
        self.home = "/tmp/backfence-box-" + os.urandom(6).hex()
        disk.make_directory(self.home)
        self.node = Node()
        self.clock = Clock()
        config = Config()
        config.cpu_percent = 100
        for name in settings:
            setattr(config, name, settings[name])
        poller = select.poll()
        self.socket, self.address = bound(poller, self.node.counters)
        self.peer_poller = select.poll()
        self.peer, self.peer_address = bound(self.peer_poller, Counters())
        # A test's process keeps its own signals.
        stop = Stop(self.home + "/stop")
        self.loop = Loop(config, self.node, self.clock, poller, self.socket, None, stop, self.home, Beat(self.home + "/beat"))

    def turns(self, count):
        for _ in range(count):
            self.loop.turn(0)
            self.loop.jobs.step()

    def send_when_running(self, data):
        """The peer sends a datagram once the job runs."""

        def look():
            if self.loop.jobs.running:
                self.node.on_step = None
                self.peer.send(data, self.address)

        self.node.on_step = look

    def finish(self):
        """Turn until the job has ended; its Outcome."""
        count = 0
        while not self.node.heard("done"):
            self.turns(1)
            count += 1
            assert count < 10000
        return self.node.heard("done")[-1][2]

    def close(self):
        self.socket.close()
        self.peer.close()
        for name in os.listdir(self.home):
            os.remove(self.home + "/" + name)
        os.rmdir(self.home)


def bound(poller, counters):
    """A UDP socket on a free loopback port, and its packed address."""
    for _ in range(50):
        port = 20000 + int.from_bytes(os.urandom(2), "big") % 12000
        address = udp.resolve("127.0.0.1:" + str(port))
        try:
            return udp.Socket(address, poller, counters), address
        except LocalError:
            pass
    raise OSError("no free port")


class SteppedClock:
    """Each look takes a millisecond; a rest takes as long as it is asked to."""

    def __init__(self):
        self.now_ms = 1

    def now(self):
        self.now_ms += 1
        return self.now_ms


def start(box, job, program, stdin=b""):
    box.node.hold(program)
    box.node.hold(stdin)
    box.node.wants = [("job", job)]
    box.loop.turn(0)


def endless(box):
    start(box, Job(b"k", SPIN, b"", 1 << 62), SPIN)
