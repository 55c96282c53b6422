"""A cable in user space that loses, delays, repeats and overtakes packets.

    relay.py NAMESPACE DEVICE NAMESPACE DEVICE FAULTS COUNTS

Makes a TUN device in each namespace and carries whole IP packets between the two, so all
that goes over it suffers alike: UDP and TCP, IPv4 and IPv6.  FAULTS is a JSON object of
Faults; the draws come from its seed.  "ready" on stdout once the devices are there.  COUNTS
is a file that gets what became of the packets, as JSON, when SIGTERM ends the relay.
"""

import ctypes
import dataclasses
import fcntl
import heapq
import json
import os
import random
import select
import signal
import struct
import sys
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
PACKET_BYTES = 65536


@dataclasses.dataclass
class Faults:
    """Shares are from 0 to 1.  Each packet waits delay_ms; one that is overtaken, late_ms more."""

    seed: int = 1
    loss: float = 0.0
    delay_ms: int = 0
    duplicate: float = 0.0
    reorder: float = 0.0
    late_ms: int = 30


class Wire:
    """What becomes of packets, without clock or device.

    counts: {"packets", "lost", "repeated", "overtaken": int}
    """

    def __init__(self, faults):
        self.faults = faults
        self.rng = random.Random(faults.seed)
        self.counts = {"packets": 0, "lost": 0, "repeated": 0, "overtaken": 0}
        self._queue = []
        self._newest = {}  # target: number of the newest packet that it got
        self._number = 0

    def take(self, packet, target, now_s):
        """A packet has come that wants to go to `target`."""
        faults, draw = self.faults, self.rng.random
        self.counts["packets"] += 1
        if draw() < faults.loss:
            self.counts["lost"] += 1
            return
        copies = 1 + (draw() < faults.duplicate)
        self.counts["repeated"] += copies - 1
        self._number += 1
        for _ in range(copies):
            late_ms = faults.late_ms * (1 + draw()) if draw() < faults.reorder else 0
            heapq.heappush(self._queue, (now_s + (faults.delay_ms + late_ms) / 1000, self._number, target, packet))

    def due(self):
        """When the next packet goes out, None if none waits."""
        return self._queue[0][0] if self._queue else None

    def ready(self, now_s):
        """[(packet, target)] of those whose time has come."""
        out = []
        while self._queue and self._queue[0][0] <= now_s:
            _, number, target, packet = heapq.heappop(self._queue)
            if number < self._newest.get(target, 0):
                self.counts["overtaken"] += 1
            self._newest[target] = max(number, self._newest.get(target, 0))
            out.append((packet, target))
        return out


def tun(namespace, device):
    """The file descriptor of a new TUN device in a namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/run/netns/" + namespace) as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            sys.exit("Error: cannot enter %s: %s" % (namespace, os.strerror(ctypes.get_errno())))
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", device.encode(), IFF_TUN_NO_PI))
    return fd


def carry(wire, ends, stop):
    """Moves packets between the two descriptors until stop() is true."""
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    while not stop():
        due = wire.due()
        wait_s = 0.5 if due is None else max(0.0, min(0.5, due - time.monotonic()))
        for end in select.select(ends, [], [], wait_s)[0]:
            try:
                wire.take(os.read(end, PACKET_BYTES), other[end], time.monotonic())
            except OSError:
                continue  # the device is down
        for packet, target in wire.ready(time.monotonic()):
            try:
                os.write(target, packet)
            except OSError:
                wire.counts["lost"] += 1  # the device is down, or its queue is full


def main(arguments):
    """Runs until SIGTERM."""
    first, first_device, second, second_device, faults, counts = arguments
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    wire = Wire(Faults(**json.loads(faults)))
    ends = [tun(first, first_device), tun(second, second_device)]
    print("ready", flush=True)
    carry(wire, ends, lambda: stopped)
    with open(counts, "w") as file:
        json.dump(wire.counts, file)


if __name__ == "__main__":
    main(sys.argv[1:])
