"""The agent's own address and socket, waited for until the network is there.

A router starts its agent before its uplink has an address, and names resolve later
still.  Nothing a box does needs no network, so it waits here: no node is made, a
firmware on trial loses no time, and the launcher hears the beat.  What can never work
is refused at once.
"""

from ..backoff import Backoff
from ..compat import const
from . import udp

# Tries are this far apart at first, and at most: an address comes without a word.
FIRST_MS = const(500)
MOST_MS = const(10000)


def own_addresses(settings):
    """(address to listen on, address to tell others), both packed.  LocalError; udp.NotYet for a name.

    A wildcard is told as it is: who hears it takes the address that it sees.
    """
    listen = udp.resolve(settings.listen)
    return listen, udp.resolve(settings.advertise) if settings.advertise else listen


class Wait:
    """Waits for the network.

    settings: config.Config; rng for the pauses; clock: clock.Clock; poller, which a
    signal wakes; stop: stop.Stop; beat: started.Beat; say(line): a line for the log.
    """

    def __init__(self, settings, rng, clock, poller, stop, beat, say):
        self._settings = settings
        self._pauses = Backoff(rng, FIRST_MS, MOST_MS)
        self._clock = clock
        self._poller = poller
        self._stop = stop
        self._beat = beat
        self._say = say

    def open(self, counters):
        """(udp.Socket, address to tell others); None if the agent is stopped meanwhile.  LocalError."""
        waited = False
        while True:
            try:
                listen, address = own_addresses(self._settings)
                socket = udp.Socket(listen, self._poller, counters)
                if waited:
                    self._say("info: the network is there: listening on " + udp.text_of(listen))
                return socket, address
            except udp.NotYet as problem:
                if not waited:
                    self._say("warning: %s; waiting for the network" % problem)
                waited = True
            if not self._pass(self._pauses.next_ms()):
                return None

    def _pass(self, pause_ms):
        """Let pause_ms pass; False if the agent is to stop."""
        now_ms = self._clock.now()
        until_ms = now_ms + pause_ms
        while now_ms < until_ms:
            for event in self._poller.poll(min(self._stop.wait_ms, until_ms - now_ms)):
                if event[0] == self._stop.fileno:
                    self._stop.signalled()
            now_ms = self._clock.now()
            self._beat.beat(now_ms)
            if self._stop.asked(now_ms):
                return False
        return True
