"""A whole Backfence on hosts of its own: the ISP in one, each box in another, routers between.

            isp (broker, controller, operator)
             |
            core ---- west ---- w1, w2, ...      each line is a cable, each name a host
             |  \\
             |   ---- east ---- e1, e2, ...
             nat1 (as in homes) ---- n1, ...

Everything is real: the agent on MicroPython, mosquitto, the controller, the operator's code.
Judged from outside: by the kernel's counters, by captures, and by what the operator settles.
"""

import collections
import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from net import Net

from backfence.bootstrap.operator import enrol, lab, manifests, push, text, world
from backfence.bootstrap.operator import fleet as fleets
from backfence.bootstrap.operator import run as runs
from backfence.sim.live import interpreters

HERE = Path(__file__).resolve().parent
PROGRAM = HERE.parent.parent / "examples" / "words.wasm"
HEAP = "1wM"  # as firmware gives a box
LIMIT_S = 90  # for whatever is waited for; some ten times what it takes
TASK_BYTES = 4096
PORT = 7000
# Short rounds, as in `make run`: a person waits, and virtual months are the simulator's business.
SETTINGS = {"round_ms": 2000, "busy_round_ms": 500, "probe_ms": 500, "status_ms": 300, "cpu_percent": 90, "busy_load": 0, "busy_heat": 0}
SITES = {"west": 1, "east": 2}


def site_of(name):
    """The site of a box, as its name begins."""
    return next(site for site in SITES if site[0] == name[0])


def say(line):
    """Progress, for who runs `make hosts`."""
    print("   " + line, flush=True)


def wait_for(reason, most_s=LIMIT_S):
    """Waits until reason() is empty (None, "" or []); the seconds it took.  AssertionError with the reason."""
    began = time.monotonic()
    while why := reason():
        assert time.monotonic() - began < most_s, "not within %d s: %s" % (most_s, why)
        time.sleep(0.2)
    return time.monotonic() - began


class Job:
    """A workload under way, as its owner sees it."""

    def __init__(self, cloud, name, data, slice, **limits):
        self.cloud = cloud
        self.data = data
        pieces = [data[at:at + TASK_BYTES] for at in range(0, len(data), TASK_BYTES)]
        self.session = cloud.session(name)
        plan = manifests.workload_manifest(cloud.fleet, name, slice, PROGRAM.read_bytes(), pieces, **limits)
        self.work, _ = runs.start(cloud.fleet, plan, "sum", self.session)
        self.collector = runs.Collector(self.work, self.session)

    def collect(self, seconds):
        """Take what comes for so long, or until all is settled; the share that has succeeded."""
        self.collector.collect(time.monotonic() + seconds)
        return self.done / len(self.work.settlement.tasks)

    @property
    def done(self):
        """Tasks that have succeeded."""
        return self.work.settlement.counts()["SUCCEEDED"]

    def settle(self, most_s=LIMIT_S):
        """All is settled, and the counts are CPython's; {box's name: its tasks}."""
        self.collect(most_s)
        settlement = self.work.settlement
        assert settlement.succeeded, (settlement.counts(), dict(settlement.verdicts), self.cloud.told())
        assert settlement.verdicts["conflicting"] == settlement.verdicts["forged"] == 0, settlement.verdicts
        pieces = [self.data[at:at + TASK_BYTES] for at in range(0, len(self.data), TASK_BYTES)]
        expected = sum((collections.Counter(text.count(piece)) for piece in pieces), collections.Counter())
        assert self.work.merged() == text.lines(expected)
        self.session.close()
        return {self.cloud.names[row["box"]]: row["tasks"] for row in settlement.metering()}


