"""What the operator's tests share: a fleet made once, real boxes' receipts, a real broker."""

import collections
import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import threading
import time

from backfence.agent.wire import cbor, hashes, x25519
from backfence.bootstrap.operator import fleet as fleets
from backfence.bootstrap.operator import files, manifests, push

# The smallest module: a magic number and a version.  Nothing here runs it.
PROGRAM = b"\0asm\1\0\0\0"


def make_fleet(directory, boxes=4, base_port=7000):
    """A fleet with trees that are quick to make, and homes for its boxes."""
    fleet = fleets.create(str(directory), width=4)
    if boxes:
        fleet.enrol(boxes, base_port, doors=1)
    return fleet


def workload(fleet, tasks=4, **options):
    """A workload of small inputs."""
    inputs = options.pop("inputs", None) or [b"input %d" % number for number in range(tasks)]
    return manifests.workload_manifest(fleet, options.pop("name", "words"), "edge", PROGRAM, inputs, **options)


class BoxHand:
    """Makes results as a box makes them, with the agent's own cryptography."""

    def __init__(self, fleet, box):
        self.fleet = fleet
        self.box = box
        self.private = files.read(os.path.join(box.home, "box.key"))
        self.keys = [self.key_for(fleet.owner_public)]  # a tag for each

    def key_for(self, owner):
        """The key of this box's receipts for an owner."""
        return hashes.hkdf(x25519.shared(self.private, owner), self.fleet.id, b"backfence receipt", 32)

    def receipt(self, plan, task, output=b"", **changes):
        payload = plan.payload
        fields = {
            "box": self.box.id, "workload": payload["name"], "seq": payload["seq"], "task": task,
            "outcome": "ok", "code": 0, "reason": "", "output": hashlib.sha256(output).digest(),
            "size": len(output), "fuel": 1000, "pages": 1, "ms": 20,
            "bytes_in": plan.sizes[task] if task < len(plan.sizes) else 7, "bytes_out": len(output),
        }
        fields.update(changes)
        return {"byte_s": fields["pages"] * 65536 * fields["ms"] // 1000, **fields}

    def result(self, plan, task, output=b"", **changes):
        """Returns (topic, payload) of a result; changes are to the receipt."""
        receipt = cbor.encode(self.receipt(plan, task, output, **changes))
        tag = b"".join(hashes.hmac_sha256(key, receipt)[:16] for key in self.keys)
        topic = self.fleet.topic("result", plan.payload["name"], str(task), self.box.id.hex())
        return topic, cbor.encode([receipt, tag, output])


def hands(fleet):
    """Returns a BoxHand for each enrolled box."""
    return [BoxHand(fleet, box) for box in fleet.boxes().values()]


def census_of(box, epoch=3, **changes):
    """A census as a door makes it: {key: value}, CBOR it with `cbor.encode`."""
    spread = {"count": 8, "attribute": "load", "age_s": 40, "mean": 50, "sd": 29, "least": 0, "most": 100,
              "cdf": [[25, 2500], [50, 5000], [75, 7500]], "top": None, "threshold": None}
    edge = {"seats": 8, "filled": 5, "matching": 6, "heard": [[0, 1, box], [1, 1, box]], "candidates": 1}
    census = {
        "door": box, "wall_s": int(time.time()), "epoch": epoch, "age_s": 40, "quick": False, "size": 8,
        "rounds_ms": 60000, "slices": {"edge": edge}, "queries": {"load": spread}, "versions": {"1.0": 8},
        "jobs": {"running": 1, "open": 2}, "workloads": {}, "carrying": 0, "published": 0,
    }
    return {**census, **changes}


class Broker(str):
    """A broker's "host:port", with its pid."""


@contextlib.contextmanager
def mosquitto(directory, port=None):
    """A real mosquitto on a free port of loopback; yields a Broker."""
    port = port or free_port()
    config = os.path.join(str(directory), f"mosquitto-{port}.conf")
    with open(config, "w") as file:
        file.write(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    executable = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
    process = subprocess.Popen([executable, "-c", config], stderr=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < give_up and process.poll() is None, "mosquitto does not start"
                time.sleep(0.02)
        broker = Broker(f"127.0.0.1:{port}")
        broker.pid = process.pid
        yield broker
    finally:
        process.kill()
        process.wait()


def free_port(kind=socket.SOCK_STREAM):
    """A port of loopback that nobody listens on."""
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class FleetHands:
    """Stands where the fleet stands: takes manifests from a real broker, answers with real results.

    work(plan payload, task, input) gives an output or a dict of receipt changes,
    or None for silence.  Runs in a thread of its own until closed.
    """

    def __init__(self, fleet, broker, work):
        self.fleet, self.work = fleet, work
        self.boxes = hands(fleet)
        self.session = push.Session(broker)
        self.session.subscribe(fleet.topic("manifest", "+"), fleet.topic("blob", "+"))
        self.blobs, self.plans, self.answered = {}, {}, set()
        self.closing = self.poked = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing = True
        self.thread.join(10)
        self.session.close()

    def poke(self):
        """Has the boxes try again what they did not answer."""
        self.poked = True

    def _run(self):
        while not self.closing:
            message = self.session.receive(0.05)
            if message is None:
                if self.poked:
                    self.poked = False
                    self._answer_all()
                continue
            self.session.done(message)
            kind, name = message.topic.split("/")[2:]
            if kind == "blob":
                self.blobs[name] = message.payload
            elif message.payload:
                payload = manifests.read(message.payload, self.fleet.keys)
                self.plans[name] = payload
            # A manifest that is retained may come before its blobs.
            self._answer_all()

    def _answer_all(self):
        for payload in self.plans.values():
            if payload["kind"] == "workload" and not payload.get("end"):
                self._answer(payload)

    def _answer(self, payload):
        plan = manifests.Manifest(payload)
        if any(digest.hex() not in self.blobs for digest in payload["index"]):
            return
        index = b"".join(self.blobs[digest.hex()] for digest in payload["index"])
        for task in range(payload["tasks"]):
            data = self.blobs.get(index[32 * task:32 * task + 32].hex())
            if data is None:
                continue
            first, asked = payload.get("again", (0, None))
            if asked and not asked[task >> 3] >> (task & 7) & 1:
                continue
            for replica in range(first, first + payload["replicas"]):
                hand = self.boxes[(task + replica) % len(self.boxes)]
                if (payload["name"], payload["seq"], task, hand.box.id) in self.answered:
                    continue
                made = self.work(payload, task, data, replica)
                if made is None:
                    continue
                self.answered.add((payload["name"], payload["seq"], task, hand.box.id))
                output, changes = (b"", made) if isinstance(made, dict) else (made, {})
                topic, body = hand.result(plan, task, output, **{"bytes_in": len(data), **changes})
                self.session._client.publish(topic, body, qos=1)


def count_words(_payload, _task, data, _replica=0):
    """The words program's work, as the boxes would do it."""
    counts = collections.Counter(data.split())
    return b"".join(b"%s %d\n" % pair for pair in sorted(counts.items()))


def retained(broker, topic):
    """What a client gets that comes later: {topic: payload}."""
    found = {}
    with push.Session(broker) as session:
        session.subscribe(topic)
        while (message := session.receive(0.4)) is not None:
            session.done(message)
            found[message.topic] = message.payload
    return found
