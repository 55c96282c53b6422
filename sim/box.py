"""A box: the very same node as on a real one, and what its edge does for it.

The box drains the node's datagrams and events after every call, wakes it at its
deadline, takes its long computations one slice at a time, and can lose its
power between any two events, or at any write to its disk.
"""

from . import launcher
from .disk import Disk, PowerCut

# A slice of a long computation takes at most this long on a slow box.
STEP_MS = 5

# Monotonic clocks start anywhere, also past 2^30 and 2^31, where 32-bit
# interpreters change their integers.
CLOCK_START_MAX_MS = 1 << 32

# What a crash leaves of the disk: the process is killed; the power goes; the
# box is replaced by one with the same key.
KEPT = "kept"
TORN = "torn"
LOST = "lost"


class Later:
    """A stream of the seed that is made when it is first drawn from: most disks never lose a byte."""

    def __init__(self, world, name):
        self._world = world
        self._name = name

    def __getattr__(self, attribute):
        stream = self._world.stream(self._name)
        self.__dict__.update(random=stream.random, randrange=stream.randrange, shuffle=stream.shuffle)
        return getattr(stream, attribute)


class NodeRaised(Exception):
    """A node raised out of its own interface: always a bug, never the weather's."""

    def __init__(self, box, at_ms, error):
        super().__init__("box %d at %.3f s: %s: %s" % (box, at_ms / 1000, type(error).__name__, error))
        self.box = box


