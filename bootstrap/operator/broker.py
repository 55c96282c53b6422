"""A broker for demonstrations: amqtt in a process of its own, on loopback.

`Broker.start(log)` gives a running one with its host and port; `external(text)`
gives the same shape for a broker that somebody else runs.  It has no
authentication and keeps nothing on disk, so it listens on 127.0.0.1 only.

amqtt 0.11 to 0.12 needs three corrections, made in `corrected`:
- A new connection is sent the retained messages of *everybody's* subscriptions.
  One watcher of `backfence/#` would have every door flooded with each blob of
  the fleet when it connects.
- The walk over those subscriptions awaits at each step, and a subscription made
  meanwhile ends the new session with "dictionary changed size".
- What a client published is acknowledged, then queued to be passed on; when the
  client is gone by then, the queue is dropped.  A door that is killed at the
  wrong moment would take results with it that its peers were told are safe.

Also, a session without a password is not kept while its client is away, and a
message that is not acknowledged within 5 s is not sent again.
"""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import threading

from .errors import OperatorError

START_TIMEOUT_S = 20  # importing amqtt takes 1 to 2 s on a slow machine, ten is generous
REACH_TIMEOUT_S = 5  # a broker on the other side of the world answers in less than one


class BrokerError(OperatorError):
    """The broker could not be started or reached; the text is for a person."""


class Broker:
    """A broker's address, and its process if it is ours.

    host -- str, port -- int, process -- subprocess.Popen or None
    """

    def __init__(self, host, port, process=None):
        self.host = host
        self.port = port
        self.process = process

    @classmethod
    def start(cls, log):
        """Start an embedded broker on a free loopback port; its noise goes to the file `log`.

        Returns once it accepts connections.  Raises BrokerError.
        """
        command = [sys.executable, "-m", __name__ if __name__ != "__main__" else __spec__.name]
        with open(log, "ab") as sink:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, start_new_session=True
            )
        # The child writes one line, its port, when it listens; a timer keeps a
        # child that hangs from hanging us.
        timer = threading.Timer(START_TIMEOUT_S, process.kill)
        timer.start()
        line = process.stdout.readline()
        timer.cancel()
        if not line.strip().isdigit():
            process.kill()
            process.wait()
            raise BrokerError("the embedded broker did not start; see %s" % log)
        return cls("127.0.0.1", int(line), process)

    def stop(self):
        """End our own process; somebody else's broker is left alone."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __str__(self):
        return ("[%s]:%d" if ":" in self.host else "%s:%d") % (self.host, self.port)


def external(text):
    """The broker at `host:port` (or `[v6]:port`, or `host` for port 1883), checked to be an MQTT broker.

    Raises BrokerError with one clear line.
    """
    host, port = split_address(text)
    try:
        with socket.create_connection((host, port), REACH_TIMEOUT_S) as connection:
            connection.settimeout(REACH_TIMEOUT_S)
            # An MQTT 3.1.1 CONNECT with a clean session, and the start of its answer.
            connection.sendall(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x05\x00\x00")
            answer = connection.recv(4)
            connection.sendall(b"\xe0\x00")
    except OSError as error:
        raise BrokerError("no broker answers at %s (%s)" % (text, error.strerror or error)) from None
    if answer[:2] != b"\x20\x02":
        raise BrokerError("what answers at %s is not an MQTT broker" % text)
    if answer[3:4] != b"\x00":
        raise BrokerError("the broker at %s refuses us (code %d); one without a password is needed" % (text, answer[3]))
    return Broker(host, port)


def split_address(text, default_port=1883):
    """`host:port` -> (host, port).  Raises BrokerError."""
    host, separator, port = text.rpartition(":")
    if not separator or text.endswith("]"):
        host, port = text, str(default_port)
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    known = host and not set("[]") & set(host) and (bracketed or ":" not in host)
    if not known or not port.isdigit() or not 0 < int(port) < 65536:
        raise BrokerError("%r is not a broker's address; write host:port" % text)
    return host, int(port)


def corrected(port):
    """amqtt's Broker for 127.0.0.1:port, not started, with its faults corrected."""
    from amqtt.broker import Broker as Amqtt

    class Corrected(Amqtt):
        async def _publish_retained_messages_for_subscription(self, subscription, session):
            subscribers = self.subscriptions.get(subscription[0], ())
            if any(subscriber is session for subscriber, _qos in subscribers):
                await super()._publish_retained_messages_for_subscription(subscription, session)

        async def _client_message_loop(self, session, handler):
            waiting = handler.waiting = []
            deliver = handler.mqtt_deliver_next_message

            async def noted():
                message = await deliver()
                if message is not None:  # it is None when the wait was cancelled
                    waiting.append(message)
                return message

            handler.mqtt_deliver_next_message = noted
            await super()._client_message_loop(session, handler)
            while not session.delivered_message_queue.empty():
                waiting.append(session.delivered_message_queue.get_nowait())
            for message in list(waiting):
                taken = asyncio.get_running_loop().create_future()
                taken.set_result(message)
                await self._handle_message_delivery(session, handler, taken)

        async def _handle_message_delivery(self, session, handler, waiter):
            if waiter.result() is not None:
                handler.waiting.remove(waiter.result())
            return await super()._handle_message_delivery(session, handler, waiter)

    class Steady(dict):
        """May change while it is walked: the walk goes over how it was."""

        def __iter__(self):
            return iter(list(self.keys()))

        def items(self):
            return list(super().items())

    made = Corrected(
        {
            "listeners": {"default": {"type": "tcp", "bind": "127.0.0.1:%d" % port}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    made._subscriptions = Steady()
    return made


async def _serve():
    broker = corrected(0)
    await broker.start()
    port = broker._servers["default"].instance.sockets[0].getsockname()[1]
    print(port, flush=True)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    # Our parent holds the other end of stdin: when it dies, however it dies,
    # so do we.
    loop.add_reader(0, lambda: os.read(0, 1) or stopped.set())
    await stopped.wait()
    # Nothing is kept, so there is nothing to save; amqtt's own shutdown waits
    # for its clients and writes a traceback for its cancelled loop.
    os._exit(0)


def main():
    """Serve until stdin closes or a signal comes; the first line of output is the port."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
