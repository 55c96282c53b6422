"""Broker and controller of the soak, which go away now and then and come back."""

import signal
import time

# Between two outages, and how long one is, s.
OUTAGE_S, AWAY_S = 120, (1, 30)
# A broker that was told to end writes its sessions and retained messages before it does, s.
END_S = 10


class Outages:
    """Ends and starts the broker (brokers.Broker) and the controller, at times drawn from `rng`.

    start_controller() -- starts it; returns its lab.Process
    restore() -- publishes anew what a broker that lost all must know
    counts -- {what: times it went}
    """

    def __init__(self, rng, broker, start_controller, restore):
        self._rng = rng
        self._broker = broker
        self._start_controller = start_controller
        self._restore = restore
        self._controller = start_controller()
        self._next_s = time.monotonic() + OUTAGE_S
        self._back = {}  # what is away: (when it comes back, what then)
        self.counts = {"broker SIGTERM": 0, "broker kill -9": 0, "controller kill -9": 0}

    @property
    def broker_away(self):
        """True while there is no broker to push at."""
        return "broker" in self._back

    def turn(self, idle):
        """Begin or end an outage.  idle: no job is on its way, so that a broker may lose what it holds."""
        now_s = time.monotonic()
        for name in list(self._back):
            back_s, come_back = self._back[name]
            if now_s >= back_s:
                del self._back[name]
                come_back()
        if now_s >= self._next_s:
            self._next_s = now_s + self._rng.uniform(0.5, 1.5) * OUTAGE_S
            self._begin(self._rng.choice(list(self.counts)), idle, now_s)

    def _begin(self, what, idle, now_s):
        name = what.split()[0]
        if name in self._back:
            return
        back_s = now_s + self._rng.uniform(*AWAY_S)
        if what == "controller kill -9":
            self._controller.kill()
            self._back[name] = back_s, self._controller_back
        elif what == "broker kill -9" and idle:
            self._broker.kill()
            self._back[name] = back_s, self._emptied_broker_back
        else:
            # Results that it took and nobody fetched yet are kept only by a broker that ends in order.
            what = "broker SIGTERM"
            self._broker.process.send_signal(signal.SIGTERM)
            self._broker.process.wait(END_S)
            self._back[name] = back_s, self._broker.start
        self.counts[what] += 1

    def _controller_back(self):
        self._controller = self._start_controller()

    def _emptied_broker_back(self):
        self._broker.start()
        self._restore()
