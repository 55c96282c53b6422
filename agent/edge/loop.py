"""The one loop of the agent: sockets and timers in, datagrams, MQTT and jobs out.

Everything the node wants happens here and nowhere else.  A turn waits for the
sockets until the next deadline, hands the node what came, and carries out what it
asks for.  A running job takes turns too, from its tick; such a turn is the same,
but nothing in it starts a job.

When memory runs out the job goes first, then the caches, never the node.
"""

import gc
import json
import sys

from ..backoff import Backoff
from ..compat import const
from ..errors import LocalError
from . import disk, system, udp
from .jobs import Jobs

# Datagrams handed to the node in one turn; the rest waits in the kernel, which
# drops what does not fit there.
DATAGRAMS = const(16)
# Long work (ladders, signatures) gets this much of one turn.
THINK_MS = const(4)
# Attributes and wall time are looked at this often.
LOOK_MS = const(10000)
# And with work here whether the box is busy: a task waits within a second.
GUEST_MS = const(500)
# After node.leave() what is unfinished gets this long: with the half second in which the
# file `stop` is seen, a second in all.
LEAVE_MS = const(500)
# Turns in a row that ran out of memory, with no job to blame: time to start anew.
STARVED_TURNS = const(50)
# Log lines at once, then one per interval.  The newest dropped: "log_dropped".
LOG_LINES = const(40)
LOG_INTERVAL_MS = const(1000)
LOG_CHARACTERS = const(300)


