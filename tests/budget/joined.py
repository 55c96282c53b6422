"""How much heap the agent of one box takes; on a MicroPython, with the agent as its path has it.

    -c "import usage, joined" measure FOLDER PROGRAM [door]
    -c "import usage, joined" few FOLDER PROGRAM [door]
    -c "import usage, joined" fit FOLDER PROGRAM

The box is a real one, every service on, a door too: its disk, sockets and loop are the
edge's.  Others live in the same heap on a wire in virtual time (tests/agent/lan.py) until
it has joined them, and are forgotten before it is measured; `few` has one other, and
strangers that the box is told to know, which is quick under emulation.  Prints lines
`NAME BYTES`, each after a collection and without what this program takes itself.
"""

import gc
import select
import sys

from backfence.agent.edge import disk, started, udp
from backfence.agent.edge.clock import Clock
from backfence.agent.edge.loop import Loop
from backfence.agent.edge.stop import Stop
from backfence.agent.membership import VIEW
from backfence.agent.rng import Rng
from backfence.agent.trust import Trust
from backfence.agent.wire import x25519
from backfence.agent.wire.hashes import sha256
from lan import Lan

import tables
from usage import LOADED, edge, used

BOXES = 26
CONF = """
listen = 127.0.0.1:7000
controller = 127.0.0.1:1
status_ms = 1000
"""
DOOR = """
door = 1
broker = 127.0.0.1:1
"""


class World(Lan):
    """A Lan whose box 0 has the edge around it."""

    def __init__(self, folder, boxes, door):
        self.folder = folder
        self.door = door
        self.loop = None
        Lan.__init__(self, boxes, door=bool(door), round_ms=60000, busy_round_ms=1000)

    def _node(self, config, identity, trust, memory, number):
        if number:
            return Lan._node(self, config, identity, trust, memory, number)
        from backfence.agent.config import parse

        config = parse(CONF + (DOOR if self.door else ""))
        for name in ("state", "store", "slots"):
            disk.make_directory(self.folder + "/" + name)
        box_disk = disk.Disk(self.folder + "/state", self.folder + "/store", self.folder + "/slots")
        node = Lan._node(self, config, identity, trust, box_disk, 0)
        poller = select.poll()
        clock = Clock()
        link = edge.make_link(self.folder, config, trust, identity, Rng(b"client"), node.counters, poller, clock.now())
        socket = udp.Socket(b"\x7f\0\0\1\0\0", poller, node.counters)
        self.loop = Loop(config, node, clock, poller, socket, link, Stop(self.folder + "/stop", poller, False), self.folder,
                         started.Beat(self.folder + "/store/beat"))
        return node


def joined(folder, boxes, door):
    """The Loop of a box that has joined the others, which are no more."""
    world = World(folder, boxes, door)
    world.join_all()
    box = world.nodes[0]
    world.run(2000)
    if door:
        box.connected(world.now_ms)
    box.attributes.update({"load": 10, "mem_free": 1 << 20, "mem_total": 1 << 25})
    world.push(0, {"kind": "slice", "name": "edge", "seats": BOXES})
    world.push(0, {"kind": "query", "name": "loads", "by": "load", "where": [">", "load", 5]})
    world.run(200000 if boxes > 2 else 5000)
    box.membership.join([tables.box_at(number) for number in range(7000, 7000 + BOXES - boxes)])
    assert len(box.membership.view) == VIEW and len(box.rumours.manifests) == 2, box.status()
    loop = world.loop
    forget()
    loop._write_status()
    return loop


def forget():
    """As the agent forgets what only its start needs."""
    import usage

    global edge
    edge = usage.edge = None
    usage.start.forget()


def take_own(box):
    """Give a box of the wire the trust and the ladder that a real one has: no more of lan.py is in it."""
    lan = box.trust
    box.trust = Trust(lan.keys, lan.owner, lan.lots, lan.lot, lan.leaf, lan.path)
    box.ladder = box.peers._ladder = x25519.Ladder


def forget_programs():
    """What only these tests need: a box has the whole heap to itself."""
    global Lan, World, joined, tables
    del Lan, World, joined, tables
    for name in ("lan", "tables"):
        del sys.modules[name]


def during_a_job(loop):
    """The most heap in use while a job runs, each time after a collection."""
    box = loop._node
    program, words = open(sys.argv[3], "rb").read(), b"to be or not to be " * 200
    job = Job(program, words)
    assert box.store.put(program) and box.store.put(words)
    outcomes, most, ticks = [], [0], [0]
    box.job_done = lambda job, outcome, now_ms: outcomes.append(outcome)
    tick = loop.jobs.tick

    def measured():
        ticks[0] += 1
        if ticks[0] % 8 == 1:
            most[0] = max(most[0], used())
        return tick()

    loop.jobs.tick = measured
    loop.turn = loop.jobs._turn = lambda wait_ms: None  # the others are no more
    loop.jobs.start(job)
    while loop.jobs.active():
        loop.jobs.step()
    most[0] = max(most[0], used())
    assert outcomes[0].kind == "ok" and b"be 400\n" in outcomes[0].output, (outcomes[0].kind, outcomes[0].reason)
    return most[0]


class Job:
    """What tasks.Job tells the edge."""

    def __init__(self, program, words):
        self.key = b"key"
        self.program, self.input = sha256(program), sha256(words)
        self.args = []
        self.fuel = 1 << 40
        self.pages = 1
        self.output = 32768
        self.deterministic = True
        self.seed = bytes(32)


def short_of_caps(box):
    """Fill the tables; those that are not full, as text."""
    filled = tables.fill(box, lambda: take_own(box))
    return ["%s: %d of %d" % (name, filled[name][0], filled[name][1]) for name in filled if filled[name][0] != filled[name][1]]


def measure(folder, door):
    """Figures by name, in a heap that holds a whole neighbourhood as well."""
    overhead = used() - LOADED
    print("loaded", LOADED)
    gc.threshold(-1)  # the others' garbage is not the box's
    loop = joined(folder, BOXES, door)
    print("joined", used() - overhead)
    short = short_of_caps(loop._node)
    assert not short, short
    print("full", used() - overhead)
    before = used()
    print("job", during_a_job(loop) - before)


def few(folder, door):
    """Figures by name, of a box that knows as many as one of a neighbourhood does."""
    overhead = used() - LOADED
    print("loaded", LOADED)
    gc.threshold(-1)
    loop = joined(folder, 2, door)
    tables.acquaint(loop._node, [tables.box_at(number) for number in range(BOXES - 2)], 1)
    assert len(loop._node.peers.table) == BOXES - 1
    print("joined", used() - overhead)


def fit(folder):
    """A job in the heap that a box has, every table at its cap: the outcome's kind."""
    loop = joined(folder, 2, "")
    short = short_of_caps(loop._node)
    assert not short, short
    forget_programs()
    print("full", used())
    print("fits", during_a_job(loop))


def main(what, folder, door=""):
    """Do what the arguments say."""
    if what == "fit":
        fit(folder)
    elif what == "few":
        few(folder, door)
    else:
        measure(folder, door)


main(sys.argv[1], sys.argv[2], *sys.argv[4:])
