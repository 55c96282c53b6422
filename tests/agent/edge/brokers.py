"""Real brokers, the agent's client on a real interpreter, and paho as the other side."""

import json
import pathlib
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time

import paho.mqtt.client as paho

from backfence.sim.live import interpreters

HERE = pathlib.Path(__file__).parent
# Long enough for a busy machine; nothing here waits this long when it works.
LIMIT_S = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, what):
    until = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.02)


class Broker:
    """A broker process on a port of its own that can be killed and started again."""

    def __init__(self, kind, folder, lines=()):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        if kind == "mosquitto":
            program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
            configuration = folder / "mosquitto.conf"
            lines = lines or ("allow_anonymous true",)
            text = [f"listener {self.port} 127.0.0.1", "persistence false", "user root", *lines]
            configuration.write_text("\n".join(text) + "\n")
            self.command = [program, "-c", str(configuration)]
        else:
            self.command = [sys.executable, str(HERE / "amqtt_broker.py"), str(self.port)]
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.accepts, "the broker to listen")

    def accepts(self):
        assert self.process.poll() is None, "the broker ended"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def kill(self):
        self.process.kill()
        self.process.wait()


class Driver:
    """mqtt_driver.py on an interpreter; its events come line by line."""

    def __init__(self, interpreter, address, *login, heap="512K"):
        found = interpreters.find(interpreter)
        command = found.arguments(str(HERE / "mqtt_driver.py"), address, *login, heap=heap)
        self.process = subprocess.Popen(
            command, env=found.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.events = []
        self.answers = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if event[0] == "did":
                self.answers.put(event[1])
            else:
                self.events.append(event)

    def do(self, *words):
        """A command; what the client answered."""
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        return self.answers.get(timeout=LIMIT_S)

    def wait(self, event, count=1):
        """Wait until as many events begin with these words."""
        event = list(event)
        wait_for(lambda: sum(e[: len(event)] == event for e in self.events) >= count, f"{event} in {self.events}")

    def kill(self):
        self.process.kill()
        self.process.wait()


class Other:
    """A stock client at the same broker."""

    def __init__(self, broker, *topics, login=None, ca=None):
        self.messages = []
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        if login:
            self.client.username_pw_set(*login)
        if ca:
            self.client.tls_set(str(ca))
        ready = threading.Event()
        self.client.on_message = lambda c, u, m: self.messages.append((m.topic, m.payload, m.qos, m.retain))
        self.client.on_subscribe = lambda *a: ready.set()
        self.client.connect("localhost" if ca else "127.0.0.1", broker.port)
        self.client.loop_start()
        if topics:
            self.client.subscribe([(topic, 1) for topic in topics])
            assert ready.wait(LIMIT_S)

    def publish(self, topic, payload, qos=1, retain=False):
        """Publish and wait for the broker's word."""
        self.client.publish(topic, payload, qos, retain).wait_for_publish(LIMIT_S)

    def wait(self, topic, payload):
        wait_for(lambda: any(m[:2] == (topic, payload) for m in self.messages), f"{topic} in {self.messages}")

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()