class Loop:
    """Joins one node to one box.

    config: config.Config; socket: udp.Socket; link: broker.Link or None;
    stop: stop.Stop; home: the home directory, for status.json; beat: started.Beat.
    """

    def __init__(self, config, node, clock, poller, socket, link, stop, home, beat):
        self._config = config
        self._node = node
        self._clock = clock
        # ipoll gives no new list each time; CPython has only poll.
        self._poll = getattr(poller, "ipoll", None) or poller.poll
        self._socket = socket
        self._link = link
        self._stop = stop
        self._home = home
        self._beat = beat
        self.jobs = Jobs(node, clock, self.turn, config.cpu_percent)
        self.stopping = False
        self.code = 0  # the exit code
        self._more = False  # the node has long work waiting
        self._due_ms = 0  # when something is due, as far as the wait knew
        self._datagrams = 0  # that may be received in this turn
        self._broker = 0  # what the poller said of the broker's socket
        self._wanted = []  # events of the node
        self._starved = 0
        self._disk_refused = False
        self._status_ms = self._look_ms = self._guest_ms = self._resolve_ms = 0
        self._readings = None  # readings.Readings, once there is work
        self._names = Backoff(node.rng, udp.RESOLVE_MS, udp.RESOLVE_MOST_MS)
        self._log_room = LOG_LINES
        self._log_ms = 0

    def run(self):
        """Turn until stopped, then leave in good order."""
        try:
            while not self.stopping:
                began_ms = self._clock.now()
                self.turn(self.jobs.rest_ms() if self.jobs.active() else self._stop.wait_ms)
                self.jobs.share.rested(self._clock.now() - began_ms)
                self._step_job()
        except KeyboardInterrupt:
            pass
        self._leave()

    def turn(self, most_ms):
        """One turn that waits at most most_ms.  Shallow and bounded: a job's tick
        calls it on top of the job's own calls."""
        try:
            self._wait(most_ms)
            self._serve(self._clock.now())
        except MemoryError:
            self._shed()

    # Small functions: a call with more than eleven words of state takes heap on
    # MicroPython, and an idle box hardly does anything but turns.

    def _wait(self, most_ms):
        """Until something is ready; _datagrams and _broker say what."""
        for event in self._poll(self._wait_ms(most_ms)):
            self._note(event)

    def _wait_ms(self, most_ms):
        self._due_ms = self._deadline()
        return 0 if self._more else max(0, min(most_ms, self._due_ms - self._clock.now()))

    def _note(self, event):
        if event[0] == self._socket.fileno:
            self._datagrams = DATAGRAMS
        elif self._link and event[0] == self._link.fileno:
            self._broker = event[1]
        elif event[0] == self._stop.fileno:
            self._stop.signalled()

    def _serve(self, now_ms):
        """All that is to be done in a turn."""
        while self._datagrams:
            self._datagrams = self._datagrams - 1 if self._receive(now_ms) else 0
            self._due_ms = 0  # by what came, perhaps
        if now_ms >= self._due_ms and now_ms >= self._node.deadline():
            self._node.handle_timer(now_ms)
        self._think(now_ms)
        self._drain()
        if self._link:
            ready, self._broker = self._broker, 0
            self._pump(ready, now_ms)
        self._look_around(now_ms)
        self._starved = 0

    def _think(self, now_ms):
        """Long work for a few ms: a job's turns are the only ones there are."""
        until_ms = now_ms + THINK_MS
        self._more = self._node.step(now_ms)
        while self._more and self._clock.now() < until_ms:
            self._more = self._node.step(now_ms)

    def _step_job(self):
        try:
            self.jobs.step()
        except MemoryError:
            # In the node, as it took the outcome: the task stays open.
            self._shed()

    def _deadline(self):
        due = self._node.deadline()
        if self._link:
            due = min(due, self._link.deadline())
        return min(due, self._status_ms) if self._config.status_ms else due

    def _receive(self, now_ms):
        """Hand one datagram to the node, with a step of its long work after it."""
        got = self._socket.receive()
        if got is None:
            return False
        if got[1] is not None:
            self._node.receive(got[0], got[1], now_ms)
            self._node.step(now_ms)
            self._drain()
        return True

    def _drain(self):
        """Carry out what the node wants."""
        for datagram in self._node.datagrams():
            self._send(datagram)
        # One that memory was lacking for is carried out later: the node waits for its job.
        self._wanted = self._wanted or self._node.events()
        while self._wanted:
            self._carry_out(self._wanted[0])
            self._wanted.pop(0)

    def _send(self, datagram):
        self._socket.send(datagram[0], datagram[1])

    def _carry_out(self, event):
        kind = event[0]
        if kind == "job":
            self.jobs.start(event[1])
            self._guest_ms = 0  # not on a box that is busy already
        elif kind == "cancel":
            self.jobs.cancel(event[1])
        elif kind == "log":
            self.log(event[1], event[2])
        elif kind == "restart":
            self._restart(event[1], event[2])
        elif not self._link:
            raise LocalError("a node without a broker wants to " + kind)
        elif kind == "publish":
            self._link.client.publish(event[1], event[2], event[3], 1, event[4])
        elif kind == "subscribe":
            self._link.client.subscribe(event[1])
        else:
            self._link.client.unsubscribe(event[1])

    def _restart(self, code, reason):
        """Leave in good order; the launcher starts an agent anew."""
        if not self.stopping:
            self.log("info", reason)
            self.stopping = True
            self.code = code
            self.jobs.end("cancelled")

    def _pump(self, ready, now_ms):
        node = self._node
        self._link.pump(ready, now_ms)
        for event in self._link.client.events():
            kind = event[0]
            if kind == "message":
                node.message(event[1], event[2], event[3], now_ms)
            elif kind == "published":
                node.published(event[1], now_ms)
            elif kind == "refused":
                node.refused(event[1], event[2], now_ms)
            elif kind == "connected":
                self.log("info", "broker: connected")
                node.connected(now_ms)
            elif kind == "disconnected":
                self.log("warning", "broker: " + event[1])
                node.disconnected(now_ms)
            elif kind == "failed":
                self.log("warning", "broker: " + event[1])
            else:
                self.log("warning", "broker: refused the subscription to " + event[1])
            self._drain()

    def _look_around(self, now_ms):
        """What is due now and then: stop, the box's state, names, status."""
        if self._stop.asked(now_ms) and not self.stopping:
            self.stopping = True
            self.jobs.end("cancelled")
        if not self._beat.beat(now_ms):
            self._node.counters.bump("beats_unwritten")
        if now_ms >= self._look_ms:
            self._look_ms = now_ms + LOOK_MS
            self._look_at_box()
            self._look_at_disk()
            self._resolve_controller(now_ms)
        if now_ms >= self._guest_ms:
            self._guest_ms = now_ms + GUEST_MS
            self._look_at_guest(now_ms)
        if self._config.status_ms and now_ms >= self._status_ms:
            self._status_ms = now_ms + self._config.status_ms
            self._write_status()

    def _look_at_box(self):
        node = self._node
        node.attributes["mem_free"] = system.memory()[1]
        node.attributes["load"] = system.load()
        node.set_wall(self._clock.wall())

    def _look_at_guest(self, now_ms):
        guest = self._node.tasks.guest
        if guest is None:
            return
        if self._readings is None:
            from .readings import Readings  # most boxes have no work

            self._readings = Readings(self._config.system_root.encode())
        readings = self._readings
        guest.look(readings.load(), readings.free(), readings.heat(), now_ms)
        self.jobs.parked = guest.reason is not None

    def _look_at_disk(self):
        """Say once that something is not kept; the counters say how often."""
        if self._disk_refused:
            return
        for name in ("store_errors", "status_unwritten", "beats_unwritten"):
            if self._node.counters[name]:
                self._disk_refused = True
                self.log("warning", "the disk refuses something: what is not kept is lost at the next start; %s counts"
                         % name)
                return

    def _resolve_controller(self, now_ms):
        """Ask again for a controller's name that did not resolve, while alone."""
        seeds = self._node.seeds
        if seeds.controller or not self._config.controller or self._node.membership.view:
            return
        if now_ms >= self._resolve_ms:
            self._resolve_ms = now_ms + self._names.next_ms()
            try:
                seeds.controller = udp.resolve(self._config.controller)
            except LocalError as problem:
                self.log("warning", "controller: " + str(problem))

    def _write_status(self):
        status = self._node.status()
        status["address"] = udp.text_of(self._node.address)
        # CPython does not say.
        status["heap_used"] = gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0
        try:
            disk.replace_file(self._home, "status.json", json.dumps(status).encode(), False)
        except OSError:
            self._node.counters.bump("status_unwritten")

    def _shed(self):
        """Memory ran out.  Nothing here takes any before some is free."""
        self.jobs.shed()
        if self._starved:
            self._node.shed()
        gc.collect()
        self._starved += 1
        if self._starved >= STARVED_TURNS:
            raise LocalError("no memory left; give the agent a larger heap")
        try:
            self._node.counters.bump("memory_shed")
            self.log("warning", "no memory")
        except MemoryError:
            pass  # the next turn may find some

    def log(self, level, text):
        """One line for the box's log, within a rate."""
        now_ms = self._clock.now()
        if now_ms - self._log_ms >= LOG_INTERVAL_MS:
            self._log_room = min(LOG_LINES, self._log_room + (now_ms - self._log_ms) // LOG_INTERVAL_MS)
            self._log_ms = now_ms
        if not self._log_room:
            self._node.counters.bump("log_dropped")
            return
        self._log_room -= 1
        sys.stderr.write(level + ": " + text[:LOG_CHARACTERS] + "\n")

    def _leave(self):
        """Hand the seats over, let what is unfinished end, leave the last will."""
        self.jobs.end("cancelled")
        self._step_job()
        now_ms = self._clock.now()
        leaving = self._node.leave(now_ms)
        self._drain()
        leaving.keep()
        until_ms = now_ms + LEAVE_MS
        while now_ms < until_ms and (leaving.unfinished() or self._link and self._link.client.owes()):
            self.turn(min(50, until_ms - now_ms))
            now_ms = self._clock.now()
        if self._link:
            self._link.close("leaving", now_ms)
        self._socket.close()