class Box:
    """One box.  `live` while its agent runs; `wanted` while the world wants it to run."""

    def __init__(self, world, number, address, reachable=True, drift_ppm=0, wall_off_s=0):
        self.world = world
        self.number = number
        self.address = address
        self.reachable = reachable
        self.disk = Disk(Later(world, "disk/%d" % number))
        self.node = None
        self.starts = 0
        self.wanted = False
        self.drift_ppm = drift_ppm
        self.wall_off_s = wall_off_s
        # Where its monotonic clock starts; None: anywhere.
        self.clock_start_ms = None
        self.door = False
        # An insider whose messages are altered (liar.py); no checker counts on it.
        self.liar = False
        # Set by whoever gives the box a broker connection and a job cell.
        self.mqtt = None
        self.cell = None
        self.on_power_cut = None
        # A launcher.Launcher if firmware is updated here, what it has started, the last exit code.
        self.launcher = None
        self.running = None
        self._ended = None
        # network.Link of its access line in each direction; None carries all at once.
        self.up = None
        self.down = None
        # If not reachable: which NAT it shares with others (None: it has its own), and
        # whether that gives each conversation another port.
        self.nat = None
        self.symmetric = False
        # For a NAT: address -> when this box last spoke to it.
        self.spoken = {}
        self.timers = 0
        self.inputs = 0
        self._born_ms = 0
        self._clock_ms = 0
        self._wake_ms = None
        self._due_ms = 0
        self._stepping = False

    @property
    def live(self):
        """Whether the agent runs."""
        return self.node is not None

    def clock(self):
        """The box's own monotonic clock, ms."""
        elapsed = self.world.now_ms - self._born_ms
        if self.drift_ppm:
            elapsed += elapsed * self.drift_ppm // 1_000_000
        return self._clock_ms + elapsed

    def wall_s(self):
        """The box's own wall clock, Unix seconds."""
        return self.world.wall_s() + self.wall_off_s

    def start(self):
        """Starts the agent afresh on what the disk holds."""
        self.starts += 1
        self.wanted = True
        self._born_ms = self.world.now_ms
        self._clock_ms = self.clock_start_ms
        if self._clock_ms is None:
            drawn = self.world.stream("box/%d/%d" % (self.number, self.starts))
            self._clock_ms = drawn.randrange(CLOCK_START_MAX_MS)
        self._wake_ms = None
        self._stepping = False
        self.world.note(self.number, "start")
        try:
            if self.launcher is not None:
                self.running = self.launcher.running(self.disk, self._ended)
            self.node = self.world.make_node(self, self.clock(), self.wall_s())
        except PowerCut:
            self._power_cut()
            return
        if self.launcher is not None:
            self._behave(self.launcher.behaviour(self.disk, self.running.slot))
        if self.mqtt is not None:
            self.mqtt.start()
        self._call(None)

    def crash(self, disk=KEPT):
        """The agent ends without a word; `disk` says what happens to its disk."""
        self.world.note(self.number, "crash, disk " + disk)
        self.on_power_cut = None
        self._ended = launcher.KILLED if disk == KEPT else None
        self._down()
        if disk == LOST:
            self.disk.wipe()
        elif disk == TORN:
            self.disk.lose_power()
        self.disk.disarm()

    def stop(self):
        """A clean stop: the node says good-bye, its last datagrams are sent."""
        self.world.note(self.number, "stop")
        self.wanted = False
        self._ended = None
        self._leave()
        if self.live:
            self._down()

    def _leave(self):
        self._call(self.node.leave)
        if self.live:
            self._call(lambda now: self.node.leaving.keep())

    def _behave(self, word):
        """What a bad image does."""
        for bad in launcher.LIFE_MS:
            if word.startswith(bad):
                wait_ms = launcher.PAUSE_MS + (launcher.SILENT_MS if bad == launcher.HANG else 0)
                self.world.after(launcher.LIFE_MS[bad], self._end_badly, self.node, wait_ms)
        if word.startswith(launcher.MUTE):
            self.node.transmit = lambda data, addr: None

    def _end_badly(self, node, wait_ms):
        if self.node is node:
            self.crash()
            self.world.after(wait_ms, self._again)

    def _restart(self, node, code):
        """The agent ends by itself, and its launcher starts one anew."""
        if self.node is node:
            self._leave()
        if self.node is node:
            self._down()
            self._ended = code
            self.start()

    def _again(self):
        if self.wanted and not self.live:
            self.start()

    def receive(self, data, address):
        """A datagram for this box."""
        self._call(self.node.receive, data, address)

    def tell(self, method, *arguments):
        """Calls what a scenario wants of the node, which may take no time as its argument."""
        self._call(lambda now: method(*arguments))

    def job_done(self, job, outcome):
        """The cell is done with a job."""
        if self.live:
            self._call(self.node.job_done, job, outcome)

    def connected(self):
        """The broker took our connection."""
        self._call(self.node.connected)

    def disconnected(self):
        """The broker is gone."""
        self._call(self.node.disconnected)

    def published(self, token):
        """The broker acknowledged what was published under `token`."""
        self._call(self.node.published, token)

    def message(self, topic, payload, retained):
        """The broker sent a message."""
        self._call(self.node.message, topic, payload, retained)

    def _down(self):
        self.node = None
        self.spoken.clear()
        if self.mqtt is not None:
            self.mqtt.stop()
        if self.cell is not None:
            self.cell.stop()

    def _power_cut(self):
        revive = self.on_power_cut
        self.crash(TORN)
        if revive is not None:
            revive()

    def _call(self, method, *arguments):
        """Calls a method of the node (its last argument is the box's time), then drains."""
        self.inputs += 1
        try:
            now = self.clock()
            if method is not None:
                method(*arguments, now)
            node = self.node
            if not self._stepping and node.step(now):
                self._stepping = True
                self.world.after(STEP_MS, self._step, node)
            for data, address in node.datagrams():
                self.world.network.send(self, address, data)
            for event in node.events():
                self._handle(event)
            # Nothing but a call moves a node's deadline, so an alarm need not ask again.
            self._due_ms = due = node.deadline()
            self._set_alarm(due - now)
        except PowerCut:
            self._power_cut()
        except Exception as error:
            raise NodeRaised(self.number, self.world.now_ms, error) from error

    def _set_alarm(self, own_ms):
        # An alarm that comes too early looks at the deadline again, so only an
        # earlier deadline needs a new entry in the world's heap.
        wait = self._until(own_ms) if self.drift_ppm else own_ms
        wake = self.world.now_ms + (wait if wait > 1 else 1)
        if self._wake_ms is None or wake < self._wake_ms:
            self._wake_ms = wake
            self.world.at(wake, self._wake, self.node, wake)

    def _until(self, own_ms):
        """How long until the box's own clock has gone on by `own_ms`."""
        if own_ms <= 0:
            return own_ms
        wait = own_ms * 1_000_000 // (1_000_000 + self.drift_ppm)
        return wait + 1

    def _wake(self, node, wake):
        # The box may have restarted, or an earlier alarm taken this one's place.
        if self.node is not node or self._wake_ms != wake:
            return
        self._wake_ms = None
        own_ms = self._due_ms - self.clock()
        if own_ms > 0:
            self._set_alarm(own_ms)
        else:
            self.timers += 1
            self._call(node.handle_timer)

    def _step(self, node):
        if self.node is node:
            self._stepping = False
            self._call(None)

    def _handle(self, event):
        name = event[0]
        if name == "log":
            self.world.note(self.number, "log %s %s" % (event[1], event[2]))
        elif name == "job":
            self.world.note(self.number, "job %s/%d" % (event[1].workload, event[1].task))
            self.cell.start(event[1])
        elif name == "cancel":
            self.world.note(self.number, "cancel")
            self.cell.cancel(event[1])
        elif name == "restart":
            self.world.note(self.number, "restart %d: %s" % (event[1], event[2]))
            self.world.after(0, self._restart, self.node, event[1])
        elif self.mqtt is not None:
            self.world.note(self.number, "%s %s" % (name, event[1]), event[2] if name == "publish" else b"")
            self.mqtt.handle(event)