class Cloud:
    """folder: for homes, logs and the fleet; family: 4 or 6, of the broker's and controller's address."""

    def __init__(self, net, folder, family=4):
        self.net = net
        self.folder = Path(folder)
        self.family = family
        self.fleet = None
        self.processors = {}  # name: the interpreter of that box, if it is not "micropython"
        self.boxes = {}  # name: fleet.Box
        self.names = {}  # id in hex: name
        self.agents = {}  # name: lab.Process
        self._others = []
        self._sessions = []

    # -- processes

    def _start(self, host, name, words, home, environment=None, niceness=0):
        log = str(Path(home) / (name + ".log"))
        with open(log, "ab") as sink:
            popen = subprocess.Popen(
                self.net.prefix(host) + words, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT,
                env=environment, start_new_session=True, preexec_fn=lab.Child(niceness))
        return lab.Process(name, home, log, popen)

    def start(self, name):
        """Starts the agent of a box, compiled as its package is, in the box's host."""
        home = self.boxes[name].home
        found = interpreters.find(self.processors.get(name, "micropython"))
        words = found.arguments("-m", "backfence.agent", "--home", home, heap=HEAP)
        environment = dict(found.environment, MICROPYPATH=".frozen:" + interpreters.compiled_agent())
        self.agents[name] = self._start(name, name, words, home, environment, niceness=5)

    def up(self, contacts, without=()):
        """Opens the ISP and starts all boxes but some; the seconds until they are one overlay."""
        self.open(contacts)
        for name in self.boxes:
            if name not in without:
                self.start(name)
        return self.joined()

    def close(self):
        """Ends all processes and sessions."""
        for session in self._sessions:
            session.close()
        lab.stop_all(list(self.agents.values()) + self._others)

    # -- the ISP

    def isp(self, port):
        """host:port in the host of the ISP."""
        return enrol.join_address(self.net.address("isp", "core", self.family), port)

    def enrol(self, names, doors, settings=None, extra=None):
        """Makes the fleet and the homes.

        doors: names of boxes with a broker; settings: agent.conf for all, beside SETTINGS;
        extra: {name: agent.conf of that box}.
        """
        self.fleet = fleets.create(str(self.folder / "fleet"), width=4, broker=self.isp(1883))
        made = self.fleet.enrol(len(names), PORT, doors=0, homes=str(self.folder / "homes"))
        common = {"listen": "0.0.0.0:%d" % PORT, "controller": self.isp(6999), **SETTINGS, **(settings or {})}
        for name, box in zip(names, made):
            self.boxes[name] = box
            self.names[box.id.hex()] = name
            lines = enrol.conf("", self.isp(1883) if name in doors else None, {**common, **(extra or {}).get(name, {})})
            (Path(box.home) / "agent.conf").write_text(lines)

    def open(self, contacts):
        """Starts broker and controller; contacts: [(box's name, its host text)] of the seed list."""
        config = self.folder / "mosquitto.conf"
        config.write_text("listener 1883\nallow_anonymous true\nuser root\n")
        program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
        assert program, "mosquitto is not installed"
        seeds = self.folder / "seeds.cose"
        rows = [(self.boxes[name].id, enrol.pack_address(enrol.join_address(host, PORT))) for name, host in contacts]
        seeds.write_bytes(self.fleet.sign(manifests.seeds_manifest(self.fleet, rows)))
        controller = [sys.executable, "-m", "backfence.bootstrap.controller", "--listen", "[::]:6999", "--seeds", str(seeds)]
        self._others.append(self._start("isp", "broker", [program, "-c", str(config)], str(self.folder)))
        self._others.append(self._start("isp", "controller", controller, str(self.folder)))

    def session(self, name):
        """The operator's session for the results of a workload."""
        with self.net.inside("isp"):
            session = runs.open_session(self.fleet, name, self.isp(1883))
        self._sessions.append(session)
        return session

    def slice(self, name, seats, where=None):
        """Signs and publishes a slice."""
        with self.net.inside("isp"), push.Session(self.isp(1883)) as session:
            signed = self.fleet.sign(manifests.slice_manifest(self.fleet, name, seats, where))
            push.publish(self.isp(1883), self.fleet, signed, session=session)

    def job(self, name, tasks, slice="edge", **rest):
        """Publishes a word count of `tasks` tasks; a Job.

        Which seat does which task follows from the name: 24 tasks of "first", "second" or
        "again" leave none of 3 to 5 seats idle.
        """
        return Job(self, name, text.default_text(tasks * TASK_BYTES)[:tasks * TASK_BYTES], slice, **rest)

    # -- what is waited for

    def statuses(self, names=None):
        """The status dicts of the boxes named, of all by default, as they last wrote them."""
        found = [self.agents[name].status() for name in names or self.agents if self.agents[name].alive()]
        return [status for status in found if status]

    def alive(self):
        """AssertionError with the last line of an agent that has ended by itself."""
        for name, agent in self.agents.items():
            assert agent.killed or agent.alive(), (name, agent.code, lab.last_line(agent.log))

    def joined(self, names=None, most_s=LIMIT_S):
        """Waits until the boxes named are one overlay; the seconds it took."""
        names = names or list(self.agents)

        def missing():
            self.alive()
            return world.stragglers(self.statuses(names), len(names))

        return wait_for(missing, most_s)

    def filled(self, seats, names=None, slice="edge", most_s=LIMIT_S):
        """Waits until every seat is held once and the ring is closed; the seconds it took."""

        def faults():
            self.alive()
            return "; ".join(world.ring_faults(self.statuses(names), slice, seats))

        return wait_for(faults, most_s)

    def held(self, slice="edge", names=None):
        """{name: seat} as the boxes say."""
        seats = world.held_seats(self.statuses(names), slice)
        return {self.names[id]: seat for seat, ids in seats.items() for id in ids}

    def told(self):
        """The last log line of each agent, for a failure's report."""
        return {name: lab.last_line(agent.log) for name, agent in self.agents.items()}


@contextlib.contextmanager
def street(folder, homes, family=4, families=(4, 6), mtu=1500, links=None):
    """(Net, Cloud): sites west and east behind routers of their own.

    homes: {"west": how many, "east": how many}; mtu: of the cables between routers;
    links: {site: makes the cable from its router to the core}, Net.cable by default.
    """
    net = Net()
    cloud = Cloud(net, folder, family)
    try:
        net.host("core", "isp")
        net.cable("isp", "core", (0, 9), families=families)
        net.route("isp", "default", "core")
        for site, count in homes.items():
            number = SITES[site]
            net.host(site)
            lay = (links or {}).get(site) or Net.cable
            lay(net, site, "core", (0, number), mtu, families)
            net.route(site, "default", "core")
            net.route("core", number, site)
            for home in range(1, count + 1):
                name = "%s%d" % (site[0], home)
                net.host(name)
                net.cable(name, site, (number, home), families=families)
                net.route(name, "default", site)
        yield net, cloud
    finally:
        cloud.close()
        net.close()
